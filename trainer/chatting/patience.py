"""Waits between tries."""

from __future__ import annotations

import random
from collections.abc import Callable

from absl import logging

_FIRST_S, _LONGEST_S = 1.0, 60.0


class Patience:
    """Waits longer after each failure in a row, at random, so that many clients do not come back together."""

    def __init__(self, sleep: Callable[[float], None]):
        """Takes what waits for a number of seconds."""
        self.sleep, self._next_s = sleep, _FIRST_S

    def wait(self, error: Exception) -> None:
        """Says what failed, and waits."""
        seconds = self._next_s * random.uniform(0.5, 1)
        self._next_s = min(2 * self._next_s, _LONGEST_S)
        logging.warning('WeChat does not answer (%s); again in %.0f s', error, seconds)
        self.sleep(seconds)

    def reset(self) -> None:
        """Begins anew after a success."""
        self._next_s = _FIRST_S
