"""Logs a bot in to WeChat: shows a QR code in the terminal until somebody confirms it on the phone."""

from __future__ import annotations

import functools
import io
import time
from collections.abc import Callable
from typing import TypeVar

from trainer import errors
from trainer.chatting.http_client import Failed
from trainer.chatting.ilink import Ilink, Refused, Scan
from trainer.chatting.patience import Patience

T = TypeVar('T')
_CODES, _CODE_S = 3, 480  # QR codes until the command gives up, and how long each is waited for.
_TRIES, _BETWEEN_S = 5, 1.0
_OVER = ('expired', 'verify_code_blocked', 'binded_redirect')


def log_in(client: Ilink, first_url: str, say: Callable[[str], None], patience: Patience) -> Scan:
    """Shows QR codes until one is confirmed, and returns what came with it: the token and its server.

    Args:
      client: loses the token that it has.
      first_url: the server that gives QR codes.
      say: shows a text to the owner of the bot.
      patience: between tries.

    Raises:
      errors.Transient: nobody confirms one, or the server cannot be reached.
      errors.UserError: segno is not installed, or WeChat asks for a number and nobody can type it.
    """
    for _ in range(_CODES):
        client.token, client.base_url = '', first_url
        code, content = _patiently(client.qr_code, patience)
        say(f'{drawn(content)}\nscan this with WeChat, or open {content} on the phone')
        scan = _confirmed(client, code, say, patience)
        if scan:
            say('connected: write to the bot in WeChat; Ctrl-C ends it')
            return scan
    raise errors.Transient(f'nobody has confirmed one of {_CODES} QR codes: run the command again')


def drawn(content: str) -> str:
    """A QR code of half blocks.

    Raises:
      errors.UserError: segno is not installed.
      errors.Transient: the content does not fit into a QR code.
    """
    try:
        import segno
    except ImportError:
        raise errors.UserError(
            "this chat shows a QR code, and segno is not installed: run pip install 'tpu-dcgan[chat]'"
        ) from None
    lines = io.StringIO()
    try:
        segno.make_qr(content, error='l').terminal(out=lines, compact=True)
    except ValueError as error:
        raise errors.Transient(f'WeChat gives what is no QR code ({error}): try again later') from None
    return lines.getvalue()


def _confirmed(client: Ilink, code: str, say: Callable[[str], None], patience: Patience) -> Scan | None:
    """The confirmed scan; None if the code is over."""
    end, number, told = time.monotonic() + _CODE_S, '', False
    while time.monotonic() < end:
        scan = _patiently(functools.partial(client.scan, code, number), patience)
        if scan.status == 'confirmed':
            return scan
        if scan.status in _OVER:
            return None
        number = _typed(say) if scan.status == 'need_verifycode' else ''
        if scan.status == 'scaned' and not told:
            say('scanned: confirm it on the phone')
            told = True
        patience.sleep(_BETWEEN_S)
    return None


def _typed(say: Callable[[str], None]) -> str:
    say('type the number that WeChat shows on the phone:')
    try:
        return input().strip()
    except EOFError:
        raise errors.UserError('WeChat asks for a number: run this command in a terminal, to type it') from None


def _patiently(ask: Callable[[], T], patience: Patience) -> T:
    for left in reversed(range(_TRIES)):
        try:
            answer = ask()
        except (Failed, Refused) as error:
            if not left:
                raise errors.Transient(f'WeChat does not log this bot in ({error}): try again later') from error
            patience.wait(error)
        else:
            patience.reset()
            return answer
    raise AssertionError('not reached')
