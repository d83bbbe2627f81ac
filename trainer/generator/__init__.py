"""A trained generator: found, loaded, sampled, exported, and taken apart into plain operations.

Imports `model_dir` and `dcgan`.
"""
