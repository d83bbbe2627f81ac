"""A trained generator: found, loaded, sampled, exported.

Imports `model_dir` and `dcgan`.
"""
