from __future__ import annotations

import dataclasses

import pytest
from absl import flags

from trainer import cli, generate
from trainer.dcgan.hparams import HParams
from trainer.flags import declaration
from trainer.machine.options import MachineOptions
from trainer.options import DataOptions, RunOptions

TASK_GROUPS = (HParams, DataOptions, RunOptions, MachineOptions)

# Names that people use in scripts: they must stay.
PROMISED = """
    image_size channels base_filters noise_dim train_data holdout_data record_layout model_dir train_batch_size
    train_steps sample_steps save_steps eval_steps loss learning_rate compute_dtype seed use_tpu tpu dry_run
"""


def parse(options: type, *argv: str):
    values = flags.FlagValues()
    cli.define_flags(options, values)
    values(['program', *argv])
    return cli.from_flags(options, values)


def test_defaults_come_from_the_dataclass():
    for group in TASK_GROUPS:
        assert parse(group) == group()


def test_promised_flags_exist():
    names = {field.name for group in TASK_GROUPS for field in dataclasses.fields(group)}
    assert names >= set(PROMISED.split())


def test_no_flag_is_defined_twice():
    names = [field.name for group in TASK_GROUPS for field in dataclasses.fields(group)]
    assert len(names) == len(set(names))


def test_values_of_every_type():
    parsed = parse(HParams, '--image_size=64', '--learning_rate=1e-3', '--loss=hinge')
    assert parsed == HParams(image_size=64, learning_rate=1e-3, loss='hinge')
    assert parse(MachineOptions, '--use_tpu=true').use_tpu
    assert not parse(MachineOptions, '--nouse_tpu').use_tpu


def test_what_vertex_sets_is_the_default_and_flags_win(monkeypatch):
    for name in ('AIP_CHECKPOINT_DIR', 'AIP_TENSORBOARD_LOG_DIR', 'AIP_MODEL_DIR'):
        monkeypatch.setenv(name, f'gs://bucket/{name}/')
    monkeypatch.setenv('CLOUD_ML_REGION', 'europe-west4')
    found = parse(RunOptions)
    assert (found.model_dir, found.region) == ('gs://bucket/AIP_CHECKPOINT_DIR', 'europe-west4')
    assert (found.tensorboard_dir, found.export_dir) == (
        'gs://bucket/AIP_TENSORBOARD_LOG_DIR',
        'gs://bucket/AIP_MODEL_DIR',
    )
    assert parse(RunOptions, '--model_dir=here', '--region=').model_dir == 'here'
    assert parse(RunOptions, '--model_dir=here', '--region=').region == ''
    monkeypatch.setenv('AIP_MODEL_DIR', '')  # An empty variable counts as not set.
    assert parse(RunOptions, '--model_dir=here').export_dir == 'here/saved_model'


def test_a_whole_number_may_be_written_as_a_tuning_service_writes_it():
    assert parse(HParams, '--train_batch_size=32.0').train_batch_size == 32


@pytest.mark.parametrize(
    ('flag', 'rule'),
    [
        ('--image_size=96', 'choose one of 32, 64, 128'),
        ('--train_batch_size=1', 'at least 2'),
        ('--train_batch_size=8.5', 'a whole number'),
        ('--flip=perhaps', 'flip=perhaps: expected true or false'),
        ('--train_batch_size=many', 'a whole number'),
        ('--learning_rate=-1', 'at least 0'),
        ('--loss=l1', 'non_saturating|hinge|least_squares|wasserstein'),
        ('--learning_rat=1', 'Did you mean: learning_rate'),
    ],
)
def test_a_bad_value_is_answered_with_the_rule(flag, rule):
    with pytest.raises(flags.Error) as caught:
        parse(HParams, flag)
    assert rule in str(caught.value)
    assert flag.split('=')[0].lstrip('-') in str(caught.value)


def test_a_flagfile_is_read_and_later_flags_win(tmp_path):
    recipe = tmp_path / 'recipe.cfg'
    recipe.write_text('# a comment\n--image_size=64\n\n--seed=3\n')
    assert parse(HParams, f'--flagfile={recipe}', '--seed=4') == HParams(image_size=64, seed=4)


@pytest.mark.parametrize('groups', [TASK_GROUPS, (generate.GenerateOptions,)])
def test_the_help_page_says_all_there_is_to_say(groups):
    page = cli.help_page('What it does.', groups)
    for group in groups:
        assert group.__doc__.splitlines()[0] in page
        for field in dataclasses.fields(group):
            marker = f'  --[no]{field.name}\n' if isinstance(field.default, bool) else f'  --{field.name}='
            entry = ' '.join(page[page.index(marker) :].split())
            help_ = declaration.rule_of(field).help
            assert entry.index(help_) < entry.index('default') < len(help_) + 140
    assert max(map(len, page.splitlines())) <= 100
