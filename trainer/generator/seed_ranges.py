"""Seeds of pictures, as people write and read them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trainer import errors

MOST = 1_000_000
_LARGEST = 2**31 - 1


def parse(text: str) -> list[int]:
    """'3,17,40-42' -> [3, 17, 40, 41, 42].

    Raises:
      errors.UserError: it is not a list of seeds and ranges, a seed is out of range, or there are too many.
    """
    seeds: list[int] = []
    for part in text.split(','):
        found = re.fullmatch(r'([0-9]{1,10})(?:-([0-9]{1,10}))?', part.strip())
        if not found:
            raise errors.UserError(f'--seeds={text}: {part!r} is neither a seed nor a range; write 3,17,40-49')
        start, end = int(found[1]), int(found[2] or found[1])
        if start > end or end > _LARGEST:
            raise errors.UserError(f'--seeds={text}: {part!r} must rise and end at {_LARGEST} at most')
        if len(seeds) + end - start >= MOST:
            raise errors.UserError(f'--seeds={text}: more than {MOST:,} pictures; make them in several runs')
        seeds += range(start, end + 1)
    return seeds


def table(seeds: Sequence[int], columns: int) -> str:
    """The seeds in the order of a grid, so that any picture in it can be made again."""
    width = len(str(max(seeds)))
    rows = [seeds[i : i + columns] for i in range(0, len(seeds), columns)]
    return '\n'.join(' '.join(f'{seed:{width}d}' for seed in row) for row in rows)
