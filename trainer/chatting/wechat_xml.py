"""The XML of an official account: flat messages in, replies out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union
from xml.parsers import expat

MOST_BYTES = 64 << 10  # A message has at most 2,048 bytes of text, and encryption takes 4 bytes for 3.
_DEEPEST = 8


class Malformed(Exception):
    """What was sent is not a message."""


class _Reader:
    """Collects the texts of the elements below the root."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self._path: list[str] = []

    def start(self, name: str, _: object) -> None:
        self._path.append(name)
        if len(self._path) > _DEEPEST:
            raise Malformed('too deep')
        if len(self._path) == 2 and self.fields.setdefault(name, ''):
            raise Malformed('an element twice')

    def text(self, text: str) -> None:
        if len(self._path) == 2:
            self.fields[self._path[1]] += text

    def end(self, _: str) -> None:
        self._path.pop()


def _refuse(*_: object) -> None:
    """Entities of a DTD could grow without bound, or name files."""
    raise Malformed('a DTD')


def parse(data: bytes) -> dict[str, str]:
    """The texts of the elements directly below the root, by their names.

    Raises:
      Malformed: more than MOST_BYTES, not XML, with a DTD, too deep, or with an element twice.
    """
    if len(data) > MOST_BYTES:
        raise Malformed(f'more than {MOST_BYTES:,} bytes')
    reader, parser = _Reader(), expat.ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler = reader.start, reader.text
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # The latter for an unknown encoding.
        raise Malformed(type(error).__name__) from None
    return reader.fields


Field = Union[str, int, Mapping[str, str]]


def render(fields: Mapping[str, Field]) -> bytes:
    """The fields as <xml>: texts as CDATA, numbers as they are."""
    return f'<xml>{_elements(fields)}</xml>'.encode()


def _elements(fields: Mapping[str, Any]) -> str:
    return ''.join(f'<{name}>{_content(value)}</{name}>' for name, value in fields.items())


def _content(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        return _elements(value)
    # XML 1.0 has no control characters, and CDATA cannot hold its own end.
    allowed = ''.join(character for character in value if character in '\t\n' or character.isprintable())
    return f'<![CDATA[{allowed.replace("]]>", "]]]]><![CDATA[>")}]]>'
