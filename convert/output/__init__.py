"""A data set written: shards, previews and reports, staged beside their folder and moved in one step.

Imports `listing` and `rejection`.
"""
