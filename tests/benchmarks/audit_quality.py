"""How many planted foreign images and duplicates the audit finds, and whether it recognises mirror images.

  python -m tests.benchmarks.audit_quality --images=DIR

DIR holds at least 1,300 photographs, without flags, text or charts. Foreign images: a share of a set is foreign; the
figure is how many of these are among the least typical images, as many as are foreign. The audit's density is compared
with three alternatives. Duplicates: one hundred altered photographs of each kind are added to the originals. Mirrors:
the share of images that are told from their mirror images.
"""

from __future__ import annotations

import argparse
import io
import pathlib
import time

import numpy as np
from PIL import Image

from convert.auditing import symmetry
from convert.options import ConvertOptions
from convert.pictures import decode
from convert.samples import COUNTRY_FLAGS
from tests import drawings
from trainer.features import extraction, registry
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.metrics import density, duplicates, neighbours

PHOTOS, FOREIGN, ALTERED = 1024, 256, 100
SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp')


class Pictures:
    """The part of an ImageSet that `duplicates.find` needs."""

    def __init__(self, pixels: np.ndarray):
        self.pixels = pixels

    def batches(self, size: int):
        return (self.pixels[i : i + size] for i in range(0, len(self.pixels), size))


def convert(path_or_bytes: pathlib.Path | bytes, size: int) -> np.ndarray:
    data = path_or_bytes if isinstance(path_or_bytes, bytes) else path_or_bytes.read_bytes()
    with decode.prepared_pillow(89.0):
        return decode.decode(io.BytesIO(data), ConvertOptions('in', 'out', image_size=size))


def paths_in(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)


def unit(raw: np.ndarray) -> np.ndarray:
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def by_neighbours(raw: np.ndarray) -> np.ndarray:
    """The mean cosine of centred features with their 10 nearest."""
    embedded = Space.of(raw).embed(raw)
    return 1 - (neighbours.nearest(embedded, embedded, 10, exclude_self=True)[1] ** 2).mean(axis=1) / 2


def by_far_neighbour(raw: np.ndarray) -> np.ndarray:
    """The distance to the neighbour that is nearer than 70 % of the set."""
    rows = unit(raw)
    return -neighbours.nearest(rows, rows, round(0.3 * len(rows)), exclude_self=True)[1][:, -1]


def by_gaussian(raw: np.ndarray) -> np.ndarray:
    """The density of a Gaussian fitted to all images, as in instance selection."""
    points = density._principal(unit(raw).astype(np.float32))
    return -density._mahalanobis(points, points)


ESTIMATORS = {
    'audit': density.local_density,
    '10 neighbours': by_neighbours,
    'far neighbour': by_far_neighbour,
    'Gaussian of all': by_gaussian,
}


def foreign_images(photos: np.ndarray, flags: np.ndarray, extractor: Extractor, size: int) -> None:
    of_photos = extraction.of_pixels(photos, extractor)[extractor.late]
    kinds = {'flags': flags}
    kinds |= {
        draw.__name__: drawings.many(draw, FOREIGN, size) for draw in (drawings.noise, drawings.text, drawings.chart)
    }
    features = {kind: extraction.of_pixels(pixels, extractor)[extractor.late] for kind, pixels in kinds.items()}
    few = PHOTOS // 19
    cases = {f'20 % {kind}': [(kind, FOREIGN)] for kind in kinds}
    cases |= {'5 % flags': [('flags', few)], '20 % mixed': [('flags', 128), ('noise', 64), ('text', 64)]}
    print(f'\nforeign images found by {extractor.name}, {extractor.late}, of {PHOTOS} photographs and as many as said')
    print(' ' * 12 + ''.join(f'{name:>17}' for name in ESTIMATORS))
    for case, parts in cases.items():
        shares = []
        for seed in range(3):
            random = np.random.default_rng(seed)
            foreign = [features[kind][random.permutation(len(features[kind]))[:count]] for kind, count in parts]
            raw = np.concatenate([of_photos[random.permutation(len(of_photos))[:PHOTOS]], *foreign])
            count = len(raw) - PHOTOS
            lowest = [np.argsort(estimate(raw), kind='stable')[:count] for estimate in ESTIMATORS.values()]
            shares.append([(found >= PHOTOS).mean() for found in lowest])
        print(f'{case:12}' + ''.join(f'{share:17.1%}' for share in np.mean(shares, axis=0)), flush=True)


def planted_duplicates(paths: list[pathlib.Path], photos: np.ndarray, extractor: Extractor, size: int) -> None:
    random = np.random.default_rng(0)
    order, planted, copies = random.permutation(len(paths)), {}, []
    for kind, alter in drawings.ALTERATIONS.items():
        order = np.roll(order, -ALTERED)
        planted[kind] = []
        for number in order[:ALTERED].tolist():
            with Image.open(paths[number]) as image:
                flat = image.convert('RGB')
            short = min(flat.size)
            left, top = (flat.width - short) // 2, (flat.height - short) // 2
            buffer = io.BytesIO()
            alter(flat.crop((left, top, left + short, top + short)), random).save(buffer, 'PNG')
            planted[kind].append((number, len(photos) + len(copies)))
            copies.append(convert(buffer.getvalue(), size))
    pixels = np.concatenate([photos, np.stack(copies)])
    for layer, raw in extraction.of_pixels(pixels, extractor).items():
        began = time.perf_counter()
        clusters = duplicates.find(Pictures(pixels), Space.of(raw).embed(raw))
        seconds = time.perf_counter() - began
        cluster_of = {number: i for i, cluster in enumerate(clusters) for number in cluster}
        print(f'\nduplicates found among {len(photos)} photographs and copies, candidates by {layer}, {seconds:.0f} s')
        for kind, pairs in planted.items():
            found = [cluster_of.get(one, -1) == cluster_of.get(other, -2) for one, other in pairs]
            print(f'{kind:24}{np.mean(found):7.1%} of {len(found)}')
        origin = {copy: number for pairs in planted.values() for number, copy in pairs}
        others = {tuple(sorted({origin.get(number, number) for number in cluster})) for cluster in clusters}
        others = [cluster for cluster in others if len(cluster) > 1]
        print(f'clusters that join different photographs: {len(others)} of {len(clusters)}; look at them:')
        for cluster in others:
            print('   ', *(paths[number].name for number in cluster))


def mirrors(photos: np.ndarray, flags: np.ndarray, extractor: Extractor, size: int) -> None:
    drawn = (drawings.noise, drawings.double_arrow, drawings.digit, drawings.chart, drawings.text, drawings.arrow)
    sets = {'photographs': photos[:: -(-len(photos) // 2000)], 'flags': flags}
    sets |= {draw.__name__: drawings.many(draw, 400, size) for draw in drawn}
    print(f'\ntold from their mirror images by {extractor.name}, {extractor.late}')
    for name, pixels in sets.items():
        seen, mirrored = (
            extraction.of_pixels(part, extractor)[extractor.late] for part in (pixels, pixels[:, :, ::-1])
        )
        found = symmetry.two_sample_test(seen, mirrored)
        print(f'{name:16}{found.told_apart:7.1%} of {found.images:4d} images: {found.verdict}', flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=pathlib.Path, required=True)
    parser.add_argument('--image_size', type=int, default=64)
    options = parser.parse_args()
    paths = paths_in(options.images)
    photos = np.stack([convert(path, options.image_size) for path in paths])
    flags = np.stack([convert(path, options.image_size) for path in paths_in(COUNTRY_FLAGS)])
    print(f'{len(photos)} photographs, {len(flags)} flags, {options.image_size} px')
    for name in ('squeezenet', 'pixels'):
        extractor = registry.make(name)
        foreign_images(photos, flags, extractor, options.image_size)
        planted_duplicates(paths, photos, extractor, options.image_size)
        mirrors(photos, flags, extractor, options.image_size)


if __name__ == '__main__':
    main()
