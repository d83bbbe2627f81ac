"""Reports the metric of a trial to a hyper-parameter tuning service."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import hypertune

from trainer.options import HPTUNING_METRICS


def report(metric: str, results: Mapping[str, float]) -> None:
    """Reports `metric`, a key of HPTUNING_METRICS, from the results of an evaluation.

    The file and its format are those of cloudml-hypertune, which Vertex AI reads; elsewhere it does no harm.
    """
    value, step = results[HPTUNING_METRICS[metric]], results['global_step']
    _reporter().report_hyperparameter_tuning_metric(metric, value, int(step))


@functools.cache
def _reporter() -> hypertune.HyperTune:
    return hypertune.HyperTune()  # Each report writes all earlier ones too, so there is one.
