"""python -m tests.fuzz --kind=KIND --first=NUMBER --tries=COUNT: repeats single tries."""

import sys

from absl import logging

from tests.fuzz import kinds, runner

logging.set_verbosity(logging.FATAL)
runner.main(kinds.KINDS, sys.argv[1:])
