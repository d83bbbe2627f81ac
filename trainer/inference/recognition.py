"""Recognises a picture by the training images of a model: its label, its neighbours, whether it is a copy."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np

from trainer import errors
from trainer.data import picture_file
from trainer.data.image_set import ImageSet
from trainer.evaluation import pictures
from trainer.features import extraction, registry
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.inference.model import Model
from trainer.inference.training_images import TrainingImages
from trainer.labelling import labeller
from trainer.labelling.labeller import Labeller
from trainer.page import comparison

_SAMPLES = 400  # Of the seeds 0, 1, 2 ...: the same as on the page of trainer.explore.
MOST_NEIGHBOURS = 12


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """A training image near a picture.

    Attributes:
      name: path of its source file below the converted folder, '' if the records do not have it.
      label: the name of its label, '' for none.
      cosine: with the picture, in [-1, 1].
      likely_copy: whether the picture is nearer to it than almost all real images are to any training image.
      pixels: uint8 [H, W, C].
    """

    name: str
    label: str
    cosine: float
    likely_copy: bool
    pixels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Recognition:
    """What is known of a picture.

    Attributes:
      label: the name of its most probable label; '' if the training images have not two labels.
      confidence: the probability of that label, in [0, 1].
      neighbours: the nearest training images, nearest first.
      seed: of the nearest generated picture.
      sample: that picture, uint8 [H, W, C].
      sample_cosine: with it.
    """

    label: str
    confidence: float
    neighbours: tuple[Neighbour, ...]
    seed: int
    sample: np.ndarray
    sample_cosine: float


class Recogniser:
    """Recognises pictures; its method may be called from several threads."""

    def __init__(
        self,
        model: Model,
        train: TrainingImages,
        extractor: Extractor,
        space: Space,
        vectors: np.ndarray,
        threshold: float,
        labelling: tuple[Labeller, list[str]] | None,
    ):
        """Takes the parts that `prepare` has made.

        Args:
          model: makes the samples.
          train: the training images.
          extractor: of the features.
          space: of the late features.
          vectors: float32 [N, D], the training images in it.
          threshold: the cosine with a training image from which on a picture is a likely copy.
          labelling: a labeller and the names of its labels, if the training images have two or more.
        """
        self._model, self._train, self._extractor, self._space = model, train, extractor, space
        self._vectors, self._threshold, self._labelling = vectors, threshold, labelling
        self._one_at_a_time = threading.Lock()  # The extractor uses all cores; side by side it would only need memory.
        self._samples = model.of_seeds(range(_SAMPLES))
        late = extraction.of_pixels(self._samples, extractor)[extractor.late]
        self._sample_vectors = space.embed(late)

    def recognise(self, data: bytes, neighbours: int = 5) -> Recognition:
        """Recognises a picture file.

        Args:
          data: the file; its central square is compared.
          neighbours: how many training images to return, from 1 to MOST_NEIGHBOURS; fewer if there are fewer.

        Raises:
          errors.UserError: it is no picture, as in `picture_file.decoded`, or the number is out of range.
        """
        if not 1 <= neighbours <= MOST_NEIGHBOURS:
            raise errors.UserError(f'neighbours {neighbours} must be from 1 to {MOST_NEIGHBOURS}')
        pixels = picture_file.decoded(data, self._model.image_size, self._model.channels)
        with self._one_at_a_time:
            features = extraction.of_pixels(pixels[None], self._extractor)
        vector = self._space.embed(features[self._extractor.late])
        label, confidence = self._label(features)
        nearest = comparison.nearest(vector, self._vectors, neighbours)
        of_samples = comparison.nearest(vector, self._sample_vectors, 1)
        seed = int(of_samples.indices[0, 0])
        return Recognition(
            label, confidence,
            tuple(self._neighbour(*pair) for pair in zip(nearest.indices[0].tolist(), nearest.cosines[0].tolist())),
            seed, self._samples[seed], float(of_samples.cosines[0, 0]),
        )  # fmt: skip

    def _label(self, features: dict[str, np.ndarray]) -> tuple[str, float]:
        if not self._labelling:
            return '', 0.0
        fitted, names = self._labelling
        probabilities = fitted.probabilities(features)[0]
        return names[int(probabilities.argmax())], float(probabilities.max())

    def _neighbour(self, number: int, cosine: float) -> Neighbour:
        train = self._train
        copied = cosine >= self._threshold
        return Neighbour(train.entry(number).name, train.label(number), cosine, copied, train.pixels(number))


def prepare(
    model: Model, train: ImageSet, holdout: ImageSet | None, extractor_name: str = registry.DEFAULT
) -> Recogniser:
    """Prepares to recognise pictures by the data of a model; takes the features of the data, which are cached there.

    Args:
      model: the generator.
      train, holdout: the data.
      extractor_name: a key of `registry.EXTRACTORS`.

    Raises:
      errors.UserError: the data are of another size than the model's pictures.
    """
    pictures.check_geometry(train, model.image_size, model.channels, model.title)
    extractor = registry.make(extractor_name)
    features = extraction.of_set(train, extractor)
    space = Space.of(features[extractor.late])
    vectors = space.embed(features[extractor.late])
    of_holdout = space.embed(extraction.of_set(holdout, extractor)[extractor.late]) if holdout else None
    threshold = comparison.scale(vectors, of_holdout).threshold
    labelling = _labelling(train, features, extractor)
    return Recogniser(model, TrainingImages(train), extractor, space, vectors, threshold, labelling)


def _labelling(
    train: ImageSet, features: dict[str, np.ndarray], extractor: Extractor
) -> tuple[Labeller, list[str]] | None:
    """A labeller fitted to the labels that people gave; None if there are not two."""
    given = np.concatenate(train.shard_labels(known_only=True))
    known = np.flatnonzero(given >= 0)
    present, labels = np.unique(given[known], return_inverse=True)
    if len(present) < 2:
        return None
    names = [train.label_name(label) for label in present.tolist()]
    return labeller.fit(features, extractor, known, labels), names
