"""Reads and fills job files of Vertex AI, and checks that Vertex AI and the trainer accept them.

Imports `cli`, `options` and `machine`.
"""
