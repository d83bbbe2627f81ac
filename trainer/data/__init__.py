"""Records on disk: their schema, the checks that they pass, and a data set as numbered images.

Imports `filesystem` and what is below it.
"""
