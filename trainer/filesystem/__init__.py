"""Files and folders, local or gs://: read, written in one step, claimed, locked.

Imports `storage` and `errors`.
"""
