"""Whether two images show one picture: aligns one with the other as well as possible, and measures the residual."""

from __future__ import annotations

import numpy as np

SIDE = 32  # px; the size at which images are compared, small enough that JPEG artefacts vanish.

_BORDER = 2  # px that are not compared, because a shift brings in pixels that the other picture lacks.
_CELL = 4  # px.
# On photographs of clothes (tests/benchmarks/audit_quality.py), slightly altered pictures reach 0.97, and none of their
# cells is off by more than 9 grey levels. In other pictures that reach 0.97, a print or a seam is off by 15 or more.
_WORTH_A_SECOND_FIT = 0.9
_EXPLAINED = 0.97
_CELL_RMS = 10.0  # Grey levels.

_LEAST_GAIN = 0.3  # Below this gain in contrast, a shift cannot be estimated.
_LONGEST_STEP = 1.5  # px; a linear fit is not valid for longer steps.


def same_picture(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Tells which pairs differ only by compression, size, light, some noise, or a shift or crop of a few percent.

    A least-squares fit on the gradient of the picture finds the shift and the zoom (Lucas and Kanade 1981), together
    with the gain and the offset of the light. A second fit starts from the result of the first.

    Args:
      one, other: uint8 [P, SIDE, SIDE, C], made from larger images by averaging areas.

    Returns:
      bool [P].
    """
    found = np.zeros(len(one), bool)
    reference, target = _smooth(one.astype(np.float32)), _smooth(other.astype(np.float32))
    place = np.tile(np.arange(SIDE, dtype=np.float32), (len(one), 2, 1))  # Row and column that each pixel comes from.
    explained, step, _ = _fit(reference, target)
    likely = np.flatnonzero(explained > _WORTH_A_SECOND_FIT)
    if len(likely):
        place = place[likely] + step[likely]
        explained, _, rest = _fit(_sample(reference[likely], place), target[likely])
        found[likely] = (explained > _EXPLAINED) & (_worst_cell(rest) < _CELL_RMS)
    return found


def _fit(reference: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fits each reference to its target, float32 [P, SIDE, SIDE, C].

    Returns:
      The share of the target's variance that is explained [P], the shift of each row and column [P, 2, SIDE] in px, and
      the residual of the target within the border [P, H, W, C].
    """
    count, channels = len(reference), reference.shape[-1]
    inner = (slice(None), slice(_BORDER, -_BORDER), slice(_BORDER, -_BORDER))
    along = ((np.arange(SIDE) - (SIDE - 1) / 2) / SIDE).astype(np.float32)
    down, right = np.gradient(reference, axis=(1, 2))
    moves = [down, right, along[:, None, None] * down, along[:, None] * right]
    # The square bends the grey scale as brightening does, which leaves white unchanged.
    light = [reference, np.ones_like(reference), np.square(reference) / 255]
    terms = [*light, *moves]
    basis = np.stack([term[inner].reshape(count, -1) for term in terms], axis=1)  # [P, 7, pixels]
    wanted = target[inner].reshape(count, -1)
    gram = (basis @ basis.transpose(0, 2, 1)).astype(np.float64) + 1e-3 * np.eye(len(terms))
    weights = np.linalg.solve(gram, (basis @ wanted[..., None]).astype(np.float64))  # [P, 7, 1]
    rest = wanted - (weights.transpose(0, 2, 1).astype(np.float32) @ basis)[:, 0]
    explained = 1 - rest.var(axis=1) / np.maximum(wanted.var(axis=1), 1.0)
    gain = weights[:, 0] + weights[:, 2] * 2 * reference.mean(axis=(1, 2, 3))[:, None] / 255
    gain = np.where(np.abs(gain) < _LEAST_GAIN, np.inf, gain)
    shift = np.clip(weights[:, len(light) :, 0] / gain, -_LONGEST_STEP, _LONGEST_STEP).astype(np.float32)  # [P, 4]
    step = shift[:, :2, None] + shift[:, 2:, None] * along
    side = SIDE - 2 * _BORDER
    return explained, step, rest.reshape(count, side, side, channels)


def _worst_cell(rest: np.ndarray) -> np.ndarray:
    """The largest root mean square within a cell of one channel, [P]."""
    count, side, _, channels = rest.shape
    cells = np.square(rest).reshape(count, side // _CELL, _CELL, side // _CELL, _CELL, channels)
    return np.sqrt(cells.mean(axis=(2, 4)).max(axis=(1, 2, 3)))


def _sample(pictures: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The pictures [P, SIDE, SIDE, C] at other rows and columns [P, 2, SIDE], bilinearly."""
    place = np.clip(place, 0, SIDE - 1.001)
    whole = place.astype(np.int64)
    part = place - whole
    number = np.arange(len(pictures))[:, None, None]
    rows, columns = whole[:, 0, :, None], whole[:, 1, None, :]
    down, right = part[:, 0, :, None, None], part[:, 1, None, :, None]
    upper = (1 - right) * pictures[number, rows, columns] + right * pictures[number, rows, columns + 1]
    lower = (1 - right) * pictures[number, rows + 1, columns] + right * pictures[number, rows + 1, columns + 1]
    return (1 - down) * upper + down * lower


def _smooth(pictures: np.ndarray) -> np.ndarray:
    """Blurs [P, H, W, C] by the kernel 1 4 6 4 1, so that edges are as wide as the shifts to be found."""
    for axis in (1, 2):
        padded = np.pad(pictures, [(2, 2) if i == axis else (0, 0) for i in range(4)], mode='edge')
        a, b, c, d, e = (np.take(padded, range(i, i + pictures.shape[axis]), axis=axis) for i in range(5))
        pictures = (a + 4 * b + 6 * c + 4 * d + e) / 16
    return pictures
