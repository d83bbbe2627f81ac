"""Lets people chat with a trained model: a number, a name or a picture gets an answer.

  python -m trainer.chat --platform=terminal --model_dir=runs/roses
      to try it: type 3, seed 17, a label, or the path of a picture.
  python -m trainer.chat --platform=weixin --model_dir=runs/roses --credentials=weixin.json
      in WeChat: shows a QR code, which its owner scans; needs no public server (pip install 'tpu-dcgan[chat]').

The webhook of a WeChat official account is part of trainer.serve.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import sys

from absl import flags, logging

from trainer import cli, errors, terminal
from trainer.chatting import answer, http_client, terminal_chat
from trainer.chatting.answer import Answering
from trainer.chatting.ilink import Ilink
from trainer.chatting.weixin import WeixinChat
from trainer.data import manifest
from trainer.flags.declaration import ANYWHERE, LOCAL, Options, option
from trainer.generator import loading
from trainer.inference import model, recognition
from trainer.inference.model import Model
from trainer.inference.recognition import Recogniser
from trainer.model_dir import run_data
from trainer.quiet import quieten_tensorflow

_TERMINAL, _WEIXIN = 'terminal', 'weixin'
_SERVER = 'WEIXIN_API_URL'


@dataclasses.dataclass(frozen=True)
class ChatOptions(Options):
    """What answers, and where.

    Raises:
      errors.UserError: a value that breaks its rule.
    """

    platform: str = option(
        _TERMINAL, 'Where people write: this terminal, or WeChat by its iLink protocol.', choices=(_TERMINAL, _WEIXIN)
    )
    model_dir: str = option('', 'A training run.', unit='folder', path=ANYWHERE)
    checkpoint: str = option('', loading.HELP, choices=loading.CHOICES)
    saved_model: str = option('', 'An exported generator, instead of --model_dir.', unit='folder', path=ANYWHERE)
    data: str = option(
        '',
        'The data set to compare pictures with; empty is that of the training run, and without one the chat only makes '
        'pictures.',
        unit='folder',
        path=ANYWHERE,
    )
    credentials: str = option(
        '',
        'With --platform=weixin, where the bot token is kept, which only you can read; empty keeps none, so that each '
        'start shows a QR code.',
        unit='file',
        path=LOCAL,
    )
    output_dir: str = option(
        'chat', 'With --platform=terminal, where the pictures go, local or gs://.', unit='folder', path=ANYWHERE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.model_dir) == bool(self.saved_model):
            raise errors.UserError('give one of --model_dir=FOLDER (a training run) and --saved_model=FOLDER')
        if self.checkpoint and not self.model_dir:
            raise errors.UserError(f'--checkpoint={self.checkpoint} chooses from a --model_dir: give one')
        if self.credentials and self.platform != _WEIXIN:
            raise errors.UserError(f'--credentials={self.credentials} is for --platform={_WEIXIN}')


def load(options: ChatOptions) -> tuple[Model, Recogniser | None]:
    """Loads the generator, and prepares to recognise pictures where there are data.

    Raises:
      errors.UserError: there is no generator, or the data do not fit it.
    """
    if options.saved_model:
        made = model.of_saved_model(options.saved_model)
    else:
        made = model.of_run(options.model_dir, options.checkpoint)
    own = os.path.join(options.model_dir, run_data.FOLDER)
    if not (options.data or options.model_dir and (run_data.read(options.model_dir) or manifest.is_in(own))):
        logging.info('no --data: pictures are made, and none are recognised')
        return made, None
    train, holdout = run_data.open_both(
        run_data.options_of(options.model_dir, options.data), made.image_size, made.channels
    )
    return made, recognition.prepare(made, train, holdout)


def _answering(options: ChatOptions) -> Answering:
    return functools.partial(answer.answer, *load(options))


def main() -> None:
    """Chats as the flags say, until the input or a signal ends it."""
    options = cli.from_flags(ChatOptions, flags.FLAGS)
    quieten_tensorflow()
    if options.platform == _TERMINAL:
        with terminal_chat.claimed(options.output_dir):
            terminal_chat.run(sys.stdin, _answering(options), terminal.say, options.output_dir)
        return
    given = os.environ.get(_SERVER)
    client = Ilink(http_client.base_url(_SERVER, given) if given else '')
    WeixinChat(client, options.credentials, terminal.say).run(_answering(options))


if __name__ == '__main__':
    cli.run(main, __doc__, [ChatOptions])
