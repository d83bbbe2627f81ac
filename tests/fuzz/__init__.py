"""Damages what the programs read, at random, and sees that nothing worse happens than a line.

What may come out of damaged input is the right result, or one line and a documented code: never a traceback, a hang, a
crash of C++, memory beyond a bound, a file outside the folder, or a lost earlier result. `kinds.KINDS` are the inputs
that are damaged; `tests/test_fuzz.py` tries a few of each, `python -m tests.benchmarks.fuzz` many.

Each try is decided by its number alone, so `python -m tests.fuzz --kind=KIND --first=NUMBER --tries=1` repeats one.
"""
