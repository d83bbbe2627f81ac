from __future__ import annotations

import numpy as np
import pytest
import tensorflow.compat.v1 as v1

from tests.dcgan.test_model_fn import TRAIN, build, run_steps
from trainer.dcgan import losses, networks
from trainer.dcgan.hparams import ALTERNATING, JOINT

NETWORKS = (networks.GENERATOR, networks.DISCRIMINATOR)


@pytest.mark.parametrize('changes', [{}, {'loss': 'wasserstein', 'gradient_penalty': 10.0}], ids=['plain', 'penalty'])
def test_one_pass_back_gives_both_players_the_gradients_of_two(changes, tmp_path, monkeypatch):
    """Adam's first moment after a step is the gradient times a constant."""
    changes = {'discriminator_norm': 'spectral', 'augment': 'color,translation,cutout', 'update': JOINT, **changes}
    _, _, one = run_steps(tmp_path, steps=1, **changes)
    monkeypatch.setattr(networks, 'judges_images_alone', lambda _: False)
    _, _, two = run_steps(tmp_path, steps=1, **changes)
    for network in NETWORKS:
        assert_same_gradients(network, one, two)


def assert_same_gradients(network: str, one: dict, two: dict) -> None:
    moments = [name for name in one if name.endswith('/Adam') and name.startswith(network)]
    assert moments
    for name in moments:
        layer = name.rpartition('/')[0].rpartition('/')[0]
        scale = max(np.abs(two[other]).max() for other in moments if other.startswith(layer))
        # A bias before batch norm has no gradient: its values are rounding errors, summed over thousands of pixels.
        tolerance = 1e-4 if np.abs(two[name]).max() < 1e-4 * scale else 1e-5
        np.testing.assert_allclose(one[name], two[name], rtol=0, atol=tolerance * scale + 1e-12, err_msg=name)


@pytest.mark.parametrize(
    'changes',
    [
        {'discriminator_norm': 'spectral', 'loss': 'hinge', 'minibatch_stddev': True, 'gradient_penalty': 10.0},
        {'discriminator_norm': 'batch', 'loss': 'relativistic_least_squares', 'augment': 'translation'},
    ],
    ids=['spectral', 'relativistic'],
)
def test_the_generator_is_judged_by_the_moved_discriminator(changes, tmp_path):
    """The joint step is the reference: for D from the same weights, for G from D's updated weights."""
    changes = {'learning_rate': 0.01, 'generator_norm': 'batch', **changes}
    _, before, after = run_steps(tmp_path, steps=1, update=ALTERNATING, **changes)
    moved = {name: after[name] for name in before if name.startswith('discriminator/')}
    joint, judged = joint_steps(tmp_path, [before, {**before, **moved}], **changes)
    assert_same_gradients(networks.DISCRIMINATOR, after, joint)
    assert_same_gradients(networks.GENERATOR, after, judged)
    with pytest.raises(AssertionError):  # D's weights before its update give other gradients.
        assert_same_gradients(networks.GENERATOR, after, joint)
    statistics = [name for name in before if 'moving_' in name]
    assert all(np.allclose(after[name], joint[name], rtol=1e-5) for name in statistics)


def joint_steps(tmp_path, starts: list[dict], **changes) -> list[dict]:
    """All variables after one joint step from each of the starts."""
    with v1.Graph().as_default(), v1.Session() as session:
        train_op = build(TRAIN, tmp_path, update=JOINT, **changes).train_op
        variables = {variable.op.name: variable for variable in v1.global_variables()}
        found = []
        for start in starts:
            for name, value in start.items():
                variables[name].load(value, session)
            session.run(train_op)
            found.append(session.run(variables))
        return found


@pytest.mark.parametrize('name', [name for name, loss in losses.LOSSES.items() if loss.slope_ratio])
@pytest.mark.parametrize('logit', [-30.0, -1.0, 0.0, 2.0, 5.0])
def test_the_ratio_of_the_slopes_is_that_of_the_losses(name, logit):
    loss = losses.LOSSES[name]
    with v1.Graph().as_default(), v1.Session() as session:
        logits = v1.constant([[logit]])
        fake = v1.constant([[logit]])
        (of_discriminator,) = v1.gradients(loss.discriminator(logits, fake, 1.0), [fake])
        (of_generator,) = v1.gradients(loss.generator(None, fake), [fake])
        ratio, expected = session.run([loss.slope_ratio(fake), of_generator / of_discriminator])
    np.testing.assert_allclose(ratio, expected, rtol=1e-4)


def test_a_discriminator_that_is_certain_loses_no_gradient():
    """D's own slope at such a logit is 0 in float32; the ratio stays finite, so nothing becomes NaN."""
    with v1.Graph().as_default(), v1.Session() as session:
        assert np.isfinite(session.run(losses.LOSSES['non_saturating'].slope_ratio(v1.constant([[-500.0]])))).all()


def test_each_player_learns_at_its_own_rate(tmp_path):
    """The length of Adam's first step is the learning rate, for any gradient."""
    _, before, after = run_steps(tmp_path, steps=1, g_learning_rate=1e-3, d_learning_rate=5e-3)
    for network, rate in (('generator', 1e-3), ('discriminator', 5e-3)):
        name = f'{network}/dense/kernel'
        assert np.abs(after[name] - before[name]).max() == pytest.approx(rate, rel=0.02)
