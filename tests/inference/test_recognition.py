"""A picture is recognised by the training images: itself as a copy, its label, its nearest sample."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.conftest import tiny_hparams, write_dataset, write_run
from trainer import errors
from trainer.data import image_set, images
from trainer.inference import model, recognition


def of_data(tmp_path, data: str, **shape) -> recognition.Recogniser:
    write_run(tmp_path, 1, tiny_hparams(**shape))
    return recognition.prepare(model.of_run(str(tmp_path)), *image_set.open_both(data), 'pixels')


def test_a_training_image_is_a_copy_of_itself(tmp_path):
    data = write_dataset(tmp_path / 'data', labels=('cup', 'plate'))
    recogniser = of_data(tmp_path, data)
    train = image_set.open_split(data)
    for number in (0, 5, 23):
        pixels = train.pixels()[number]
        found = recogniser.recognise(images.encode_png(pixels), neighbours=3)
        first = found.neighbours[0]
        assert len(found.neighbours) == 3
        assert first.name == train.entries()[number].name
        assert first.label == train.labels[train.entries()[number].label]
        assert first.likely_copy and first.cosine > 0.999
        assert np.array_equal(first.pixels, pixels)
        assert not found.neighbours[2].likely_copy
        cosines = [neighbour.cosine for neighbour in found.neighbours]
        assert cosines == sorted(cosines, reverse=True)
        assert found.label in ('cup', 'plate') and 0 < found.confidence < 1


def test_a_sample_is_found_by_its_seed(tmp_path):
    recogniser = of_data(tmp_path, write_dataset(tmp_path / 'data', channels=1), channels=1)
    sample = model.of_run(str(tmp_path)).of_seeds([17])[0]
    found = recogniser.recognise(images.encode_png(sample))
    assert found.seed == 17 and found.sample_cosine > 0.999
    assert np.array_equal(found.sample, sample)
    assert (found.label, found.confidence) == ('', 0.0)  # The images have no labels.
    assert found.neighbours[0].label == ''


def test_one_label_is_no_choice(tmp_path):
    recogniser = of_data(tmp_path, write_dataset(tmp_path / 'data', labels=('cup',)))
    found = recogniser.recognise(images.encode_png(np.zeros((32, 32, 3), np.uint8)))
    assert (found.label, found.confidence) == ('', 0.0)
    assert found.neighbours[0].label == 'cup'


def test_threads_get_what_one_gets(tmp_path):
    data = write_dataset(tmp_path / 'data')
    recogniser = of_data(tmp_path, data)
    files = [images.encode_png(pixels) for pixels in image_set.open_split(data).pixels(8)]
    alone = [recogniser.recognise(file).neighbours[0].name for file in files]
    found = [''] * len(files)

    def ask(number: int) -> None:
        found[number] = recogniser.recognise(files[number]).neighbours[0].name

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(files))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == alone and len(set(found)) == 8


def test_what_does_not_fit_is_refused(tmp_path):
    recogniser = of_data(tmp_path, write_dataset(tmp_path / 'data'))
    with pytest.raises(errors.UserError, match='3 bytes are not a picture that can be read'):
        recogniser.recognise(b'odd')
    for count in (0, 13):
        with pytest.raises(errors.UserError, match=f'neighbours {count} must be from 1 to 12'):
            recogniser.recognise(b'', count)
    with pytest.raises(errors.UserError, match='holds images of 64x64x3, and the generator in .* makes 32x32x3'):
        of_data(tmp_path, write_dataset(tmp_path / 'large', size=64))
