"""Turns one file into pixels: formats, decoding, colour, bit depth, repair.

Imports `options`, `parallel` and `rejection`.
"""
