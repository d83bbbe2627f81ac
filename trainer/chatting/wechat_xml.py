"""The XML of an official account: flat messages in, replies out."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from trainer.chatting.http_client import Failed

_MOST_BYTES = 64 << 10  # A message has at most 2,048 bytes of text, and encryption takes 4 bytes for 3.
_TOO_DEEP = '/'.join('*' * 8)


def _refuse(*_: object) -> None:
    """Entities of a DTD could grow without bound, or name files."""
    raise Failed('this is no message (a DTD)', 400)


def parse(data: bytes) -> dict[str, str]:
    """The texts of the elements directly below the root, by their names.

    Raises:
      Failed: more than 64 KiB, with status 413; not XML, with a DTD, too deep, or with an element twice, with 400.
    """
    if len(data) > _MOST_BYTES:
        raise Failed(f'more than {_MOST_BYTES:,} bytes', 413)
    guard = expat.ParserCreate()  # It stops where a DTD begins; ElementTree would read that to its end.
    guard.StartDoctypeDeclHandler = _refuse
    try:
        guard.Parse(data, True)
        root = ElementTree.fromstring(data)
    except (SyntaxError, expat.ExpatError, LookupError, ValueError) as error:  # The latter two for unknown encodings.
        raise Failed(f'this is no message ({type(error).__name__})', 400) from None
    fields = {field.tag: (field.text or '') + ''.join(below.tail or '' for below in field) for field in root}
    if len(fields) < len(root) or root.find(_TOO_DEEP) is not None:
        raise Failed('this is no message (too deep, or an element twice)', 400)
    return fields


def render(fields: dict[str, Any]) -> bytes:
    """The fields as <xml>: texts as CDATA, numbers as they are, dicts as elements of their own."""
    return _content({'xml': fields}).encode()


def _content(value: Any) -> str:
    if isinstance(value, dict):
        return ''.join(f'<{name}>{_content(part)}</{name}>' for name, part in value.items())
    if isinstance(value, int):
        return str(value)
    # XML 1.0 has no control characters, and CDATA cannot hold its own end.
    allowed = ''.join(character for character in value if character in '\t\n' or character.isprintable())
    return f'<![CDATA[{allowed.replace("]]>", "]]]]><![CDATA[>")}]]>'
