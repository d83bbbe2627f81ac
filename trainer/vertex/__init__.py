"""Job files of Vertex AI: read, filled, and held against what Vertex AI and the trainer take.

Imports `cli`, `options` and `machine`.
"""
