"""Ways to damage bytes, JSON, text and records, decided by a random generator."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

import google_crc32c
import numpy as np
import tensorflow as tf

Random = np.random.Generator
# Text that people, other programs and attackers put in the wrong place.
NASTY_TEXTS = (
    '', ' ', 'x', '0', '-1', 'nan', 'inf', '1e400', '²', '１', 'true', 'null', '../../outside', '/outside', 'a/b', '..',
    '.', 'a\\b', 'a\nb', 'a\0b', '\x1b[2J', '~', 'gs://', 'gs://x/y', 's3://x', '=1+1', '%s%n', '${HOME}', '$(id)',
    '[a-z]*', 'é', '\U0001f600', 'x' * 5000, '../best', 'dataset.json',
)  # fmt: skip
NASTY_VALUES = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**40, 0.5, -0.0, 1e308, 1e-320, float('nan'),
    float('inf'), [], {}, [[]], {'a': 1}, [1, 2, 3], *NASTY_TEXTS,
)  # fmt: skip
_MOST_BYTES = 64


def damaged_bytes(data: bytes, random: Random) -> bytes:
    """`data` with one to three changes: flipped, cut, inserted, repeated, swapped or emptied."""
    for _ in range(int(random.integers(1, 4))):
        data = _pick(_BYTES, random)(data, random)
    return data


def damaged_json(text: str, random: Random) -> str:
    """A JSON document with a value, a key or its text changed."""
    if random.random() < 0.2:
        return damaged_bytes(text.encode(), random).decode('utf-8', 'surrogateescape')
    document = json.loads(text)
    for _ in range(int(random.integers(1, 3))):
        document = _pick(_JSON, random)(document, random)
    return json.dumps(document)


def damaged_lines(text: str, random: Random, tokens: Sequence[str] = NASTY_TEXTS) -> str:
    """A text with lines removed, repeated or moved, or words replaced by `tokens`."""
    lines = text.split('\n')
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(len(lines)))
        how = int(random.integers(5))
        if how == 0 and len(lines) > 1:
            del lines[at]
        elif how == 1:
            lines.insert(at, lines[int(random.integers(len(lines)))])
        elif how == 2:
            lines.insert(at, _pick(tokens, random))
        elif how == 3:
            words = lines[at].replace(',', ' , ').split(' ')
            words[int(random.integers(len(words)))] = _pick(tokens, random)
            lines[at] = ' '.join(words).replace(' , ', ',')
        else:
            at_character = int(random.integers(len(lines[at]) + 1))
            lines[at] = lines[at][:at_character] + _pick(tokens, random) + lines[at][at_character:]
    return '\n'.join(lines)


def damaged_records(serialized: Sequence[bytes], random: Random) -> bytes:
    """A TFRecord file with correct checksums and damaged records."""
    made = list(serialized)
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(len(made)))
        made[at] = _pick(_EXAMPLES, random)(made[at], random)
    if random.random() < 0.2:
        made.insert(int(random.integers(len(made))), b'')
    framed = [frame(record) for record in made]
    if random.random() < 0.2:  # Any length, with a correct checksum of the length.
        framed[int(random.integers(len(framed)))] = frame(made[0], int(2.0 ** random.uniform(0, 63.9)))
    return b''.join(framed)


def frame(data: bytes, length: int | None = None) -> bytes:
    """A record as in a TFRecord file, with `length` in its header."""
    header = struct.pack('<Q', len(data) if length is None else length)
    return header + _masked_crc(header) + data + _masked_crc(data)


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack('<I', ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _pick(things: Sequence[Any], random: Random) -> Any:
    return things[int(random.integers(len(things)))]


def _stretch(data: bytes, random: Random) -> tuple[int, int]:
    begin = int(random.integers(len(data) + 1))
    most = _MOST_BYTES if random.random() < 0.7 else len(data)
    return begin, min(len(data), begin + int(random.integers(most + 1)))


def _flipped(data: bytes, random: Random) -> bytes:
    if not data:
        return data
    at = int(random.integers(len(data)))
    return data[:at] + bytes([data[at] ^ 1 << int(random.integers(8))]) + data[at + 1 :]


def _overwritten(data: bytes, random: Random) -> bytes:
    begin, end = _stretch(data, random)
    fill = _pick((b'\0', b'\xff', b'\x80', b'\x7f', None), random)
    return data[:begin] + (fill * (end - begin) if fill else random.bytes(end - begin)) + data[end:]


def _without(data: bytes, random: Random) -> bytes:
    begin, end = _stretch(data, random)
    return data[:begin] + data[end:]


def _inserted(data: bytes, random: Random) -> bytes:
    begin, end = _stretch(data, random)
    return data[:begin] + (data[begin:end] if random.random() < 0.5 else random.bytes(end - begin)) + data[begin:]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: int(random.integers(len(data) + 1))]


def _replaced(data: bytes, random: Random) -> bytes:
    return _pick((b'', b'\0' * len(data), random.bytes(len(data) % 4096), data + data), random)


_BYTES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flipped, _flipped, _flipped, _overwritten, _overwritten, _without, _inserted, _cut, _replaced,
)  # fmt: skip


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every container in a document, with each of its keys."""
    keys = document.keys() if isinstance(document, dict) else range(len(document) if isinstance(document, list) else 0)
    found = [(document, key) for key in keys]
    return found + [place for key in keys for place in _places(document[key])]


def _value_changed(document: Any, random: Random) -> Any:
    places = _places(document)
    if not places or random.random() < 0.05:
        return _pick(NASTY_VALUES, random)
    container, key = places[int(random.integers(len(places)))]
    container[key] = _pick(NASTY_VALUES, random)
    return document


def _key_changed(document: Any, random: Random) -> Any:
    dicts = [(container, key) for container, key in _places(document) if isinstance(container, dict)]
    if dicts:
        container, key = dicts[int(random.integers(len(dicts)))]
        value = container.pop(key)
        if random.random() < 0.5:
            container[_pick(NASTY_TEXTS, random)] = value
    return document


def _value_moved(document: Any, random: Random) -> Any:
    places = _places(document)
    if places:
        (one, key), (other, other_key) = (places[int(random.integers(len(places)))] for _ in range(2))
        one[key] = json.loads(json.dumps(other[other_key])) if other_key in _keys(other) else None
    return document


def _keys(container: Any) -> Any:
    return container.keys() if isinstance(container, dict) else range(len(container))


def _nested(document: Any, random: Random) -> Any:
    places = _places(document)
    if places:
        container, key = places[int(random.integers(len(places)))]
        for _ in range(int(random.integers(1, 150))):
            container[key] = [container[key]]
    return document


_JSON: tuple[Callable[[Any, Random], Any], ...] = (_value_changed, _value_changed, _key_changed, _value_moved, _nested)


def _example_bytes(record: bytes, random: Random) -> bytes:
    return damaged_bytes(record, random)


def _example_feature(record: bytes, random: Random) -> bytes:
    """Another kind, length or number of values in one feature of a tf.train.Example, or one feature removed."""
    try:
        example = tf.train.Example.FromString(record)
    except Exception:  # It is already damaged.
        return record
    names = sorted(example.features.feature)
    if not names:
        return record
    feature = example.features.feature[_pick(names, random)]
    how = int(random.integers(5))
    feature.Clear()
    if how == 0:
        feature.int64_list.value.extend(int(random.integers(-(2**63), 2**63)) for _ in range(random.integers(4)))
    elif how == 1:
        feature.bytes_list.value.extend(random.bytes(int(random.integers(4000))) for _ in range(random.integers(3)))
    elif how == 2:
        feature.float_list.value.append(float('nan'))
    elif how == 3:
        feature.int64_list.value.append(int(_pick((0, -1, 1, 16, 31, 64, 2**31, 2**62), random)))
    return example.SerializeToString()


_EXAMPLES: tuple[Callable[[bytes, Random], bytes], ...] = (_example_bytes, _example_feature, _example_feature)
