from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
from PIL import Image

from convert.samples import COUNTRY_FLAGS
from tests import drawings
from tests.conftest import open_image
from trainer.features import extraction
from trainer.features.pixels import Pixels
from trainer.features.space import Space
from trainer.metrics import duplicates

# Different from one another and from all other flags.
PLAIN = ['br', 'ca', 'ch', 'cl', 'dk', 'gr', 'in', 'jp', 'kr', 'np']


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Pictures in memory, uint8 [N, H, W, C]."""

    pixels: np.ndarray

    def batches(self, size):
        return (self.pixels[i : i + size] for i in range(0, len(self.pixels), size))


@functools.cache
def flag(name: str) -> Image.Image:
    """A square crop of a flag, RGB, with colours as pale as those of cloth, so that they can become brighter."""
    image = open_image(COUNTRY_FLAGS / f'{name}.png').convert('RGBA').convert('RGB')
    image = Image.blend(image, Image.new('RGB', image.size, 'grey'), 0.25)
    left = (image.width - image.height) // 2
    return image.crop((left, 0, left + image.height, image.height)) if left > 0 else image.resize((image.width,) * 2)


def clusters(pixels: np.ndarray) -> list[list[int]]:
    raw = extraction.of_pixels(pixels, Pixels())['grey16']
    return duplicates.find(Pictures(pixels), Space.of(raw).embed(raw))


def flags(names: list[str]) -> np.ndarray:
    return np.stack([drawings.pixels(flag(name), 64) for name in names])


@pytest.mark.parametrize('kind', drawings.ALTERATIONS)
def test_a_picture_that_was_saved_again_is_found(kind):
    random = np.random.default_rng(0)
    altered = np.stack([drawings.pixels(drawings.ALTERATIONS[kind](flag(name), random), 64) for name in PLAIN])
    found = clusters(np.concatenate([flags(PLAIN), altered]))
    assert found == [[number, number + len(PLAIN)] for number in range(len(PLAIN))]


def test_flags_that_several_countries_fly_are_found_and_no_others():
    names = sorted(path.stem for path in COUNTRY_FLAGS.glob('*.png'))
    found = [[names[number] for number in cluster] for cluster in clusters(flags(names))]
    shared = [['bv', 'no', 'sj'], ['fr', 'gf', 'gp', 'mf', 'mq', 'pm', 're', 'yt'], ['id', 'mc'], ['um', 'us']]
    assert len(names) == 256
    assert all(cluster in found for cluster in shared)
    assert len(found) <= len(shared) + 4


def test_equal_pixels_are_found_whatever_the_features_say():
    pixels = drawings.many(drawings.noise, 40, 32)
    pixels[33] = pixels[2]
    embedded = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    embedded /= np.linalg.norm(embedded, axis=1, keepdims=True)
    assert duplicates.find(Pictures(pixels), embedded) == [[2, 33]]


def test_many_copies_are_one_cluster():
    random = np.random.default_rng(0)
    shifted = drawings.ALTERATIONS['noise of 5 levels']
    copies = [drawings.pixels(shifted(flag('br'), random), 64) for _ in range(30)]
    assert clusters(np.concatenate([flags(PLAIN), np.stack(copies)])) == [[0, *range(10, 40)]]


def test_two_pictures_that_differ_in_a_print_are_two():
    printed = [np.array(drawings.pixels(flag('ca'), 64)) for _ in range(2)]
    printed[1][28:36, 28:36] = 255 - printed[1][28:36, 28:36]
    assert clusters(np.stack([*printed, *flags(PLAIN[3:])])) == []


def test_a_mirror_image_is_no_duplicate():
    pixels = flags(['cl', 'in', 'us'])
    assert clusters(np.concatenate([pixels, pixels[2:, :, ::-1]])) == []


@pytest.mark.parametrize('size', [32, 64, 128])
def test_grey_images_of_any_size(size):
    pixels = drawings.many(drawings.digit, 12, size)[..., :1]
    brighter = np.clip(pixels[:3] * 1.1, 0, 255).astype(np.uint8)
    assert clusters(np.concatenate([pixels, brighter])) == [[0, 12], [1, 13], [2, 14]]


def test_sets_of_one_picture():
    pixels = flags(['br'])
    assert duplicates.find(Pictures(pixels), np.ones([1, 4], np.float32)) == []
    assert duplicates.find(Pictures(np.repeat(pixels, 2, axis=0)), np.ones([2, 4], np.float32)) == [[0, 1]]
