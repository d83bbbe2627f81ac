"""Pictures for a chat: large enough to be seen, side by side, each with a line of text below it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trainer.data import images

_SIDE = 256  # A picture is enlarged by a whole factor to about this, px: chats blur what is smaller.
_LINE, _FONT = 22, 14  # px.


def captioned(pictures: Sequence[np.ndarray], texts: Sequence[str]) -> bytes:
    """Lays pictures uint8 [H, W, C] of one size side by side over their texts, in ASCII; returns a PNG file."""
    font = ImageFont.load_default(size=_FONT)
    columns = []
    for picture, text in zip(pictures, texts):
        factor = max(_SIDE // len(picture), 1)
        large = picture.repeat(factor, axis=0).repeat(factor, axis=1)
        line = Image.new('L', (large.shape[1], _LINE))
        ImageDraw.Draw(line).text((large.shape[1] / 2, _LINE / 2), text, 255, font, anchor='mm')
        below = np.repeat(np.asarray(line)[..., None], picture.shape[-1], axis=2)
        columns.append(np.concatenate([large, below]))
    return images.encode_png(np.concatenate(columns, axis=1), images.GENERATED)
