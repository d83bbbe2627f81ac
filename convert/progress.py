"""How far the work is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time

import tqdm
from absl import logging

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts images towards a total.

    Example:
      with Progress('decoding', total) as progress:
          progress.advance()  # for each image
    """

    def __init__(self, doing: str, total: int):
        """`doing` is a verb for the person who watches."""
        self._doing, self._total, self._done = doing, total, 0
        self._bar = tqdm.tqdm(desc=doing, total=total, unit=' images') if sys.stderr.isatty() else None
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES

    def advance(self) -> None:
        """Counts one image."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        elif (now := time.monotonic()) >= self._next_line:
            self._next_line = now + _SECONDS_BETWEEN_LINES
            logging.info('%s: %d of %d images', self._doing, self._done, self._total)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
