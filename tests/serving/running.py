"""A server in this process, with a tiny conditional run and its data, and parts that a test may replace."""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.conftest import tiny_hparams, write_dataset, write_run
from tests.once import made_once
from trainer import serve
from trainer.chatting.official_account import OfficialAccount
from trainer.data import image_set
from trainer.dcgan.conditioning import Classes
from trainer.inference import model, recognition
from trainer.inference.model import Model
from trainer.inference.recognition import Recogniser
from trainer.serve import ServeOptions
from trainer.serving import pages, server
from trainer.serving.health import Health
from trainer.serving.prediction import Predictor
from trainer.serving.server import Server

LABELS = ('cup', 'plate')


class Running(NamedTuple):
    """A running server: its port, its parts, and where its run and its data are."""

    port: int
    server: Server
    health: Health
    codes: list[int]  # What it has ended with.


def write_served(folder: pathlib.Path) -> None:
    """A run with two classes in `run`, and its data in `data`."""
    (folder / 'run').mkdir()
    write_run(folder / 'run', 3, tiny_hparams(condition='labels', classes=2), Classes(LABELS, (30, 10)))
    write_dataset(folder / 'data', labels=LABELS)


def served(factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of `write_served`, made once."""
    return made_once(factory, 'served', write_served)


def parts(folder: pathlib.Path) -> tuple[Model, Recogniser]:
    """The model of a folder of `write_served`, and what recognises pictures by its data."""
    made = model.of_run(str(folder / 'run'))
    return made, recognition.prepare(made, *image_set.open_both(str(folder / 'data')), 'pixels')


@contextlib.contextmanager
def running(
    made: Model,
    folder: pathlib.Path,
    recogniser: Recogniser | None = None,
    model_dir: str = '',
    threads: int = 128,
    account: OfficialAccount | None = None,
) -> Iterator[Running]:
    """Runs a server as trainer.serve does; `folder` is empty, for its page."""
    options = ServeOptions(saved_model='given', threads=threads)
    listening = server.listen('127.0.0.1', 0)
    page = pages.page_folder(made, model_dir, str(folder), options.predict_route)
    predictor = Predictor(made, recogniser, 'start it with --data=FOLDER', threads)
    app, health = serve.assembled(options, made, predictor, page, account)
    one, codes = Server(app, listening, threads, health.drain), []
    thread = threading.Thread(target=lambda: codes.append(one.run()))
    thread.start()
    try:
        yield Running(one.port, one, health, codes)
    finally:
        one.stop()
        thread.join(30)
        listening.close()
