"""The route of a WeChat official account, where the environment describes one."""

from __future__ import annotations

import urllib.parse

from trainer.chatting.official_account import OfficialAccount
from trainer.serving.http import Request, Response, Route

PATH = '/wechat'


def routes(account: OfficialAccount | None) -> dict[str, Route]:
    """The route by its path; none without an account."""
    if account is None:
        return {}

    def answer(request: Request) -> Response:
        query = dict(urllib.parse.parse_qsl(request.query, keep_blank_values=True))
        return Response(*account(request.method, query, request.body))

    return {PATH: Route({'GET': answer, 'POST': answer})}
