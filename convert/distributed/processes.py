"""Beam's worker processes on this machine, for --runner=direct."""

from __future__ import annotations

import shlex
import sys

from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from convert.distributed import worker


def runner() -> FnApiRunner:
    """The runner behind Beam's DirectRunner, by its class: DirectRunner would first download another one."""
    command = f'exec {shlex.quote(sys.executable)} -m {worker.__name__}'  # `exec`: the shell would tell of its end.
    return FnApiRunner(SubprocessSDKEnvironment.from_command_string(command))
