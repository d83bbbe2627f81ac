from __future__ import annotations

import csv
import dataclasses
import json
import pathlib

import numpy as np
import pytest

from convert.audit import AuditOptions, audit
from convert.auditing import filtering
from convert.conversion import convert
from convert.options import ConvertOptions
from convert.samples import COUNTRY_FLAGS
from trainer import errors
from trainer.data import dataset, image_set, manifest


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> pathlib.Path:
    """All flags except the hold-out, with seven clusters of duplicates among them."""
    folder = tmp_path_factory.mktemp('filter') / 'data'
    options = ConvertOptions(str(COUNTRY_FLAGS), str(folder), image_size=32, holdout_percent=10, keep_duplicates=True)
    convert(options)
    return folder


@pytest.fixture(scope='module')
def kept(data) -> pathlib.Path:
    """The better 80 % of the flags."""
    folder = data.parent / 'kept'
    audit(options(data, folder))
    return folder


def options(data, folder, **changes) -> AuditOptions:
    common = dict(data=str(data), extractor='pixels', keep='80%', output_dir=str(folder), report_dir=f'{folder}_report')
    return AuditOptions(**{**common, **changes})


def dropped(folder: pathlib.Path) -> list[dict[str, str]]:
    with open(folder / 'dropped.csv', newline='') as file:
        return list(csv.DictReader(file))


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_the_filtered_data_set_is_whole_and_of_the_share_asked_for(data, kept):
    before, after = (image_set.open_split(str(folder), verify=dataset.FULL) for folder in (data, kept))
    assert len(after) == round(0.8 * len(before))
    out = {int(row['number']) for row in dropped(kept)}
    stays = [number for number in range(len(before)) if number not in out]
    np.testing.assert_array_equal(after.pixels(), before.pixels()[stays])
    entries = before.entries()
    assert after.entries() == [entries[number] for number in stays]
    assert (after.labels, after.image_size) == (before.labels, before.image_size)


def test_the_manifest_describes_what_is_there(data, kept):
    before, after = manifest.read(str(data)), manifest.read(str(kept))
    pixels = image_set.open_split(str(kept)).pixels().astype(np.float64)
    np.testing.assert_allclose(after.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(after.std, pixels.std(axis=(0, 1, 2)), rtol=1e-9)
    assert after.source == before.source
    recorded = after.options.pop('filter')
    assert after.options == before.options
    assert (recorded['keep_percent'], recorded['extractor']) == (80, 'pixels')
    assert recorded['duplicates'] + recorded['low_density'] == len(dropped(kept)) > 0
    assert recorded['of_data'] == image_set.open_split(str(data)).checksum


def test_the_hold_out_is_as_it_was(data, kept):
    (shard,) = manifest.read(str(data)).splits['holdout']
    assert manifest.read(str(kept)).splits['holdout'] == (shard,)
    assert (kept / shard.name).read_bytes() == (data / shard.name).read_bytes()


def test_duplicates_go_first_then_the_least_typical(data, kept):
    rows = dropped(kept)
    copies = [row for row in rows if row['reason'].startswith('duplicate of ')]
    assert rows[: len(copies)] == copies
    assert len(copies) >= 5
    names = {entry.name for entry in image_set.open_split(str(kept)).entries()}
    for row in copies:
        assert row['name'] not in names
        assert row['reason'].partition(' of ')[2] not in {copy['name'] for copy in copies}
    with open(f'{kept}_report/audit.csv', newline='') as file:
        audited = list(csv.DictReader(file))
    assert {row['name'] for row in copies} == {row['name'] for row in audited if row['duplicate_of']}
    ranks = [int(row['reason'].split()[3]) for row in rows[len(copies) :]]
    assert ranks == sorted(ranks)
    spared = {int(row['rank']) for row in audited} - set(ranks)
    single = {int(row['rank']) for row in audited if not row['duplicate_of']}
    assert max(ranks) < min(spared & single)


def test_the_same_input_gives_the_same_bytes_and_says_what_it_did(data, kept, tmp_path):
    text = audit(options(data, tmp_path / 'again'))
    assert contents(tmp_path / 'again') == contents(kept)
    assert contents(tmp_path / 'again_report') == contents(pathlib.Path(f'{kept}_report'))
    assert f'kept {len(image_set.open_split(str(kept)))} of ' in text
    assert 'dropped: duplicate\n' in text
    assert 'dropped: low density\n' in text


def test_a_share_that_leaves_duplicates_in_says_so(data, tmp_path):
    text = audit(options(data, tmp_path / 'most', keep='99%'))
    assert 'duplicates are still in' in text
    assert all(row['reason'].startswith('duplicate of ') for row in dropped(tmp_path / 'most'))


def test_a_folder_that_holds_a_data_set_is_refused_before_the_work(data, kept):
    before = contents(kept)
    with pytest.raises(errors.UserError, match='already holds dataset.json: choose another folder, or add --overwrite'):
        audit(options(data, kept, report_dir=f'{kept}_none'))
    assert contents(kept) == before
    assert not pathlib.Path(f'{kept}_none').exists()


def test_too_little_left_is_one_line(data, tmp_path):
    with pytest.raises(errors.UserError, match='leaves 1: keep at least 2 images'):
        audit(options(data, tmp_path / 'out', keep='0.4%'))
    assert list(tmp_path.iterdir()) == []


def test_damaged_records_are_not_copied(data, tmp_path):
    copy = tmp_path / 'damaged'
    copy.mkdir()
    for name, content in contents(data).items():
        if '/' not in name:
            (copy / name).write_bytes(content)
    (shard,) = copy.glob('holdout-*')
    shard.write_bytes(shard.read_bytes()[:-1] + b'x')
    with pytest.raises(errors.DataError, match='is not the file that its manifest describes'):
        audit(options(copy, tmp_path / 'out'))
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(('text', 'share'), [('90%', 0.9), ('90', 0.9), ('12.5%', 0.125), ('100%', 1.0)])
def test_shares_are_percentages(text, share):
    assert filtering.parse_keep(text) == pytest.approx(share)


@pytest.mark.parametrize('text', ['', '0%', '-5%', '101', 'all', '9 0%', 'nan'])
def test_other_shares_are_refused(text):
    with pytest.raises(errors.UserError, match='give a percentage'):
        filtering.parse_keep(text)


def test_in_cloud_storage_it_writes_the_same(gcs, data, kept):
    for name, content in contents(data).items():
        gcs.server.put(f'{gcs.bucket}/data/{name}', content)
    audit(options(f'{gcs.bucket}/data', f'{gcs.bucket}/kept', report_dir=''))
    expected = contents(kept)
    assert {path[len(gcs.bucket) + 6 :] for path in gcs.server.paths(f'{gcs.bucket}/kept/')} == set(expected)
    for name, content in expected.items():
        assert gcs.server.get(f'{gcs.bucket}/kept/{name}') == content, name
    summary = json.loads(gcs.server.get(f'{gcs.bucket}/data/audit/audit.json'))
    local = json.loads(pathlib.Path(f'{kept}_report/audit.json').read_text())
    assert dataclasses.asdict(manifest.read(f'{gcs.bucket}/kept')) == dataclasses.asdict(manifest.read(str(kept)))
    assert {**summary, 'data': ''} == {**local, 'data': ''}
    assert gcs.server.get(f'{gcs.bucket}/data/audit/index.html')


def test_marks_say_which_images_go(data, tmp_path, caplog):
    """Bright flags are unwanted, of which a few are marked: the density knows nothing of that."""
    images = image_set.open_split(str(data))
    order, names = np.argsort(-images.pixels().mean(axis=(1, 2, 3))), [entry.name for entry in images.entries()]
    bad, good = order[:20], order[-100::5]
    rows = [f'{names[i]},BAD\n' for i in bad[::2]] + [f'{names[i]},good\n' for i in good]
    (tmp_path / 'marks.csv').write_text(''.join(rows))
    chosen = options(data, tmp_path / 'kept', marks=str(tmp_path / 'marks.csv'), keep='85%')
    audit(chosen)
    out = [row for row in dropped(tmp_path / 'kept') if row['reason'].startswith('unwanted: rank ')]
    assert len(out) >= 20
    numbers = {int(row['number']) for row in out}
    assert set(bad[::2].tolist()) <= numbers  # What is marked bad goes first.
    assert not set(good.tolist()) & numbers
    assert len(set(order[: len(order) // 2].tolist()) & numbers) > 0.8 * len(numbers)
    recorded = manifest.read(str(tmp_path / 'kept')).options['filter']
    assert (recorded['unwanted'], recorded['low_density']) == (len(out), 0)


@pytest.mark.parametrize(
    ('marks', 'changes', 'message'),
    [
        ('{},good\n{},bad\n', {'keep': '', 'output_dir': ''}, 'says which images to keep: add --keep=90%'),
        ('{},good\n{},fine\n', {}, 'has the labels fine, good: to choose images by marks, label some good and some'),
        ('{},bad\n{},bad\n', {}, 'has the labels bad: to choose'),
    ],
)
def test_marks_that_choose_nothing_are_refused_before_the_work(marks, changes, message, data, tmp_path):
    names = [entry.name for entry in image_set.open_split(str(data)).entries()[:2]]
    (tmp_path / 'marks.csv').write_text(marks.format(*names))
    with pytest.raises(errors.UserError, match=message):
        audit(options(data, tmp_path / 'kept', marks=str(tmp_path / 'marks.csv'), **changes))
    assert [path.name for path in tmp_path.iterdir()] == ['marks.csv']
