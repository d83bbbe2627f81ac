"""Images as vectors: extractors that see colour and texture in early layers, shapes in late ones.

Imports `data` and what is below it.
"""
