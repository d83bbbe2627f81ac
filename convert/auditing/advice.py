"""Advice on a data set: what to do, each time with the reason and the numbers behind it."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator

import numpy as np

from convert.auditing import symmetry
from convert.auditing.examination import Audit
from trainer.dcgan import augmentation
from trainer.features.pixels import Pixels

# A number of images, and the FID (lower is better) of StyleGAN2 on as many faces of 256 px, without and with
# DiffAugment: from the table of arXiv 2006.10738 and its repository.
_FACES = ((1000, 62.2, 25.7), (5000, 26.6, 10.5), (10000, 14.8, 7.9), (30000, 6.2, 5.1), (70000, 3.8, 4.2))
_FEW, _SOME, _MANY = 1000, 10_000, 30_000
_LOW_SHARE = 0.1
# A label is named if at least this many times its share, and at least this many images, are in the lowest tenth.
_OVER, _OVER_IMAGES = 3.0, 10
_RARE = 0.2  # Of an even share.
_MOSTLY = 0.5
_LARGE_ENOUGH = 0.9  # Share of originals.
_NOTABLE = 0.01
_NAMED = 5
_BLIND = (Pixels.name,)  # Extractors that cannot find foreign images, nor tell an image from its mirror image.


@dataclasses.dataclass(frozen=True)
class Advice:
    """One piece of advice.

    Attributes:
      about: what it is about, in a word or two.
      text: what to do, and why.
    """

    about: str
    text: str


def give(audit: Audit) -> list[Advice]:
    """Gives the advice on everything that was found."""
    pieces = {
        'number': _number,
        'augmentation': _augmentation,
        'mirroring': _mirroring,
        'resolution': _resolution,
        'duplicates': _duplicates,
        'outliers': _outliers,
        'labels': _labels,
        'colours': _colours,
        'shape': _shape,
    }
    return [Advice(about, ' '.join(sentences)) for about, piece in pieces.items() if (sentences := list(piece(audit)))]


def _number(audit: Audit) -> Iterator[str]:
    count = len(audit.images) - len(audit.superfluous)
    size, plain, augmented = min(_FACES, key=lambda row: abs(np.log(row[0] / count)))
    different = ' different' if audit.superfluous else ''
    if count < _FEW:
        yield (
            f'{count:,}{different} images are few: from some hundreds of images a GAN learns to copy them, and copying '
            'falls off exponentially with the size of the set (arXiv 2202.11765). Collect at least 1,000, or train on '
            'a larger set of the same kind first.'
        )
    elif count < _SOME:
        yield (
            f'{count:,}{different} images are enough to begin with. Up to about 10,000, each doubling still pays, and '
            'augmentation is worth two or three times as many images.'
        )
    elif count < _MANY:
        yield f'{count:,}{different} images are a good number; with augmentation, more of them help little.'
    else:
        yield f'{count:,}{different} images are plenty.'
    yield (
        f'For scale: StyleGAN2 on {size:,} faces reaches FID {plain:g}, and {augmented:g} with DiffAugment '
        '(arXiv 2006.10738).'
    )


def _augmentation(audit: Audit) -> Iterator[str]:
    count, grey = len(audit.images) - len(audit.superfluous), float(audit.colours.grey.mean())
    chosen, passes = augmentation.resolve(count, audit.images.channels)
    if chosen == augmentation.NONE:
        yield (
            f'--augment=auto of trainer.task, the default: for {count:,} images it is none, because augmentation would '
            'cost more than it gives (FID 3.8 to 4.2 at 70,000, arXiv 2006.10738).'
        )
        return
    without_colour, _ = augmentation.resolve(count, 1)
    if chosen != without_colour and grey > _MOSTLY:
        yield f'--augment={without_colour} of trainer.task (arXiv 2006.10738): it keeps colours; most images are grey.'
        return
    told = f'{chosen}, once a run has passed over them {passes} times' if passes else chosen
    yield f'--augment=auto of trainer.task, the default: for {count:,} images it is {told} (arXiv 2006.10738).'
    if chosen != without_colour:
        yield f'Where the exact shade matters, give --augment={without_colour}.'


def _mirroring(audit: Audit) -> Iterator[str]:
    found = audit.symmetry
    if audit.extractor.name in _BLIND and found.verdict != symmetry.UNSAFE:
        yield f'Unknown: {audit.extractor.name} cannot recognise mirror images; use --extractor=squeezenet.'
        return
    told = (
        f'by {audit.extractor.name}, {found.told_apart:.0%} of {found.images:,} images can be told from their mirror '
        f'images (50% is guessing, give or take {2 * found.error:.0%})'
    )
    if found.verdict == symmetry.SAFE:
        yield f'Safe: {told}. Give trainer.task --flip, which doubles the data, unless the images contain writing.'
    elif found.verdict == symmetry.UNSAFE:
        yield f'Not safe: {told}. Leave --flip off: the network would learn mirror images, such as reversed letters.'
    elif found.verdict == symmetry.DOUBTFUL:
        yield f'Doubtful: {told}. Look at some mirror images; if they are as plausible, give trainer.task --flip.'
    else:
        yield f'Unknown: {found.images} images are too few. Leave --flip off, unless left and right do not matter.'


def _resolution(audit: Audit) -> Iterator[str]:
    side, files = audit.images.image_size, audit.originals
    count = len(audit.images) - len(audit.superfluous)
    if files is None:
        yield f'It is unknown how many images were enlarged to {side} px: {audit.no_originals}.'
        return
    enlarged = files.smaller_than(side)
    if enlarged > _NOTABLE:
        yield (
            f'{enlarged:.0%} of the originals are smaller than {side} px and were enlarged: they teach blur. Leave '
            'them out, or convert to a smaller size.'
        )
    larger = 1 - files.smaller_than(2 * side)
    if side >= 128:
        yield (
            'At 128 px, deep discriminators gain most from spectral normalisation (FID 61 to 28 on faces, arXiv '
            '1807.04720): if samples become alike, try --discriminator_norm=spectral, which learns more slowly.'
        )
        if count < _SOME:
            yield f'With {count:,} images, try 64 px first: a run takes a fraction of the time, and collapses less.'
    elif larger >= _LARGE_ENOUGH:
        yield (
            f'{larger:.0%} of the originals are large enough for {2 * side} px. Get {side} px right first: the same '
            'problems appear at twice the size, where a step costs four times as much.'
        )
    else:
        yield f'Stay at {side} px: only {larger:.0%} of the originals are large enough for {2 * side} px.'


def _duplicates(audit: Audit) -> Iterator[str]:
    extra = len(audit.superfluous)
    if not extra:
        yield 'None found.'
        return
    yield (
        f'{extra:,} of {len(audit.images):,} images ({extra / len(audit.images):.1%}) are duplicates: the network sees '
        'such an image twice as often, and copies it first. Look at them, then drop them: --keep drops duplicates '
        'first.'
    )


def _outliers(audit: Audit) -> Iterator[str]:
    lowest = audit.lowest
    names = [audit.entries[number].name or f'number {number}' for number in lowest[:_NAMED]]
    yield (
        f'The least typical: {", ".join(names)}. Images that do not belong are usually among the lowest, but a rare '
        'image is not a wrong one: look at them from the lowest on, and see where the images begin to belong.'
    )
    if audit.extractor.name in _BLIND:
        yield (
            f'{audit.extractor.name} finds few images that do not belong: use --extractor=squeezenet before you drop '
            'any.'
        )
        return
    yield (
        'To drop the lowest tenth: --keep=90% --output_dir=FOLDER. It trades variety for realism: training on the '
        'denser half of ImageNet changed FID from 11.5 to 9.6, precision from .76 to .88 and recall from .66 to .50 '
        '(arXiv 2007.15255).'
    )
    low = collections.Counter(audit.label_of(n) for n in lowest[: int(_LOW_SHARE * len(lowest))].tolist())
    thinned = []
    for label, count in audit.label_counts().items():
        if label and low[label] >= max(_OVER_IMAGES, _OVER * _LOW_SHARE * count):
            thinned.append(f'{low[label]} of {count} of {label}')
    if thinned:
        yield (
            f'Among the lowest tenth are {", ".join(thinned)}: filtering would thin them out; with --within_labels '
            'each image is judged within its own label.'
        )


def _labels(audit: Audit) -> Iterator[str]:
    counts = audit.label_counts()
    named = {label: count for label, count in counts.items() if label}
    if len(named) < 2:
        return
    largest, smallest = max(named, key=lambda label: named[label]), min(named, key=lambda label: named[label])
    rare = [label for label, count in named.items() if count < _RARE * len(audit.images) / len(named)]
    yield (
        f'{len(named)} labels, from {named[smallest]:,} images ({smallest}) to {named[largest]:,} ({largest}). The '
        'network does not see labels: it generates each about as often as it occurs here, and rare ones last and worst.'
    )
    if rare:
        yield f'Rare: {", ".join(rare)}. Add images to them, or leave them out.'


def _colours(audit: Audit) -> Iterator[str]:
    flat, grey = int(audit.colours.flat.sum()), int(audit.colours.grey.sum())
    if flat:
        yield f'{flat:,} images have nearly one colour and teach nothing: the column contrast of audit.csv finds them.'
    if audit.images.channels == 1 or not grey:
        return
    if grey == len(audit.images):
        yield 'All images are grey: convert them with --channels=1, which makes the network smaller.'
    elif grey > _NOTABLE * len(audit.images):
        yield f'{grey:,} of the images are grey, the others are not: the network will generate both.'


def _shape(audit: Audit) -> Iterator[str]:
    files = audit.originals
    fit = audit.described.options.get('fit') if audit.described else None
    if files is not None and files.oblong > _NOTABLE and fit:
        loss = {'crop': 'lost a third or more', 'pad': 'got a third or more of border', 'stretch': 'are distorted'}
        yield (
            f'{files.oblong:.0%} of the originals are longer than 3:2. By --fit={fit} they {loss.get(fit, "changed")}: '
            'check in preview.png that the subject is still there.'
        )
