from __future__ import annotations

import numpy as np
import pytest
import tensorflow.compat.v1 as v1

from tests.test_model import run_steps
from trainer import losses, networks


@pytest.mark.parametrize('changes', [{}, {'loss': 'wasserstein', 'gradient_penalty': 10.0}], ids=['plain', 'penalty'])
def test_one_pass_back_gives_both_players_the_gradients_of_two(changes, tmp_path, monkeypatch):
    """Adam's first moment after a step is the gradient times a constant."""
    changes = {'discriminator_norm': 'spectral', 'augment': 'color,translation,cutout', **changes}
    _, _, one = run_steps(tmp_path, steps=1, **changes)
    monkeypatch.setattr(networks, 'judges_images_alone', lambda _: False)
    _, _, two = run_steps(tmp_path, steps=1, **changes)
    moments = [name for name in one if name.endswith('/Adam')]
    assert {name.split('_')[0] for name in moments} == {'generator', 'discriminator'}
    for name in moments:
        layer = name.rpartition('/')[0].rpartition('/')[0]
        scale = max(np.abs(two[other]).max() for other in moments if other.startswith(layer))
        np.testing.assert_allclose(one[name], two[name], rtol=0, atol=1e-5 * scale + 1e-12, err_msg=name)


@pytest.mark.parametrize('name', [name for name, loss in losses.LOSSES.items() if loss.slope_ratio])
@pytest.mark.parametrize('logit', [-30.0, -1.0, 0.0, 2.0, 5.0])
def test_the_ratio_of_the_slopes_is_that_of_the_losses(name, logit):
    loss = losses.LOSSES[name]
    with v1.Graph().as_default(), v1.Session() as session:
        logits = v1.constant([[logit]])
        fake = v1.constant([[logit]])
        (of_discriminator,) = v1.gradients(loss.discriminator(logits, fake, 1.0), [fake])
        (of_generator,) = v1.gradients(loss.generator(fake), [fake])
        ratio, expected = session.run([loss.slope_ratio(fake), of_generator / of_discriminator])
    np.testing.assert_allclose(ratio, expected, rtol=1e-4)


def test_a_discriminator_that_is_certain_loses_no_gradient():
    """Its own slope at such a logit is 0 in float32; the ratio stays finite, so that nothing becomes no number."""
    with v1.Graph().as_default(), v1.Session() as session:
        assert np.isfinite(session.run(losses.LOSSES['non_saturating'].slope_ratio(v1.constant([[-500.0]])))).all()


def test_each_player_learns_at_its_own_rate(tmp_path):
    """Adam's first step is as long as its rate, whatever the gradient."""
    _, before, after = run_steps(tmp_path, steps=1, g_learning_rate=1e-3, d_learning_rate=5e-3)
    for network, rate in (('generator', 1e-3), ('discriminator', 5e-3)):
        name = f'{network}/dense/kernel'
        assert np.abs(after[name] - before[name]).max() == pytest.approx(rate, rel=0.02)
