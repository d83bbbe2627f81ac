"""Messages of iLink as they come: JSON objects of which any part may be missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

TEXT, IMAGE, VOICE = 1, 2, 3  # Types of items.
_FROM_PERSON = 1


@dataclasses.dataclass(frozen=True)
class Incoming:
    """A message from a person.

    Attributes:
      id: of the message; '' if it has none.
      person: who wrote it.
      context: the token that every answer must carry.
      text: its words.
      image: the image_item; empty for none.
    """

    id: str
    person: str
    context: str
    text: str
    image: Mapping[str, Any]


def incoming(message: Mapping[str, Any]) -> Incoming | None:
    """A message of a person, in a chat with the bot alone; None for others."""
    person, context, items = (message.get(name) for name in ('from_user_id', 'context_token', 'item_list'))
    if message.get('message_type') != _FROM_PERSON or message.get('group_id') or not isinstance(person, str):
        return None
    items = dicts(items)
    words = _part(items, TEXT, 'text_item').get('text') or _part(items, VOICE, 'voice_item').get('text')
    known_by = next((message[name] for name in ('message_id', 'client_id', 'seq') if message.get(name)), '')
    return Incoming(
        f'{person} {known_by}' if known_by else '',
        person,
        str(context or ''),
        str(words or ''),
        _part(items, IMAGE, 'image_item'),
    )


def _part(items: Sequence[Mapping[str, Any]], kind: int, name: str) -> Mapping[str, Any]:
    """What the first item of a type holds; empty for none."""
    found = dicts([item.get(name) for item in items if item.get('type') == kind])
    return found[0] if found else {}


def dicts(values: Any) -> list[dict[str, Any]]:
    """Those of a JSON list that are objects; none if it is no list."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
