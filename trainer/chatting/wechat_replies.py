"""What a message to an official account gets: the common answer, with its picture uploaded to WeChat."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from absl import logging

from trainer.chatting import answer, http_client
from trainer.chatting.answer import Message
from trainer.chatting.wechat_api import MOST_PICTURE_BYTES, ApiError, OfficialApi
from trainer.inference.model import Model
from trainer.inference.recognition import Recogniser

ORIGINS = ('https://*.qpic.cn',)  # Where WeChat keeps the pictures that people send.
_PICTURE_S = 5
_MOST_TEXT = 2000  # Bytes; WeChat takes 2,048.


@dataclasses.dataclass(frozen=True)
class Reply:
    """A message for a person: `kind` is 'text' or 'image', `content` the words or the media id; '' for none."""

    kind: str
    content: str

    @property
    def body(self) -> dict[str, str]:
        """As the API names it."""
        return {'content' if self.kind == 'text' else 'media_id': self.content}


NOTHING = Reply('text', '')


class Replies:
    """Makes the replies of one account; for several threads."""

    def __init__(
        self, api: OfficialApi, model: Model, recogniser: Recogniser | None, picture_origins: Sequence[str] = ORIGINS
    ):
        """Takes the API of the account, what answers, and where pictures may come from."""
        self._api, self._model, self._recogniser, self._origins = api, model, recogniser, picture_origins

    def to(self, fields: Mapping[str, str]) -> Reply:
        """The reply to a message with these fields; NOTHING to an event that wants none."""
        kind, person = fields['MsgType'], fields['FromUserName']
        if kind == 'event' and fields.get('Event') != 'subscribe':
            return NOTHING
        message = Message(fields.get('Content') or fields.get('Recognition', ''), id=fields.get('MsgId', ''))
        if kind == 'image':
            try:
                message = Message(picture=self._picture_of(fields))
            except ApiError as error:
                return Reply('text', f'Your picture did not arrive here ({error}). Please send it again.')
        made = answer.answer(self._model, self._recogniser, message)
        if not made.picture:
            return _of_text(made.text)
        try:
            media_id = self._api.upload(made.picture)
            if made.picture_says_all:
                return Reply('image', media_id)
            self._api.send(person, 'image', {'media_id': media_id})  # A reply carries only one of both.
        except ApiError as error:
            logging.warning('WeChat: a picture was not sent: %s', error)
            return _of_text(answer.without_picture(made, error))
        return _of_text(made.text)

    def _picture_of(self, fields: Mapping[str, str]) -> bytes:
        """By its URL, which needs no rights; else by the API."""
        address = fields.get('PicUrl', '')
        for candidate in dict.fromkeys((address, re.sub('^http:', 'https:', address))):  # WeChat names it with http.
            if http_client.is_of(candidate, self._origins):
                try:
                    picture, _ = http_client.fetch(candidate, timeout_s=_PICTURE_S, most_bytes=MOST_PICTURE_BYTES)
                    return picture
                except http_client.Failed as error:
                    logging.info('WeChat: a picture did not come from its URL: %s', error)
        return self._api.picture(fields.get('MediaId', ''))


def _of_text(text: str) -> Reply:
    return Reply('text', text.encode()[:_MOST_TEXT].decode('utf-8', 'ignore'))
