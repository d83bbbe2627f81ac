from __future__ import annotations

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import tiny_hparams
from tests.dcgan.test_model_fn import run_steps
from trainer.dcgan import adaptive_augmentation
from trainer.dcgan.backend import Backend
from trainer.dcgan.updates import Updates

# The discriminator learns the one batch of 8 by heart, and the generator cannot follow.
OVERFITS = {'learning_rate': 2e-3, 'g_learning_rate': 1e-6, 'augment': 'cutout'}


def shares_of(tmp_path, steps: int, **changes) -> list[float]:
    history, _, _ = run_steps(tmp_path, steps, **{**OVERFITS, **changes})
    return [told['scalars/augment_share'] for told in history]


def share_after(
    logits: list[float], share: float, begun: bool = True, backend: Backend | None = None, **changes
) -> float:
    """The share that follows `share` in a step with these logits of training images."""
    changes = {'augment_target': 0.6, 'train_batch_size': 200, **changes}
    with tf.Graph().as_default(), v1.Session() as session:
        hparams = tiny_hparams(augment_after_kimg=0.0 if begun else 1.0, **changes)
        v1.train.create_global_step()
        adaptive_augmentation.share(hparams)
        (variable,) = v1.global_variables('augmentation/')
        session.run(v1.global_variables_initializer())
        session.run(variable.assign(share))
        updates = Updates()
        adaptive_augmentation.follow(tf.constant(logits)[:, None], hparams, backend or Backend(), updates)
        session.run(updates.ops())
        return float(session.run(variable))


def test_the_share_moves_by_the_distance_of_the_mean_sign_from_the_target():
    """By the distance times the batch's part of 20,000 images, here a hundredth."""
    assert share_after([3.0, 9.0], share=0.7) == pytest.approx(0.7 + 0.01 * (1 - 0.6))
    assert share_after([3.0, -9.0], share=0.7) == pytest.approx(0.7 + 0.01 * (0 - 0.6))
    assert share_after([0.6, 0.4], share=0.7, loss='least_squares') == pytest.approx(0.7 - 0.01 * 0.6)


def test_the_share_stays_between_that_of_the_flag_and_four_fifths():
    assert share_after([1.0], share=0.799) == pytest.approx(0.8)
    assert share_after([-1.0], share=0.501) == 0.5
    assert share_after([-1.0], share=0.5, augment_share=0.7) == pytest.approx(0.7)
    for logit in (1.0, -1.0):
        assert share_after([logit], share=1.0, augment_share=1.0) == 1


def test_the_share_stays_until_augmentation_begins_and_where_logits_have_no_boundary():
    assert share_after([1.0], share=0.7, begun=False) == pytest.approx(0.7)
    assert share_after([1.0], share=0.7, loss='wasserstein', gradient_penalty=10.0) == pytest.approx(0.7)


def test_all_replicas_come_to_the_mean_sign_of_the_whole_batch():
    """A second replica sees four images, none of them taken for real."""
    two = Backend(2, lambda counted: counted + tf.constant([-4.0, 4.0]))
    assert share_after([1.0] * 4, share=0.7, backend=two) == pytest.approx(0.7 + 0.01 * (0 - 0.6))


@pytest.mark.parametrize('update', ['alternating', 'joint'])
def test_a_discriminator_that_overfits_sees_more_images_augmented(tmp_path, update):
    shares = shares_of(tmp_path, 30, update=update, augment_target=0.6)
    assert shares == sorted(shares)
    assert shares[-1] > shares[0] >= 0.5


def test_the_share_is_told_only_while_it_adapts(tmp_path):
    assert shares_of(tmp_path, 3, augment_target=0.6, augment_after_kimg=0.016)[:2] == [0.0, 0.0]  # Two batches of 8.
    for changes in ({'augment_target': 0.0}, {'augment_target': 0.6, 'augment': 'none'}):
        history, _, _ = run_steps(tmp_path, 1, **{**OVERFITS, **changes})
        assert 'scalars/augment_share' not in history[0]


def test_a_target_of_0_changes_nothing(tmp_path):
    """Nor does a target that is not exceeded: the same share gives the same images."""
    fixed, _, after = run_steps(tmp_path, 3, **OVERFITS)
    kept, _, _ = run_steps(tmp_path, 3, **OVERFITS, augment_target=1.0)
    assert 'augmentation/share' not in after
    assert [dict(told, **{'scalars/augment_share': 0.5}) for told in fixed] == kept
