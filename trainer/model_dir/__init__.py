"""The files in a run's folder: checkpoints, hyper-parameters, the data it was trained on, events.

Imports `options`, `dcgan` and `data`.
"""
