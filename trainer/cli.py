"""From frozen dataclasses to command-line flags and back, so that each option is written once.

A field made with `option` carries its default, its help, its unit and its allowed values. An entry module hands its
dataclasses to `run` and builds them in its `main` with `from_flags`; nothing else in the project sees a flag.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import sys
import textwrap
import typing
from collections.abc import Sequence
from types import FrameType
from typing import Any, Callable, TypeVar, cast

from absl import app, flags
from absl import logging as absl_logging

from trainer import errors, storage_errors

T = TypeVar('T')
_HELP_FLAGS = ('--help', '-help', '-h', '--helpfull', '--helpshort')


def option(
    default: Any,
    help: str,
    *,
    unit: str = '',
    choices: Sequence[Any] = (),
    lower: float | None = None,
    environment: str = '',
) -> Any:  # `Any`, so that a type checker accepts `image_size: int = option(32, ...)`.
    """Declares one dataclass field that is also a flag.

    Args:
      default: the flag's default; its type is the field's annotation (int, float, bool or str).
      help: one sentence, shown by `--help`.
      unit: what the number counts or measures ('px', 'steps'), shown beside the default.
      choices: the allowed values, if they are few.
      lower: the smallest allowed number.
      environment: the environment variable that gives the flag's default where it is set.
    """
    meta = dict(help=help, unit=unit, choices=tuple(choices), lower=lower, environment=environment)
    return dataclasses.field(default=default, metadata=meta)


class _Number(flags.ArgumentParser):
    """Parses an int or a float and names the flag's rule when the value breaks it."""

    def __init__(self, kind: type, choices: Sequence[Any], lower: float | None):
        self.kind, self.choices, self.lower = kind, choices, lower
        self.syntactic_help = 'a whole number' if kind is int else 'a number'

    def parse(self, argument: Any) -> Any:
        try:
            number = float(argument)
        except ValueError:
            raise ValueError(f'expected {self.syntactic_help}') from None
        # Tuning services hand whole numbers over as "32.0".
        if self.kind is int and number != int(number):
            raise ValueError(f'expected {self.syntactic_help}')
        if self.choices and number not in self.choices:
            raise ValueError('choose one of ' + ', '.join(map(str, self.choices)))
        if self.lower is not None and number < self.lower:
            raise ValueError(f'it must be at least {self.lower:g}')
        return self.kind(argument) if self.kind is float else int(number)

    def flag_type(self) -> str:
        return self.kind.__name__


def define_flags(options: type, values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag for each field of the dataclass `options`."""
    for field, kind in _typed_fields(options):
        meta, default = field.metadata, cast(Any, field.default)
        default = os.environ.get(meta['environment']) or default
        if kind is bool:
            flags.DEFINE_bool(field.name, default, meta['help'], flag_values=values)
        elif kind in (int, float):
            parser = _Number(kind, meta['choices'], meta['lower'])
            flags.DEFINE(parser, field.name, default, meta['help'], flag_values=values)
        elif meta['choices']:
            flags.DEFINE_enum(field.name, default, list(meta['choices']), meta['help'], flag_values=values)
        else:
            flags.DEFINE_string(field.name, default, meta['help'], flag_values=values)


def from_flags(options: type[T], values: flags.FlagValues) -> T:
    """Builds the dataclass `options` from the parsed flags."""
    return options(**{field.name: values[field.name].value for field, _ in _typed_fields(options)})


def help_page(description: str, groups: Sequence[type]) -> str:
    """Returns the whole `--help` page: the description, then each dataclass as a titled group of flags."""
    page = [textwrap.dedent(description).strip()]
    for group in groups:
        page += ['', (group.__doc__ or group.__name__).strip().splitlines()[0]]
        page += [line for field, kind in _typed_fields(group) for line in _flag_help(field, kind)]
    page += ['', 'Everywhere', '  --flagfile=FILE  read flags from FILE, one a line (see configs/); later flags win']
    return '\n'.join(page)


def run(main: Callable[..., int | None], description: str, groups: Sequence[type], argument: str = '') -> None:
    """Runs an entry module: defines and parses the flags, prints `--help`, turns user errors into one line and a code.

    Args:
      main: the program; reads the parsed flags and returns the exit code (None is 0). Takes the arguments that are no
        flags, if there may be any.
      description: the text that opens the `--help` page, usually the module's docstring.
      groups: the option dataclasses, in the order of the `--help` page.
      argument: what an argument that is no flag stands for, such as 'PATTERN'; '' refuses such arguments.
    """

    def parse(argv: list[str]) -> list[str]:
        if any(word in _HELP_FLAGS for word in argv[1:]):
            print(help_page(description, groups))
            sys.exit(0)
        try:
            rest = flags.FLAGS(argv)[1:]
        except (flags.Error, OSError) as error:
            _fail(' '.join(str(error).split()) + ' (see --help)', 1)
        if rest and not argument:
            _fail(f'unexpected argument {rest[0]!r}: every option is a flag, --name=value (see --help)', 1)
        if argument and not rest:
            _fail(f'{argument} is missing (see --help)', 1)
        return rest

    def guarded(rest: list[str]) -> int | None:
        _log_one_line_a_message()
        # So that what is held is given back; and the first process of a container would not hear it at all.
        signal.signal(signal.SIGTERM, _terminate)
        try:
            return main(*rest)
        except errors.UserError as error:
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            _fail('interrupted', 130)
        except Exception as error:
            known = storage_errors.explain(error)
            if known is None:
                raise
            _fail(str(known), known.exit_code)
        return None

    for group in groups:
        define_flags(group)
    app.run(guarded, flags_parser=parse)


def _fail(message: str, exit_code: int) -> None:
    print(f'error: {message}', file=sys.stderr)
    sys.exit(exit_code)


def _terminate(signum: int, _: FrameType | None) -> None:
    _fail('terminated', 128 + signum)


def _log_one_line_a_message() -> None:
    """Sends log lines to stderr as `12:34:56 message`: what a person follows, without file names and threads."""
    absl_logging.set_verbosity(absl_logging.INFO)
    handler = absl_logging.get_absl_handler()
    handler.setFormatter(logging.Formatter('%(asctime)s %(message)s', datefmt='%H:%M:%S'))
    if 'CLOUD_ML_JOB_ID' in os.environ:  # Vertex AI takes what comes by stderr for errors.
        handler.python_handler.setStream(sys.stdout)


def _typed_fields(options: type) -> list[tuple[dataclasses.Field, type]]:
    kinds = typing.get_type_hints(options)
    return [(field, kinds[field.name]) for field in dataclasses.fields(options)]


def _flag_help(field: dataclasses.Field, kind: type) -> list[str]:
    meta = field.metadata
    if kind is bool:
        name = f'--[no]{field.name}'
    else:
        name = f'--{field.name}=' + (meta['unit'].upper().replace(' ', '_') or kind.__name__.upper())
    facts = []
    if meta['choices']:
        facts.append('one of ' + ', '.join(str(choice) for choice in meta['choices'] if choice != ''))
    elif meta['lower'] is not None:
        facts.append(f'at least {meta["lower"]:g}')
    default = str(field.default).lower() if kind is bool else str(field.default) or 'empty'
    facts.append('default ' + (f'${meta["environment"]}, else {default}' if meta['environment'] else default))
    text = textwrap.wrap(f'{meta["help"]} ({"; ".join(facts)})', width=78)
    return [f'  {name}', *(f'        {line}' for line in text)]
