"""Pictures compared with a data set: all metrics, and a report of them.

Imports `features`, `metrics` and `generator`.
"""
