"""A trained generator in other formats, and the card that describes it.

Imports `generator`, `monitoring` and what is below them.
"""
