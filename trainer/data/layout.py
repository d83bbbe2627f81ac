"""Detects from the pixels whether raw image bytes are stored [height, width, channel] or [channel, height, width].

Bytes read in the wrong order are noise, on which a model trains without any error. Roughness tells the orders apart:
images are smooth, so neighbours differ less in the right order. Grey images stored as RGB also need grouping, because
their equal bytes make the wrong order look smooth. In HWC order every third step from byte to byte leaves a pixel, and
the others stay inside one; in CHW order no step is special.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from trainer.data.records import CHW, HWC

# From tests/benchmarks/layout_check.py at 32, 64 and 128 px on flags, photos of clothing, and textures, microscopy and
# scanned text, in colour and in grey; 1000 samples of 8 images of each. The wrong reading of CHW bytes was at least
# 1.24 times as rough as the right one (medians 1.9 to 2.9; noise 1.00). HWC bytes fell to 0.79 in grey, and vertical
# gradients in grey to 0.33, which roughness alone would call CHW.
MARGIN = 1.3
# Grouping of the same samples: CHW at most 0.08; HWC at least 0.12 in colour, 1.00 in grey. It is less reliable if
# the width is a multiple of the channels (flags of 48 px, CHW: 0.42, so no verdict); none of our image sizes is.
PLANAR, GROUPED = 0.1, 0.5
# Below this ratio grouped bytes prove nothing: CHW pixel art enlarged three times looks like grey HWC bytes.
GROUPED_MARGIN = 0.5
# Alone, 0.2 % of the photos and 6 % of the checkerboards were misjudged; in samples of 8 images, none.
MIN_IMAGES = 8
SAMPLE_IMAGES = 256

# Grouping means nothing if steps along rows are a smaller share of all than this: stripes, vertical gradients.
_MIN_SIDEWAYS = 0.05


@dataclasses.dataclass(frozen=True)
class LayoutEvidence:
    """What a sample of images says about the order of their bytes.

    Attributes:
      hwc, chw: roughness in [0, 255] when read in either order.
      images, channels: the number of images examined, and their channels.
      grouping: 0 (no step is special) to 1 (the bytes of a pixel are equal); None if rows are too flat to tell.
    """

    hwc: float
    chw: float
    images: int
    channels: int
    grouping: float | None

    @property
    def ratio(self) -> float:
        """`chw / hwc`: above 1 suggests HWC, below 1 CHW; 1 if nothing varies."""
        return self.chw / self.hwc if self.hwc else math.inf if self.chw else 1.0

    @property
    def verdict(self) -> str:
        """HWC, CHW, or '' if the pixels do not show it: too few images, flat colours, noise, line drawings."""
        if self.channels == 1:
            return HWC
        if self.images < MIN_IMAGES or not self.hwc or not self.chw:
            return ''
        if self.ratio >= MARGIN:
            return HWC
        if self.grouping is None:
            return ''
        if self.grouping >= GROUPED and self.ratio >= GROUPED_MARGIN:
            return HWC
        return CHW if self.ratio <= 1 / MARGIN and self.grouping <= PLANAR else ''

    def __str__(self) -> str:
        if self.channels == 1:
            return f'one channel, so {HWC} and {CHW} are the same bytes'
        grouping = 'unknown' if self.grouping is None else f'{self.grouping:.2f}'
        return (
            f'neighbouring pixels of {self.images} images differ by {self.hwc:.1f} read as {HWC} and by {self.chw:.1f} '
            f'read as {CHW}, grouping {grouping}: {self.verdict or "undecided"}'
        )


def roughness(pixels: np.ndarray) -> float:
    """uint8 [N, H, W, C] -> the mean absolute difference of neighbours, in [0, 255], averaged over both axes."""
    return (_mean(_steps(pixels, axis=1)) + _mean(_steps(pixels, axis=2))) / 2


def examine(flat: np.ndarray, height: int, width: int, channels: int) -> LayoutEvidence:
    """Compares both orders of raw image bytes, uint8 [N, height * width * channels], with N about SAMPLE_IMAGES.

    Raises:
      ValueError: `flat` has another type or shape.
    """
    size = height * width * channels
    if flat.dtype != np.uint8 or flat.ndim != 2 or flat.shape[1] != size:
        raise ValueError(f'image bytes must be uint8 [N, {size}], not {flat.dtype} {list(flat.shape)}')
    measures = [measure(image, height, width, channels) for image in flat]  # One by one, to save memory.
    return weigh(np.array(measures).reshape(-1, 5), channels)


def measure(image: np.ndarray, height: int, width: int, channels: int) -> tuple[float, float, float, float, float]:
    """The numbers that `weigh` needs for one image, uint8 [height * width * channels].

    They are the roughness as HWC, the mean steps along rows and down columns as CHW, and the difference and the sum of
    the mean step that leaves an HWC pixel and the mean step that stays inside one.
    """
    planes = image.reshape(channels, height, width)
    sideways = _steps(planes, axis=2)
    leaves = (np.arange(image.size).reshape(planes.shape)[:, :, :-1] % channels) == channels - 1
    leaving, staying = _mean(sideways[leaves]), _mean(sideways[~leaves])
    hwc = roughness(image.reshape(1, height, width, channels))
    return hwc, _mean(sideways), _mean(_steps(planes, axis=1)), abs(leaving - staying), leaving + staying


def weigh(measures: np.ndarray, channels: int) -> LayoutEvidence:
    """float64 [N, 5], a row of `measure` for each image -> the evidence of all images together."""
    count = len(measures)
    hwc, sideways, down, uneven, total = (float(value) for value in measures.sum(axis=0) / max(count, 1))
    chw = (sideways + down) / 2
    measured = total > 0 and sideways >= _MIN_SIDEWAYS * (sideways + down)
    return LayoutEvidence(hwc, chw, count, channels, uneven / total if measured else None)


def _steps(pixels: np.ndarray, axis: int) -> np.ndarray:
    """uint8 [...] -> int16 [...], one shorter along `axis`: absolute differences of neighbours."""
    return np.abs(np.diff(pixels.astype(np.int16), axis=axis))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
