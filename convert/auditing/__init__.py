"""What a data set is like, before a network is trained on it.

Imports `output`, `listing` and `pictures`.
"""
