"""Lists the folder to convert, local or gs://, without the outputs of this project.

Imports `rejection`, and the modules of `trainer` that recognise its outputs.
"""
