"""Serves a trained model over HTTP.

Imports `inference`, `page` and `chatting`.
"""
