"""Some damaged inputs of each kind; `python -m tests.benchmarks.fuzz` tries many."""

from __future__ import annotations

import json

import pytest

from tests.fuzz import kinds, runner
from tests.processes import run_module

# About a second each.
TRIES = {
    'dataset.json': 20, 'shards': 20, 'records': 30, 'appended': 20, 'features': 15, 'images': 6, 'pictures': 60,
    'hparams.json': 30, 'checkpoints': 8, 'checkpoint-state': 60, 'metrics.csv': 6, 'best': 6, 'saved-model-weights': 6,
    'saved-model-graph': 5, 'states': 100, 'samples': 40, 'flags': 300, 'tables': 300, 'recipes': 100, 'job-files': 60,
    'requests': 300,
    'credentials': 100, 'updates': 60,
}  # fmt: skip


@pytest.mark.parametrize('kind', kinds.KINDS)
def test_damaged_input_comes_out_right_or_is_refused_in_one_line(kind, tmp_path):
    ended = run_module('tests.fuzz', f'--kind={kind}', f'--tries={TRIES[kind]}', cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr[-3000:]
    outcomes = json.loads(ended.stdout)
    assert sum(outcomes.values()) == TRIES[kind]
    assert set(outcomes) <= {runner.RIGHT, runner.REFUSED}
    assert not list(tmp_path.iterdir())
