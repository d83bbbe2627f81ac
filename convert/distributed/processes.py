"""Beam's worker processes on this machine, for --runner=direct."""

from __future__ import annotations

import shlex
import sys

from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from convert.distributed import worker


def runner() -> FnApiRunner:
    """The runner behind Beam's DirectRunner, by its class: DirectRunner would first download another one."""
    code = f'from {worker.__name__} import main; main()'
    command = shlex.join([sys.executable, '-c', code])
    return FnApiRunner(
        SubprocessSDKEnvironment.from_command_string(f'exec {command}')
    )  # Else the shell reports its end.
