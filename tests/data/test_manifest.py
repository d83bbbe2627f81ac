from __future__ import annotations

import json

import google_crc32c
import pytest

from trainer import errors
from trainer.data import manifest


def some_manifest() -> manifest.Manifest:
    shards = (manifest.Shard('train-00000-of-00002.tfrecord', 3, 99, '0badcafe'),
              manifest.Shard('train-00001-of-00002.tfrecord', 2, 66, 'deadbeef'))  # fmt: skip
    return manifest.Manifest(
        64, 3, 'HWC', {'train': shards, 'holdout': ()}, ('hats',), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), {'truncated': 2}
    )


def test_round_trip(tmp_path):
    manifest.write(str(tmp_path), some_manifest())
    assert manifest.read(str(tmp_path)) == some_manifest()
    assert some_manifest().records('train') == 5
    assert some_manifest().records('holdout') == 0


def test_a_folder_without_a_manifest_is_no_data_set(tmp_path):
    with pytest.raises(errors.DataError, match='has no dataset.json, so it is not a data set: make one with'):
        manifest.read(str(tmp_path))


@pytest.mark.parametrize('damage', ['', '[]', '{"schema_version": 1}', '{"schema_version": 1, "splits": [1]}'])
def test_a_damaged_manifest_is_named(tmp_path, damage):
    (tmp_path / 'dataset.json').write_text(damage)
    with pytest.raises(errors.DataError, match=r'dataset\.json is not a data set manifest'):
        manifest.read(str(tmp_path))


def test_another_schema_version_is_refused(tmp_path):
    content = json.loads(some_manifest().to_json())
    (tmp_path / 'dataset.json').write_text(json.dumps({**content, 'schema_version': 2}))
    with pytest.raises(errors.DataError, match='schema version 2, this program reads 1'):
        manifest.read(str(tmp_path))


def test_checksum_of_a_file_is_the_standard_crc32c(tmp_path):
    (tmp_path / 'file').write_bytes(b'123456789' * 300_000)
    assert manifest.file_crc32c(str(tmp_path / 'file')) == f'{google_crc32c.value(b"123456789" * 300_000):08x}'
    (tmp_path / 'file').write_bytes(b'123456789')
    assert manifest.file_crc32c(str(tmp_path / 'file')) == 'e3069283'  # The check value of the CRC32C standard.
