"""Examines a data set before a network is trained on it.

Imports `output`, `listing` and `pictures`.
"""
