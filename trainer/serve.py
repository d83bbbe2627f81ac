"""Serves a trained generator over HTTP: pictures of seeds, what is on a picture, and a page to play with.

  python -m trainer.serve --model_dir=runs/roses
      open http://127.0.0.1:8080/, or send requests:
  curl --header 'Content-Type: application/json' --data '{"instances": [{"seed": 3}]}' http://127.0.0.1:8080/predict

It keeps the contract of Vertex AI's custom containers and of Cloud Run: their variables are the defaults of flags, and
SIGTERM ends it after the requests in progress, with exit code 0. It answers this machine only, unless --host says
otherwise, and has no password: put it behind a service that asks for one.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import signal
import tempfile
from types import ModuleType

from absl import flags, logging

from trainer import cli, errors, terminal
from trainer.chatting import answer, official_account
from trainer.chatting.official_account import OfficialAccount
from trainer.flags.declaration import ANYWHERE, Options, option
from trainer.generator import loading
from trainer.inference.model import Model
from trainer.quiet import quieten_tensorflow
from trainer.serving import pages, sources, wechat
from trainer.serving.application import Application
from trainer.serving.health import Health
from trainer.serving.http import JSON, Route
from trainer.serving.prediction import Predictor

_LOOPBACK = ('127.0.0.1', 'localhost', '::1')
_ROUTE = re.compile(r'/[\w./:@~-]*', re.ASCII)


@dataclasses.dataclass(frozen=True)
class ServeOptions(Options):
    """What to serve, and where.

    Raises:
      errors.UserError: a value that breaks its rule.
    """

    model_dir: str = option('', 'A training run.', unit='folder', path=ANYWHERE)
    checkpoint: str = option('', loading.HELP, choices=loading.CHOICES)
    saved_model: str = option('', 'An exported generator, instead of --model_dir.', unit='folder', path=ANYWHERE)
    artifact: str = option(
        '',
        'A folder with either of them, or with an export; used where neither flag is given.',
        unit='folder',
        path=ANYWHERE,
        environment='AIP_STORAGE_URI',
    )
    data: str = option(
        '',
        'The data set by which pictures are recognised; empty is that of the training run.',
        unit='folder',
        path=ANYWHERE,
    )
    host: str = option('127.0.0.1', 'The address to listen on; 0.0.0.0 answers other machines too.')
    port: int = option(
        8080,
        'The port to listen on; 0 takes any that is free.',
        lower=0,
        upper=65535,
        why='there are no more ports',
        environment=('AIP_HTTP_PORT', 'PORT'),
    )
    predict_route: str = option('/predict', 'The path of predictions.', environment='AIP_PREDICT_ROUTE')
    health_route: str = option('/health', 'The path of health checks.', environment='AIP_HEALTH_ROUTE')
    threads: int = option(
        128,
        'Predictions that may be in progress together, each in a thread; a further one is answered 503.',
        unit='threads',
        lower=1,
        upper=1000,
        why='each takes memory',
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model_dir and self.saved_model:
            raise errors.UserError('give one of --model_dir and --saved_model')
        if not (self.model_dir or self.saved_model or self.artifact):
            raise errors.UserError(
                'give --model_dir=FOLDER, a training run of python -m trainer.task, or --saved_model=FOLDER'
            )
        for name in ('predict_route', 'health_route'):
            if not _ROUTE.fullmatch(getattr(self, name)):
                raise errors.UserError(f'--{name}={getattr(self, name)} is no path: it begins with /, as in /{name}')
        if self.predict_route == self.health_route:
            raise errors.UserError(f'--predict_route and --health_route are both {self.health_route}: choose two paths')


def serve(options: ServeOptions) -> int:
    """Serves until a signal comes; returns the exit code.

    Raises:
      errors.UserError: there is no model, its data or page cannot be read, or the port is in use.
    """
    server = _server()
    listening = server.listen(options.host, options.port)
    with listening, tempfile.TemporaryDirectory(prefix='serve-') as temporary:
        found = (options.model_dir, options.saved_model)
        model_dir, saved_model = found if any(found) else sources.find(options.artifact)
        model = sources.load(model_dir, options.checkpoint, saved_model)
        recogniser, why_not = sources.recogniser(model, model_dir, options.data)
        predictor = Predictor(model, recogniser, why_not, options.threads)
        account = official_account.from_environment(os.environ, functools.partial(answer.answer, model, recogniser))
        folder = pages.page_folder(model, model_dir, temporary, options.predict_route)
        app, health = assembled(options, model, predictor, folder, account)
        made = server.Server(app, listening, options.threads, health.drain)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(signum) is not signal.SIG_IGN:  # Under nohup, a closed terminal stops nothing.
                signal.signal(signum, made.stop)
        host = f'[{options.host}]' if ':' in options.host else options.host
        logging.info('%s, listening on http://%s:%d/', model.title, host, made.port)
        try:
            return made.run()
        finally:
            if account:
                account.close()


def assembled(
    options: ServeOptions, model: Model, predictor: Predictor, folder: str, account: OfficialAccount | None = None
) -> tuple[Application, Health]:
    """The application with its routes, and its health.

    Args:
      options: the routes, and the host.
      model: that `predictor` uses.
      predictor: answers predictions.
      folder: with the page.
      account: answers WeChat, if there is one.
    """
    health = Health(model, lambda: predictor.succeeded)
    routes = {
        **pages.routes(folder),
        **wechat.routes(account),
        options.predict_route: Route({'POST': predictor}, takes=JSON),
        options.health_route: Route({'GET': health}),
    }
    return Application(routes, frozenset(_LOOPBACK) if options.host in _LOOPBACK else frozenset()), health


def main() -> int:
    """Serves what the flags ask for; returns the exit code."""
    options = cli.from_flags(ServeOptions, flags.FLAGS)
    quieten_tensorflow()
    code = serve(options)
    if code:
        terminal.flush()
        os._exit(code)  # Threads of requests in progress would crash when Python takes TensorFlow down.
    return code


def _server() -> ModuleType:
    try:
        from trainer.serving import server
    except ModuleNotFoundError as error:
        if error.name != 'waitress':
            raise
        raise errors.UserError("the server needs waitress: run pip install 'tpu-dcgan[serve]'") from None
    return server


if __name__ == '__main__':
    cli.run(main, __doc__, [ServeOptions])
