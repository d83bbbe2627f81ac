from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import smooth_images
from trainer import errors
from trainer.data import images
from trainer.dcgan import augmentation

NAMES = ('color', 'translation', 'cutout')
SEED = tf.constant([3, 4])


def pictures(count: int = 16, size: int = 32, channels: int = 3) -> tf.Tensor:
    return images.to_model_range(tf.constant(smooth_images(count, size, channels)))


@pytest.mark.parametrize(
    'count, channels, expected',
    [
        (199, 3, ('color,translation,cutout', 0)),
        (199, 1, ('translation,cutout', 0)),
        (200, 3, ('color,translation,cutout', 30)),
        (999, 1, ('translation,cutout', 30)),
        (1000, 3, ('translation', 30)),
        (50_000, 1, ('translation', 30)),
        (50_001, 3, ('none', 0)),
    ],
)
def test_auto_goes_by_the_size_of_the_set(count, channels, expected):
    assert augmentation.resolve(count, channels) == expected


def test_names_are_parsed_and_others_refused():
    assert augmentation.parse('cutout,color') == ('cutout', 'color')
    assert augmentation.parse('none') == ()
    assert augmentation.parse('auto') == NAMES
    with pytest.raises(errors.UserError, match=r"--augment=colour: 'colour' is not an augmentation; give auto, none"):
        augmentation.parse('colour')


@pytest.mark.parametrize('names', [(name,) for name in NAMES] + [NAMES])
@pytest.mark.parametrize('channels', [1, 3])
def test_compiles_with_static_shapes_and_lets_gradients_through(names, channels):
    @tf.function(jit_compile=True)
    def changed(x):
        y = augmentation.augment(x, names, 1, SEED)
        assert y.shape == x.shape
        return y, tf.gradients(tf.reduce_sum(y * y), [x])[0]

    x = pictures(8, channels=channels)
    y, slopes = changed(x)
    assert np.isfinite(y).all()
    for before, after, slope in zip(x.numpy(), y.numpy(), slopes.numpy()):
        assert not np.array_equal(before, after)
        assert np.abs(slope).sum() > 0


@pytest.mark.parametrize('name', NAMES)
def test_changes_nothing_before_it_is_time(name):
    x = pictures()
    np.testing.assert_allclose(augmentation.augment(x, [name], 1, SEED, begun=False), x, rtol=0, atol=1e-6)
    assert np.abs(augmentation.augment(x, [name], 1, SEED, begun=True) - x).max() > 0.1


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('share', [0.0, 0.25, 0.5])
def test_a_share_of_the_images_is_changed_and_the_others_are_what_they_are(name, share):
    x = pictures(256)
    changed = np.abs(augmentation.augment(x, [name], share, SEED) - x).max(axis=(1, 2, 3)) > 1e-6
    assert abs(changed.mean() - share) < 0.1


def test_whether_one_change_is_made_says_nothing_of_another():
    ones = tf.ones([512, 32, 32, 3])
    holes, moved = (augmentation.augment(ones, [name], 0.5, SEED).numpy() for name in ('cutout', 'translation'))
    both = augmentation.augment(ones, ['translation', 'cutout'], 0.5, SEED).numpy()
    changed = [(x != 1).any(axis=(1, 2, 3)).mean() for x in (holes, moved, both)]
    assert changed[2] == pytest.approx(1 - (1 - changed[0]) * (1 - changed[1]), abs=0.1)


def test_each_image_is_changed_in_its_own_way():
    same = tf.repeat(pictures(1), 16, axis=0)
    changed = augmentation.augment(same, NAMES, 1, SEED).numpy()
    assert len({picture.tobytes() for picture in changed}) == 16


def test_a_seed_decides_the_change():
    x = pictures()
    one, again, other = (augmentation.augment(x, NAMES, 1, seed).numpy() for seed in (SEED, SEED, SEED + 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_translation_moves_whole_pixels_by_up_to_an_eighth():
    x = np.zeros([256, 32, 32, 1], np.float32)
    x[:, 16, 16] = 1.0
    moved = augmentation.augment(tf.constant(x), ('translation',), 1, SEED).numpy()[..., 0]
    found = np.argwhere(moved == 1.0)
    assert len(found) == 256
    np.testing.assert_array_equal(moved.sum(axis=(1, 2)), 1.0)
    for axis in (1, 2):
        assert set(found[:, axis] - 16) == set(range(-4, 5))


def test_cutout_makes_a_square_grey():
    kept = augmentation.augment(tf.ones([256, 32, 32, 1]), ('cutout',), 1, SEED).numpy()[..., 0]
    holes = (kept == 0).sum(axis=(1, 2))
    assert set(np.unique(kept)) == {0.0, 1.0}
    assert holes.max() == 16 * 16
    assert holes.min() >= 8 * 8  # A quarter of the hole, if its centre is a corner.
    assert len(np.unique(holes)) > 5


def test_color_keeps_what_is_where():
    """Each image is a linear function of the original, so edges stay where they are."""
    x = pictures(64, channels=1).numpy()
    y = augmentation.augment(tf.constant(x), ('color',), 1, SEED).numpy()
    for before, after in zip(x, y):
        slope, offset = np.polyfit(before.ravel(), after.ravel(), 1)
        np.testing.assert_allclose(after, slope * before + offset, atol=1e-4)
        assert 0.5 <= slope <= 1.5
        assert abs(after.mean() - before.mean()) <= 0.5001


def test_flip_mirrors_about_half():
    x = pictures(64).numpy()
    y = augmentation.flip(tf.constant(x), SEED).numpy()
    mirrored = [np.array_equal(after, before[:, ::-1]) for before, after in zip(x, y)]
    assert all(is_mirrored or np.array_equal(before, after) for is_mirrored, before, after in zip(mirrored, x, y))
    assert 20 < sum(mirrored) < 44
