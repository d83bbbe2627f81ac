"""Reads the text in small pictures with an OCR engine, and turns it into a table of votes for convert.label.

Imports `listing` and `pictures`. The engines are optional: nothing of them is imported before one is made.
"""
