"""What is measured of a run while it trains: the measures, their history and chart, and a verdict in words.

Imports `features`, `metrics`, `generator` and `model_dir`.
"""
