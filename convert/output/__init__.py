"""Writes a data set: shards, preview and list of rejections, first staged and then moved into place as a whole.

Imports `listing` and `rejection`.
"""
