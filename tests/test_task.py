"""The entry point as users see it: a process with flags, signals and an exit code."""

from __future__ import annotations

import json
import pathlib
import re
import signal
import time
from contextlib import AbstractContextManager

import pytest
from absl import flags

from tests.conftest import ROOT, TINY_FLAGS, write_dataset
from tests.processes import Started, run_module, start_module
from trainer import cli, errors, task
from trainer.dcgan.hparams import HParams
from trainer.machine.options import MachineOptions
from trainer.model_dir import checkpoints, hparams_file
from trainer.options import DataOptions, RunOptions

RECIPES = sorted(path.name for path in (ROOT / 'configs').glob('*.cfg'))


@pytest.fixture
def parsed(monkeypatch):
    """Runs task.main in this process with its own flags."""

    def main(*argv: str) -> int:
        values = flags.FlagValues()
        for group in (HParams, DataOptions, RunOptions, MachineOptions):
            cli.define_flags(group, values)
        values(['task', *argv])
        monkeypatch.setattr(task.flags, 'FLAGS', values)
        return task.main()

    return main


def start(*flags_: str, cwd: pathlib.Path) -> AbstractContextManager[Started]:
    return start_module('trainer.task', *TINY_FLAGS, *flags_, cwd=cwd)


def wait_for(process: Started, text: str) -> str:
    """Reads the log until a line holds `text`, and returns the log up to that line."""
    seen = []
    for line in process.stderr:
        seen.append(line)
        if text in line:
            return ''.join(seen)
    raise AssertionError(f'{text!r} never came:\n{"".join(seen)}')


def step_in(log: str, marker: str) -> int:
    return int(re.findall(re.escape(marker) + r'([\d,]+)', log)[-1].replace(',', ''))


def test_the_defaults_train_on_the_embedded_images(tmp_path):
    small = ('--base_filters=4', '--train_batch_size=8', '--sample_count=4', '--extractor=pixels', '--train_steps=2')
    ended = run_module('trainer.task', '--use_tpu=false', *small, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert 'no --train_data: training on the sample images' in ended.stderr
    demo = tmp_path / 'runs' / 'demo'
    assert json.loads((demo / 'data' / 'dataset.json').read_text())['options']['fit'] == 'stretch'
    assert {path.name for path in (demo / 'samples').iterdir()} == {
        'real.png', 'step_000000.png', 'step_000002.png', 'progress.gif', 'metrics.png',
    }  # fmt: skip
    assert 'Traceback' not in ended.stderr
    assert 'is deprecated' not in ended.stderr
    again = run_module('trainer.task', '--use_tpu=false', *small, cwd=tmp_path)
    assert again.returncode == 0
    assert 'is finished at step 2' in again.stderr


def test_null_input_times_the_networks_of_the_run_that_is_there(parsed, tmp_path, monkeypatch):
    hparams_file.write(str(tmp_path), HParams(image_size=128, channels=3, generator_upsampling='plain'))
    timed = []
    monkeypatch.setattr(task.device_timing, 'time_device', lambda hparams, *_: timed.append(hparams) or 0)
    assert parsed('--input=null', f'--model_dir={tmp_path}') == 0
    assert (timed[0].image_size, timed[0].generator_upsampling) == (128, 'plain')


def test_a_tpu_needs_data_of_your_own(parsed):
    with pytest.raises(errors.UserError, match='--use_tpu=true needs --train_data'):
        parsed('--use_tpu=true')


@pytest.mark.parametrize('recipe', RECIPES)
def test_each_recipe_is_understood(parsed, recipe, capsys):
    assert parsed(f'--flagfile={ROOT / "configs" / recipe}', '--dry_run') == 0
    resolved = json.loads(capsys.readouterr().out)
    header = (ROOT / 'configs' / recipe).read_text().split('\n\n')[0]
    assert f'--flagfile=configs/{recipe}' in header
    size = ''.join(filter(str.isdigit, recipe)) or '32'
    assert resolved['image_size'] == int(size)


def test_the_demo_recipe_is_the_defaults_spelled_out(parsed, capsys):
    parsed(f'--flagfile={ROOT / "configs" / "demo.cfg"}', '--dry_run')
    spelled_out = capsys.readouterr().out
    parsed('--dry_run')
    assert spelled_out == capsys.readouterr().out


def test_the_published_run_is_kept(parsed, capsys):
    for size in (64, 128):
        parsed(f'--flagfile={ROOT / "configs" / f"article{size}.cfg"}', '--dry_run')
        article = json.loads(capsys.readouterr().out)
        published = {
            'train_batch_size': 1024, 'train_steps': 15000, 'noise_dim': 100, 'learning_rate': 2e-4,
            'discriminator_norm': 'batch', 'augment': 'none', 'flip': False, 'ema_half_life_kimg': 0,
            'stop_after_evals_without_best': 0, 'update': 'joint', 'kernel_size': 5, 'generator_norm': 'batch',
            'generator_output': 'deconv', 'discriminator_input': 'image', 'augment_target': 0,
            'generator_upsampling': 'plain',
        }  # fmt: skip
        assert {name: article[name] for name in published} == published
        assert article['beta1'] == 0.5


@pytest.mark.parametrize(
    'wrong, code',
    [
        ('--image_size=96', 1), ('word', 1), ('--flagfile=nowhere.cfg', 1),
        ('--train_data=nowhere', errors.DataError.exit_code),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_an_exit_code(wrong, code, tmp_path):
    ended = run_module('trainer.task', wrong, '--model_dir=run', cwd=tmp_path)
    assert (ended.returncode, 'Traceback' in ended.stderr) == (code, False), ended.stderr
    assert ended.stderr.splitlines()[-1].startswith('error: ')


def test_a_signal_saves_and_says_so_and_kill_9_loses_little(tmp_path):
    """One run, ended in three ways: each start resumes from the last whole checkpoint."""
    data = write_dataset(tmp_path / 'data')
    flags_ = (f'--train_data={data}', '--model_dir=run', '--train_steps=100000', '--log_steps=5')
    flags_ += ('--sample_steps=1000', '--save_steps=20', '--eval_steps=0')
    run = tmp_path / 'run'
    end_by(signal.SIGTERM, 143, flags_, run)

    with start(*flags_, cwd=tmp_path) as process:
        resumed = step_in(wait_for(process, 'resuming'), 'at step ')
        assert resumed == checkpoints.step_of(checkpoints.recover(str(run)))
        while not any(step > resumed for step in saved_steps(run)):
            time.sleep(0.01)
        process.kill()
    whole = checkpoints.step_of(checkpoints.recover(str(run)))
    assert whole >= resumed

    log = end_by(signal.SIGINT, 130, flags_, run)
    resuming = next(line for line in log.splitlines() if 'resuming' in line)
    assert step_in(resuming, 'at step ') == whole


def end_by(signum: int, code: int, flags_: tuple[str, ...], run: pathlib.Path) -> str:
    """Trains for a while, and returns the log."""
    before = checkpoints.step_of(checkpoints.recover(str(run)))
    with start(*flags_, cwd=run.parent) as process:
        log = wait_for(process, ' images/s ')
        seen = step_in(log, ' step ')
        process.send_signal(signum)
        log += process.stderr.read()
        assert process.wait(30) == code, log
    assert 'stopped; the same command resumes' in log
    assert checkpoints.step_of(checkpoints.recover(str(run))) >= seen > before
    return log


def saved_steps(run: pathlib.Path) -> list[int]:
    return [int(path.name.split('-')[1].split('.')[0]) for path in run.glob('model.ckpt-*.index')]
