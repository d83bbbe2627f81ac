"""The runs of tests/benchmarks/quality are what docs/quality.md says that they are; none of them is trained here."""

from __future__ import annotations

import dataclasses

import pytest
from absl import flags

from tests.benchmarks.quality.studies import EVALUATIONS, RECIPES, STUDIES, Run
from tests.conftest import ROOT
from trainer import cli
from trainer.dcgan.hparams import HParams
from trainer.options import RunOptions
from trainer.vertex.task_flags import GROUPS


def name(run: Run) -> str:
    return run.name(run.data.images(3600))


ALL = {name(run): run for study in STUDIES.values() for run in study}


def parse(*arguments: str) -> tuple[HParams, RunOptions]:
    """What trainer.task makes of its flags; it refuses those that it does not know."""
    values = flags.FlagValues()
    for group in GROUPS:
        cli.define_flags(group, values)
    values(['trainer.task', *arguments])
    return cli.from_flags(HParams, values), cli.from_flags(RunOptions, values)


def recipe(hparams: HParams) -> dict:
    """What a recipe decides, beside size and length."""
    fields = ('image_size', 'base_filters', 'train_batch_size', 'train_steps', 'train_kimg', 'compute_dtype', 'seed')
    return {name: value for name, value in dataclasses.asdict(hparams).items() if name not in fields}


@pytest.mark.parametrize('run', ALL.values(), ids=ALL)
def test_each_run_is_one_that_the_trainer_takes(run: Run):
    hparams, options = parse(*run.training_flags())
    assert hparams.train_batch_size == run.batch
    assert hparams.train_steps == run.steps == EVALUATIONS * options.eval_steps, 'its last evaluation is at its end'
    assert run.kimg == hparams.train_steps * hparams.train_batch_size / 1000
    assert options.save_steps == options.eval_steps


def test_a_name_stands_for_one_run():
    for study in STUDIES.values():
        for run in study:
            assert run == ALL[name(run)]


def test_ours_is_the_default():
    hparams, _ = parse(*RECIPES['ours'])
    assert hparams == HParams()


@pytest.mark.parametrize('size', [32, 64, 128])
def test_ours_is_the_recipe_of_each_size(size):
    hparams, _ = parse(f'--flagfile={ROOT}/configs/dcgan{size}.cfg')
    assert recipe(hparams) == recipe(HParams())
    assert hparams.train_batch_size == HParams.train_batch_size


@pytest.mark.parametrize('size', [64, 128])
def test_article_is_the_published_recipe_in_smaller_batches(size):
    published, _ = parse(f'--flagfile={ROOT}/configs/article{size}.cfg')
    assert recipe(parse(*RECIPES['article'])[0]) == recipe(published)
