"""Pixels that wait on disk are the same for every worker, also after one was killed; needs no Beam."""

from __future__ import annotations

import numpy as np
import pytest

from convert.distributed import waiting, work
from convert.options import ConvertOptions
from convert.stages import fitting

SIDE = 32


def job(folder: str) -> work.Work:
    return work.Work(ConvertOptions('in', 'out', SIDE), (), 65535, 'shared', 1, folder)


def fitted(file: int) -> fitting.Fitted:
    pixels = np.random.default_rng(file).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    return fitting.Fitted(pixels, bytes([file] * 16), file % 2 == 1)


def test_any_worker_reads_what_another_has_kept(tmp_path):
    one, other, reader = (waiting.room(job(str(tmp_path))) for _ in range(3))
    kept = {file: (one if file < 4 else other).keep(file, fitted(file), 100 * file) for file in range(7)}
    for file, image in kept.items():
        assert reader.load(image.where) == fitted(file).pixels.tobytes()
        assert (image.digest, image.synthetic, image.highest) == (bytes([file] * 16), file % 2 == 1, 100 * file)
        assert len(image.where) < 40, 'elements have pixels'
    assert len(list(tmp_path.iterdir())) == 2, 'two workers write into one file'
    for user in (one, other, reader):
        user.close()


@pytest.mark.parametrize('torn', [1, 29, 1000])
def test_what_a_killed_worker_has_kept_is_known_but_for_a_torn_record(tmp_path, torn):
    killed = waiting.room(job(str(tmp_path)))
    kept = {file: killed.keep(file, fitted(file), file) for file in (3, 9, 4)}
    killed.close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-torn])
    after = waiting.room(job(str(tmp_path)))
    assert [after.known(file) for file in (3, 9, 4, 5)] == [kept[3], kept[9], None, None]
    again = after.keep(4, fitted(4), 4)
    assert after.load(again.where) == fitted(4).pixels.tobytes()
    assert after.load(kept[9].where) == fitted(9).pixels.tobytes()
    after.close()


def test_without_a_shared_disk_elements_have_the_pixels():
    room = waiting.room(job(''))
    kept = room.keep(5, fitted(5), 0)
    assert room.known(5) is None
    assert room.load(kept.where) == fitted(5).pixels.tobytes()
