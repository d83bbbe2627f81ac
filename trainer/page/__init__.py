"""The static page on which a person looks at what was learned, and at the data.

Imports `data`, `features` and `metrics`.
"""
