"""What a run tells of itself while it trains: measures, their history and chart, and a verdict in words.

Imports `features`, `metrics`, `generator` and `model_dir`.
"""
