"""How often the layout check errs on given images, run by hand; the limits in trainer/data/layout.py come from here.

    python -m tests.benchmarks.layout_check --images=DIR [--images=DIR ...]

Each folder is one set, read with its sub-folders, in colour and in grey stored as RGB, stretched to each size. The
command draws samples of N images from it with replacement, in both orders. Generated sets follow. Columns:

    ratio    roughness of the wrong reading divided by that of the right one: minimum and median of the samples
    grouping minimum and maximum of the samples
    wrong    % of the samples with the opposite verdict: a false alarm if the declared order is the true one
    none     % without a verdict: 'auto' cannot decide, and a wrongly declared order is not noticed

For fewer than MIN_IMAGES, the verdicts are those that the check would give without that limit.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from trainer.data import layout
from trainer.data.records import CHW, HWC

_SUFFIXES = {'.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff'}
_ROW = '{:22s} {:>4} {:4s} {:>4}  {:>7} {:>7}  {:>5} {:>5}  {:>6} {:>6}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', action='append', default=[], metavar='DIR', help='a folder of images; repeatable')
    parser.add_argument('--sizes', type=int, nargs='+', default=[32, 64, 128], metavar='PX')
    parser.add_argument('--counts', type=int, nargs='+', default=[1, 2, 4, 8, 16, 32, 64, 300], metavar='N')
    parser.add_argument('--resamples', type=int, default=500, help='samples drawn for each line')
    parser.add_argument('--limit', type=int, default=1000, help='images used of each folder, chosen at random')
    parser.add_argument('--problems', action='store_true', help='only the lines with an error or without a verdict')
    arguments = parser.parse_args()
    print(f'margin {layout.MARGIN}, at least {layout.MIN_IMAGES} images')
    print(_ROW.format('set', 'px', 'true', 'N', 'ratio', 'median', 'group', 'most', 'wrong%', 'none%'))
    for size in arguments.sizes:
        for name, pixels in _all_sets(arguments.images, size, arguments.limit):
            for order in (HWC, CHW):
                _print_set(name, pixels, order, arguments)


def _print_set(name: str, pixels: np.ndarray, order: str, arguments: argparse.Namespace) -> None:
    """Prints the lines of one set, uint8 [N, H, W, C], written in `order`."""
    _, height, width, channels = pixels.shape
    stored = pixels if order == HWC else pixels.transpose(0, 3, 1, 2)
    measures = np.array([layout.measure(image.ravel(), height, width, channels) for image in stored])
    generator = np.random.default_rng(0)
    for count in arguments.counts:
        choices = generator.integers(len(measures), size=(arguments.resamples, count))
        evidence = [layout.weigh(measures[choice], channels) for choice in choices]
        ratios = np.array([item.ratio for item in evidence])
        ratios = ratios if order == HWC else 1 / np.maximum(ratios, 1e-9)
        groupings = [item.grouping for item in evidence if item.grouping is not None] or [np.nan]
        enough = max(count, layout.MIN_IMAGES)
        verdicts = np.array([dataclasses.replace(item, images=enough).verdict for item in evidence])
        none = 100 * np.mean(verdicts == '')
        wrong = 100 * np.mean(verdicts != order) - none
        if arguments.problems and not wrong and not none:
            continue
        numbers = [f'{ratios.min():.2f}', f'{np.median(ratios):.2f}']
        numbers += [f'{min(groupings):.2f}', f'{max(groupings):.2f}', f'{wrong:.1f}', f'{none:.1f}']
        print(_ROW.format(name[:22], height, order, count, *numbers), flush=True)


def _all_sets(folders: list[str], size: int, limit: int) -> Iterator[tuple[str, np.ndarray]]:
    for folder in folders:
        pixels = _load(pathlib.Path(folder), size, limit)
        name = pathlib.Path(folder).name
        yield name, pixels
        yield f'{name} grey', _grey(pixels)
    for name, pixels in _generated(size, np.random.default_rng(size)).items():
        yield name, pixels


def _load(folder: pathlib.Path, size: int, limit: int) -> np.ndarray:
    """The images below a folder, put on white and stretched: uint8 [N, size, size, 3]."""
    paths = sorted(path for path in folder.rglob('*') if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise SystemExit(f'{folder} holds no images')
    chosen = np.random.default_rng(0).permutation(len(paths))[:limit]
    images = []
    for index in sorted(chosen):
        with Image.open(paths[index]) as file:
            picture = file.convert('RGBA')
        ground = Image.new('RGBA', picture.size, 'white')
        ground.alpha_composite(picture)
        images.append(np.asarray(ground.convert('RGB').resize((size, size), Image.Resampling.BICUBIC)))
    return np.stack(images)


def _generated(size: int, generator: np.random.Generator, count: int = 200) -> dict[str, np.ndarray]:
    """Sets that are known to be hard, or that show nothing, each uint8 [count, size, size, 3]."""
    rows, columns = np.mgrid[:size, :size]
    noise = generator.integers(0, 256, (count, size, size, 3)).astype(np.uint8)
    coarse = [Image.fromarray(image[: size // 4, : size // 4]) for image in noise]
    blurred = np.stack([np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)) for image in coarse])
    ends = generator.integers(0, 256, (count, 2, 1, 1, 3))
    gaussian = np.clip(generator.normal(128, 40, noise.shape), 0, 255).astype(np.uint8)
    sets = {'flat colour': np.broadcast_to(ends[:, 0], noise.shape).astype(np.uint8), 'noise': noise}
    sets.update({'gaussian noise': gaussian, 'blurred noise': blurred, 'posterised': blurred // 64 * 85})
    masks = {'vertical gradient': rows / (size - 1), 'horizontal gradient': columns / (size - 1)}
    masks['diagonal gradient'] = (rows + columns) / (2 * size - 2)
    for period in (1, 2, 3, 5):
        masks[f'rows of {period}'] = rows // period % 2
        masks[f'columns of {period}'] = columns // period % 2
        masks[f'checkerboard {period}'] = (rows // period + columns // period) % 2
    for name, mask in masks.items():
        share = mask[None, :, :, None]
        sets[name] = np.round(ends[:, 0] * (1 - share) + ends[:, 1] * share).astype(np.uint8)
    bayer = (np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) * 16)[rows % 4, columns % 4]
    sets['dithered'] = np.where(blurred > bayer[None, :, :, None], 255, 0).astype(np.uint8)
    for name in list(sets):
        sets[f'{name} grey'] = _grey(sets[name])
    sets['dithered grey'] = np.where(sets['blurred noise grey'] > bayer[None, :, :, None], 255, 0).astype(np.uint8)
    tripled = sets['blurred noise'][:, : -(-size // 3), : -(-size // 3)].repeat(3, axis=1).repeat(3, axis=2)
    sets['tripled'] = tripled[:, :size, :size]
    sets['tripled grey'] = _grey(sets['tripled'])
    return sets


def _grey(pixels: np.ndarray) -> np.ndarray:
    """uint8 [..., 3] -> the same with R = G = B."""
    grey = np.round(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


if __name__ == '__main__':
    main()
