"""All kinds of input to damage, by name."""

from __future__ import annotations

from tests.fuzz import kinds_of_chats, kinds_of_data, kinds_of_runs, kinds_of_words
from tests.fuzz.runner import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind for kinds in (kinds_of_chats, kinds_of_data, kinds_of_runs, kinds_of_words) for kind in kinds.KINDS
}
