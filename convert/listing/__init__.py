"""What lies in the folder to convert, local or gs://, without what this project has made.

Imports `rejection`, and of `trainer` whatever knows its own outputs.
"""
