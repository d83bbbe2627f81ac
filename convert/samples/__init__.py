"""Small folders of images to try the converter on; `README.md` says where they come from."""

from __future__ import annotations

import pathlib

COUNTRY_FLAGS = pathlib.Path(__file__).parent / 'flags'
