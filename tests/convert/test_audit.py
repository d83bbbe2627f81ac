from __future__ import annotations

import collections
import csv
import dataclasses
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from convert.audit import AuditOptions, audit
from convert.auditing import advice, colours, examination, originals, symmetry
from convert.conversion import convert
from convert.options import ConvertOptions
from convert.samples import COUNTRY_FLAGS
from tests import drawings
from tests.conftest import smooth_images, write_dataset, write_shard
from tests.data.test_records import tpu_dcgan_record
from trainer import errors
from trainer.data import image_set, manifest
from trainer.data.image_set import Entry
from trainer.features import extraction, registry


@dataclasses.dataclass(frozen=True)
class Audited:
    """A data set of flags and drawn text, what the audit printed about it, and the folder of the report."""

    data: str
    text: str
    report: pathlib.Path

    @property
    def summary(self) -> dict:
        return json.loads((self.report / 'audit.json').read_text())

    @property
    def rows(self) -> list[dict[str, str]]:
        with open(self.report / 'audit.csv', newline='') as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope='module')
def audited(tmp_path_factory) -> Audited:
    folder = tmp_path_factory.mktemp('audit')
    (folder / 'photos' / 'text').mkdir(parents=True)
    for number, pixels in enumerate(drawings.many(drawings.text, 130, 128)):
        Image.fromarray(pixels).save(folder / 'photos' / 'text' / f'{number}.png')
    (folder / 'photos' / 'flag').mkdir()
    for path in sorted(COUNTRY_FLAGS.glob('[a-g]?.png'))[::3]:
        (folder / 'photos' / 'flag' / path.name).write_bytes(path.read_bytes())
    for name in ('bv.png', 'no.png', 'sj.png'):
        (folder / 'photos' / 'flag' / name).write_bytes((COUNTRY_FLAGS / name).read_bytes())
    options = ConvertOptions(
        str(folder / 'photos'), str(folder / 'data'), image_size=64, holdout_percent=0, keep_duplicates=True
    )
    convert(options)
    text = audit(AuditOptions(data=str(folder / 'data')))
    return Audited(str(folder / 'data'), text, folder / 'data' / 'audit')


@pytest.fixture(scope='module')
def found(audited) -> examination.Audit:
    """The same audit by pixels, which takes no time."""
    return examination.examine(image_set.open_split(audited.data), registry.make('pixels'))


def about(found: examination.Audit, topic: str) -> str:
    return {piece.about: piece.text for piece in advice.give(found)}.get(topic, '')


def test_each_image_has_its_line(audited):
    names = [entry.name for entry in image_set.open_split(audited.data).entries()]
    rows = audited.rows
    assert [row['name'] for row in rows] == names
    assert [row['label'] for row in rows] == [name.partition('/')[0] for name in names]
    by_rank = sorted(rows, key=lambda row: int(row['rank']))
    assert [int(row['rank']) for row in by_rank] == list(range(1, len(rows) + 1))
    densities = [float(row['density']) for row in by_rank]
    assert densities == sorted(densities)


def test_what_does_not_belong_is_at_the_end_of_the_line(audited):
    flags = sum(row['label'] == 'flag' for row in audited.rows)
    lowest = [row['label'] for row in audited.rows if int(row['rank']) <= flags]
    assert flags > 30
    assert lowest.count('flag') > 0.95 * flags


def test_duplicates_are_named_with_their_cluster(audited):
    copies = [row for row in audited.rows if row['duplicate_of']]
    assert copies
    for row in copies:
        first = audited.rows[int(row['duplicate_of'])]
        assert (first['cluster'], first['duplicate_of']) == (row['cluster'], '')
    clusters = audited.summary['duplicates']['clusters']
    names = [{one['name'] for one in cluster} for cluster in clusters]
    assert {'flag/bv.png', 'flag/no.png', 'flag/sj.png'} in names
    assert audited.summary['duplicates']['beyond_the_first'] == len(copies)


def test_the_sizes_of_the_originals_are_read(audited):
    sizes = audited.summary['originals']
    assert sizes['looked_at'] == audited.summary['images']
    assert sizes['aspect']['max'] > 1.3
    assert 'were enlarged' in audited.text


def test_the_table_has_facts_and_advice(audited):
    facts, counsel = audited.text.split('ADVICE')
    for fact in (
        'labels        text 130, flag ',
        'duplicates    ',
        'colours       mean ',
        'mirroring     ',
        'SqueezeNet 1.1',
    ):
        assert fact in facts
    for topic in ('number', 'augmentation', 'mirroring', 'resolution', 'duplicates', 'outliers', 'labels'):
        assert f'\n{topic}  ' in counsel
    assert max(map(len, audited.text.splitlines()[:-1])) <= 110


def test_the_page_opens_on_the_data_set(audited):
    assert '<html' in (audited.report / 'index.html').read_text()
    assert 'flag/bv.png' in (audited.report / 'data' / 'dataset.js').read_text()


def test_the_data_set_stays_a_data_set(audited):
    assert len(image_set.open_split(audited.data, verify='full')) == audited.summary['images']


@pytest.mark.parametrize(
    ('draw', 'verdict'), [(drawings.arrow, symmetry.UNSAFE), (drawings.double_arrow, symmetry.SAFE)]
)
def test_arrows_may_be_mirrored_only_if_they_point_both_ways(draw, verdict):
    extractor = registry.make('squeezenet')
    pixels = drawings.many(draw, 120, 32)
    seen, mirrored = (extraction.of_pixels(part, extractor)['fire9'] for part in (pixels, pixels[:, :, ::-1]))
    tested = symmetry.two_sample_test(seen, mirrored)
    assert (tested.verdict, tested.images) == (verdict, 120)


def test_images_that_are_their_own_mirror_images_are_told_apart_by_guessing():
    features = np.random.default_rng(0).normal(size=(60, 20)).astype(np.float32)
    assert symmetry.two_sample_test(features, features).told_apart == 0.5
    assert symmetry.two_sample_test(features[:30], features[:30]).verdict == symmetry.TOO_FEW


def test_only_chosen_images_are_mirrored(dataset32):
    images = image_set.open_split(dataset32)
    numbers = np.array([0, 5, 6, 23])
    mirrored = np.concatenate(list(symmetry._mirrored(images, numbers, 5)))
    np.testing.assert_array_equal(mirrored, images.pixels()[numbers][:, :, ::-1])


def test_pixels_are_said_to_be_blind(found):
    seen = dataclasses.replace(found, symmetry=symmetry.Symmetry(0.5, 0.04, 160))
    assert '--extractor=squeezenet' in about(seen, 'mirroring')
    assert '--extractor=squeezenet' in about(found, 'outliers')


@pytest.mark.parametrize(
    ('count', 'number', 'augmentation'),
    [
        (150, 'are few', 'for 150 images it is color,translation,cutout (arXiv'),
        (150, 'are few', 'Where the exact shade matters, give --augment=translation,cutout.'),
        (4000, 'enough to begin with', 'for 4,000 images it is translation, once a run has passed over them 30 times'),
        (20000, 'a good number', 'for 20,000 images it is translation, once a run'),
        (60000, 'are plenty', 'for 60,000 images it is none'),
    ],
)
def test_advice_follows_the_number_of_images(found, count, number, augmentation):
    many = dataclasses.replace(found, clusters=[], images=dataclasses.replace(
        found.images, source=dataclasses.replace(found.images.source, records=count)
    ))  # fmt: skip
    assert number in about(many, 'number')
    assert about(many, 'augmentation').startswith('--augment=auto of trainer.task')
    assert augmentation in about(many, 'augmentation')


def test_grey_pictures_in_colour_keep_their_colours(found):
    grey = dataclasses.replace(found.colours, chroma=np.zeros(len(found.images)))
    told = about(dataclasses.replace(found, colours=grey), 'augmentation')
    assert told.startswith('--augment=translation,cutout of trainer.task')


@pytest.mark.parametrize(
    ('told_apart', 'counsel'),
    [(0.5, 'Give trainer.task --flip'), (0.6, 'give trainer.task --flip'), (0.9, 'Leave --flip off')],
)
def test_advice_on_mirroring_names_the_flag(found, told_apart, counsel):
    tested = symmetry.Symmetry(told_apart, 0.04, 160)
    seeing = dataclasses.replace(found, symmetry=tested, extractor=registry.make('squeezenet'))
    assert counsel in about(seeing, 'mirroring')


def test_advice_follows_the_size_of_the_originals(found):
    small, large = (
        dataclasses.replace(found.originals, governing=np.full(100, side))
        for side in (found.images.image_size - 1, 500)
    )
    assert '100% of the originals are smaller than 64 px' in about(
        dataclasses.replace(found, originals=small), 'resolution'
    )
    assert 'large enough for 128 px' in about(dataclasses.replace(found, originals=large), 'resolution')
    gone = dataclasses.replace(found, originals=None, no_originals='they are gone')
    assert 'were enlarged to 64 px: they are gone' in about(gone, 'resolution')


def test_a_label_that_filtering_would_thin_out_is_named(found):
    scores = np.linspace(-1, -2, len(found.entries)).astype(np.float32)
    scores[[entry.label == 0 for entry in found.entries]] -= 5  # All flags come last.
    seeing = dataclasses.replace(found, density=scores, extractor=registry.make('squeezenet'))
    assert ' of flag: filtering would thin them out; with --within_labels' in about(seeing, 'outliers')


def test_within_labels_each_image_is_held_against_its_own_kind():
    random = np.random.default_rng(0)
    raw = random.normal(size=(260, 12)) * 0.2
    raw[:200, 0] += 1
    raw[200:, 1] += 1
    labels = [0] * 200 + [1] * 60
    among_all = np.argsort(examination._density(raw.astype(np.float32), []))[:60]
    within = np.argsort(examination._density(raw.astype(np.float32), labels))[:60]
    assert (among_all >= 200).mean() > 0.8
    assert (within >= 200).mean() < 0.5


def test_grey_and_empty_images_are_counted(tmp_path):
    pixels = smooth_images(40, 32)
    pixels[1] = pixels[1].mean(axis=-1, keepdims=True)
    pixels[2] = [200, 30, 40]
    write_shard(tmp_path / 'old.tfrecord', [tpu_dcgan_record(picture) for picture in pixels])
    measured = colours.measure(image_set.open_split(f'{tmp_path}/old.tfrecord'))
    assert np.flatnonzero(measured.grey).tolist() == [1]
    assert np.flatnonzero(measured.flat).tolist() == [2]
    np.testing.assert_allclose(measured.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(measured.std, pixels.std(axis=(0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize(('fit', 'enlarged'), [('crop', 2 / 3), ('pad', 1 / 3)])
def test_originals_that_are_gone_or_broken_are_passed_over(tmp_path, fit, enlarged):
    for name, size in (('a', (50, 90)), ('b', (40, 40)), ('c', (200, 100))):
        Image.new('RGB', size).save(tmp_path / f'{name}.png')
    (tmp_path / 'd.png').write_bytes(b'no image')
    described = manifest.Manifest(64, 3, 'HWC', {}, options={'fit': fit}, source=str(tmp_path))
    files, reason = originals.read(described, [Entry(f'{name}.png', -1) for name in 'abcdefg'])
    assert (len(files.sizes), reason) == (3, '')
    assert files.smaller_than(64) == pytest.approx(enlarged)
    assert files.oblong == pytest.approx(2 / 3)


def test_foreign_records_are_audited_without_names(tmp_path):
    write_shard(tmp_path / 'old.tfrecord', [tpu_dcgan_record(p) for p in drawings.many(drawings.noise, 30, 32)])
    with pytest.raises(errors.UserError, match='add --report_dir=FOLDER'):
        audit(AuditOptions(data=f'{tmp_path}/*.tfrecord', extractor='pixels'))
    text = audit(AuditOptions(data=f'{tmp_path}/*.tfrecord', extractor='pixels', report_dir=str(tmp_path / 'report')))
    assert 'not looked at: the records do not say where they come from' in text
    assert 'images        30 of 32 px, colour' in text
    assert 'the least typical: number ' in text.lower()
    assert collections.Counter(path.suffix for path in tmp_path.iterdir()) == {'.tfrecord': 1, '': 1}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'data': ''}, '--data is missing'),
        ({'data': 's3://bucket/data'}, 'local or gs://'),
        ({'keep': '90%'}, 'belong together'),
        ({'output_dir': 'out'}, 'belong together'),
        ({'keep': '150%', 'output_dir': 'out'}, '--keep=150% is not a share'),
        ({'keep': 'most', 'output_dir': 'out'}, '--keep=most is not a share'),
        ({'keep': '90%', 'output_dir': './data/'}, 'is also the --data'),
        ({'keep': '90%', 'output_dir': 'out', 'split': 'holdout'}, 'filters the images to train on'),
    ],
)
def test_options_that_break_a_rule_are_one_line(changes, message):
    with pytest.raises(errors.UserError, match=message) as error:
        AuditOptions(**{'data': 'data', **changes})
    assert '\n' not in str(error.value)


def test_a_split_that_is_not_there_or_too_small_is_one_line(tmp_path):
    data = write_dataset(tmp_path / 'data', train=1, holdout=0, shards=1)
    with pytest.raises(errors.DataError, match='has no holdout images'):
        audit(AuditOptions(data=data, split='holdout'))
    with pytest.raises(errors.DataError, match='at least 2'):
        audit(AuditOptions(data=data))


def test_the_report_has_a_column_for_the_label_that_fits(audited):
    """No label of this set is wrong."""
    assert audited.summary['suspicious_labels'] == []
    assert 'wrong labels  0 suspicious' in audited.text
    assert {row['suggested_label'] for row in audited.rows} == {'flag', 'text'}
    assert all(0 < float(row['label_confidence']) < 1 and row['suspicious'] == '0' for row in audited.rows)
