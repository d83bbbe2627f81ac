"""The static page that shows a person what was learned, and the data.

Imports `data`, `features`, `metrics` and `operations`.
"""
