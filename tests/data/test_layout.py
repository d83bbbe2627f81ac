"""The check that tells HWC bytes from CHW bytes: right on real images, undecided on images that do not show it."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from trainer.data import layout
from trainer.data.records import CHW, HWC

FLAGS = pathlib.Path(__file__).parents[2] / 'convert' / 'samples' / 'flags'
Tone = Callable[[np.ndarray], np.ndarray]
OTHER = {HWC: CHW, CHW: HWC}
both_orders = pytest.mark.parametrize('order', [HWC, CHW])


def examine(pixels: np.ndarray, order: str) -> layout.LayoutEvidence:
    """Writes uint8 [N, H, W, C] in `order` and examines the bytes."""
    count, height, width, channels = pixels.shape
    stored = pixels if order == HWC else pixels.transpose(0, 3, 1, 2)
    return layout.examine(stored.reshape(count, height * width * channels), height, width, channels)


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """uint8 [..., 3] -> the same with R = G = B."""
    grey = np.round(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def two_colours(share: np.ndarray, count: int = 40) -> np.ndarray:
    """Mixes two random colours per image by `share`, float [H, W] in [0, 1] -> uint8 [count, H, W, 3]."""
    ends = np.random.default_rng(0).integers(0, 256, (2, count, 1, 1, 3))
    return np.round(ends[0] * (1 - share[..., None]) + ends[1] * share[..., None]).astype(np.uint8)


@pytest.fixture(scope='module', params=[32, 64])
def flags(request: pytest.FixtureRequest) -> np.ndarray:
    """The sample flags on white, stretched: uint8 [N, size, size, 3]."""
    images = []
    for path in sorted(FLAGS.glob('*.png')):
        with Image.open(path) as file:
            picture = file.convert('RGBA')
        ground = Image.new('RGBA', picture.size, 'white')
        ground.alpha_composite(picture)
        images.append(np.asarray(ground.convert('RGB').resize((request.param, request.param))))
    return np.stack(images)


@both_orders
def test_flags_are_told_apart(flags: np.ndarray, order: str) -> None:
    assert examine(flags, order).verdict == order


@both_orders
def test_grey_flags_stored_as_rgb_are_told_apart(flags: np.ndarray, order: str) -> None:
    assert examine(to_grey(flags), order).verdict == order


@both_orders
@pytest.mark.parametrize('tone', [np.asarray, to_grey])
def test_tiny_sets_of_flags_are_told_apart(flags: np.ndarray, order: str, tone: Tone) -> None:
    generator = np.random.default_rng(0)
    verdicts = [
        examine(tone(flags[generator.integers(len(flags), size=layout.MIN_IMAGES)]), order).verdict for _ in range(25)
    ]
    assert set(verdicts) == {order}


@both_orders
def test_fewer_images_than_the_least_say_nothing(flags: np.ndarray, order: str) -> None:
    assert examine(flags[: layout.MIN_IMAGES - 1], order).verdict == ''
    assert examine(flags[:0], order).verdict == ''


@both_orders
def test_a_few_blank_images_do_not_matter(flags: np.ndarray, order: str) -> None:
    mixed = flags.copy()
    mixed[::3] = 255
    assert examine(mixed, order).verdict == order


@both_orders
def test_binary_drawings_are_told_apart(order: str) -> None:
    rows, columns = np.mgrid[:32, :32]
    centres = np.random.default_rng(0).uniform(10, 22, (40, 2, 1, 1))
    rings = np.abs(np.hypot(rows - centres[:, 0], columns - centres[:, 1]) - 8) < 2
    pixels = np.repeat(np.where(rings, 255, 0).astype(np.uint8)[..., None], 3, axis=-1)
    assert examine(pixels, order).verdict == order


@both_orders
@pytest.mark.parametrize('spread', ['uniform', 'gaussian'])
def test_noise_says_nothing(order: str, spread: str) -> None:
    generator = np.random.default_rng(0)
    shape = (40, 32, 32, 3)
    values = generator.uniform(0, 256, shape) if spread == 'uniform' else generator.normal(128, 40, shape)
    evidence = examine(np.clip(values, 0, 255).astype(np.uint8), order)
    assert evidence.verdict == ''
    assert evidence.ratio == pytest.approx(1, abs=0.02)


@both_orders
def test_flat_colours_say_nothing(order: str) -> None:
    assert examine(two_colours(np.zeros((32, 32))), order).verdict == ''
    assert examine(to_grey(two_colours(np.zeros((32, 32)))), order).verdict == ''


def test_all_black_has_ratio_one() -> None:
    evidence = examine(np.zeros((40, 32, 32, 3), np.uint8), HWC)
    assert (evidence.hwc, evidence.chw, evidence.ratio, evidence.grouping, evidence.verdict) == (0, 0, 1, None, '')


@both_orders
@pytest.mark.parametrize('tone', [np.asarray, to_grey])
@pytest.mark.parametrize('size', [32, 64])
def test_patterns_never_contradict(order: str, tone: Tone, size: int) -> None:
    rows, columns = np.mgrid[:size, :size]
    shares = {'down': rows / (size - 1), 'sideways': columns / (size - 1), 'slanted': (rows + columns) / (2 * size - 2)}
    for period in (1, 2, 3, 5):
        shares[f'rows {period}'] = rows // period % 2
        shares[f'columns {period}'] = columns // period % 2
        shares[f'checkerboard {period}'] = (rows // period + columns // period) % 2
    for name, share in shares.items():
        assert examine(tone(two_colours(share)), order).verdict != OTHER[order], name


def test_grey_stripes_would_fool_roughness_alone() -> None:
    evidence = examine(to_grey(two_colours(np.mgrid[:32, :32][0] // 2 % 2)), HWC)
    assert evidence.ratio < 1 / layout.MARGIN
    assert evidence.verdict == ''


def test_grey_noise_written_hwc_is_recognised_by_its_grouping() -> None:
    evidence = examine(to_grey(np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)), HWC)
    assert evidence.ratio < 1 / layout.MARGIN
    assert evidence.grouping == pytest.approx(1)
    assert evidence.verdict == HWC


def test_grouping_compares_the_steps_between_pixels_with_those_inside() -> None:
    pixels = np.broadcast_to(np.array([0, 10, 20], np.uint8), (8, 32, 32, 3))
    assert examine(pixels, HWC).grouping == pytest.approx((20 - 10) / (20 + 10))


def test_specks_on_stripes_are_too_little_to_measure_grouping() -> None:
    pixels = np.zeros((8, 32, 32, 3), np.uint8)
    pixels[:, ::2] = 255
    pixels[:, 0, 1, 0] = 0
    evidence = examine(pixels, CHW)
    assert evidence.grouping is None
    assert evidence.verdict == ''


def test_pixel_art_enlarged_three_times_is_not_taken_for_grouped_bytes() -> None:
    small = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3)).astype(np.uint8)
    evidence = examine(small.repeat(3, axis=1).repeat(3, axis=2), CHW)
    assert evidence.grouping == pytest.approx(1)
    assert evidence.verdict == ''


@both_orders
def test_images_need_not_be_square(flags: np.ndarray, order: str) -> None:
    assert examine(flags[:, :20], order).verdict == order


def test_one_channel_leaves_nothing_to_decide(flags: np.ndarray) -> None:
    evidence = examine(to_grey(flags)[:1, :, :, :1], CHW)
    assert evidence.verdict == HWC
    assert evidence.hwc == pytest.approx(evidence.chw)
    assert 'one channel' in str(evidence)


def test_roughness_counts_both_axes_and_does_not_wrap() -> None:
    rows, columns = np.mgrid[:4, :4]
    assert layout.roughness(((rows + columns) % 2 * 255).astype(np.uint8)[None, ..., None]) == 255
    assert layout.roughness((columns * 10).astype(np.uint8)[None, ..., None]) == 5
    assert layout.roughness((rows * 10).astype(np.uint8)[None, ..., None]) == 5


def test_evidence_prints_both_numbers_and_the_verdict() -> None:
    evidence = layout.LayoutEvidence(hwc=12.34, chw=56.78, images=256, channels=3, grouping=0.33)
    assert str(evidence) == (
        'neighbouring pixels of 256 images differ by 12.3 read as HWC and by 56.8 read as CHW, grouping 0.33: HWC'
    )
    assert str(dataclasses.replace(evidence, chw=12.3, grouping=None)).endswith('grouping unknown: undecided')


@pytest.mark.parametrize(
    'flat', [np.zeros((9, 3071), np.uint8), np.zeros((9, 3072), np.float32), np.zeros(3072, np.uint8)]
)
def test_bytes_of_another_shape_or_type_are_refused(flat: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r'uint8 \[N, 3072\]'):
        layout.examine(flat, 32, 32, 3)
