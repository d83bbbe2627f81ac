"""Answers prediction requests with pictures, and with what is on pictures."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from trainer import errors
from trainer.data.images import GENERATED, encode_png
from trainer.inference.model import Model
from trainer.inference.own_thread import OwnThread
from trainer.inference.recognition import Neighbour, Recogniser
from trainer.serving import http, requests
from trainer.serving.http import Request, Response
from trainer.serving.limits import PICTURES_TOGETHER, Gate
from trainer.serving.requests import Body

_DIGITS = 4  # Of cosines and probabilities.


class Predictor:
    """Answers the predict route."""

    def __init__(self, model: Model, recogniser: Recogniser | None, why_not: str, most: int):
        """Takes its parts.

        Args:
          model: makes the pictures.
          recogniser: recognises pictures; None refuses them.
          why_not: without a recogniser, what to do about that.
          most: requests that are worked on together.
        """
        self._model, self._recogniser, self._why_not = model, recogniser, why_not
        self._recognising = OwnThread('recogniser')
        self._requests, self._pictures = Gate(most, 'predictions'), Gate(PICTURES_TOGETHER, 'pictures')
        self.succeeded = time.monotonic()  # When the latest answer was ready.

    def __call__(self, request: Request) -> Response:
        """Answers one request.

        Raises:
          errors.UserError: the request is wrong.
          limits.Busy: too many others are in progress.
        """
        with self._requests.passed():
            body = requests.parse(request.body)
            with self._pictures.passed(body.pictures):
                response = http.json({'predictions': self._predictions(body)})
        self.succeeded = time.monotonic()
        return response

    def _predictions(self, body: Body) -> list[dict[str, Any]]:
        """One answer for each instance, in their order; pictures of one label are made together."""
        found: dict[int, dict[str, Any]] = {}
        seeds, noise, images = (body.of_kind(kind) for kind in ('seed', 'noise', 'image'))
        if images and self._recogniser is None:
            raise errors.UserError(f'instances[{images[0]}]: this server recognises no pictures: {self._why_not}')
        for label, numbers in self._by_label(body, noise).items():
            vectors = [requests.noise_of(body.instances[n], self._model.noise_dim, f'instances[{n}]') for n in numbers]
            for number, png in zip(numbers, self._model.pngs_of_noise(np.stack(vectors), label)):
                found[number] = {**self._named(label), 'image': _b64(png)}
        for label, numbers in self._by_label(body, seeds).items():
            chosen = [cast(int, body.instances[number].seed) for number in numbers]
            names = [label] * len(chosen) if label else self._labels_of(chosen)
            made = self._model.pngs_of_seeds(chosen, label)
            for number, seed, name, png in zip(numbers, chosen, names, made):
                found[number] = {'seed': seed, **self._named(name), 'image': _b64(png)}
        for number in images:
            found[number] = self._recognising.submit(self._recognised, body, number).result()
        return [found[number] for number in range(len(body.instances))]

    def _by_label(self, body: Body, numbers: Sequence[int]) -> dict[str, list[int]]:
        """The numbers of instances by their labels."""
        groups: dict[str, list[int]] = {}
        for number in numbers:
            groups.setdefault(body.instances[number].label, []).append(number)
        for label in filter(None, groups):
            self._model.number_of(label)  # Raises for an unknown one.
        return groups

    def _labels_of(self, seeds: Sequence[int]) -> list[str]:
        """The labels that seeds decide, '' for none."""
        of_classes = ('', *self._model.labels)
        return [of_classes[number + 1] for number in self._model.generator.labels(seeds).tolist()]

    def _named(self, label: str) -> dict[str, str]:
        return {'label': label} if self._model.labels else {}

    def _recognised(self, body: Body, number: int) -> dict[str, Any]:
        assert self._recogniser
        data = requests.file_of(body.instances[number], f'instances[{number}]')
        found = self._recogniser.recognise(data, body.neighbours)
        return {
            'label': found.label,
            'confidence': round(found.confidence, _DIGITS),
            'neighbours': [_neighbour(neighbour) for neighbour in found.neighbours],
            'sample': {
                'seed': found.seed,
                'cosine': round(found.sample_cosine, _DIGITS),
                'image': _png(found.sample, GENERATED),
            },
        }


def _neighbour(neighbour: Neighbour) -> dict[str, Any]:
    return {
        'name': neighbour.name,
        'label': neighbour.label,
        'cosine': round(neighbour.cosine, _DIGITS),
        'likely_copy': neighbour.likely_copy,
        'image': _png(neighbour.pixels),
    }


def _png(pixels: np.ndarray, software: str = '') -> dict[str, str]:
    """uint8 [H, W, C] -> a PNG in base64."""
    return _b64(encode_png(pixels, software))


def _b64(file: bytes) -> dict[str, str]:
    return {'b64': base64.b64encode(file).decode()}
