"""What a generator learned, in numbers: functions of feature arrays, in numpy alone."""
