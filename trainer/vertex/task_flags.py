"""Parses a job's arguments with the trainer's own flags, to find a wrong one now and not after the queue."""

from __future__ import annotations

import dataclasses
import re

from absl import flags

from trainer import cli, errors
from trainer.dcgan.hparams import HParams
from trainer.machine.options import MachineOptions
from trainer.options import DataOptions, RunOptions
from trainer.vertex.documents import Node

GROUPS = (HParams, DataOptions, RunOptions, MachineOptions)  # Those of trainer.task.

# Every absl program has these.
_ABSL = ('v', 'verbosity', 'logtostderr', 'alsologtostderr', 'stderrthreshold', 'logger_levels', 'showprefixforinfo')
_FOLDERS = ('train_data', 'holdout_data', 'model_dir', 'tensorboard_dir', 'export_dir', 'compile_cache_dir')
_REACHABLE = ('gs://', '/gcs/', '/mnt/')  # Cloud Storage, its mount on Vertex AI, and where NFS is mounted.


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The parsed arguments of a job.

    Attributes:
      where: the list of arguments, or what should hold it.
      given: the argument of each given flag, by name.
      values: all flags, parsed.
      hparams, data, run, tpu: the trainer's options.
    """

    where: Node
    given: dict[str, Node]
    values: flags.FlagValues
    hparams: HParams
    data: DataOptions
    run: RunOptions
    tpu: MachineOptions

    def error(self, name: str, message: str) -> errors.UserError:
        """An error that names the line of the flag `name`, or of the list of arguments if the flag is not given."""
        return self.given.get(name, self.where).error(message)


def parse(task: Node, extra: Node | None = None) -> Arguments:
    """Parses the arguments of a containerSpec or pythonPackageSpec as trainer.task would.

    Args:
      task: the spec.
      extra: one more argument, as a tuning service appends it.

    Raises:
      errors.UserError: trainer.task would refuse an argument, or all of them together.
    """
    where = task.get('args') or task
    values = flags.FlagValues()
    for group in GROUPS:
        cli.define_flags(group, values)
    given: dict[str, Node] = {}
    items = task['args'].items if where is not task else []
    for item in _joined([*items, *([extra] if extra else [])], values):
        name = _name(item)
        if name in _ABSL:
            continue
        if name == 'flagfile':
            _check_flagfile(item, task)
        try:
            cli.parse_words(['trainer.task', item.value], values)
        except errors.UserError as error:
            raise item.error(f'trainer.task refuses it: {error}') from None
        given[_positive(name, values)] = item
    try:
        hparams, data = cli.from_flags(HParams, values), cli.from_flags(DataOptions, values)
        run, tpu = cli.from_flags(RunOptions, values), cli.from_flags(MachineOptions, values)
    except errors.UserError as error:
        named = [name for name in re.findall(r'--(\w+)', str(error)) if name in given]
        raise (given[named[0]] if named else where).error(str(error)) from None
    return Arguments(where, given, values, hparams, data, run, tpu)


def check_folders(arguments: Arguments, spec: Node) -> None:
    """Checks that the job can reach its folders, and that its output remains when its machine is gone.

    Raises:
      errors.UserError: the job cannot reach a folder, or its output would be lost.
    """
    for name in _FOLDERS:
        folder = arguments.values[name].value
        if name in arguments.given and folder and not folder.startswith(_REACHABLE):
            raise arguments.error(
                name, f'{folder!r} is a folder of your machine, not of the job: write gs://BUCKET/...'
            )
    if 'model_dir' not in arguments.given and not spec.get('baseOutputDirectory'):
        raise spec.error(
            'baseOutputDirectory is missing, and the run would be lost with its machine: add '
            'baseOutputDirectory: {outputUriPrefix: gs://BUCKET/runs/NAME}, or --model_dir=gs://... to the args'
        )
    tensorboard = spec.get('tensorboard')
    if tensorboard and 'tensorboard_dir' not in arguments.given and not spec.get('baseOutputDirectory'):
        raise tensorboard.error(
            'it reads the logs of baseOutputDirectory and would stay empty: add baseOutputDirectory'
        )
    if arguments.tpu.use_tpu and not arguments.data.train_data and arguments.data.input == 'records':
        raise arguments.error('train_data', '--use_tpu=true needs --train_data=gs://BUCKET/...')


def _joined(items: list[Node], values: flags.FlagValues) -> list[Node]:
    """The arguments, each with its value: '--seed', '1' becomes '--seed=1'."""
    joined: list[Node] = []
    waiting: Node | None = None
    for item in items:
        if waiting:
            joined.append(dataclasses.replace(waiting, value=f'{waiting.value}={item.value}'))
            waiting = None
            continue
        _check_single(item)
        name = _name(item)
        takes_value = name in values and not values[name].boolean and '=' not in item.value
        if takes_value and item is not items[-1]:
            waiting = item
        else:
            joined.append(item)
    return joined


def _check_single(item: Node) -> None:
    """Refuses several flags in one: gcloud's --args separates flags by commas and blanks, Vertex AI does not."""
    if re.search(r'\s--?\w', item.value):
        raise item.error('several flags in one: write one "- --name=value" per line')
    if ',' in item.value:
        raise item.error(
            "a comma, where gcloud's --args would begin another flag, and no flag of trainer.task takes a list: write "
            'one "- --name=value" per line, and rename a path that contains a comma'
        )
    if not _name(item):
        raise item.error(f'{item.value!r} is not a flag: write --name=value')


def _name(item: Node) -> str:
    match = re.match(r'--?([A-Za-z]\w*)', item.value)
    return match[1] if match else ''


def _positive(name: str, values: flags.FlagValues) -> str:
    return name[2:] if name.startswith('no') and name not in values else name


def _check_flagfile(item: Node, task: Node) -> None:
    if 'pythonModule' in task.keys:
        raise item.error('a package contains no recipes: write out the flags of the file')
    if not re.fullmatch(r'--?flagfile=configs/\w+\.cfg', item.value):
        raise item.error('the images hold the files configs/*.cfg and no other: name one, or write out its flags')
