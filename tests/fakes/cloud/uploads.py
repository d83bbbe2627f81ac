"""Resumable uploads, which the emulator ends when asked how far they are, and whose repeated chunks it keeps twice."""

from __future__ import annotations

import re

_RANGE = re.compile(r'bytes (?:(\d+)-\d+|\*)/(\d+|\*)')


class Upload:
    """The part of an object that has come so far.

    Attributes:
        resource: The bucket and the name of the object, where the request that began the upload says it.
        match: The generation that the object must still have at the end, '' for any.
    """

    def __init__(self, resource: tuple[str, str] | None, match: str) -> None:
        self.resource, self.match = resource, match
        self.data = bytearray()

    def receive(self, content_range: str, body: bytes) -> bool:
        """Takes a chunk, or the question how far it has come; returns whether the object is whole."""
        sent = _RANGE.fullmatch(content_range)
        if not sent:
            self.data[:] = body
            return True
        # Of a chunk that comes again only the end is new; one that leaves a gap is answered with what is missing.
        if sent[1] and int(sent[1]) <= len(self.data):
            self.data += body[len(self.data) - int(sent[1]) :]
        return sent[2] == str(len(self.data))

    def progress(self) -> dict[str, str]:
        """The header that says how much has come."""
        return {'Range': f'bytes=0-{len(self.data) - 1}'} if self.data else {}
