"""A trained generator in other formats, and the card that describes it.

Imports `generator`, `monitoring`, `evaluation` and what is below them.
"""
