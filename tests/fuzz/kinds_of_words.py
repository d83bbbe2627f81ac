"""What people type and write: flags, recipes, job files."""

from __future__ import annotations

import dataclasses
import math
import pathlib

from absl import flags

from convert import csv_cells, marks
from convert.audit import AuditOptions
from convert.inspect_tfrecords import InspectOptions
from convert.label import LabelOptions
from convert.ocr import OcrOptions
from convert.options import ConvertOptions
from tests.conftest import ROOT
from tests.fuzz.mutations import NASTY_TEXTS, Random, damaged_bytes, damaged_lines
from tests.fuzz.runner import Kind
from trainer import cli, vertex_config
from trainer.chat import ChatOptions
from trainer.data.image_set import Entry
from trainer.dcgan.hparams import HParams
from trainer.evaluate import EvaluateOptions
from trainer.explore import ExploreOptions
from trainer.export import ExportOptions
from trainer.flags import flagfiles
from trainer.flags.declaration import rule_of, typed_fields
from trainer.generate import GenerateOptions
from trainer.machine.options import MachineOptions
from trainer.options import DataOptions, RunOptions
from trainer.run import memory
from trainer.serve import ServeOptions
from trainer.serving import requests
from trainer.serving.limits import PICTURES

_COMMANDS: tuple[tuple[type, ...], ...] = (
    (HParams, DataOptions, RunOptions, MachineOptions), (GenerateOptions,), (EvaluateOptions,), (ExploreOptions,),
    (ChatOptions,), (ExportOptions,), (ServeOptions,),
    (ConvertOptions,), (AuditOptions,), (InspectOptions,), (LabelOptions,), (OcrOptions,),
    (vertex_config.ProjectOptions, vertex_config.FileOptions),
)  # fmt: skip
_NEEDED = {'input_dir': 'in', 'output_dir': 'out', 'data': 'in', 'model_dir': 'run'}
_NUMBERS = (
    '0', '-0', '-0.0', '1', '-1', '2', '1e0', '1e9', '1e10', '1e308', '1e309', '1e-320', '2147483647', '2147483648',
    '9223372036854775807', '9223372036854775808', '18446744073709551616', '9' * 400, '0x10', '1_0', '+1', ' 1', '1 ',
)  # fmt: skip
_FORMS = ('--{}', '--no{}', '--no{}={}', '-{}={}', '--{} {}', '---{}={}')
_YAML = (
    '&a [*a, *a]', '*a', '<<: *a', '!!python/object/apply:os.system [id]', '!!binary x', '? x', '- ', ':', '\t', '{',
    '[', '|', '>', '---', '...', '%YAML 9', '0o7', '1e999', 'null', '~', '!!timestamp 9999-99-99', '2026-11-28', '.nan',
)  # fmt: skip
_NAMES = ('a/1.png', 'b/1.png', '=2.png', 'c, d.png')  # Of images.
_JOBS = sorted(path for path in (ROOT / 'configs' / 'vertex').glob('*.yaml') if path.name not in vertex_config.NOT_JOBS)
_PROJECT = vertex_config.ProjectOptions(
    project='a-project', bucket='a-bucket', region='us-central1', image='us-central1-docker.pkg.dev/a-project/d/d'
)


def _nothing(folder: pathlib.Path) -> None:
    """Nothing to prepare."""


def _flag_values(work: pathlib.Path, random: Random) -> None:
    """Up to three flags of a command, with any value: the value keeps the flag's rule or is refused."""
    groups = _COMMANDS[int(random.integers(len(_COMMANDS)))]
    values = flags.FlagValues()
    for group in groups:
        cli.define_flags(group, values)
    fields = [field for group in groups for field, _ in typed_fields(group)]
    given = [f'--{name}={value}' for name, value in _NEEDED.items() if name in {field.name for field in fields}]
    for _ in range(int(random.integers(1, 4))):
        field = fields[int(random.integers(len(fields)))]
        tokens = _NUMBERS if random.random() < 0.5 else NASTY_TEXTS
        form = _FORMS[int(random.integers(len(_FORMS)))] if random.random() < 0.2 else '--{}={}'
        given.append(form.format(field.name, tokens[int(random.integers(len(tokens)))]))
    cli.parse_words(['program', *given], values)
    for group in groups:
        made = cli.from_flags(group, values)
        for field, kind in typed_fields(group):
            _check_within(dataclasses.replace(made), field, kind)
    if groups[0] is HParams:
        hparams = cli.from_flags(HParams, values)
        memory.check(hparams.sized(hparams.image_size or 32, hparams.channels or 3))


def _check_within(options: object, field: dataclasses.Field, kind: type) -> None:
    value, rule = getattr(options, field.name), rule_of(field)
    assert type(value) is kind, field.name
    assert rule.problem(value) == '', field.name
    if kind is float:
        assert math.isfinite(value) and not (value == 0 and math.copysign(1, value) < 0), field.name
    if kind is str and rule.path:
        assert value.isprintable() and not value.startswith('~'), field.name


def _recipe(work: pathlib.Path, random: Random) -> None:
    recipes = sorted((ROOT / 'configs').glob('*.cfg'))
    text = recipes[int(random.integers(len(recipes)))].read_text()
    tokens = ['--flagfile=recipe.cfg', '--flagfile=../outside/thesis.txt', '--', '--no', '--seed', *NASTY_TEXTS]
    path = work / 'recipe.cfg'
    if random.random() < 0.7:
        path.write_bytes(damaged_lines(text, random, tokens).encode('utf-8', 'surrogatepass'))
    else:
        path.write_bytes(damaged_bytes(text.encode(('utf-8', 'utf-16')[int(random.integers(2))]), random))
    values = flags.FlagValues()
    for group in _COMMANDS[0]:
        cli.define_flags(group, values)
    cli.parse_words(flagfiles.expanded(['task', f'--flagfile={path}']), values)
    for group in _COMMANDS[0]:
        cli.from_flags(group, values)


def _job(work: pathlib.Path, random: Random) -> None:
    """A job file that is filled and checked, and one that is only checked; a YAML bomb must not expand."""
    source = _JOBS[int(random.integers(len(_JOBS)))]
    text = damaged_lines(source.read_text(), random, (*_YAML, *NASTY_TEXTS))
    if random.random() < 0.1:
        levels = [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 9)}]' for i in range(1, 12)]
        text = '\n'.join(['a0: &a0 [x]', *levels, text])
    project = _PROJECT
    if random.random() < 0.3:
        names = [field.name for field, kind in typed_fields(vertex_config.ProjectOptions) if kind is str]
        token = (*NASTY_TEXTS, 'x\nserviceAccount: evil', 'gs://b/x\n      - --train_steps=1')[int(random.integers(34))]
        project = dataclasses.replace(project, **{names[int(random.integers(len(names)))]: token})
    filled = vertex_config.fill(text, project, str(work / source.name))
    assert filled.count('\n') == text.count('\n'), 'a value has added a line'
    vertex_config.check_job(str(source), filled)


def _tables(work: pathlib.Path, random: Random) -> None:
    """A table of marks or votes: each of its labels is of an image that is there, with a confidence that one can be."""
    entries = [Entry(name, -1) for name in _NAMES]
    rows = [f'{csv_cells.text(name)},{label},0.5,model,{label}' for name, label in zip(_NAMES, 'xyxy')]
    text = '\n'.join(['name,label,confidence,by,guess'] * (random.random() < 0.7) + rows)
    path = work / 'marks.csv'
    if random.random() < 0.7:
        tokens = (*NASTY_TEXTS, *_NUMBERS, *_NAMES, '"', '"a', "'=1", 'name,label', 'name,name,label,label', '\x00')
        path.write_bytes(damaged_lines(text, random, tokens).encode('utf-8', 'surrogatepass'))
    else:
        path.write_bytes(damaged_bytes(text.encode(('utf-8', 'utf-8-sig', 'utf-16')[int(random.integers(3))]), random))
    found = marks.read(str(path), marks.Names(entries))
    assert found and set(found) <= set(range(len(_NAMES)))
    assert all(vote.label.strip() and 0 <= vote.confidence <= 1 for vote in found.values())


def _requests(work: pathlib.Path, random: Random) -> None:
    """The body of a prediction: what is taken has one kind an instance, and few pictures."""
    body = (
        '{"instances": [{"seed": 3, "label": "cup"}, {"noise": [0.5, -1e0, 2]}, {"image": {"b64": "iVBORw0KGgo="}}],\n'
        '"parameters": {"neighbours": 3}}'
    )
    if random.random() < 0.5:
        data = damaged_bytes(body.encode(), random)
    else:
        tokens = (
            *NASTY_TEXTS,
            *_NUMBERS,
            '{',
            '}',
            '[',
            ']',
            ',',
            ':',
            '"',
            'null',
            'true',
            'NaN',
            '"seed": 1',
            '{"seed":',
        )
        data = damaged_lines(body.replace(' ', '\n'), random, tokens).encode('utf-8', 'surrogatepass')
    found = requests.parse(data)
    assert 1 <= found.pictures <= PICTURES and 1 <= found.neighbours <= 12
    kinds = [found.of_kind(kind) for kind in ('seed', 'noise', 'image')]
    assert sorted(sum(kinds, [])) == list(range(len(found.instances)))
    assert all(-(2**31) <= found.instances[number].seed < 2**31 for number in kinds[0])


KINDS = (
    Kind('requests', _nothing, _requests),
    Kind('tables', _nothing, _tables),
    Kind('flags', _nothing, _flag_values),
    Kind('recipes', _nothing, _recipe),
    Kind('job-files', _nothing, _job),
)
