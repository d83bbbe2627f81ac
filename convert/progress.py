"""Shows how far the work is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time

from absl import logging

from trainer import environment

with environment.without('TQDM_'):  # tqdm reads them at import, and fails if they are not numbers.
    import tqdm

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts images, or other things, towards a total.

    Example:
      with Progress('decoding', total) as progress:
          progress.advance()  # for each image
    """

    def __init__(self, doing: str, total: int, unit: str = 'images'):
        """`doing` is the verb to show, such as 'decoding'; `unit` names the things that are counted."""
        self._doing, self._total, self._done, self._unit = doing, total, 0, unit
        self._bar = tqdm.tqdm(desc=doing, total=total, unit=f' {unit}') if sys.stderr.isatty() else None
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES

    def advance(self) -> None:
        """Counts one."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        elif (now := time.monotonic()) >= self._next_line:
            self._next_line = now + _SECONDS_BETWEEN_LINES
            logging.info('%s: %d of %d %s', self._doing, self._done, self._total, self._unit)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
