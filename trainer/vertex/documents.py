"""A YAML file as a tree whose nodes know their line, so that an error can name it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import yaml

from trainer import errors

MAPPING, SEQUENCE, STRING = 'map', 'seq', 'str'
_DEEPEST = 20
_MOST_CHARACTERS = 1 << 18


@dataclasses.dataclass(frozen=True)
class Node:
    """One value of a YAML file.

    Attributes:
      source: the file.
      line: the line of its key, or its own line if it has no key.
      path: the keys that lead to it, such as 'workerPoolSpecs[0].replicaCount'.
      kind: the last word of its YAML tag: 'map', 'seq', 'str', 'int', 'float', 'bool', 'null' ...
      plain: whether it is a scalar without quotes.
      value: dict[str, Node], list[Node] or the text of a scalar, by kind.
    """

    source: str
    line: int
    path: str
    kind: str
    plain: bool
    value: Any

    @property
    def items(self) -> list[Node]:
        """The values in a sequence or a mapping, in the order of the file; none for a scalar."""
        if self.kind == MAPPING:
            return list(self.value.values())
        return list(self.value) if self.kind == SEQUENCE else []

    @property
    def keys(self) -> list[str]:
        """The keys of a mapping; none for anything else."""
        return list(self.value) if self.kind == MAPPING else []

    def get(self, *keys: str) -> Node | None:
        """The value below these keys; None if there is none."""
        node: Node | None = self
        for key in keys:
            node = node.value.get(key) if node and node.kind == MAPPING else None
        return node

    def __getitem__(self, key: str) -> Node:
        return self.value[key]

    def text(self, *keys: str) -> str:
        """The text of the scalar below these keys; '' if there is none."""
        node = self.get(*keys)
        return node.value if node and node.kind not in (MAPPING, SEQUENCE) else ''

    def leaves(self) -> Iterator[Node]:
        """Every scalar, in the order of the file."""
        if self.kind not in (MAPPING, SEQUENCE):
            yield self
        for item in self.items:
            yield from item.leaves()

    def error(self, message: str) -> errors.UserError:
        """An error that names the file, line and path of this value."""
        where = f'{self.path}: ' if self.path else ''
        return errors.UserError(f'{self.source}:{self.line}: {where}{message}')


def read(source: str, text: str) -> Node:
    """Reads the YAML document `text` of the file `source`.

    Raises:
      errors.UserError: it is not YAML, not a single mapping, or has a key twice.
    """
    if len(text) > _MOST_CHARACTERS:
        raise errors.UserError(f'{source}:1: this is not a job: it is larger than {_MOST_CHARACTERS:,} characters')
    try:
        _check_aliases(source, text)
        top = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, 'problem_mark', None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, 'problem', None) or ' '.join(str(error).split())
        raise errors.UserError(f'{source}:{line}: this is not YAML: {problem}') from None
    if not isinstance(top, yaml.MappingNode):
        raise errors.UserError(f'{source}:1: this is not a job: it must be a mapping that holds workerPoolSpecs')
    return _node(source, top.start_mark.line + 1, '', top, 0)


def _check_aliases(source: str, text: str) -> None:
    """Refuses aliases: a few lines of them can expand to gigabytes, and no job needs one."""
    for token in yaml.scan(text, yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken):
            line = token.start_mark.line + 1
            raise errors.UserError(f'{source}:{line}: *{token.value} is an alias: write out what it stands for')


def _node(source: str, line: int, path: str, node: yaml.Node, depth: int) -> Node:
    kind = node.tag.rsplit(':', 1)[-1]
    plain = getattr(node, 'style', None) is None
    made = Node(source, line, path, kind, plain, node.value)
    if depth > _DEEPEST:
        raise made.error('this is nested too deep for a job')
    if isinstance(node, yaml.SequenceNode):
        items = [
            _node(source, item.start_mark.line + 1, f'{path}[{i}]', item, depth + 1)
            for i, item in enumerate(node.value)
        ]
        return dataclasses.replace(made, kind=SEQUENCE, value=items)
    if isinstance(node, yaml.MappingNode):
        entries: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else '?'
            below = f'{path}.{name}' if path else name
            entry = _node(source, key.start_mark.line + 1, below, value, depth + 1)
            if name in entries:
                raise entry.error(f'this key is given twice, also in line {entries[name].line}: keep one')
            entries[name] = entry
        return dataclasses.replace(made, kind=MAPPING, value=entries)
    return made
