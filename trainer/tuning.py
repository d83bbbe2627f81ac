"""Tells a hyper-parameter tuning service how well a trial does."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import hypertune

KID = 'kid'
# What a tuning service may be told, and what the results of an evaluation call it.
METRICS = {KID: KID, 'holdout_loss': 'loss', 'holdout_d_real': 'D(real)', 'holdout_d_fake': 'D(fake)'}


def report(metric: str, results: Mapping[str, float]) -> None:
    """Reports `metric`, a key of METRICS, from the results of an evaluation.

    The file and its format are those of cloudml-hypertune, which Vertex AI reads; elsewhere it does no harm.
    """
    value, step = results[METRICS[metric]], results['global_step']
    _reporter().report_hyperparameter_tuning_metric(metric, value, int(step))


@functools.cache
def _reporter() -> hypertune.HyperTune:
    return hypertune.HyperTune()  # It writes all that it was told so far each time, so there is one.
