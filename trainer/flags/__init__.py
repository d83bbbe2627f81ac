"""Flags as fields of frozen dataclasses: what a field may hold, how its value is read, recipes of flags.

Knows no particular flag. Imports `filesystem` and what is below it.
"""
