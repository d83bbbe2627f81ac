"""Answers messages, and the chat platforms that carry them.

Imports `inference`.
"""
