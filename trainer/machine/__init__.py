"""The machine, this one or a TPU: found, checked, fitted to the schedule, and watched.

Imports `options` and `dcgan.hparams`.
"""
