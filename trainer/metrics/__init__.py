"""What a generator learned, in numbers: functions of feature arrays.

It does not know files or networks. Imports `data` for numbered images.
"""
