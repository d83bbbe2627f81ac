"""Recipes: files of flags, one per line, in the encodings that editors save."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator, Sequence

from trainer import errors

_DIRECTIVES = ('--flagfile', '-flagfile')
_COMMENTS = ('#', '//')
_MOST_BYTES, _MOST_FLAGS, _DEEPEST = 1 << 20, 10_000, 20
# Byte-order marks, which Windows editors and PowerShell's `>` put in front.
_MARKS = {codecs.BOM_UTF8: 'utf-8-sig', codecs.BOM_UTF16_LE: 'utf-16', codecs.BOM_UTF16_BE: 'utf-16'}


def expanded(argv: Sequence[str]) -> list[str]:
    """The arguments with each --flagfile=FILE replaced by the flags in it.

    absl does the same, but takes a byte-order mark for the first letter of a flag, and decodes by the locale.

    Raises:
      errors.UserError: a file cannot be read, is not text, or includes itself.
    """
    flags: list[str] = []
    for flag in _expanded(list(argv), depth=0):
        flags.append(flag)
        if len(flags) > _MOST_FLAGS:
            raise errors.UserError(f'--flagfile: more than {_MOST_FLAGS:,} flags: name a recipe of flags, one per line')
    return flags


def _expanded(words: list[str], depth: int) -> Iterator[str]:
    while words:
        word = words.pop(0)
        directive, equals, path = word.partition('=')
        if word == '--':
            yield from (word, *words)
            return
        if directive not in _DIRECTIVES:
            yield word
            continue
        if not equals and words:
            path = words.pop(0)
        if not path:
            raise errors.UserError('--flagfile is empty: name a file, or leave it out')
        if depth > _DEEPEST:
            raise errors.UserError(f'--flagfile={path} is included too deep: a recipe must not include itself')
        yield from _expanded(_lines(os.path.expanduser(path.strip())), depth + 1)


def _lines(path: str) -> list[str]:
    try:
        with open(path, 'rb') as file:
            data = file.read(_MOST_BYTES)
        encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), 'utf-8')
        lines = data.decode(encoding).splitlines()
    except OSError as error:
        raise errors.UserError(f'--flagfile={path} cannot be read ({error.strerror}): correct the path') from None
    except UnicodeError:
        raise errors.UserError(f'--flagfile={path} is not UTF-8 text: save it as UTF-8') from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith(_COMMENTS)]
