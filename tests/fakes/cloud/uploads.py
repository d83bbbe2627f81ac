"""Resumable uploads. The emulator ends them when asked for their progress, and keeps repeated chunks twice."""

from __future__ import annotations

import re

_RANGE = re.compile(r'bytes (?:(\d+)-\d+|\*)/(\d+|\*)')


class Upload:
    """The part of an object that has been received so far.

    Attributes:
        resource: The bucket and the name of the object, if the request that began the upload names it.
        match: The generation that the object must still have at the end, '' for any.
    """

    def __init__(self, resource: tuple[str, str] | None, match: str) -> None:
        self.resource, self.match = resource, match
        self.data = bytearray()

    def receive(self, content_range: str, body: bytes) -> bool:
        """Takes a chunk, or a query for the progress; returns whether the object is whole."""
        sent = _RANGE.fullmatch(content_range)
        if not sent:
            self.data[:] = body
            return True
        # In a repeated chunk only the end is new; the answer to a chunk after a gap says what is missing.
        if sent[1] and int(sent[1]) <= len(self.data):
            self.data += body[len(self.data) - int(sent[1]) :]
        return sent[2] == str(len(self.data))

    def progress(self) -> dict[str, str]:
        """The header that says how much has been received."""
        return {'Range': f'bytes=0-{len(self.data) - 1}'} if self.data else {}
