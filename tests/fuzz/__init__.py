"""Damages the input of the programs at random, and checks that the worst result is a one-line error.

Damaged input may lead to the right result, or to one line and a documented exit code. It must never lead to a
traceback, a hang, a crash of C++, memory beyond a bound, a file outside the folder, or the loss of an earlier result.
`kinds.KINDS` are the inputs to damage. `tests/test_fuzz.py` tries a few of each kind, `python -m tests.benchmarks.fuzz`
tries many.

The number of a try determines it, so `python -m tests.fuzz --kind=KIND --first=NUMBER --tries=1` repeats one.
"""
