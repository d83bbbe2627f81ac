from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import SHIPPED, open_image, tiny_hparams, write_run
from trainer import errors, generate
from trainer.generate import GenerateOptions
from trainer.generator import sampler
from trainer.pretrained import packing


class Flat(sampler.Generator):
    """Paints a picture in the colour of its noise vector: enough to follow seeds through grids and files."""

    noise_dim = 3

    def _run(self, batch: np.ndarray) -> np.ndarray:
        colours = np.clip(batch * 60 + 128, 0, 255).astype(np.uint8)
        return np.broadcast_to(colours[:, None, None, :], [len(batch), 4, 4, 3])


@pytest.mark.parametrize(
    ('text', 'seeds'), [('7', [7]), ('0-3', [0, 1, 2, 3]), ('3,17,40-42', [3, 17, 40, 41, 42]), ('5, 5', [5, 5])]
)
def test_seeds_and_ranges(text, seeds):
    assert generate.parse_seeds(text) == seeds


@pytest.mark.parametrize('text', ['a', '1-', '-1', '9-3', '1,,2', '2147483648'])
def test_what_is_no_seed_is_refused(text):
    with pytest.raises(errors.UserError, match=f'--seeds={text}'):
        generate.parse_seeds(text)


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
        single = np.asarray(open_image(tmp_path / f'seed_{seed:06d}.png'))
        np.testing.assert_array_equal(single, grid[i // 2 * 4 : i // 2 * 4 + 4, i % 2 * 4 : i % 2 * 4 + 4])
    walk = open_image(tmp_path / 'interpolation.gif')
    assert walk.n_frames == 12
    first = np.asarray(walk.convert('RGB'))
    np.testing.assert_allclose(first, np.asarray(open_image(tmp_path / 'seed_000003.png')), atol=8)  # 256 colours.


def test_the_map_lies_like_the_grid():
    assert generate.seed_map([3, 17, 40], columns=2) == ' 3 17\n40'


def test_a_picture_does_not_depend_on_how_many_are_made(tmp_path):
    hparams = tiny_hparams(**SHIPPED)
    generator = sampler.CheckpointGenerator(hparams).restore(write_run(tmp_path, 1, hparams))
    many = generator.images(generator.latents(range(37)))
    for seed in (0, 20, 36):
        np.testing.assert_array_equal(generator.images(generator.latents([seed]))[0], many[seed])
