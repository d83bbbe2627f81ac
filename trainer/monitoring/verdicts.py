"""The verdict on a run, in words, with the number behind it.

The thresholds separate runs that were made to go wrong on purpose from healthy ones
(python -m tests.benchmarks.verdicts). Each rule looks at several points, because one grid or one evaluation of a
healthy GAN can look like anything.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence

from trainer.monitoring.history import Point

HEALTHY, SLOW = FINE = 'healthy', 'slow start'
OVERFITS, COLLAPSING, COPYING, DIVERGED = 'D overfits', 'collapsing', 'copying', 'diverged'

_GRIDS, _EVALUATIONS = 4, 2  # How many of the last ones count; the grid of the untrained generator does not.
_CLOSE = 0.2  # Share of samples as near to training images as the nearest 5 % of the hold-out.
_GAP = 0.5  # D's gap between training images and hold-out, as a share of its gap between training and generated ones.
_SIGN = 0.97  # Mean sign of D(real), used without a hold-out.
_TWINS = 0.5  # Excess of the share of twins over that of real images.
_STILL_FALLS = 0.9  # KID divided by the best before it; below, the generator still improves.
_KID_RATIO, _KID_MORE = 1.5, 1.0  # KID above the best so far: by this factor and by this difference.
_KID_NOTHING, _PATIENCE = 5.5, 4  # KID of pictures that do not resemble real ones; evaluations before it counts.


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A word, and the reason in one sentence."""

    word: str
    reason: str


def judge(points: Sequence[Point]) -> Verdict:
    """Judges a run by its points so far, oldest first; the first rule that applies wins, causes before effects."""
    for rule in (_copying, _overfitting, _overfitting_unseen, _diverging, _collapsing, _label_collapsing):
        verdict = rule(points)
        if verdict:
            return verdict
    return Verdict(HEALTHY, _state(points))


def _copying(points: Sequence[Point]) -> Verdict | None:
    close = _typical(points, lambda point: point.close, _EVALUATIONS)
    if close is None or close <= _CLOSE:
        return None
    return Verdict(
        COPYING,
        f'{close:.0%} of the samples are as near to a training image as only the nearest 5% of the hold-out are: '
        'train on more images, with --augment=auto if it is not on, or stop earlier',
    )


def _overfitting(points: Sequence[Point]) -> Verdict | None:
    gap = _typical(points, lambda point: point.d_gap, _EVALUATIONS)
    if gap is None or gap <= _GAP:
        return None
    return Verdict(
        OVERFITS,
        f'to the discriminator, new real images differ from training images {gap:.0%} as much as generated ones do: it '
        'memorises its images; train on more of them, with --augment=auto if it is not on, or stop earlier',
    )


def _overfitting_unseen(points: Sequence[Point]) -> Verdict | None:
    evaluated = [point for point in points if point.d_train is not None]
    if not evaluated or any(point.d_holdout is not None for point in evaluated):
        return None
    sign = _typical(points, lambda point: point.d_real_sign, _GRIDS, skip=1)
    if sign is None or sign <= _SIGN:
        return None
    return Verdict(
        OVERFITS,
        f'mean sign of D(real) {sign:.2f}: the discriminator is certain of every training image; '
        'a hold-out would tell for sure (--holdout_percent of the converter); --augment=auto helps if it is not on',
    )


def _collapsing(points: Sequence[Point]) -> Verdict | None:
    """Near-duplicates in each of the last grids: all generators begin with them, and a collapsed one keeps them."""
    grids = min(_GRIDS, sum(point.twins is not None for point in points) - 1)
    if grids < 1:
        return None
    twins, real = (_typical(points, measure, grids, skip=1) for measure in (_twins, _twins_real))
    if twins is None or real is None or twins - real <= _TWINS:
        return None
    seen = f'{twins:.0%} of the samples have a near-duplicate, against {real:.0%} of real images'
    kids = [point.kid for point in points if point.kid is not None]
    if len(kids) > 1 and kids[-1] < _STILL_FALLS * min(kids[:-1]):
        return Verdict(SLOW, f'{seen}, while KID falls, from {min(kids[:-1]):.2f} to {kids[-1]:.2f}')
    if grids < _GRIDS:
        return Verdict(SLOW, f'{seen}, after {grids} of the {_GRIDS} grids needed to call it a collapse')
    return Verdict(
        COLLAPSING,
        f'{seen}, and KID does not fall: lower --train_batch_size or --learning_rate, or take another --seed or --loss',
    )


def _label_collapsing(points: Sequence[Point]) -> Verdict | None:
    """The pictures of one class are alike in each of the last evaluations, though all pictures together are not."""
    excess = _typical(points, lambda point: point.label_twins, _EVALUATIONS, skip=1)
    if excess is None or excess <= _TWINS:
        return None
    return Verdict(
        COLLAPSING,
        f'of one label, {excess:.0%} more pictures have a near-duplicate than real images: python -m trainer.evaluate '
        'shows which; lower --train_batch_size, or give it more images, a later --condition_after_kimg, or '
        '--condition=none',
    )


def _diverging(points: Sequence[Point]) -> Verdict | None:
    kids = [point.kid for point in points if point.kid is not None]
    if len(kids) <= _EVALUATIONS:
        return None
    best, last = min(kids), min(kids[-_EVALUATIONS:])
    if last > best * _KID_RATIO and last > best + _KID_MORE:
        return Verdict(
            DIVERGED,
            f'KID {last:.2f}, up from a best of {best:.2f}: the best checkpoint is kept; lower --learning_rate to '
            'continue',
        )
    if len(kids) >= _PATIENCE and best > _KID_NOTHING:
        return Verdict(
            DIVERGED,
            f'KID {last:.2f} after {len(kids)} evaluations: the pictures do not resemble the training images yet; '
            'lower --learning_rate, or take another --loss',
        )
    return None


def _twins(point: Point) -> float | None:
    return point.twins


def _twins_real(point: Point) -> float | None:
    return point.twins_real


def _typical(
    points: Sequence[Point], measure: Callable[[Point], float | None], count: int, skip: int = 0
) -> float | None:
    """Median of the last `count` values, None if there are fewer; the first `skip` of all do not count."""
    known = [value for value in map(measure, points) if value is not None][skip:]
    return statistics.median(known[-count:]) if len(known) >= count else None


def _state(points: Sequence[Point]) -> str:
    kids = [point.kid for point in points if point.kid is not None]
    said = [f'KID {kids[-1]:.2f}, best {min(kids):.2f}'] if kids else []
    said += [f'{point.twins:.0%} twins' for point in points[-1:] if point.twins is not None]
    return ', '.join(said) or 'nothing measured yet'
