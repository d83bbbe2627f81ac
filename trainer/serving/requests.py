"""The body of a prediction request: Vertex AI's JSON, with every name, type and number checked."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Union

import msgspec
import numpy as np

from trainer import errors
from trainer.inference.recognition import MOST_NEIGHBOURS
from trainer.serving.limits import PICTURES

_Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=MOST_NEIGHBOURS)]
_UNSET = msgspec.UNSET
_KINDS = '{"seed": 3}, {"noise": [...]} or {"image": {"b64": "..."}}'


class Encoded(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A file in base64, in the form that Vertex AI gives to binary data."""

    b64: str


class Instance(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One picture to make, by its seed or its noise, or one to recognise."""

    seed: Union[_Int32, msgspec.UnsetType] = _UNSET
    noise: Union[list[float], msgspec.UnsetType] = _UNSET
    image: Union[Encoded, msgspec.UnsetType] = _UNSET
    label: str = ''


class Parameters(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What applies to all instances of a request.

    Attributes:
      neighbours: how many training images the answer to an image has.
    """

    neighbours: _Count = 5


class Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A whole request."""

    instances: list[Instance]
    parameters: Union[Parameters, None] = None

    @property
    def neighbours(self) -> int:
        """As in `Parameters`."""
        return (self.parameters or Parameters()).neighbours

    @property
    def pictures(self) -> int:
        """How many pictures the answer has; an image is answered by a sample and its neighbours."""
        return len(self.instances) + len(self.of_kind('image')) * self.neighbours

    def of_kind(self, kind: str) -> list[int]:
        """The numbers of the instances with a seed, noise or image."""
        return [number for number, one in enumerate(self.instances) if getattr(one, kind) is not _UNSET]


def parse(body: bytes) -> Body:
    """Reads the body of a request.

    Raises:
      errors.UserError: it is not JSON of this form, or asks for more pictures than one answer may have.
    """
    try:
        found = msgspec.json.decode(body, type=Body)
        json.loads(body, object_pairs_hook=_once)  # msgspec takes the last of two values with one name.
    except RecursionError:
        raise errors.UserError('the body is nested too deep') from None
    except (msgspec.MsgspecError, ValueError) as error:  # ValueError: UnicodeDecodeError among others.
        raise errors.UserError(f'the body is not what this server takes: {error}') from None
    for number, instance in enumerate(found.instances):
        _check(f'instances[{number}]', instance)
    _check_count(found)
    return found


def noise_of(instance: Instance, length: int, where: str) -> np.ndarray:
    """The noise of an instance, float64 [length]; raises UserError if it has another length."""
    assert not isinstance(instance.noise, msgspec.UnsetType)
    if len(instance.noise) != length:
        raise errors.UserError(f'{where}.noise has {len(instance.noise)} numbers, and this model takes {length}')
    return np.array(instance.noise, np.float64)


def file_of(instance: Instance, where: str) -> bytes:
    """The file of an image; raises UserError if it is not base64."""
    assert isinstance(instance.image, Encoded)
    try:
        return base64.b64decode(instance.image.b64, validate=True)
    except ValueError as error:  # Also for characters beyond ASCII.
        raise errors.UserError(f'{where}.image.b64 is not base64 ({error})') from None


def _check(where: str, instance: Instance) -> None:
    given = [name for name in ('seed', 'noise', 'image') if getattr(instance, name) is not _UNSET]
    if len(given) != 1:
        found = ' and '.join(given) or 'none of them'
        raise errors.UserError(f'{where} must be one of {_KINDS}, and has {found}')
    if instance.label and given == ['image']:
        raise errors.UserError(f'{where} has a label, which belongs to a seed or noise, not to an image')


def _check_count(body: Body) -> None:
    if not body.instances:
        raise errors.UserError(f'instances is empty: give at least one of {_KINDS}')
    if body.pictures > PICTURES:
        raise errors.UserError(
            f'{len(body.instances):,} instances ask for {body.pictures:,} pictures, and one answer has at most '
            f'{PICTURES}: send several requests'
        )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the name {twice!r} comes twice in one object')
    return found
