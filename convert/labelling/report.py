"""Tells people what was labelled: a table, contact sheets, and the images to mark next."""

from __future__ import annotations

import collections
import io
import os
from collections.abc import Mapping, Sequence

import numpy as np

from convert import csv_cells
from convert.labelling import sheets
from convert.labelling.proposal import MARK, MODEL, UNSURE, VOTES, Proposal
from trainer.data import images
from trainer.data.image_set import Entry, ImageSet
from trainer.filesystem import files

SUGGESTED = 'suggested.csv'
_SUGGESTED_SHEET = 'suggested.png'
# Of all files that may be written.
NAMES = (SUGGESTED, _SUGGESTED_SHEET, 'label-*.png')


def table(found: Proposal) -> str:
    """Images of each label and where the labels come from, for a terminal."""
    counts = collections.Counter(zip(found.guesses.tolist(), found.by))
    width = max(len('label'), *(len(name) for name in found.names))
    lines = [f'{"label":{width}}  {"marks":>7}  {"votes":>7}  {"model":>7}  {"all":>7}']
    for number, name in enumerate(found.names):
        of_each = [counts[number, by] for by in (MARK, VOTES, MODEL)]
        lines.append('  '.join([f'{name:{width}}', *(f'{count:7,}' for count in [*of_each, sum(of_each)])]))
    known = [found.by.count(by) for by in (MARK, VOTES, MODEL)]
    model = np.array([by == MODEL for by in found.by])
    sure = f'; of its labels {found.confidences[model].mean():.0%} should be right' if model.any() else ''
    return '\n'.join([
        *lines,
        f'{sum(known):,} of {len(found.by):,} images have a label, {found.by.count(UNSURE):,} stay without',
        f'judged by the images that are known: the model is right in {found.right:.0%} of all guesses{sure}',
    ])  # fmt: skip


def write_sheets(folder: str, image_set: ImageSet, found: Proposal) -> None:
    """Writes a contact sheet for each label into a local or gs:// folder: the least sure images first, marks last."""
    for name, sheet in sheets.draw(image_set, found).items():
        images.write_png(os.path.join(folder, name), sheet)


def write_suggestions(
    folder: str, image_set: ImageSet, entries: Sequence[Entry], numbers: Sequence[int], found: Proposal | None
) -> None:
    """Writes the table and the contact sheet of images to mark, in the same order, into a local or gs:// folder."""
    text = io.StringIO()
    rows = csv_cells.writer(text)
    rows.writerow(['name', 'label', 'guess', 'confidence'])
    for number in numbers:
        guess = csv_cells.text(found.names[found.guesses[number]]) if found else ''
        confidence = f'{found.confidences[number]:.4f}' if found else ''
        rows.writerow([csv_cells.text(entries[number].name), '', guess, confidence])
    files.write_bytes(os.path.join(folder, SUGGESTED), text.getvalue().encode())
    pixels: Mapping[int, np.ndarray] = sheets.pixels_of(image_set, set(numbers))
    images.write_png(os.path.join(folder, _SUGGESTED_SHEET), sheets.tile([pixels[number] for number in numbers]))
