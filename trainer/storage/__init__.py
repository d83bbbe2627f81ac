"""Cloud Storage: its client, and one line for each of its errors.

Imports `errors` and no other part of the trainer.
"""
