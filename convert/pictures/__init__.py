"""One file becomes pixels: formats, decoding, colour, depth, repair.

Imports `options`, `parallel` and `rejection`.
"""
