"""TensorFlow's sessions without Grappler, in the tests' own process and in the forks of `processes.py`.

Grappler optimizes a graph again for each set of fetches, which takes nearly half of the time of a tiny training. Tests
of what it may break use the fixture `grappler`. The installed package, the jobs of the Vertex AI stand-in and
`processes.fresh` run in interpreters of their own, with Grappler, as users do.
"""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.python.client.session import BaseSession

_original = BaseSession.__init__


def _without_grappler(self: BaseSession, target: str = '', graph: Any = None, config: Any = None) -> None:
    changed = v1.ConfigProto()
    if config is not None:
        changed.CopyFrom(config)
    changed.graph_options.rewrite_options.disable_meta_optimizer = True
    _original(self, target, graph, changed)


def start_without_grappler() -> None:
    BaseSession.__init__ = _without_grappler
    tf.config.optimizer.set_experimental_options({'disable_meta_optimizer': True})


@pytest.fixture
def grappler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions as users have them."""
    monkeypatch.setattr(BaseSession, '__init__', _original)
