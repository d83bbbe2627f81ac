"""All kinds of input to damage, by name."""

from __future__ import annotations

from tests.fuzz import kinds_of_data, kinds_of_runs, kinds_of_words
from tests.fuzz.runner import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (*kinds_of_data.KINDS, *kinds_of_runs.KINDS, *kinds_of_words.KINDS)
}
