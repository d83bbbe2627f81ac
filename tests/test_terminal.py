"""Standard streams that are closed, full, a pipe without a reader, or in an encoding that lacks a letter."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from trainer import terminal

OPEN = 'import trainer, os, sys; from trainer import terminal; terminal.take_any_character(); '


def run(code: str, redirection: str = '', **variables: str) -> subprocess.CompletedProcess:
    """Runs Python with the streams that a shell gives it; `import trainer` alone does not import TensorFlow."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), **variables}
    command = f'{sys.executable} -c "$CODE" {redirection}'
    return subprocess.run(
        ['bash', '-o', 'pipefail', '-c', command],
        env={**environment, 'CODE': OPEN + code},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize('redirection', ['2>&-', '>&-', '<&- >&- 2>&-'])
def test_closed_streams_are_not_given_to_the_next_file(redirection, tmp_path):
    code = f'number = os.open({str(tmp_path / "file")!r}, os.O_CREAT); print(sys.stderr.isatty()); assert number > 2'
    assert run(code, redirection).returncode == 0


def test_a_reader_that_has_gone_is_no_error():
    code = "import time; time.sleep(0.3); terminal.say('x' * 100_000); terminal.say('more'); terminal.flush()"
    ended = run(code, '| true')
    assert (ended.returncode, ended.stderr) == (0, '')


def test_a_full_disk_is_one_line():
    code = (
        'from trainer import errors\ntry:\n terminal.say(1)\nexcept errors.UserError as error:\n'
        ' terminal.complain(str(error)); terminal.flush(); sys.exit(error.exit_code)'
    )
    ended = run(f'exec({code!r})', '>/dev/full')
    assert ended.returncode == 6
    assert ended.stderr == 'error: standard output cannot be written (No space left on device): send it elsewhere\n'


def test_a_letter_that_the_encoding_lacks_is_spelled_out():
    ended = run("terminal.say('\\u00e9t\\u00e9 \\udcff')", PYTHONIOENCODING='ascii')
    assert (ended.returncode, ended.stdout) == (0, '\\xe9t\\xe9 \\udcff\n')


def test_an_error_is_one_line_whatever_is_in_it():
    ended = run("terminal.complain('a\\n\\x1b[31mred https://host/x?upload_id=SECRET\\rb')")
    assert ended.stderr == 'error: a \\x1b[31mred https://host/x b\n'


def test_control_c_while_modules_are_imported_is_one_line():
    ended = run('terminal.interrupt_in_one_line(); raise KeyboardInterrupt')
    assert (ended.returncode, ended.stderr) == (130, 'error: interrupted\n')
    other = run('terminal.interrupt_in_one_line(); raise ValueError(3)')
    assert other.returncode == 1 and 'Traceback' in other.stderr


def test_say_prints(capsys):
    terminal.say('result')
    assert capsys.readouterr().out == 'result\n'
