"""Networks to start from: those that come with the package, and those of another run.

Imports `model_dir` and `dcgan`.
"""
