"""A run knows its data: measures on other data are set aside, and evaluate and explore find the data themselves."""

from __future__ import annotations

import csv
import dataclasses
import json
import pathlib
import shutil
from typing import NamedTuple

import pytest

from tests.conftest import tiny_hparams, write_dataset
from tests.processes import run_module
from trainer import errors
from trainer.data import image_set
from trainer.machine.options import MachineOptions
from trainer.model_dir import checkpoints, run_data
from trainer.monitoring.best import Keeper, set_aside
from trainer.monitoring.history import History, Point
from trainer.options import DataOptions, RunOptions
from trainer.run import experiment


def train(folder: pathlib.Path, data: str, steps: int) -> int:
    """Trains on to `steps` in folder/run, with an evaluation every two steps."""
    options = RunOptions(
        str(folder / 'run'), sample_steps=2, save_steps=2, eval_steps=2, log_steps=2, sample_count=4, eval_samples=16,
        extractor='pixels', stop_after_evals_without_best=1,
    )  # fmt: skip
    return experiment.run(tiny_hparams(train_steps=steps), DataOptions(data), options, MachineOptions())


def rows(folder: pathlib.Path) -> list[dict[str, str]]:
    with (folder / 'run' / 'metrics.csv').open() as file:
        return list(csv.DictReader(file))


class Made(NamedTuple):
    """A run of two steps, and what it was trained on."""

    folder: pathlib.Path

    def copy(self, folder: pathlib.Path) -> pathlib.Path:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return folder


@pytest.fixture(scope='module')
def two_steps(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp('two_steps')
    write_dataset(folder / 'one')
    train(folder, str(folder / 'one'), 2)
    return Made(folder)


def test_other_data_are_measured_anew_and_nothing_is_lost(two_steps, tmp_path, caplog):
    folder = two_steps.copy(tmp_path)
    best = json.loads((folder / 'run' / 'best' / 'best.json').read_text())
    write_dataset(folder / 'other', train=40, holdout=10)
    with caplog.at_level('WARNING', 'absl'):
        train(folder, str(folder / 'other'), 6)
    assert 'was trained to step 2 on 24 images' in caplog.text and 'continues with 40 images' in caplog.text
    assert 'start again' in caplog.text
    aside = folder / 'run' / f'best_of_{best["data"]}_step_2'
    assert f'the best checkpoint on other data is kept in {aside}' in caplog.text
    assert json.loads((aside / 'best.json').read_text()) == best
    assert checkpoints.step_of(checkpoints.newest_whole(str(aside))) == 2
    now = json.loads((folder / 'run' / 'best' / 'best.json').read_text())
    assert now['step'] > 2 and now['data'] != best['data']
    measured = [(row['step'], row['data']) for row in rows(folder) if row['kid']]
    assert measured[:2] == [('2', best['data']), ('4', now['data'])]
    assert run_data.read(str(folder / 'run')).images == 40


def test_the_same_data_elsewhere_are_the_same_data(two_steps, tmp_path, caplog):
    folder = two_steps.copy(tmp_path)
    (folder / 'one').rename(folder / 'moved')
    with caplog.at_level('WARNING', 'absl'):
        train(folder, str(folder / 'moved'), 4)
    assert 'start again' not in caplog.text and not list((folder / 'run').glob('best_of_*'))
    assert run_data.read(str(folder / 'run')).train_data == str(folder / 'moved')


@pytest.mark.parametrize(('changes', 'differs'), [({'train': 25}, True), ({'holdout': 9}, True), ({'shards': 1}, True)])
def test_the_checksum_is_of_both_splits(changes, differs, tmp_path):
    def checksum(folder: pathlib.Path, **given) -> str:
        write_dataset(folder, **given)
        return run_data.checksum(*image_set.open_both(str(folder), 32, 3))

    assert checksum(tmp_path / 'a') == checksum(tmp_path / 'b')
    assert (checksum(tmp_path / 'c', **changes) != checksum(tmp_path / 'd')) == differs


def test_evaluate_and_explore_know_the_data_of_the_run(two_steps, tmp_path):
    """Also if a run and the data set inside it are moved together, or are read from another folder."""
    folder = two_steps.copy(tmp_path / 'before')
    (folder / 'one').rename(folder / 'run' / 'data')
    known = run_data.read(str(folder / 'run'))
    inside = dataclasses.replace(known, train_data='data')
    run_data.write(str(folder / 'run'), inside)
    found = run_data.of(str(folder / 'run'), DataOptions(str(folder / 'run' / 'data')), *opened(folder / 'run/data'))
    assert found == inside
    (folder / 'run').rename(tmp_path / 'moved')
    for module, flags in (('trainer.evaluate', ('--count=16', '--k=2')), ('trainer.explore', ('--count=100',))):
        ended = run_module(module, '--model_dir=moved', '--extractor=pixels', *flags, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
    (result,) = (tmp_path / 'moved' / 'evaluation').glob('evaluation_*.json')
    assert json.loads(result.read_text())['data'] == 'moved/data'
    assert (tmp_path / 'moved' / 'explore' / 'index.html').exists()


def opened(data: pathlib.Path):
    return image_set.open_both(str(data), 32, 3)


def test_evaluating_on_other_data_is_said(two_steps, tmp_path, caplog):
    train_set, holdout = opened(pathlib.Path(write_dataset(tmp_path / 'other', train=30)))
    with caplog.at_level('WARNING', 'absl'):
        run_data.warn_of_change(str(two_steps.folder / 'run'), *opened(two_steps.folder / 'one'))
        assert not caplog.text
        run_data.warn_of_change(str(two_steps.folder / 'run'), train_set, holdout)
    assert 'was trained on 24 images, but these 30 images are not the same' in caplog.text


def test_a_run_that_does_not_say_asks(tmp_path):
    with pytest.raises(errors.UserError, match='does not say what it was trained on: give --data=FOLDER'):
        run_data.options_of(str(tmp_path), '')
    assert run_data.options_of(str(tmp_path), 'x').train_data == 'x'
    write_dataset(tmp_path / 'data', train=2, holdout=0)
    assert run_data.options_of(str(tmp_path), '').train_data == str(tmp_path / 'data')


def test_evaluations_on_other_data_do_not_count(tmp_path):
    history = History(str(tmp_path), data='one')
    history.add(10, kid=0.5)
    history.write()
    other = History(str(tmp_path), 10, data='two')
    other.add(10, twins=0.5)  # The first grid of a run.
    other.add(20, kid=0.75)
    assert [(point.step, point.data) for point in other.points] == [(10, 'one'), (10, 'two'), (20, 'two')]
    assert [point.step for point in other.current] == [10, 20]
    other.write()
    assert History(str(tmp_path), 20, data='one').current == [Point(10, kid=0.5, data='one')]


def test_a_best_of_other_data_does_not_count_and_is_put_where_nothing_is(tmp_path):
    best = tmp_path / 'best'
    for data in ('one', 'one', ''):
        best.mkdir()
        (best / 'best.json').write_text(json.dumps({'step': 3, 'kid': 0.25, 'extractor': 'pixels', 'data': data}))
        assert Keeper(str(tmp_path), 'pixels', data).kid == 0.25
        assert Keeper(str(tmp_path), 'pixels', 'two').kid == float('inf')
        assert set_aside(str(tmp_path), data) == ''
        assert set_aside(str(tmp_path), 'two')
    names = ['best_of_before_step_3', 'best_of_one_step_3', 'best_of_one_step_3.1']
    assert sorted(path.name for path in tmp_path.iterdir()) == names
