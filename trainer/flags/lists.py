"""Lists of choices, as people write them: onnx,tflite."""

from __future__ import annotations

from collections.abc import Sequence

from trainer import errors


def parse(flag: str, text: str, choices: Sequence[str]) -> tuple[str, ...]:
    """'onnx, tflite' -> ('onnx', 'tflite'); each once, in the order of `choices`.

    Raises:
      errors.UserError: a word is none of the choices, or there is none; the message names `flag`.
    """
    words = [word.strip() for word in text.split(',')]
    for word in words:
        if word not in choices:
            raise errors.UserError(
                f'{flag}={text}: {word!r} is none of {", ".join(choices)}; separate several by commas'
            )
    return tuple(choice for choice in choices if choice in words)
