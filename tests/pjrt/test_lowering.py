"""What the compiler is given: looked at, for each size and for each option of the step."""

from __future__ import annotations

import re

import pytest

from tests.conftest import tiny_hparams
from tests.dcgan.test_tpu_step import OPTIONS
from trainer.dcgan import losses, optimization
from trainer.pjrt import lowering
from trainer.pjrt.program import Program

PROGRAMS = [(64, 'default'), (128, 'default'), *((32, options) for options in OPTIONS)]
# Without what makes a graph long and changes no argument of the forgotten sum.
SHORT = {'update': 'joint'}


def all_reduces(found: Program) -> int:
    return len(re.findall(r' all-reduce\(', found.text))


def trained(found: Program) -> set[str]:
    """Names of the variables that Adam changes."""
    moments = {variable.name for variable in found.variables if variable.name.endswith('/Adam')}
    return {name.split('_optimizer/')[1][: -len('/Adam')] for name in moments}


@pytest.mark.parametrize(('size', 'options'), PROGRAMS)
def test_a_program_sums_each_gradient_and_changes_its_variables_in_place(size, options):
    hparams = tiny_hparams(image_size=size, **{**OPTIONS[options][0], 'compute_dtype': 'auto'})
    found = lowering.lower(hparams, replicas=4, for_tpu=True)
    assert len(trained(found)) == OPTIONS[options][1] or size > 32
    adapts = bool(hparams.augment_target) and losses.LOSSES[hparams.loss].boundary is not None
    assert all_reduces(found) == len(trained(found)) + adapts
    assert sorted(found.results) == list(range(len(found.scalars), len(found.scalars) + len(found.variables)))
    assert 'custom-call' not in found.text
    assert '<=' not in found.text  # A dimension that is known only when it runs.
    assert [value.shape for value in found.inputs] == [(2, size, size, 3), *([(2,)] if hparams.classes else [])]
    assert 'bf16[' in found.text  # --compute_dtype=auto.
    assert ('D_real' in found.scalars, found.text.count('replica-id(')) >= (
        True,
        1,
    )  # The noise of a replica is its own.


def test_one_replica_has_nothing_to_sum_and_its_variables_are_those_of_a_checkpoint():
    found = lowering.lower(tiny_hparams(**SHORT, augment_target=0.6), replicas=1)
    named = {variable.name: variable for variable in found.variables}
    assert named['global_step'].dtype == 'int64'
    assert named['generator/dense/kernel'].shape == (8, 4 * 4 * 16)
    assert {'augmentation/share', 'average/generator/deconv0/kernel', 'discriminator_optimizer/beta1_power'} <= set(
        named
    )
    assert all_reduces(found) == 0


@pytest.mark.parametrize('forgotten', ['generator', 'discriminator'])
def test_a_forgotten_sum_is_seen(forgotten, monkeypatch):
    sum_all = optimization._summed

    def sum_some(gradients, of_step):
        left_out = f'{forgotten}/dense/kernel'
        return [pair if pair[1].name.startswith(left_out) else sum_all([pair], of_step)[0] for pair in gradients]

    monkeypatch.setattr(optimization, '_summed', sum_some)
    found = lowering.lower(tiny_hparams(**SHORT), replicas=4)
    assert all_reduces(found) == len(trained(found)) - 1
