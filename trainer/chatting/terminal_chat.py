"""A chat in the terminal, to try what people would get: a line is a text, or the path of a picture."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

from trainer import errors
from trainer.chatting.answer import Answer, Answering, Message
from trainer.filesystem import disk_errors, files, outputs

_MADE_BY = 'trainer.chat'
_MOST_BYTES = 20 << 20


@contextlib.contextmanager
def claimed(output_dir: str) -> Iterator[None]:
    """Claims the folder for the pictures, local or gs://.

    Raises:
      errors.UserError: it holds something else, or cannot be written.
    """
    claim = outputs.claimed('--output_dir', output_dir, _MADE_BY, ['answer_*.png'], environ=os.environ)
    with claim, disk_errors.explained(f'--output_dir={output_dir}'):
        yield


def run(lines: Iterable[str], answer: Answering, say: Callable[[str], None], output_dir: str) -> None:
    """Answers each line; writes pictures to a folder, and names them.

    Args:
      lines: what is typed.
      answer: to a message.
      say: shows a text.
      output_dir: a claimed folder, where the pictures go.
    """
    for number, line in enumerate(lines, 1):
        made = _answered(line.strip(), str(number), answer)
        say(made.text)
        if made.picture:
            path = os.path.join(output_dir, f'answer_{number:06d}.png')
            files.write_bytes(path, made.picture)
            say(path)


def _answered(line: str, number: str, answer: Answering) -> Answer:
    try:
        if not files.leads_to_regular(line):
            return answer(Message(line, id=number))
        if os.path.getsize(line) > _MOST_BYTES:
            raise errors.UserError(f'{line} has more than {_MOST_BYTES:,} bytes')
        with open(line, 'rb') as file:
            return answer(Message(picture=file.read(), id=number))
    except (OSError, ValueError):  # Not a path, or a picture that this account may not read.
        return answer(Message(line, id=number))
    except errors.UserError as error:
        return Answer(str(error))
