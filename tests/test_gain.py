"""What generated images gain: for a generator that makes each label well, and for one that confuses them."""

from __future__ import annotations

import csv
import json
import pathlib
import re

import numpy as np
import pytest

from tests.conftest import open_image, tiny_hparams, write_dataset, write_shard
from tests.run.test_gcs_training import upload
from trainer import errors, gain
from trainer.data import image_set, manifest, records
from trainer.dcgan.conditioning import Classes
from trainer.evaluation import gain_report, gain_rows, known_images, synthetic_pool
from trainer.evaluation.gain_report import Difference
from trainer.evaluation.gain_rows import CNN, FILTERED, REAL, RIDGE, SHIFTS, SYNTHETIC, Gain, Result
from trainer.features.pixels import Pixels
from trainer.gain import GainOptions
from trainer.generator.loading import TrainedGenerator
from trainer.generator.sampler import Generator

LABELS = ('light', 'dark')
GUESSED = 6  # Images of each split that a model has given a label, a wrong one.


def picture(label: int, random: np.random.Generator) -> np.ndarray:
    """Noise, uint8 [32, 32, 3]: light (0) or dark (1)."""
    return (random.integers(0, 100, [32, 32, 3]) + (20 if label else 120)).astype(np.uint8)


def write_labelled(
    folder: pathlib.Path, holdout: int = 12, labels: tuple[str, ...] = LABELS, synthetic: int = 0
) -> str:
    """A data set of 40 training images and a hold-out, half of them light, and some with a wrong guess for a label."""
    folder.mkdir()
    random, splits = np.random.default_rng(0), {}
    for split, count in ((manifest.TRAIN, 40), (manifest.HOLDOUT, holdout)):
        serialized = [records.encode_example(picture(i % 2, random), i % 2, f'{split}{i}') for i in range(count)]
        guesses = [records.encode_example(picture(i % 2, random), 0, '') for i in range(GUESSED if count else 0)]
        serialized += [records.with_label(record, 1 - i % 2, 'model') for i, record in enumerate(guesses)]
        shard = folder / f'{split}-00000-of-00001.tfrecord'
        splits[split] = (write_shard(shard, serialized),) if serialized else ()
    options = {manifest.SYNTHETIC: synthetic}
    manifest.write(str(folder), manifest.Manifest(32, 3, records.HWC, splits, labels=labels, options=options))
    return str(folder)


@pytest.fixture(autouse=True)
def few_tries(monkeypatch):
    monkeypatch.setattr(synthetic_pool, '_MADE', 80)


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> str:
    return write_labelled(tmp_path_factory.mktemp('gain') / 'data')


class Painter(Generator):
    """Makes good pictures of each label, or those of the other one."""

    noise_dim, classes = 4, Classes(LABELS, (20, 20))

    def __init__(self, swaps: bool = False):
        self._swaps = swaps

    def _run(self, batch: np.ndarray) -> np.ndarray:
        return np.stack([self._painted(row) for row in batch])

    def _painted(self, row: np.ndarray) -> np.ndarray:
        random = np.random.default_rng(np.abs(row[:4] * 1e6).astype(int))
        return picture(int(row[4:].argmax()) ^ self._swaps, random)


def measured(
    generator: Generator, data: str, folder: pathlib.Path, **changes
) -> tuple[str, dict, list[dict[str, str]]]:
    """The report, the JSON, and the rows of the table of a run with such a generator."""
    run = TrainedGenerator(generator, tiny_hparams(condition='labels', classes=2), 7, 'last')
    options = GainOptions(
        'run', data, output_dir=str(folder), **{'extractor': 'pixels', 'seeds': 2, 'cnn_steps': 4, **changes}
    )
    text = gain.gain(options, lambda _: run)
    with open(folder / 'gain.csv') as file:
        return text, json.loads((folder / 'gain.json').read_text()), list(csv.DictReader(file))


def test_pictures_like_the_real_ones_are_worth_as_much(data, tmp_path):
    text, found, rows = measured(Painter(), data, tmp_path)
    assert found['images'] == {'training': 40, 'holdout': 12}  # Without those whose label is a guess.
    assert [(row['row'], row['classifier'], row['seed']) for row in rows] == [
        (row, classifier, str(seed)) for seed in range(2) for row in gain_rows.ROWS for classifier in (RIDGE, CNN)
    ]
    sizes = {row['row']: (int(row['real']), int(row['synthetic'])) for row in rows}
    assert list(sizes.values()) == [(40, 0), (40, 0), (0, 40), (40, 4), (40, 12), (40, 40)]
    for row in rows:  # With the wrong guesses in the hold-out it would be 0.67.
        assert float(row['accuracy']) == float(row['mean_over_labels']) >= 0.95, row
    assert found['gan_test']['overall'] == [1, 1] and found['gan_test']['by_label'] == {'light': 1, 'dark': 1}
    assert 32 < found['filter']['light']['kept'] <= 40  # Of 2 tries for each of 20 real images.
    assert found['rows'][3]['points_over_shifts'] == {
        'points': 0, 'over_seeds': 0, 'over_images': 0, 'distinguishable': False
    }  # fmt: skip
    assert text.splitlines()[-5] == found['sentence']
    assert found['sentence'] == (
        'filtered synthetic images add +0.0 +- 0.0 points over shifts (small CNN, 30 %): not distinguishable from none'
    )
    assert max(map(len, text.splitlines()[1:])) <= 120
    assert open_image(tmp_path / 'gain.png').size == (900, 450)


def test_a_generator_that_swaps_labels_teaches_the_opposite_and_nothing_of_it_is_added(data, tmp_path):
    text, found, rows = measured(Painter(swaps=True), data, tmp_path, marks_per_label=5)
    accuracy = {(row['row'], row['classifier']): float(row['accuracy']) for row in rows}
    assert set(accuracy) == {(row, name) for row in (REAL, SHIFTS, SYNTHETIC) for name in (RIDGE, CNN)}
    assert {row['real'] for row in rows} == {'10', '0'} and {row['synthetic'] for row in rows} == {'10', '0'}
    assert all(value <= 0.05 if row == SYNTHETIC else value >= 0.95 for (row, _), value in accuracy.items())
    assert found['gan_test']['overall'] == [0, 0]
    assert text.count('no synthetic image passes the filter') == 7  # Three shares, two classifiers, the sentence.
    assert 'light 0 of 5, dark 0 of 5' in text
    lost = found['rows'][2]['points_over_shifts']
    assert lost['points'] == -100 and lost['distinguishable']


def test_in_a_bucket(data, gcs, monkeypatch):
    """Data and results; what is measured in between does not know where they are."""
    monkeypatch.setattr(gain_rows, 'measure', lambda train, holdout, *_: tiny_gain(len(train), len(holdout)))
    run = TrainedGenerator(Painter(), tiny_hparams(condition='labels', classes=2), 7, 'last')
    options = GainOptions('run', upload(data, gcs, 'data'), extractor='pixels', output_dir=f'{gcs.bucket}/gain')
    text = gain.gain(options, lambda _: run)
    assert text.endswith('gain/gain.png') and gcs.server.get(f'{gcs.bucket}/gain/gain.png').startswith(b'\x89PNG')
    assert json.loads(gcs.server.get(f'{gcs.bucket}/gain/gain.json'))['sentence'] in text
    assert f'{REAL},{CNN},1,0.500000,0.500000,40,0' in gcs.server.get(f'{gcs.bucket}/gain/gain.csv').decode()


def tiny_gain(train: int, holdout: int) -> Gain:
    labels = np.arange(holdout) % 2
    found = [
        Result(row, classifier, seed, train, 0, labels == 0, labels)
        for row in (REAL, SHIFTS, SYNTHETIC)
        for classifier in (RIDGE, CNN)
        for seed in range(2)
    ]
    return Gain(tuple(found), np.array([0.5, 0.5]), np.full([2, 2], 0.5), ({'kept': 1}, {}), {1: (0, 4)})


def results(row: str, right: list[list[int]]) -> list[Result]:
    labels = np.array([0] * (len(right[0]) - 1) + [1])
    return [Result(row, CNN, seed, 9, 9, np.array(values, bool), labels) for seed, values in enumerate(right)]


def found_difference(base: list[list[int]], better: list[list[int]]) -> tuple[Difference, str]:
    (row,) = (row for row, share in FILTERED.items() if share == 0.3)
    found = Gain((*results(SHIFTS, base), *results(row, better)), np.array([]), np.array([[]]), (), {})
    difference = gain_report.difference(found, row, CNN)
    assert difference
    return difference, gain_report.sentence(found)


def test_a_difference_counts_the_spread_of_seeds_and_of_held_out_images():
    difference, said = found_difference([[1, 0, 0, 0]] * 3, [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]])
    assert difference.points == pytest.approx(50)
    assert difference.over_seeds == pytest.approx(4.303 * 25 / 3**0.5)
    assert difference.over_images == pytest.approx(1.96 * 100 * np.std([0, 1, 2 / 3, 1 / 3], ddof=1) / 2)
    assert said.endswith('add +50.0 +- 62.1 points over shifts (small CNN, 30 %): not distinguishable from none')
    # The same by all seeds is still uncertain if there are few images.
    difference, _ = found_difference([[1, 0, 0, 0]] * 3, [[1, 1, 0, 0]] * 3)
    assert difference.over_seeds == 0 and not difference.distinguishable
    for base, better, verdict in (([0] * 99 + [1], [1] * 100, 'a gain'), ([1] * 100, [0] * 99 + [1], 'a loss')):
        assert found_difference([base] * 2, [better] * 2)[1].endswith(f': {verdict}')


def test_accuracy_and_its_mean_over_labels_differ_if_labels_are_unequal():
    (found,) = results(REAL, [[1, 1, 0, 0]])  # Three of one label, one of the other.
    assert found.accuracy == 0.5
    assert found.mean_over_labels == pytest.approx((2 / 3 + 0) / 2)


def test_quantiles_are_those_of_student():
    assert len(gain_report._T) == gain_report.MOST_SEEDS - 1 == 19
    assert all(later < earlier for earlier, later in zip(gain_report._T, gain_report._T[1:]))
    assert gain_report._T[0] == pytest.approx(np.tan(np.pi * 0.475), abs=1e-3)
    assert gain_report._T[1] == pytest.approx(0.95 * (2 / (1 - 0.95**2)) ** 0.5, abs=1e-3)


def test_images_are_drawn_of_each_label_and_by_the_seed(data):
    train = known_images.of_set(image_set.open_split(data), LABELS, Pixels())
    for number in range(2):
        drawn = train.drawn(15, np.random.default_rng(number))
        assert np.bincount(drawn.labels).tolist() == [15, 15]
        assert len(np.unique(drawn.pixels, axis=0)) == 30
    assert len(train.drawn(100, np.random.default_rng(0))) == 40 == len(train.drawn(0, np.random.default_rng(0)))
    swapped = known_images.of_set(image_set.open_split(data), LABELS[::-1], Pixels())
    np.testing.assert_array_equal(swapped.labels, 1 - train.labels)


@pytest.mark.parametrize(
    ('written', 'message'),
    [
        ({'holdout': 0}, 'has no hold-out to measure an accuracy on: convert it with --holdout_percent above 0'),
        ({'synthetic': 3}, '3 images of'),
        ({'synthetic': 3}, 'are pictures of trainer.generate, which must not count as real: give a data set without'),
        ({'labels': ('light', 'black')}, "has no training image that is known to be 'dark', a label of the run: give"),
    ],
)
def test_data_that_cannot_tell_are_refused(written, message, tmp_path):
    data = write_labelled(tmp_path / 'data', **written)
    with pytest.raises(errors.UserError, match=re.escape(message)):
        measured(Painter(), data, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_hold_out_that_only_a_model_has_labelled_is_refused_and_a_thin_one_is_named(tmp_path, caplog):
    data = write_labelled(tmp_path / 'data', holdout=3)
    train, holdout = (known_images.of_set(part, LABELS, Pixels()) for part in image_set.open_both(data))
    known_images.check(train, holdout, LABELS, data)
    assert 'fewer than 2 images with a known label of: dark 1' in caplog.text
    with pytest.raises(errors.UserError, match='the hold-out of .* has no image whose label is known'):
        known_images.check(train, holdout.part(np.array([], int)), LABELS, data)


@pytest.mark.parametrize('condition', ['none', 'labels', 'clusters'])
def test_only_a_run_with_labels_can_teach(condition, monkeypatch):
    changes = {} if condition == 'none' else {'condition': condition, 'classes': 2}
    run = TrainedGenerator(Painter(), tiny_hparams(**changes), 1, 'last')
    monkeypatch.setattr(gain.loading, 'load', lambda *_: run)
    if condition == 'labels':
        assert gain.load(GainOptions('run')) is run
        return
    with pytest.raises(errors.UserError, match=f'run is a run with --condition={condition}, and only pictures with'):
        gain.load(GainOptions('run'))


def test_data_of_another_size_are_refused(tmp_path):
    data = write_dataset(tmp_path / 'data', 64)
    with pytest.raises(errors.UserError, match='holds images of 64x64x3, and the generator in run makes 32x32x3'):
        measured(Painter(), data, tmp_path / 'out')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'model_dir': ''}, 'give --model_dir=FOLDER, a training run with --condition=labels'),
        ({'agree': 'most'}, '--agree=most is not a share of the labels of real images'),
        ({'seeds': 1}, '--seeds=1: it must be at least 2'),
    ],
)
def test_what_cannot_be_asked_for(changes, message):
    with pytest.raises(errors.UserError, match=message):
        GainOptions(**{'model_dir': 'run', **changes})
