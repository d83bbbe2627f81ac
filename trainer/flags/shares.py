"""Shares, as people write them: 90%."""

from __future__ import annotations

from trainer import errors


def parse(flag: str, text: str, of: str) -> float:
    """'90%' or '90' -> 0.9.

    Raises:
      errors.UserError: it is not a number above 0 and at most 100; the message names `flag`, and says of what it is a
        share.
    """
    try:
        percent = float(text[:-1] if text.endswith('%') else text)
    except ValueError:
        percent = -1.0
    if not 0 < percent <= 100:
        raise errors.UserError(f'{flag}={text} is not a share of {of}: give a percentage, such as 90%')
    return percent / 100
