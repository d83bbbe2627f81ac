"""Seeds, noise and images become pictures and labels, in their order, by real sockets."""

from __future__ import annotations

import base64
from concurrent import futures

import numpy as np
import pytest

from tests.conftest import smooth_images
from tests.serving import strict_client
from tests.serving.strict_client import pixels, predict
from trainer.data import image_set, images


def encoded(picture: np.ndarray) -> dict:
    return {'image': {'b64': base64.b64encode(images.encode_png(picture)).decode()}}


def test_seeds_become_their_pictures_in_order(server, model):
    answer = predict(server.port, {'seed': 7}, {'seed': -3, 'label': 'plate'}, {'seed': 7, 'label': 'cup'})
    assert answer.status == 200
    first, second, third = answer.json['predictions']
    assert [one['seed'] for one in (first, second, third)] == [7, -3, 7]
    assert (first['label'], second['label'], third['label']) == (model.label_of(7), 'plate', 'cup')
    np.testing.assert_array_equal(pixels(first['image']), model.of_seeds([7])[0])
    np.testing.assert_array_equal(pixels(second['image']), model.of_seeds([-3], 'plate')[0])
    np.testing.assert_array_equal(pixels(third['image']), model.of_seeds([7], 'cup')[0])
    data = base64.b64decode(first['image']['b64'])
    assert images.software_of(data) == images.GENERATED  # The converter would know it.


def test_noise_becomes_pictures_and_may_be_mixed_with_seeds(server, model):
    noise = np.random.default_rng(0).normal(size=(2, model.noise_dim)).astype(np.float32)
    rows = [[float(number) for number in row] for row in noise]
    answer = predict(server.port, {'noise': rows[0]}, {'seed': 5}, {'noise': rows[1], 'label': 'cup'})
    first, second, third = answer.json['predictions']
    assert 'seed' not in first and (first['label'], third['label']) == ('', 'cup')
    np.testing.assert_array_equal(pixels(first['image']), model.of_noise(noise[:1])[0])
    np.testing.assert_array_equal(pixels(second['image']), model.of_seeds([5])[0])
    np.testing.assert_array_equal(pixels(third['image']), model.of_noise(noise[1:], 'cup')[0])


def test_a_training_image_is_recognised_with_its_neighbours(server, folder, model):
    train = image_set.open_split(str(folder / 'data'))
    answer = predict(server.port, {'seed': 1}, encoded(train.pixels()[5]), neighbours=3)
    made, found = answer.json['predictions']
    assert made['seed'] == 1
    assert found['label'] in train.labels and 0 < found['confidence'] <= 1
    assert len(found['neighbours']) == 3
    nearest = found['neighbours'][0]
    assert set(nearest) == {'name', 'label', 'cosine', 'likely_copy', 'image'}
    assert nearest['name'] == train.entries()[5].name and nearest['likely_copy'] and nearest['cosine'] > 0.999
    np.testing.assert_array_equal(pixels(nearest['image']), train.pixels()[5])
    sample = found['sample']
    np.testing.assert_array_equal(pixels(sample['image']), model.of_seeds([sample['seed']])[0])
    assert -1 <= sample['cosine'] <= 1


def test_an_image_has_five_neighbours_unless_it_is_told(server):
    (found,) = predict(server.port, encoded(smooth_images(1, 50, seed=3)[0])).json['predictions']
    assert len(found['neighbours']) == 5


def test_the_largest_answer_is_whole(server, model):
    answer = predict(server.port, *({'seed': seed} for seed in range(64)))
    found = answer.json['predictions']
    expected = model.of_seeds(range(64))
    for seed, prediction in enumerate(found):
        assert prediction['seed'] == seed
        np.testing.assert_array_equal(pixels(prediction['image']), expected[seed])


def test_a_hundred_clients_at_once_get_their_own_pictures(server, model):
    expected = model.of_seeds(range(100))

    def ask(seed: int) -> np.ndarray:
        answer = predict(server.port, {'seed': seed})
        assert answer.status == 200, answer
        (found,) = answer.json['predictions']
        assert found['seed'] == seed
        return pixels(found['image'])

    with futures.ThreadPoolExecutor(100) as pool:
        for seed, picture in enumerate(pool.map(ask, range(100))):
            np.testing.assert_array_equal(picture, expected[seed])


@pytest.mark.parametrize('ending', ['null', '{}', '{"neighbours": 2}'])
def test_parameters_may_be_absent_null_or_empty(ending, server):
    body = f'{{"instances": [{{"seed": 1}}], "parameters": {ending}}}'.encode()
    assert strict_client.ask(server.port, 'POST', '/predict', body).status == 200


def test_a_connection_takes_one_request_after_the_other(server):
    body = b'{"instances": [{"seed": 1}]}'
    with strict_client.Connection(server.port) as connection:
        answers = [connection.ask('POST', '/predict', body) for _ in range(3)]
        connection.send(strict_client.request('POST', '/predict', body) * 2)  # Both before the first answer.
        answers += [connection.receive(), connection.receive()]
    assert {answer.body for answer in answers} == {answers[0].body}


def test_a_body_in_chunks_is_taken(server):
    head = strict_client.request('POST', '/predict', Content_Type='application/json', Transfer_Encoding='chunked')
    with strict_client.Connection(server.port) as connection:
        connection.send(head + b'1\r\n{\r\n1b\r\n"instances": [{"seed": 1}]}\r\n0\r\n\r\n')
        assert connection.receive().status == 200
