"""A trained generator: found, loaded, drawn from, exported.

Imports `model_dir` and `dcgan`.
"""
