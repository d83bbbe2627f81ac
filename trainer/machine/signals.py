"""Lets SIGTERM (a preempted machine), SIGINT (Ctrl-C) and SIGHUP (a closed terminal) end a run with a checkpoint."""

from __future__ import annotations

import signal
from types import FrameType

import tensorflow as tf
import tensorflow.compat.v1 as v1
from absl import logging

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class GracefulStop:
    """A context in which the first signal is only noted; a second one ends the process at once."""

    def __init__(self) -> None:
        self.signum = 0
        self._before: dict = {}

    def __enter__(self) -> GracefulStop:
        # Under nohup, a closed terminal must not stop the run.
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        heard = [signum for signum in _SIGNALS if not (ignored and signum == signal.SIGHUP)]
        self._before = {signum: signal.signal(signum, self._note) for signum in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as a shell reports it; 0 without a signal.

        That is 143 after SIGTERM, 130 after SIGINT and 129 after SIGHUP.
        """
        return 128 + self.signum if self.signum else 0

    def _note(self, signum: int, _: FrameType | None) -> None:
        if self.signum:
            raise SystemExit(128 + signum)
        self.signum = signum
        name = signal.Signals(signum).name
        logging.warning('%s: finishing this step and saving a checkpoint; send it again to stop at once', name)


class StopHook(v1.train.SessionRunHook):
    """Ends the session after the step in which a signal arrived."""

    def __init__(self, stop: GracefulStop, before_first_step: bool = False):
        """Takes the signals, and whether a signal before the first step ends the session without that step.

        A TPU's session is not ended before its first loop: nobody has tested whether its infeed ends then.
        """
        self._stop, self._before_first_step = stop, before_first_step

    def after_create_session(self, session: v1.Session, coord: tf.train.Coordinator) -> None:
        """See the base class."""
        if self._stop.signum and self._before_first_step:
            coord.request_stop()

    def after_run(self, run_context: v1.train.SessionRunContext, _: v1.train.SessionRunValues) -> None:
        """See the base class."""
        if self._stop.signum:
            run_context.request_stop()
