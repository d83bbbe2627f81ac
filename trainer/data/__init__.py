"""Records on disk: their schema, their checks, and a data set as numbered images.

Imports `filesystem` and what is below it.
"""
