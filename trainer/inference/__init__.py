"""What a trained model answers: pictures for seeds and labels, and what is on a picture.

Imports `generator`, `labelling`, `evaluation` and what is below them.
"""
