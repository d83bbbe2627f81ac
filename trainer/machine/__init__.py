"""Finds, checks and watches the machine to train on, this one or a TPU, and fits the schedule to it.

Imports `options` and `dcgan.hparams`.
"""
