"""Trained networks that come with the package; `packing` reads and writes them."""

NAMES = ('clothes32', 'clothes64')
