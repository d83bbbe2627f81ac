"""The defaults of this trainer beside PyTorch's official DCGAN example: same photographs, width and CPU seconds.

  python -m tests.benchmarks.peer_quality --images=photos --output_dir=runs/peer
  python -m tests.benchmarks.peer_quality --images=photos --output_dir=runs/peer --minutes=5,10,20,40 --peer_cpu=1

Both train at the same time, each on its own core. At each of the --minutes of CPU time, 1,000 pictures of each are
kept. Those of this trainer come from its newest checkpoint, so that its start, writing and sampling count against it.
Those of the example come from its current weights, with batch norm statistics of the batch, as the example draws them.
trainer.evaluate measures both, by features of SqueezeNet and by pixels. Existing pictures are not made again. peer.csv
and peer.png show all of them.

The peer is the example of pytorch/examples/dcgan as its README runs it: 4x4 kernels, weights from N(0, 0.02^2), batches
of 64, Adam with a learning rate of 2e-4 and beta1 of 0.5, alternating updates (D on real and on generated images, then
G by the updated D), no augmentation and no EMA. Its networks are rewritten here, with --width filters in the layer at
the image, and it reads the images that the converter made.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

from tests.conftest import ROOT

COUNT = 1000
OURS, PEER = 'this trainer', "PyTorch's example"
COLORS = {OURS: '#2a6f97', PEER: '#c8553d'}
EXTRACTORS = ('squeezenet', 'pixels')
MEASURES = ('kid', 'coverage', 'recall', 'twins')
_POLL_S = 0.5
_SAVE_STEPS = 100


def train_peer(data: str, size: int, width: int, seconds: Sequence[float], folder: pathlib.Path, seed: int) -> None:
    """Trains the example, and writes pictures each time that the process has used one of the given CPU seconds."""
    import torch
    from torch import nn

    from trainer.data import image_set

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    train, _ = image_set.open_both(data)
    images = torch.from_numpy(train.pixels()).permute(0, 3, 1, 2)
    depth = size.bit_length() - 4  # Halvings from the image to 8 px; another one leads to 4 px.

    def initialised(network: nn.Module) -> nn.Module:
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)
        return network

    up = [nn.ConvTranspose2d(100, width << depth, 4, 1, 0, bias=False), nn.BatchNorm2d(width << depth), nn.ReLU()]
    for i in range(depth, 0, -1):
        up += [nn.ConvTranspose2d(width << i, width << (i - 1), 4, 2, 1, bias=False)]
        up += [nn.BatchNorm2d(width << (i - 1)), nn.ReLU()]
    generator = initialised(nn.Sequential(*up, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh()))
    down = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for i in range(depth):
        down += [nn.Conv2d(width << i, width << (i + 1), 4, 2, 1, bias=False)]
        down += [nn.BatchNorm2d(width << (i + 1)), nn.LeakyReLU(0.2)]
    discriminator = initialised(nn.Sequential(*down, nn.Conv2d(width << depth, 1, 4, 1, 0, bias=False), nn.Flatten()))
    players = {
        player: torch.optim.Adam(player.parameters(), 2e-4, (0.5, 0.999)) for player in (generator, discriminator)
    }
    loss = nn.BCEWithLogitsLoss()

    def towards(logits: torch.Tensor, target: float) -> torch.Tensor:
        return loss(logits, torch.full_like(logits, target))

    batch, pending, began = 64, list(seconds), time.process_time()
    while pending:
        for rows in torch.randperm(len(images)).split(batch):
            real = images[rows].float() / 127.5 - 1.0
            fake = generator(torch.randn(len(rows), 100, 1, 1))
            discriminator.zero_grad()
            towards(discriminator(real), 1.0).backward()
            towards(discriminator(fake.detach()), 0.0).backward()
            players[discriminator].step()
            generator.zero_grad()
            towards(discriminator(fake), 1.0).backward()
            players[generator].step()
            if pending and time.process_time() - began >= pending[0]:
                with torch.no_grad():
                    made = torch.cat([generator(torch.randn(100, 100, 1, 1)) for _ in range(COUNT // 100)])
                pixels = ((made * 0.5 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
                save(folder, PEER, pending.pop(0), pixels)


def train_ours(
    data: str, size: int, width: int, seconds: Sequence[float], folder: pathlib.Path, cpu: int, seed: int
) -> None:
    """Runs python -m trainer.task, and keeps pictures of its newest checkpoint at each of the CPU seconds."""
    from trainer.evaluation import pictures
    from trainer.generator.sampler import CheckpointGenerator
    from trainer.model_dir import checkpoints, hparams_file

    model_dir = folder / 'ours'
    shutil.rmtree(model_dir, ignore_errors=True)  # A resumed run would have minutes that are not counted.
    command = [
        'taskset', '-c', str(cpu), sys.executable, '-m', 'trainer.task', '--use_tpu=false', f'--train_data={data}',
        f'--model_dir={model_dir}', f'--image_size={size}', f'--base_filters={width}', '--train_kimg=100000',
        f'--save_steps={_SAVE_STEPS}', f'--sample_steps={_SAVE_STEPS * 8}', '--eval_steps=0', '--keep_checkpoints=2',
        f'--seed={seed}',
    ]  # fmt: skip
    newest: list[tuple[float, str]] = []
    with (folder / 'ours.log').open('w') as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, 'PYTHONPATH': str(ROOT)}
        )
        try:
            for mark in seconds:
                while cpu_seconds(process.pid) < mark:
                    if process.poll() is not None:
                        raise SystemExit(f'the trainer ended early: see {folder}/ours.log')
                    time.sleep(_POLL_S)
                found = checkpoints.newest_first(str(model_dir))[0]
                for part in checkpoints.parts(str(model_dir), checkpoints.step_of(found)):
                    os.link(part, folder / os.path.basename(part))  # Training deletes its own copy later.
                newest.append((mark, str(folder / os.path.basename(found))))
        finally:
            process.kill()
            process.wait()
    generator = CheckpointGenerator(hparams_file.read(str(model_dir)))
    for mark, checkpoint in newest:
        save(folder, OURS, mark, pictures.Generated(generator.restore(checkpoint), COUNT).part(0, COUNT))


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process so far, over all of its threads; infinity if it has ended."""
    try:
        fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except FileNotFoundError:
        return float('inf')
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def picture_file(folder: pathlib.Path, who: str, seconds: float) -> pathlib.Path:
    return folder / f'{"ours" if who == OURS else "peer"}_{seconds / 60:g}min.npz'


def save(folder: pathlib.Path, who: str, seconds: float, pixels: np.ndarray) -> None:
    from trainer.data import images

    path = picture_file(folder, who, seconds)
    np.savez_compressed(path, images=pixels)
    images.write_png(str(path.with_suffix('.png')), images.tile_grid(pixels[:64]))
    print(path, flush=True)


def measure(data: str, folder: pathlib.Path, who: str, seconds: float, extractor: str) -> dict[str, float]:
    """The metrics of the kept pictures, which are measured only once."""
    out = folder / 'evaluations' / extractor
    path = picture_file(folder, who, seconds)
    result = out / f'evaluation_of_{path.stem}.json'
    if not result.exists():
        flags = [f'--samples={path}', f'--data={data}', f'--extractor={extractor}', f'--output_dir={out}']
        command = [sys.executable, '-m', 'trainer.evaluate', *flags]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    metrics = json.loads(result.read_text())['metrics']
    return {name: metrics[name]['generated'] for name in MEASURES}


def report(data: str, folder: pathlib.Path, minutes: Sequence[float]) -> None:
    """Writes the table and the plot, and prints the table."""
    rows = [
        {'who': who, 'minutes': minute, 'extractor': extractor, **measure(data, folder, who, 60 * minute, extractor)}
        for minute in minutes
        for who in (OURS, PEER)
        for extractor in EXTRACTORS
    ]
    with (folder / 'peer.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        values = '  '.join(f'{name} {row[name]:.3f}' for name in MEASURES)
        print(f'{row["minutes"]:5g} min  {row["who"]:18s} {row["extractor"]:11s} {values}')
    draw(folder / 'peer.png', rows)


def draw(path: pathlib.Path, rows: list[dict]) -> None:
    """Draws KID over CPU minutes, in a panel for each extractor."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=100, layout='constrained')
    for axis, extractor in zip(figure.subplots(1, 2), EXTRACTORS):
        for who, color in COLORS.items():
            points = [
                (row['minutes'], row['kid']) for row in rows if (row['who'], row['extractor']) == (who, extractor)
            ]
            axis.plot(*zip(*points), color=color, marker='o', markersize=4, label=who)
        axis.set_title(f'KID by {extractor}: less is better')
        axis.set_xlabel('CPU minutes of one core')
        axis.set_yscale('log')
        axis.grid(alpha=0.25, which='both')
        axis.legend(frameon=False)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', required=True, help='folder of photographs')
    parser.add_argument('--output_dir', type=pathlib.Path, required=True)
    parser.add_argument('--size', type=int, default=64, help='px')
    parser.add_argument('--width', type=int, default=32, help='filters of the layer at the image')
    parser.add_argument('--minutes', default='5,10,20,40', help='CPU minutes after which pictures are measured')
    parser.add_argument('--cpu', type=int, default=0, help='core of this trainer')
    parser.add_argument('--peer_cpu', type=int, default=1, help='core of the other')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--worker', choices=('ours', 'peer'), help=argparse.SUPPRESS)
    options = parser.parse_args()
    minutes = [float(minute) for minute in options.minutes.split(',')]
    folder = options.output_dir.resolve()
    data = str(folder / 'data')
    shape = data, options.size, options.width, [60 * minute for minute in minutes], folder
    if options.worker:
        if options.worker == 'peer':
            train_peer(*shape, options.seed)
        else:
            train_ours(*shape, options.cpu, options.seed)
        return
    if not (folder / 'data' / 'dataset.json').exists():
        convert = ['-m', 'convert.images_to_tfrecords', f'--input_dir={options.images}', f'--output_dir={data}']
        subprocess.run([sys.executable, *convert, f'--image_size={options.size}'], check=True, cwd=ROOT)
    wanted = {'ours': OURS, 'peer': PEER}
    missing = [
        name for name, who in wanted.items() if not all(picture_file(folder, who, 60 * m).exists() for m in minutes)
    ]
    workers = []
    for name in missing:
        pinned = ['taskset', '-c', str(options.peer_cpu)] if name == 'peer' else []
        workers.append(subprocess.Popen([*pinned, sys.executable, *sys.orig_argv[1:], f'--worker={name}']))
    codes = [worker.wait() for worker in workers]
    if any(codes):
        raise SystemExit('a worker failed')
    report(data, folder, minutes)


if __name__ == '__main__':
    main()
