"""From a checkpoint and a data set to a page."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests import conftest
from tests.conftest import open_image, smooth_images, tiny_hparams, write_dataset
from tests.page.test_page import read, unpack
from trainer import errors, explore
from trainer.data import image_set
from trainer.dcgan import hparams
from trainer.evaluation import page_parts
from trainer.evaluation.page_parts import Compared, Samples
from trainer.explore import ExploreOptions
from trainer.features import extraction
from trainer.features.pixels import Pixels
from trainer.features.space import Space
from trainer.generator import sampler
from trainer.page import budget, selection
from trainer.page.content import DatasetPart, Generated, Page


def write_run(folder) -> hparams.HParams:
    """A run of one untrained checkpoint, at step 5."""
    made = tiny_hparams()
    conftest.write_run(folder, 5, made)
    return made


def parts_of(compared: Compared) -> tuple[Generated, DatasetPart]:
    """The tabs with the neighbours of all training images."""
    count = compared.generated.to_training[0].nearest.indices.shape[1]
    page = Page('A run', (), compared.dataset, compared.generated, vectors=compared.vectors, neighbours=count)
    whole = selection.part(page, len(compared.dataset.images), count)
    return whole.generated, whole.dataset


def test_a_run_becomes_a_page(tmp_path, dataset32):
    (tmp_path / 'my run').mkdir()
    write_run(tmp_path / 'my run')
    options = ExploreOptions(str(tmp_path / 'my run'), dataset32, count=100, extractor='pixels', neighbours=5)
    assert explore.explore(options) == str(tmp_path / 'my run' / 'explore' / 'index.html')
    start = read(tmp_path / 'my run' / 'explore', 'start')
    assert start['title'] == 'What my run learned'
    facts = dict(start['facts'])
    assert facts['Checkpoint'] == 'last, step 5'
    assert facts['Training images'] == '24 of 32 px'
    assert facts['Compared by'] == Pixels.title and 'On this page' not in facts
    generated = start['generated']
    assert generated['seeds'] == list(range(100))
    assert generated['command'] == f"python -m trainer.generate --model_dir='{tmp_path}/my run' --checkpoint=last"
    assert generated['layers'][0]['count'] == 5
    live = start['live']
    assert (live['embedded'], live['finds'], live['command']) == (True, False, generated['command'])
    assert 'compared by pixels' in live['finderNote'] and len(live['directions']) == 5
    assert read(tmp_path / 'my run' / 'explore', 'live')['inputs'] == [[8]]


def test_samples_are_found_beside_their_models(dataset32):
    train, holdout = image_set.open_both(dataset32)
    pixels = smooth_images(40, 32, seed=99)
    pixels[4] = train.pixels()[17]
    compared = page_parts.compare(Samples(pixels, range(40), 'make'), train, holdout, Pixels(), 6)
    generated, dataset = parts_of(compared)
    raw = extraction.of_set(train, Pixels())['grey16']
    space = Space.of(raw)
    train_rows, made = space.embed(raw), space.embed(extraction.of_pixels(pixels, Pixels())['grey16'])
    cosines = made @ train_rows.T
    (layer,) = generated.to_training
    np.testing.assert_allclose(layer.nearest.cosines, -np.sort(-cosines, axis=1)[:, :6], atol=1e-4)
    assert layer.nearest.indices[4, 0] == 17
    assert layer.nearest.cosines[4, 0] == pytest.approx(1, abs=1e-4)
    assert generated.nearest_cosines[4] >= generated.scale.threshold
    (back,) = generated.from_training
    assert back.nearest.indices[17, 0] == 4
    assert len(generated.scale.cosines) == 8
    (among,) = dataset.nearest
    assert not (among.nearest.indices == np.arange(24)[:, None]).any()
    assert [entry.name for entry in dataset.entries] == [entry.name for entry in train.entries()]


def test_an_extractor_with_two_layers_offers_both(dataset32):
    class Two(Pixels):
        layers = ('early', 'late')

        def extract(self, pixels):
            grey = super().extract(pixels)['grey16']
            return {'early': grey[:, :99], 'late': grey}

    train, _ = image_set.open_both(dataset32)
    compared = page_parts.compare(Samples(smooth_images(30, 32), range(30), 'make'), train, None, Two(), 3)
    generated, dataset = parts_of(compared)
    for layers in (generated.to_training, generated.from_training, dataset.nearest):
        assert [layer.likeness for layer in layers] == ['colour and texture', 'shape']
    np.testing.assert_array_equal(generated.nearest_cosines, generated.to_training[1].nearest.cosines[:, 0])
    assert 'no hold-out' in generated.scale.of


def test_a_sample_of_the_page_is_that_of_its_seed(tmp_path, dataset32):
    made = write_run(tmp_path)
    explore.explore(ExploreOptions(str(tmp_path), dataset32, str(tmp_path / 'page'), 100, extractor='pixels'))
    sheet = np.asarray(open_image(tmp_path / 'page' / 'sprites' / 'samples-000.webp').convert('RGB'))
    generator = sampler.CheckpointGenerator(made).restore(str(tmp_path / 'model.ckpt-5'))
    (picture,) = generator.images(generator.latents([17]))
    np.testing.assert_array_equal(sheet[1:33, 17 * 34 + 1 : 17 * 34 + 33], picture)
    assert unpack(read(tmp_path / 'page', 'neighbours')['samples'][0])[0].shape == (24, 24)


def test_a_page_of_some_images_says_so_and_removes_what_a_larger_one_left(tmp_path, dataset32, caplog):
    write_run(tmp_path)
    folder = tmp_path / 'explore'
    options = ExploreOptions(str(tmp_path), dataset32, count=100, extractor='pixels', neighbours=5)
    explore.explore(options)
    for name in ('images-007.webp', 'samples-001.jpg', 'notes.txt', 'images-of-mine.webp'):
        (folder / 'sprites' / name).write_bytes(b'old')
    (folder / 'data' / 'finder.js').write_bytes(b'old')
    with caplog.at_level('INFO', 'absl'):
        explore.explore(dataclasses.replace(options, images=12))
    start = read(folder, 'start')
    said = dict(start['facts'])['On this page']
    assert said.startswith('12 of 24 training images') and said.endswith('(as --images=12 asks)')
    assert said in caplog.text and f'of at most {budget.MOST_BYTES / 1e6:g} MB, with' in caplog.text
    assert (start['thumbnails']['count'], start['thumbnails']['total']) == (12, 24)
    assert len(start['thumbnails']['numbers']) == len(read(folder, 'dataset')['names']) == 12
    left = {path.name for path in (folder / 'sprites').iterdir()}
    assert left == {'images-000.webp', 'samples-000.webp', 'notes.txt', 'images-of-mine.webp'}
    assert not (folder / 'data' / 'finder.js').exists()
    elsewhere = tmp_path / 'elsewhere'
    (folder / 'sprites').rename(elsewhere)
    (folder / 'sprites').symlink_to(elsewhere)
    (elsewhere / 'images-007.webp').write_bytes(b'mine')
    explore.explore(options)
    assert (elsewhere / 'images-007.webp').exists()  # What lies behind a link need not be ours.


@pytest.mark.parametrize(('count', 'rule'), [(99, 'at least 100'), (1001, 'at most 1,000: one page shows all of them')])
def test_a_count_that_does_not_fit_is_refused(count, rule):
    with pytest.raises(errors.UserError, match=f'--count={count}: it must be {rule}'):
        ExploreOptions('run', 'data', count=count)


def test_a_run_and_its_data_must_be_named(tmp_path):
    with pytest.raises(errors.UserError, match='give --model_dir'):
        ExploreOptions()
    write_run(tmp_path)
    with pytest.raises(errors.UserError, match='give --data=FOLDER'):
        explore.explore(ExploreOptions(str(tmp_path), count=100))


def test_the_page_of_a_run_on_the_embedded_flags_needs_no_data(tmp_path):
    write_dataset(tmp_path / 'data', train=30, holdout=0)
    write_run(tmp_path)
    explore.explore(ExploreOptions(str(tmp_path), count=100, extractor='pixels'))
    start = read(tmp_path / 'explore', 'start')
    assert dict(start['facts'])['Hold-out'] == 'none'
    assert 'no hold-out' in start['generated']['scale']['of']
