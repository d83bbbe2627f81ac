"""The classes of a conditional run: the labels of its data, or clusters of images that look alike."""

from __future__ import annotations

import dataclasses
import json
import os

import numpy as np
from absl import logging

from trainer import errors
from trainer.data.image_set import ImageSet
from trainer.dcgan import architecture
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.dcgan.reading import Labels
from trainer.features import extraction, registry
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.filesystem import files, state_file
from trainer.labelling import clustering
from trainer.model_dir import classes_file

CLUSTERS_FILE = 'clusters.json'
_FEW = 100  # Images of a class; with 65 a GAN mostly copies them (docs/few-images.md).
_IMAGES_A_CLUSTER, _MOST_CLUSTERS = 100, 32
_MOST_CLUSTERED = 20_000  # Images from which centres are found; more do not move them.


@dataclasses.dataclass(frozen=True)
class ClassedData:
    """The classes of a run, and those of its images.

    Attributes:
      classes: of the training images.
      train, holdout: of the images of each split; the latter None if there is none.
    """

    classes: Classes
    train: Labels
    holdout: Labels | None


@dataclasses.dataclass(frozen=True)
class Clusters:
    """The content of `clusters.json`, by which any image finds its cluster.

    Attributes:
      extractor, version: of the features, whose late layer is used.
      mean: of the training set's features, D numbers.
      centres: K directions of D numbers each.
    """

    extractor: str
    version: str
    mean: tuple[float, ...]
    centres: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not self.centres or any(len(centre) != len(self.mean) for centre in self.centres):
            raise ValueError('the centres are none, or not as long as the mean')
        with np.errstate(over='ignore'):
            if not np.isfinite(np.array([self.mean, *self.centres], np.float32)).all():
                raise ValueError('a number is none that float32 can hold')


def of_run(
    hparams: HParams, model_dir: str, train: ImageSet, holdout: ImageSet | None, resumes: bool
) -> ClassedData | None:
    """The classes that a run is conditioned on; None for an unconditional one.

    A run that goes on keeps the classes that its networks have, on other data too.

    Raises:
      errors.UserError: the data have fewer than two labels, or not as many as --classes.
    """
    if hparams.condition == architecture.UNCONDITIONAL:
        return None
    known = classes_file.of_run(model_dir, hparams) if resumes else None
    splits = [train] if holdout is None else [train, holdout]
    if hparams.condition == architecture.LABELS:
        names, labels = _by_label(hparams, splits, known)
    else:
        names, labels = _by_cluster(hparams, model_dir, splits, known)
    classes = Classes.of(names, np.concatenate(labels[0]))
    _report(classes, hparams)
    of_splits = [_labels(found, classes) for found in labels]
    return ClassedData(classes, of_splits[0], of_splits[1] if holdout else None)


def _by_label(
    hparams: HParams, splits: list[ImageSet], known: Classes | None
) -> tuple[tuple[str, ...], list[list[np.ndarray]]]:
    """The names of the classes, and for each split the classes of its shards."""
    present = np.unique(np.concatenate(splits[0].shard_labels())).tolist()
    found = dict.fromkeys(splits[0].label_name(label) for label in present if label >= 0)
    names, place = known.names if known else tuple(found), splits[0].folder
    if len(names) < 2:
        raise errors.UserError(
            f'--condition=labels: the training images in {place} have {len(names)} label{"s" * (len(names) != 1)}, and '
            'it needs at least 2: convert a folder with a sub-folder for each label, label them with python -m '
            'convert.label, or give --condition=clusters'
        )
    if hparams.classes not in (0, len(names)):
        raise errors.UserError(
            f'--classes={hparams.classes}, but the training images in {place} have {len(names)} labels: leave it out'
        )
    return names, [_numbered(split, names) for split in splits]


def _numbered(split: ImageSet, names: tuple[str, ...]) -> list[np.ndarray]:
    shards, others = split.shard_classes(names)
    if others:
        logging.warning(
            'images with labels that are no class of the run (%s) count as unlabelled', ', '.join(others[:5])
        )
    return [shard.astype(np.int32) for shard in shards]


def _by_cluster(
    hparams: HParams, model_dir: str, splits: list[ImageSet], known: Classes | None
) -> tuple[tuple[str, ...], list[list[np.ndarray]]]:
    extractor = registry.make(registry.DEFAULT)
    path = os.path.join(model_dir, CLUSTERS_FILE)
    fix = 'restore it, or choose another --model_dir'
    clusters = state_file.read(path, Clusters, fix=fix) if known else None
    if clusters is None and known:
        raise errors.UserError(f'{path} is absent, and without it no image finds its cluster: {fix}')
    if clusters is None:
        clusters = _found(hparams, splits[0], extractor)
        files.write_bytes(path, (json.dumps(dataclasses.asdict(clusters)) + '\n').encode())
    if (clusters.extractor, clusters.version) != (extractor.name, extractor.version):
        raise errors.UserError(
            f'{path} is of {clusters.extractor} {clusters.version}, and this version has {extractor.name} '
            f'{extractor.version}: go on with the version that began the run, or choose another --model_dir'
        )
    names = known.names if known else tuple(f'cluster {number:02d}' for number in range(len(clusters.centres)))
    return names, [_assigned(split, clusters, extractor) for split in splits]


def _found(hparams: HParams, train: ImageSet, extractor: Extractor) -> Clusters:
    count = hparams.classes or min(max(len(train) // _IMAGES_A_CLUSTER, 2), _MOST_CLUSTERS)
    if count > len(train) or count < 2:
        raise errors.UserError(
            f'--classes={count} clusters of {len(train)} training images: give at least 2, and at most as many as '
            'there are images'
        )
    raw = extraction.of_set(train, extractor)[extractor.late]
    space = Space.of(raw)
    some = np.unique(np.linspace(0, len(raw) - 1, min(len(raw), _MOST_CLUSTERED)).astype(int))
    centres = clustering.means(space.embed(raw[some]), count, hparams.seed)
    as_numbers = tuple(tuple(centre) for centre in centres.tolist())
    return Clusters(extractor.name, extractor.version, tuple(space.mean.tolist()), as_numbers)


def _assigned(split: ImageSet, clusters: Clusters, extractor: Extractor) -> list[np.ndarray]:
    embedded = Space(np.array(clusters.mean, np.float32)).embed(extraction.of_set(split, extractor)[extractor.late])
    numbers = clustering.nearest(embedded, np.array(clusters.centres, np.float32)).astype(np.int32)
    counts = [len(shard) for shard in split.shard_labels()]
    return np.split(numbers, np.cumsum(counts)[:-1])


def _labels(of_shards: list[np.ndarray], classes: Classes) -> Labels:
    return Labels(np.concatenate(of_shards), tuple(map(len, of_shards)), classes.weights)


def _report(classes: Classes, hparams: HParams) -> None:
    logging.info('--condition=%s: %d classes: %s', hparams.condition, len(classes.names), classes.summary)
    if len(classes.names) > hparams.train_batch_size:
        logging.warning(
            '%d classes are more than a batch of %d images can show: raise --train_batch_size, or give fewer classes',
            len(classes.names), hparams.train_batch_size,
        )  # fmt: skip
    few = [name for name, images in zip(classes.names, classes.images) if images < _FEW]
    if few:
        fewest = min(zip(classes.images, classes.names))
        logging.warning(
            '%d of %d classes have fewer than %d images, the fewest %s with %d: their pictures may be copies; give '
            'more images, fewer classes, or --condition=none',
            len(few), len(classes.names), _FEW, fewest[1], fewest[0],
        )  # fmt: skip
