"""Labels for all images of a set from a few that a person has marked.

Imports `features` and what is below it.
"""
