"""Labels the images of a data set by marks of a person, votes of other programs, and what follows from them.

Imports `output`, `listing` and `pictures`.
"""
