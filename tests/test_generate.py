from __future__ import annotations

import csv
import os
import re

import numpy as np
import pytest
from PIL import Image

from convert import conversion
from convert.options import ConvertOptions
from tests.conftest import SHIPPED, open_image, tiny_hparams, write_run
from trainer import errors, generate
from trainer.data import image_set, images
from trainer.dcgan.conditioning import Classes
from trainer.generate import GenerateOptions
from trainer.generator import sampler, seed_ranges
from trainer.pretrained import packing


class Flat(sampler.Generator):
    """Paints a picture in the colour of its noise vector: enough to follow seeds through grids and files."""

    noise_dim = 3

    def _run(self, batch: np.ndarray) -> np.ndarray:
        colours = np.clip(batch * 60 + 128, 0, 255).astype(np.uint8)
        return np.broadcast_to(colours[:, None, None, :], [len(batch), 4, 4, 3])


@pytest.mark.parametrize(
    ('text', 'expected'), [('7', [7]), ('0-3', [0, 1, 2, 3]), ('3,17,40-42', [3, 17, 40, 41, 42]), ('5, 5', [5, 5])]
)
def test_seeds_and_ranges(text, expected):
    assert seed_ranges.parse(text) == expected


@pytest.mark.parametrize('text', ['a', '1-', '-1', '9-3', '1,,2', '2147483648'])
def test_what_is_no_seed_is_refused(text):
    with pytest.raises(errors.UserError, match=f'--seeds={text}'):
        seed_ranges.parse(text)


@pytest.mark.parametrize(
    'changes', [{}, {'model_dir': 'a', 'saved_model': 'b'}, {'model_dir': 'a', 'pretrained': packing.NAMES[0]}]
)
def test_exactly_one_generator_must_be_named(changes):
    with pytest.raises(errors.UserError, match='give one of --model_dir'):
        GenerateOptions(**changes)


@pytest.mark.parametrize('name', packing.NAMES)
def test_a_model_of_the_package_makes_pictures_that_differ(name):
    generator = generate.load(GenerateOptions(pretrained=name))
    pictures = generator.images(generator.latents(range(16))).astype(float)
    assert pictures.std(axis=0).mean() > 20
    assert pictures.std(axis=(1, 2, 3)).mean() > 20


def test_only_a_run_has_checkpoints_to_choose_from():
    with pytest.raises(errors.UserError, match='--checkpoint=last chooses from a --model_dir: give one'):
        GenerateOptions(pretrained=packing.NAMES[0], checkpoint='last')


def test_a_walk_needs_two_ends():
    with pytest.raises(errors.UserError, match='--interpolate needs at least 2 seeds, not 1'):
        GenerateOptions(model_dir='a', seeds='4', interpolate=True)


def test_an_empty_folder_is_no_generator(tmp_path):
    for name, message in (('model_dir', 'holds no training run'), ('saved_model', 'is not a SavedModel')):
        with pytest.raises(errors.UserError, match=message):
            generate.load(GenerateOptions(**{name: str(tmp_path)}))


def test_grid_singles_and_walk_show_the_same_seeds(tmp_path):
    options = GenerateOptions(
        model_dir='x', seeds='3,17,40', columns=2, singles=True, interpolate=True, frames=4, output_dir=str(tmp_path)
    )
    names = [path.rsplit('/', 1)[1] for path in generate.generate(Flat(), options)]
    assert names == ['grid.png', 'seed_000003.png', 'seed_000017.png', 'seed_000040.png', 'interpolation.gif']
    grid = np.asarray(open_image(tmp_path / 'grid.png'))
    assert grid.shape == (8, 8, 3)
    for i, seed in enumerate((3, 17, 40)):
        path = tmp_path / f'seed_{seed:06d}.png'
        assert images.software_of(path.read_bytes()) == images.GENERATED  # The converter looks for it.
        single = np.asarray(open_image(path))
        np.testing.assert_array_equal(single, grid[i // 2 * 4 : i // 2 * 4 + 4, i % 2 * 4 : i % 2 * 4 + 4])
    walk = open_image(tmp_path / 'interpolation.gif')
    assert walk.n_frames == 12
    first = np.asarray(walk.convert('RGB'))
    np.testing.assert_allclose(first, np.asarray(open_image(tmp_path / 'seed_000003.png')), atol=8)  # 256 colours.


def test_the_map_lies_like_the_grid():
    assert seed_ranges.table([3, 17, 40], columns=2) == ' 3 17\n40'


def test_a_picture_does_not_depend_on_how_many_are_made(tmp_path):
    hparams = tiny_hparams(**SHIPPED)
    generator = sampler.CheckpointGenerator(hparams).restore(write_run(tmp_path, 1, hparams))
    many = generator.images(generator.latents(range(37)))
    for seed in (0, 20, 36):
        np.testing.assert_array_equal(generator.images(generator.latents([seed]))[0], many[seed])


CLASSES = Classes(('red', 'a/b', 'green'), (6, 1, 3), 2)


class Coloured(Flat):
    """Paints class 0 red, class 1 blue, class 2 green, and what has no class black; brighter with the first noise."""

    noise_dim, classes = 1, CLASSES

    def _run(self, batch: np.ndarray) -> np.ndarray:
        colours = batch[:, 1:][:, [0, 2, 1]] * np.clip(batch[:, :1] * 40 + 128, 1, 255)
        return np.broadcast_to(colours[:, None, None, :].astype(np.uint8), [len(batch), 4, 4, 3])


def labelled(tmp_path, **changes) -> list[str]:
    return generate.generate_labels(Coloured(), GenerateOptions(model_dir='x', output_dir=str(tmp_path), **changes))


def test_a_folder_for_each_label_and_a_row_of_the_grid(tmp_path):
    assert labelled(tmp_path, label='all', count=3, singles=True)[2] == 'green: 3 kept of 3'
    assert sorted(os.listdir(tmp_path)) == ['.made-by.json', '001_a_b', 'green', 'grid.png', 'red']
    assert sorted(os.listdir(tmp_path / 'red')) == [f'seed_{seed:06d}.png' for seed in range(3)]
    for folder, channel in (('red', 0), ('001_a_b', 2), ('green', 1)):
        picture = np.asarray(open_image(tmp_path / folder / 'seed_000002.png'))
        assert images.software_of((tmp_path / folder / 'seed_000002.png').read_bytes()) == images.GENERATED
        assert picture[..., channel].min() > 0 == np.delete(picture, channel, axis=2).max()
    grid = np.asarray(open_image(tmp_path / 'grid.png'))
    assert grid.shape[0] == 12
    assert [grid[row, -1].argmax() for row in (0, 5, 10)] == [0, 2, 1]
    labelled(tmp_path, label='green', count=1, singles=True)  # Its own folder may be written again.


def test_a_walk_stays_in_its_label(tmp_path):
    labelled(tmp_path, label='green', seeds='3,17', interpolate=True, frames=3)
    with open_image(tmp_path / 'interpolation.gif') as walk:
        assert walk.n_frames == 6
        walk.seek(2)
        assert np.asarray(walk.convert('RGB'))[0, 0].argmax() == 1


def test_without_a_label_seeds_have_classes_in_their_shares():
    labels = Coloured().labels(range(600))
    np.testing.assert_allclose(np.bincount(labels + 1) / 600, CLASSES.shares, atol=0.06)
    latents = Coloured().latents(range(600))
    np.testing.assert_array_equal(latents[:, 1:], np.eye(4)[labels + 1][:, 1:])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'label': 'blue'}, '--label=blue is not a label of this generator: choose one of red, a/b, green, or all'),
        ({'label': 'all', 'interpolate': True}, '--interpolate walks within one label'),
        ({'agree': '95%'}, '--agree=95% judges pictures of labels: add --label=NAME, or all'),
        ({'label': 'red', 'agree': 'most'}, '--agree=most is not a share of the labels of real images'),
    ],
)
def test_what_no_label_allows_is_refused(changes, message, tmp_path):
    with pytest.raises(errors.UserError, match=re.escape(message)):
        labelled(tmp_path, **changes)


def test_a_generator_without_labels_says_so():
    with pytest.raises(errors.UserError, match='this generator has no labels; train it with --condition=labels'):
        generate.generate_labels(Flat(), GenerateOptions(model_dir='x', label='red'))


@pytest.fixture
def coloured_data(tmp_path) -> str:
    """40 noisy red and 40 noisy green images, as a data set with these labels, and a blue one without."""
    for name, channel in (('red', 0), ('green', 1)):
        (tmp_path / 'photos' / name).mkdir(parents=True)
        for number in range(40):
            pixels = np.random.default_rng(number).integers(0, 60, [32, 32, 3]).astype(np.uint8)
            pixels[..., channel] += np.uint8(120 + number)
            Image.fromarray(pixels).save(tmp_path / 'photos' / name / f'{number}.png')
    options = ConvertOptions(str(tmp_path / 'photos'), str(tmp_path / 'data'), image_size=32, holdout_percent=20)
    conversion.convert(options)
    return str(tmp_path / 'data')


class Deceiver(Coloured):
    """Makes every third picture of the other colour, and every fourth a copy of one training image."""

    classes = Classes(('red', 'green'), (32, 32))

    def __init__(self, copied: np.ndarray):
        self.copied, self._made = copied, 0

    def _run(self, batch: np.ndarray) -> np.ndarray:
        pictures = []
        for row in batch:
            self._made += 1
            pixels = np.random.default_rng(1000 + self._made).integers(0, 60, [32, 32, 3]).astype(np.uint8)
            pixels[..., row[1:].argmax() ^ (self._made % 3 == 0)] += np.uint8(120 + self._made % 40)
            pictures.append(self.copied if self._made % 4 == 0 else pixels)
        return np.stack(pictures)


def test_only_pictures_that_a_labeller_of_real_images_agrees_with_are_kept(coloured_data, tmp_path):
    train = image_set.open_split(coloured_data)
    reds = [number for number, entry in enumerate(train.entries()) if train.labels[entry.label] == 'red']
    generator = Deceiver(train.pixels()[reds[0]])
    options = GenerateOptions(
        model_dir='x',
        label='red',
        agree='95%',
        count=30,
        singles=True,
        data=coloured_data,
        output_dir=str(tmp_path / 'out'),
    )
    (said,) = generate.generate_labels(generator, options)
    with open(tmp_path / 'out' / 'kept.csv') as file:
        (row,) = csv.DictReader(file)
    assert int(row['kept']) == len(os.listdir(tmp_path / 'out' / 'red')) == 30
    made, other, copies = (int(row[name]) for name in ('made', 'other_label', 'near_copies'))
    assert other == pytest.approx(made / 4, abs=3)  # A third of the three in four that are no copies.
    assert copies == pytest.approx(made / 4, abs=3)
    assert said.startswith(f'red: 30 kept of {made} (')
