"""The fixtures of the server's tests."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.serving import running
from tests.serving.running import Running
from trainer.inference.model import Model
from trainer.inference.recognition import Recogniser


@pytest.fixture(scope='session', name='folder')
def folder_fixture(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return running.served(tmp_path_factory)


@pytest.fixture(scope='session', name='parts')
def parts_fixture(folder: pathlib.Path) -> tuple[Model, Recogniser]:
    return running.parts(folder)


@pytest.fixture(scope='session', name='model')
def model_fixture(parts: tuple[Model, Recogniser]) -> Model:
    return parts[0]


@pytest.fixture(scope='session', name='server')
def server_fixture(parts: tuple[Model, Recogniser], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all tests that leave it as it is."""
    with running.running(parts[0], tmp_path_factory.mktemp('page'), parts[1]) as one:
        yield one
