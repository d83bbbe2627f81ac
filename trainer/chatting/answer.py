"""One answer to one message: a text or a picture comes in; a text, a picture or both go out.

Every platform shares it, and nothing here knows one. An answer depends on the arguments only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeVar

from absl import logging

from trainer import errors
from trainer.chatting import captions
from trainer.chatting.http_client import Failed
from trainer.inference.model import Model
from trainer.inference.recognition import Recogniser

T = TypeVar('T')
_OWN_SEEDS = 1_000_000  # A label alone gets one of these, which is short enough to be sent back.
_LOOKED_AT = 200  # Characters of a text.
_LISTED = 500  # Characters of a list of labels: platforms carry about 2,000 bytes.
_WORD = r'(?:seed|种子|種子|#)?\s*[:=]?\s*'
_SEED = re.compile(rf'{_WORD}([+-]?[0-9]{{1,30}})')
_BOTH = re.compile(rf'(.*?\S)\s+{_WORD}([+-]?[0-9]{{1,30}})')
_SEPARATORS = re.compile(r'[\s_-]+')
_TROUBLE = 'Something went wrong here, not with your message. Please try another one.'


@dataclasses.dataclass(frozen=True)
class Message:
    """What a person sent.

    Attributes:
      text: its words; '' for a picture.
      picture: the bytes of an image file; b'' for a text.
      id: of the message on its platform; decides the seed of a label that comes without one.
    """

    text: str = ''
    picture: bytes = b''
    id: str = ''


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the person gets.

    Attributes:
      text: short, for people.
      picture: a PNG file; b'' for none.
      picture_says_all: whether a platform that carries only one of both may leave out the text.
    """

    text: str
    picture: bytes = b''
    picture_says_all: bool = False


Answering = Callable[[Message], Answer]


def answer(model: Model, recogniser: Recogniser | None, message: Message) -> Answer:
    """Answers a message; never raises, whatever was sent.

    Args:
      model: makes the pictures.
      recogniser: says what is on a picture; None where there are no training images to compare with.
      message: what was sent.
    """
    try:
        if message.picture:
            return _recognised(recogniser, message.picture)
        return _made(model, recogniser, message)
    except errors.UserError as error:
        return Answer(errors.one_line(str(error)))
    except Exception:  # A bug must not end the chat of everybody; what was sent is not logged.
        logging.exception('no answer')
        return Answer(_TROUBLE)


def exchange(
    answering: Answering, message: Message, fetch: Callable[[], bytes] | None, upload: Callable[[Answer], T]
) -> tuple[Answer, T | None]:
    """Answers a message where pictures come and go by requests of their own; says so where one of them fails.

    Args:
      answering: answers it.
      message: without its picture.
      fetch: downloads its picture; None if it has none.
      upload: uploads the picture of the answer.

    Returns:
      The answer, and what `upload` has returned; None without a picture.
    """
    try:
        made = answering(dataclasses.replace(message, picture=fetch()) if fetch else message)
    except Failed as error:
        return Answer(f'Your picture did not arrive here ({error}). Please send it again.'), None
    try:
        return made, upload(made) if made.picture else None
    except Failed as error:
        logging.warning('a picture was not sent: %s', error)
        return Answer(f'{made.text.rstrip(".")}. The picture could not be sent ({error}).'), None


def help_text(model: Model, recogniser: Recogniser | None) -> str:
    """What can be sent, with the labels that the model knows."""
    said = ['Send a number, such as 3 or seed 17, and I draw the picture of that seed.']
    if model.labels:
        said += [f'Or a name, alone or with a number ({model.labels[0]} 17). I know {_listed(model.labels)}.']
    if recogniser:
        said += ['Or a picture, and I tell what it is like.']
    return ' '.join(said)


def _made(model: Model, recogniser: Recogniser | None, message: Message) -> Answer:
    """The picture that a text asks for, or the help text. A label wins over a number: names may be digits."""
    said = ' '.join(unicodedata.normalize('NFKC', message.text[:_LOOKED_AT]).casefold().split())
    labels, seed = _named(model.labels, said, whole=True), str(_own_seed(message.id))
    if not labels:
        if number := _SEED.fullmatch(said):
            return _picture(model, number[1])
        if both := _BOTH.fullmatch(said):
            said, seed = both[1], both[2]
        labels = _named(model.labels, said, whole=True) or _named(model.labels, said, whole=False)
    if len(labels) > 1:
        return Answer(f'Which one: {_listed(labels)}?')
    return _picture(model, seed, labels[0]) if labels else Answer(help_text(model, recogniser))


def _named(labels: Sequence[str], said: str, whole: bool) -> list[str]:
    """The labels that a text names, wholly or by their beginning; case, spaces, - and _ do not matter."""
    wanted = _key(said)
    if not wanted:
        return []
    return [name for name in labels if (_key(name) == wanted if whole else _key(name).startswith(wanted))]


def _key(name: str) -> str:
    return _SEPARATORS.sub('', unicodedata.normalize('NFKC', name).casefold())


def _own_seed(message_id: str) -> int:
    return int.from_bytes(hashlib.sha256(message_id.encode('utf-8', 'replace')).digest()[:8], 'big') % _OWN_SEEDS


def _picture(model: Model, number: str, label: str = '') -> Answer:
    seed = int(number)
    (pixels,) = model.of_seeds([seed], label)
    of_label = label or model.label_of(seed)
    text = f'{of_label}, seed {seed}' if of_label else f'seed {seed}'
    return Answer(text, captions.captioned([pixels], [f'seed {seed}']), picture_says_all=True)


def _recognised(recogniser: Recogniser | None, picture: bytes) -> Answer:
    if recogniser is None:
        return Answer('I have no training images here to compare a picture with. Send a number, such as 3.')
    found = recogniser.recognise(picture)
    said = [f'{found.label}, {found.confidence:.0%} sure.'] if found.label else []
    shown = []
    for near in found.neighbours[:1]:
        of_label = f' ({near.label})' if near.label else ''
        copy = '; yours is likely a copy of it' if near.likely_copy else ''
        said.append(f'Left: the training image most like yours, {near.name}{of_label}, cosine {near.cosine:.2f}{copy}.')
        shown.append((near.pixels, 'training image'))
    side = 'Right' if shown else 'Shown'
    said.append(f'{side}: the generated picture most like yours, seed {found.seed}, cosine {found.sample_cosine:.2f}.')
    shown.append((found.sample, f'generated, seed {found.seed}'))
    return Answer(' '.join(said), captions.captioned(*zip(*shown)))


def _listed(names: Sequence[str]) -> str:
    """Names as one text, cut where it gets too long."""
    shown: list[str] = []
    for name in names:
        if shown and len(', '.join([*shown, name])) > _LISTED:
            return f'{", ".join(shown)} and {len(names) - len(shown)} more'
        shown.append(errors.spelled_out(name[:_LISTED]))
    return ', '.join(shown)
