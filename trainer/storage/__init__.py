"""Cloud Storage: its client, and one line for each refusal of it.

Imports `errors` and no other room.
"""
