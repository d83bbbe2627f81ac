"""Pictures against a data set: all measures, and a report of them.

Imports `features`, `metrics` and `generator`.
"""
