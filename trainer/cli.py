"""Turns frozen dataclasses into command-line flags and back, so that each option is written once.

An entry module passes its dataclasses, whose fields `declaration.option` has made, to `run` and builds them in its
`main` with `from_flags`. Nothing else in the project sees a flag.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import shlex
import signal
import sys
import textwrap
from collections.abc import Sequence
from types import FrameType
from typing import Any, Callable, TypeVar, cast

from absl import app, flags
from absl import logging as absl_logging

from trainer import errors, terminal
from trainer.filesystem import disk_errors
from trainer.flags import flagfiles, parsers
from trainer.flags.declaration import Rule, rule_of, typed_fields
from trainer.storage import refusals

T = TypeVar('T')
_LONGEST_NAME = 100
_HELP_FLAGS = ('--help', '-help', '-h', '--helpfull', '--helpshort')


def define_flags(options: type, values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag for each field of the dataclass `options`.

    Raises:
      errors.UserError: an environment variable that gives a default breaks the flag's rule.
    """
    for field, kind in typed_fields(options):
        rule, default = rule_of(field), cast(Any, field.default)
        given = next((name for name in rule.environment if os.environ.get(name)), '')
        try:
            _define(field.name, rule, kind, os.environ[given] if given else default, values)
        except flags.Error as error:
            if not given:
                raise
            raise errors.UserError(f'${given}: {errors.one_line(str(error))}') from None


def _define(name: str, rule: Rule, kind: type, default: Any, values: flags.FlagValues) -> None:
    if kind is bool:
        flags.DEFINE_bool(name, default, rule.help, flag_values=values)
        values[name].parser = parsers.Switch()
    elif rule.replaces:
        parser = parsers.Number(kind, rule)
        flag = parsers.Replacing(rule.replaces, values, parser, name, default, rule.help)
        flags.DEFINE_flag(flag, values)
    elif kind in (int, float):
        flags.DEFINE(parsers.Number(kind, rule), name, default, rule.help, flag_values=values)
    elif rule.choices:
        flags.DEFINE_enum(name, default, list(rule.choices), rule.help, flag_values=values)
    else:
        flags.DEFINE_string(name, default, rule.help, flag_values=values)


def parse_words(words: Sequence[str], values: flags.FlagValues) -> list[str]:
    """Parses a command line, its program first, into `values`; returns the words that are not flags.

    Raises:
      errors.UserError: a flag is unknown, or breaks its rule.
    """
    for word in words:
        if word == '--':
            break
        name = word.partition('=')[0]
        if word.startswith('-') and len(name) > _LONGEST_NAME:  # absl would search for a similar name for ever.
            raise errors.UserError(f'unknown flag {word}')
    try:
        return values(list(words))[1:]
    except (flags.Error, OSError, ValueError) as error:  # ValueError: for --noflip=1.
        raise errors.UserError(' '.join(str(error).split())) from None


def from_flags(options: type[T], values: flags.FlagValues) -> T:
    """Builds the dataclass `options` from the parsed flags.

    Raises:
      errors.UserError: a value breaks the rule of its flag, or a flag that needs a value is given without one, as
        with --model_dir=$UNSET.
    """
    for field, _ in typed_fields(options):
        flag = values[field.name]
        if flag.present and flag.value == '' and not rule_of(field).empty:
            raise errors.UserError(f'--{field.name} is empty: give it a value, or leave it out')
    return options(**{field.name: values[field.name].value for field, _ in typed_fields(options)})


def command(module: str, **flags_: Any) -> str:
    """A command that can be pasted into a shell: `python -m module --name=value ...`, each word quoted if necessary."""
    return ' '.join([f'python -m {module}', *(f'--{name}={shlex.quote(str(value))}' for name, value in flags_.items())])


def help_page(description: str, groups: Sequence[type]) -> str:
    """Returns the whole `--help` page: the description, then each dataclass as a titled group of flags."""
    page = [textwrap.dedent(description).strip()]
    for group in groups:
        page += ['', (group.__doc__ or group.__name__).strip().splitlines()[0]]
        page += [line for field, kind in typed_fields(group) for line in _flag_help(field, kind)]
    page += ['', 'Everywhere', '  --flagfile=FILE  read flags from FILE, one per line (see configs/); later flags win']
    return '\n'.join(page)


def run(main: Callable[..., int | None], description: str, groups: Sequence[type], argument: str = '') -> None:
    """Runs an entry module: defines and parses flags, prints `--help`, turns user errors into a line and an exit code.

    Args:
      main: the program; reads the parsed flags and returns the exit code (None is 0). Takes the arguments that
        are not flags, if there may be any.
      description: the text that opens the `--help` page, usually the module's docstring.
      groups: the option dataclasses, in the order of the `--help` page.
      argument: the name of an argument that is not a flag, such as 'PATTERN'; '' refuses such arguments.
    """

    def parse(argv: list[str]) -> list[str]:
        if any(word in _HELP_FLAGS for word in argv[1:]):
            _print_help(description, groups)
        try:
            rest = parse_words(flagfiles.expanded(argv), flags.FLAGS)
        except errors.UserError as error:
            _fail(f'{error} (see --help)', 1)
        if rest and not argument:
            _fail(f'unexpected argument {rest[0]!r}: every option is a flag, --name=value (see --help)', 1)
        if argument and not rest:
            _fail(f'{argument} is missing (see --help)', 1)
        return rest

    def guarded(rest: list[str]) -> None:
        _log_one_line_a_message()
        _end_on_signals()
        try:
            code = main(*rest) or 0
        except KeyboardInterrupt:
            _fail('interrupted', 128 + signal.SIGINT)
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            _fail(str(known), known.exit_code)
        _end(code)

    terminal.take_any_character()
    try:
        for group in groups:
            define_flags(group)
    except errors.UserError as error:
        _fail(str(error), 1)
    app.run(guarded, flags_parser=parse)


def _print_help(description: str, groups: Sequence[type]) -> None:
    try:
        terminal.say(help_page(description, groups))
    except errors.Transient as error:
        _fail(str(error), error.exit_code)
    _end(0)


def explain(error: Exception) -> errors.UserError | None:
    """The error to show instead of a traceback; None if the cause is a bug in this program."""
    if isinstance(error, errors.UserError):
        return error
    return refusals.explain(error) or disk_errors.explain(error)


def _fail(message: str, exit_code: int) -> None:
    terminal.complain(message)
    _end(exit_code)


def _end(exit_code: int) -> None:
    terminal.flush()
    sys.exit(exit_code)


def _end_on_signals() -> None:
    """Ends on signals so that locks are released. Without this, the first process of a container ignores SIGTERM."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # Ignored under nohup.
        signal.signal(signal.SIGHUP, _terminate)


def _terminate(signum: int, _: FrameType | None) -> None:
    _fail('terminated', 128 + signum)


class _Formatter(logging.Formatter):
    """Formats a line as `12:34:56 message`, without file names, threads, and the secrets of URLs."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).split('\n')
        return '\n'.join(errors.one_line(line) if '://' in line else line for line in lines)


def _log_one_line_a_message() -> None:
    """Sends log lines to stderr in the form of `_Formatter`."""
    absl_logging.set_verbosity(absl_logging.INFO)
    logging.raiseExceptions = False  # A log that nobody can read any more must not end a run or cause a traceback.
    handler = absl_logging.get_absl_handler()
    handler.setFormatter(_Formatter('%(asctime)s %(message)s', datefmt='%H:%M:%S'))
    # Vertex AI takes everything on stderr for errors, of its jobs and of the containers of its endpoints.
    if 'CLOUD_ML_JOB_ID' in os.environ or os.environ.get('AIP_MODE') == 'PREDICTION':
        handler.python_handler.setStream(sys.stdout)


def _flag_help(field: dataclasses.Field, kind: type) -> list[str]:
    rule = rule_of(field)
    if kind is bool:
        name = f'--[no]{field.name}'
    else:
        name = f'--{field.name}=' + (rule.unit.upper().replace(' ', '_') or kind.__name__.upper())
    facts = []
    if rule.choices:
        facts.append('one of ' + ', '.join(str(choice) for choice in rule.choices if choice))
    elif rule.lower is not None:
        facts.append(f'at least {rule.lower:g}' + (f', at most {rule.upper:,}' if rule.upper is not None else ''))
    default = str(field.default).lower() if kind is bool else str(field.default) or 'empty'
    facts.append('default ' + ''.join(f'${name}, else ' for name in rule.environment) + default)
    text = textwrap.wrap(f'{rule.help} ({"; ".join(facts)})', width=78, break_on_hyphens=False)
    return [f'  {name}', *(f'        {line}' for line in text)]
