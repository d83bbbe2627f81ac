"""What a generator learned, in numbers: functions of feature arrays, in numpy alone.

Knows no file and no network. Imports `data` for numbered images.
"""
