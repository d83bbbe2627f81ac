"""The files of a run: hyper-parameters, checkpoints, measures, the best, SavedModels, locks, marks and pictures."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import pathlib

import numpy as np

from tests.conftest import smooth_images, tiny_hparams, write_run
from tests.fuzz.mutations import NASTY_TEXTS, Random, damaged_bytes, damaged_json, damaged_lines
from tests.fuzz.runner import Kind
from trainer import errors
from trainer.data import images
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.filesystem import outputs, state_file
from trainer.filesystem.remote_lock import Holder
from trainer.flags.declaration import typed_fields
from trainer.generator import loading, sampler, samples, saved_model
from trainer.model_dir import checkpoints, classes_file, hparams_file, run_data
from trainer.monitoring import best, chart, early_stopping
from trainer.monitoring.history import History
from trainer.options import BEST, LAST, RunOptions
from trainer.run import classes

_HPARAMS = tiny_hparams()
_STEPS = (3, 6)
_SEEDS = (1, 2)


def _write(folder: pathlib.Path) -> None:
    """A run with two checkpoints, and beside it the pictures from each."""
    run = folder / 'run'
    run.mkdir()
    right = {}
    for step in _STEPS:
        prefix = write_run(run, step, _HPARAMS)
        right[str(step)] = _pictures(sampler.CheckpointGenerator(_HPARAMS).restore(prefix)).tolist()
    (folder / 'right.json').write_text(json.dumps(right))
    best_of = checkpoints.best_folder(str(run))
    os.makedirs(best_of)
    for path in checkpoints.parts(str(run), _STEPS[0]):
        (pathlib.Path(best_of) / os.path.basename(path)).write_bytes(pathlib.Path(path).read_bytes())
    (pathlib.Path(best_of) / 'best.json').write_text(
        json.dumps({'step': _STEPS[0], 'kid': 0.25, 'extractor': 'pixels', 'data': '0123456789abcdef'})
    )


def _pictures(generator: sampler.Generator) -> np.ndarray:
    return generator.images(generator.latents(_SEEDS))


def _damage_one(paths: list[pathlib.Path], random: Random) -> pathlib.Path:
    path = sorted(paths)[int(random.integers(len(paths)))]
    path.write_bytes(damaged_bytes(path.read_bytes(), random))
    return path


def _check_pictures(work: pathlib.Path, found: loading.TrainedGenerator) -> None:
    right = np.array(json.loads((work / 'right.json').read_text())[str(found.step)], np.uint8)
    assert np.array_equal(_pictures(found.generator), right), f'other pictures than those of step {found.step}'


def _hyper_parameters(work: pathlib.Path, random: Random) -> None:
    path = work / 'run' / hparams_file.FILE_NAME
    path.write_text(damaged_json(path.read_text(), random), errors='surrogateescape')
    hparams = hparams_file.read(str(work / 'run'))
    if hparams is None:
        return
    for field, kind in typed_fields(HParams):
        assert type(getattr(hparams, field.name)) is kind, field.name
    hparams_file.check_change(str(work / 'run'), hparams)
    checked = loading.load(str(work / 'run'), LAST)
    # Without its EMA, the generator is another one.
    if checked.hparams.ema_half_life_kimg and checked.hparams.architecture == _HPARAMS.architecture:
        _check_pictures(work, checked)


def _checkpoint(work: pathlib.Path, random: Random) -> None:
    """Data and index files; one checkpoint stays whole, and must not be lost."""
    run = work / 'run'
    step = _STEPS[int(random.integers(2))]
    whole = {path: path.read_bytes() for path in run.glob(f'model.ckpt-{sum(_STEPS) - step}.*')}
    _damage_one(list(run.glob(f'model.ckpt-{step}.*')), random)
    prefix = checkpoints.recover(str(run))
    assert all(path.read_bytes() == data for path, data in whole.items()), 'the whole checkpoint is lost'
    assert checkpoints.step_of(prefix) in _STEPS
    _check_pictures(work, loading.load(str(run), LAST))


def _state(work: pathlib.Path, random: Random) -> None:
    """The file `checkpoint`, which names files, and file names that only look like checkpoints."""
    run = work / 'run'
    state = run / 'checkpoint'
    tokens = [*NASTY_TEXTS, '../../outside/thesis.txt', f'{work.parent}/outside/thesis.txt', 'model.ckpt-3', '"']
    state.write_bytes(
        damaged_lines(state.read_text(), random, tokens).encode('utf-8', 'surrogatepass')
        if random.random() < 0.7
        else damaged_bytes(state.read_bytes(), random)
    )
    for name in ('model.ckpt-9_temp', f'model.ckpt-{"9" * 30}.index', 'model.ckpt--1.index', 'model.ckpt-9.index.bak'):
        if random.random() < 0.3:
            (run / name).touch()
    before = {path.name for path in run.glob('model.ckpt-*') if '_temp' not in path.name}
    prefix = checkpoints.recover(str(run))
    assert checkpoints.step_of(prefix) == max(_STEPS)
    assert all(str(work) in line or 'model.ckpt-' in line for line in state.read_text().splitlines() if 'path' in line)
    assert before <= {path.name for path in run.iterdir()}


def _write_measures(folder: pathlib.Path) -> None:
    _write(folder)
    history = History(str(folder / 'run'), data='0123456789abcdef')
    for step in range(0, 60, 10):
        history.add(step, kid=1.0 / (step + 1), twins=0.25, d_real=0.5, d_fake=0.5, verdict='healthy')
    history.write()


def _measures(work: pathlib.Path, random: Random) -> None:
    path = work / 'run' / 'metrics.csv'
    before = path.read_text()
    text = damaged_lines(before, random) if random.random() < 0.8 else ''
    path.write_bytes(
        text.encode('utf-8', 'surrogatepass') if text else damaged_bytes(before.encode(), random)
    )  # fmt: skip
    damaged = path.read_bytes()
    history = History(str(work / 'run'), 1000, '0123456789abcdef')
    assert all(math.isfinite(point.kid) for point in history.points if point.kid is not None)
    if not history.points and damaged.strip():
        kept = [other for other in (path, path.with_name('metrics.csv.old')) if other.exists()]
        assert damaged in [other.read_bytes() for other in kept], 'what was measured is lost'
    options = RunOptions(str(work / 'run'), extractor='pixels', stop_after_evals_without_best=2)
    early_stopping.reason_to_end(options, 50, '0123456789abcdef')
    chart.write(str(work / 'chart.png'), history.points)
    history.add(2000, kid=0.5)
    history.write()
    assert History(str(work / 'run'), 2000).points == history.points


def _best(work: pathlib.Path, random: Random) -> None:
    folder = work / 'run' / 'best'
    if random.random() < 0.5:
        path = folder / 'best.json'
        path.write_text(damaged_json(path.read_text(), random), errors='surrogateescape')
    else:
        _damage_one(list(folder.iterdir()), random)
    keeper = best.Keeper(str(work / 'run'), 'pixels', '0123456789abcdef')
    assert keeper.kid == math.inf or math.isfinite(keeper.kid)
    assert keeper.offer(max(_STEPS), -1e9)
    found = loading.load(str(work / 'run'), BEST)
    assert found.step == max(_STEPS)
    _check_pictures(work, found)
    aside = best.set_aside(str(work / 'run'), 'fedcba9876543210')
    assert pathlib.Path(aside).parent == work / 'run' and pathlib.Path(aside).name.startswith('best_of_')


def _write_exported(folder: pathlib.Path) -> None:
    _write(folder)
    saved_model.export(_HPARAMS, checkpoints.path(str(folder / 'run'), _STEPS[0]), str(folder / 'run' / 'saved_model'))


def _exported(work: pathlib.Path, random: Random) -> None:
    """Only its weights: the graph is a program, and docs/cloud.md says not to load one from a stranger."""
    folder = work / 'run' / 'saved_model'
    _damage_one(list((folder / 'variables').iterdir()), random)
    pictures = _pictures(sampler.ExportedGenerator(str(folder)))
    right = np.array(json.loads((work / 'right.json').read_text())[str(_STEPS[0])], np.uint8)
    assert np.array_equal(pictures, right), 'other pictures than those that were exported'


def _graph(work: pathlib.Path, random: Random) -> None:
    """A SavedModel with any graph is replaced only if it is ours, and the files beside it stay."""
    folder = work / 'run' / 'saved_model'
    _damage_one([folder / 'saved_model.pb'], random)
    stranger = random.random() < 0.5
    if stranger:
        (folder / 'thesis.txt').write_text('a year')
    try:
        saved_model.export(_HPARAMS, checkpoints.path(str(work / 'run'), _STEPS[0]), str(folder))
    finally:
        assert (folder / 'thesis.txt').exists() == stranger
    assert not stranger, 'a folder with a thesis was replaced'


def _write_states(folder: pathlib.Path) -> None:
    run_data.write(str(folder), run_data.RunData('data', images=24, checksum='0123456789abcdef'))
    outputs.write_mark(str(folder), outputs.Mark('trainer.generate', ('seed_*.png',), {'input': 'x'}))
    classes_file.write(str(folder), Classes(('a', 'b'), (3, 4), 1))
    clusters = classes.Clusters('squeezenet', '1', (0.5, 0.25), ((1.0, 0.0), (0.0, 1.0)))
    (folder / classes.CLUSTERS_FILE).write_text(json.dumps(dataclasses.asdict(clusters)))
    (folder / 'lock.json').write_text(json.dumps({'owner': 'me', 'job': '', 'token': 'x', 'heartbeat_s': 15.0}))


def _states(work: pathlib.Path, random: Random) -> None:
    """data.json, classes and clusters, the mark of an output, and a lock in a bucket that another job may have left."""
    for name in (run_data.FILE_NAME, outputs.MARK, 'lock.json', classes_file.FILE_NAME, classes.CLUSTERS_FILE):
        path = work / name
        path.write_text(damaged_json(path.read_text(), random), errors='surrogateescape')
    (work / 'seed_1.png').write_bytes(b'mine')
    try:
        holder = state_file.read(str(work / 'lock.json'), Holder, fix='remove it')
        assert holder is None or (0 <= holder.heartbeat_s <= 60 and holder.owner.isprintable())
    except errors.UserError:
        pass
    try:
        with outputs.claimed('--output_dir', str(work), 'trainer.generate', ('seed_*.png',)):
            mark = outputs.read_mark(str(work))
            assert mark and mark.made_by == 'trainer.generate'
    except errors.UserError as error:
        assert 'holds' in str(error)
    assert (work / 'seed_1.png').read_bytes() == b'mine'
    _check_classes(work)
    known = run_data.read(str(work))
    assert known is None or all(isinstance(text, str) for text in (known.train_data, known.checksum))
    run_data.options_of(str(work), '')


def _check_classes(work: pathlib.Path) -> None:
    """What is not refused can be drawn from, and finds the cluster of an image."""
    with contextlib.suppress(errors.UserError):
        found = classes_file.read(str(work))
        assert found is None or math.isclose(found.shares.sum(), 1) and math.isclose(found.drawn_shares.sum(), 1)
    with contextlib.suppress(errors.UserError):
        clusters = state_file.read(str(work / classes.CLUSTERS_FILE), classes.Clusters, fix='remove it')
        assert clusters is None or np.isfinite(np.array(clusters.centres, np.float32)).all()


def _write_samples(folder: pathlib.Path) -> None:
    for step, picture in enumerate(smooth_images(3, 64)):
        images.write_png(samples.grid_path(str(folder / 'run'), step), picture)


def _samples(work: pathlib.Path, random: Random) -> None:
    """Grids of earlier steps, which become the frames of the animation."""
    paths = list((work / 'run' / 'samples').iterdir())
    damaged = _damage_one(paths, random)
    before = damaged.read_bytes()
    samples.write_gif(str(work / 'run'))
    assert damaged.read_bytes() == before


KINDS = (
    Kind('hparams.json', _write, _hyper_parameters),
    Kind('checkpoints', _write, _checkpoint),
    Kind('checkpoint-state', _write, _state),
    Kind('metrics.csv', _write_measures, _measures),
    Kind('best', _write, _best),
    Kind('saved-model-weights', _write_exported, _exported),
    Kind('saved-model-graph', _write_exported, _graph),
    Kind('states', _write_states, _states),
    Kind('samples', _write_samples, _samples),
)
