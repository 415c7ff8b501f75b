"""How fast the book's training is, beside the usual way of writing it.

    python benchmarks/speed.py [--device cuda] [--seconds 10]    # or: make benchmark

In one process and in turn, this runs (a) the usual way, which is also that of Zhong's post: images
that a `DataLoader` transforms one by one, float32, the default memory layout, and for the
statistics all pixels in memory at once; (b) the way of `vgglib`: images that lie on the device as
bytes, whole batches transformed there, the fastest precision, channels last, and statistics in one
pass. It prints images a second for the input alone and for whole training steps, their ratios, the
share of the machine's own peak, and how much of a step is matrix products. Only ratios taken in one
run are worth much: shared machines wander.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

import vgglib
from vgglib.data import Data
from vgglib.machine.devices import device_name, keep_freed_memory
from vgglib.optimization import make_optimizer
from vgglib.statistics import ChannelStatistics
from vgglib.transforms import PCAColorShift

MODELS = ("I", "II", "III")
RECIPE = vgglib.Recipe("post")  # Zhong's settings, with batches of 128
BATCH = RECIPE.batch_size


class Images(Dataset):
    """The usual data set: it gives one PIL image after the other to its transform."""

    def __init__(self, split: vgglib.Split, transform: Callable) -> None:
        self.images = split.images.permute(0, 2, 3, 1).numpy()
        self.labels, self.transform = split.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def usual_transform(statistics: ChannelStatistics, flip: float = 0.5) -> v2.Transform:
    """Flip, scale, subtract and shift, for one PIL image."""
    components = statistics.pca()
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(flip),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(statistics.mean.tolist(), [1.0, 1.0, 1.0]),
            PCAColorShift(components.eigenvalues, components.eigenvectors),
        ]
    )


def usual_batches(data: Data, device: torch.device) -> Iterator:
    """(a): one process takes image after image, transforms it, and puts batches together."""
    transform = usual_transform(vgglib.channel_statistics(data.train.images))
    loader = DataLoader(Images(data.train, transform), BATCH, shuffle=True, drop_last=True)
    while True:
        for images, labels in loader:
            yield images.to(device), labels.to(device)


def our_batches(data: Data, device: torch.device) -> Iterator:
    """(b): the lines of `vgglib.train_epoch` that make a batch."""
    transform, _ = vgglib.make_transforms(data, RECIPE)
    split = data.train.to(device)
    while True:
        for index in torch.randperm(len(split)).split(BATCH):
            if len(index) == BATCH:
                images, labels = split.batch(index)
                images = transform(images)
                yield images.contiguous(memory_format=torch.channels_last), labels


def usual_step(name: str, batches: Iterator, device: torch.device) -> Callable[[], None]:
    """(a): a training step of a network, with its input."""
    model = vgglib.vgg(name).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, weight_decay=5e-4)

    def step() -> None:
        images, labels = next(batches)
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def our_step(
    name: str, data: Data, device: torch.device, precision: str, images: int = BATCH
) -> Callable[[], None]:
    """(b): the same by the book's own loop, over a split of one batch (or of more images)."""
    model = vgglib.vgg(name).to(device, memory_format=torch.channels_last)
    split = vgglib.Split(data.train.images[:images], data.train.labels[:images]).to(device)
    options = {
        "transform": vgglib.make_transforms(data, RECIPE)[0],
        "optimizer": make_optimizer(model, RECIPE),
        "batch_size": BATCH,
        "precision": precision,
        "scaler": torch.amp.GradScaler(device.type, enabled=precision == "float16"),
    }
    return lambda: vgglib.train_epoch(model, split, **options)


def profile_of(step: Callable[[], None], device: torch.device) -> profile:
    """What the profiler sees of a step, after one that warms up."""
    step()
    activities = [ProfilerActivity.CPU]
    activities += [ProfilerActivity.CUDA] * (device.type == "cuda")
    with profile(activities=activities) as profiled:
        step()
        wait(device)
    return profiled


def copies_and_waits(
    data: Data, device: torch.device, precision: str, batches: int = 8
) -> dict[str, float]:
    """How often, for each step within an epoch, something is copied to a GPU, or it is waited for.

    An epoch has some of either at its ends, so that one of a single batch is taken off.
    """
    images = data.train.take(torch.arange((1 + batches) * BATCH) % len(data.train))
    found = []
    for split in (images.take(torch.arange(BATCH)), images):
        step = our_step("I", replace(data, train=split), device, precision, len(split))
        profiled = profile_of(step, device)
        events = Counter(event.name for event in profiled.events())
        copies = sum(n for name, n in events.items() if name.startswith("Memcpy HtoD"))
        waits = sum(n for name, n in events.items() if re.fullmatch(r"cuda\w+Synchronize", name))
        found.append((copies, waits))
    (copies, waits), (all_copies, all_waits) = found
    return {
        "copies to the device": (all_copies - copies) / batches,
        "waits for it": (all_waits - waits) / batches,
    }


def wait(device: torch.device) -> None:
    """Let the device finish what it was given."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()


def rates(actions: dict[str, Callable[[], None]], device: torch.device, seconds: float) -> dict:
    """Batches a second of each action: the median of rounds in which each has its turn."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():  # warm up
        action()
    end = time.perf_counter() + seconds * len(actions)
    while time.perf_counter() < end or min(map(len, times.values())) < 3:
        for name, action in actions.items():
            wait(device)
            start = time.perf_counter()
            action()
            wait(device)
            times[name].append(time.perf_counter() - start)
    return {name: 1 / median(values) for name, values in times.items()}


def matrix_peak(device: torch.device, precision: str, seconds: float) -> float:
    """The most that this device computes in this precision, in FLOP a second.

    Square matrices, and convolutions without padding: the two may go through libraries of which one
    knows the processor better. (Of a padded convolution the products with zeros would be counted,
    and need not be computed.) Each for some seconds.
    """
    dtype = getattr(torch, precision)

    def draw(*shape: int) -> Tensor:
        drawn = torch.randn(*shape, device=device).to(dtype)
        channels_last = torch.channels_last if len(shape) == 4 else torch.contiguous_format
        return drawn.contiguous(memory_format=channels_last)

    products: list[tuple[float, Callable[[], Tensor]]] = []
    for size in (512, 1024, 2048) if device.type == "cpu" else (2048, 4096, 8192):
        a, b = draw(size, size), draw(size, size)
        products.append((2 * size**3, partial(torch.mm, a, b)))
    for channels, images in ((256, 128), (512, 32 if device.type == "cpu" else 1024)):
        maps, filters = draw(images, channels, 10, 10), draw(channels, channels, 3, 3)
        flop = 2 * images * 8 * 8 * filters.numel()
        products.append((flop, partial(F.conv2d, maps, filters)))
    best = 0.0
    for flop, compute in products:
        end = time.perf_counter() + seconds
        while True:
            wait(device)
            start = time.perf_counter()
            compute()
            wait(device)
            best = max(best, flop / (time.perf_counter() - start))
            if time.perf_counter() > end:
                break
    return best


#: What computes matrix products within a step, as the profiler calls it; a convolution is one.
_PRODUCTS = ("mm", "addmm", "_addmm_activation", "bmm", "linear", "mkldnn_linear")


def share_of_products(step: Callable[[], None], device: torch.device) -> float:
    """Part of a step's time on the device that goes into matrix products, convolutions included."""
    on_gpu = device.type == "cuda"
    products = total = 0.0
    for event in profile_of(step, device).key_averages():
        spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        if on_gpu and not event.key.startswith("aten::"):
            continue  # a kernel, whose time its operation has as well
        total += spent
        name = event.key.removeprefix("aten::")
        products += spent * (name in _PRODUCTS or "convolution" in name)
    return products / total


def usual_covariance(images: Tensor) -> np.ndarray:
    """(a): every image through a loader, all pixels in one array, and numpy's covariance."""
    scale = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    labels = torch.zeros(len(images), dtype=torch.int64)
    loader = DataLoader(Images(vgglib.Split(images, labels), scale), BATCH)
    pixels = torch.cat([batch for batch, _ in loader]).permute(0, 2, 3, 1).reshape(-1, 3).numpy()
    return np.cov(pixels, rowvar=False)  # subtracts the mean itself


def compare_statistics(images: Tensor) -> None:
    """Time of mean and covariance both ways, whether they agree, and the memory of ours."""
    start = time.perf_counter()
    covariance = usual_covariance(images)
    usual = time.perf_counter() - start
    start = time.perf_counter()
    statistics = vgglib.channel_statistics(images)
    ours = time.perf_counter() - start
    print(f"  usual  {usual:8.2f} s for {len(images):,} images")
    print(f"  ours   {ours:8.2f} s")
    print(f"  ratio  {usual / ours:8.1f}")
    start = time.perf_counter()
    np.cov(images.numpy().transpose(1, 0, 2, 3).reshape(3, -1) / 255)
    numpy = time.perf_counter() - start
    print(f"  numpy alone, from the same array, {numpy:.2f} s, {numpy / ours:.1f} times ours")
    difference = abs(covariance - statistics.covariance.numpy()).max()
    print(f"  largest difference of the covariances: {difference:.0e}")
    for count in (len(images) // 4, len(images)):
        print(f"  memory above that of the images, {count:,} of them: {peak_memory(count):.0f} MB")


def peak_memory(count: int) -> float:
    """Growth of a fresh process's resident memory while it computes the statistics, in MB."""
    code = f"""
import resource, torch, vgglib
images = torch.randint(256, ({count}, 3, 32, 32), dtype=torch.uint8)
vgglib.channel_statistics(images[:1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
vgglib.channel_statistics(images)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes, or kilobytes
    return float(done.stdout) * unit / 2**20


def compare_imports(rounds: int) -> None:
    """Seconds that a fresh Python needs to import torch and torchvision, and vgglib."""
    seconds: dict[str, list[float]] = {"import torch, torchvision": [], "import vgglib": []}
    for _ in range(rounds):
        for statement, times in seconds.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            times.append(time.perf_counter() - start)
    for statement, times in seconds.items():
        print(f"  {statement:<26} {median(times):5.2f} s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=10, help="for each number, about")
    parser.add_argument("--images", type=int, default=50_000, help="for the statistics")
    parser.add_argument(
        "--models", nargs="+", default=MODELS, choices=MODELS, help="for the training step"
    )
    given = parser.parse_args()

    try:
        device = vgglib.choose_device(given.device)
    except ValueError as error:
        sys.exit(f"benchmark: {error}")
    precision = vgglib.choose_precision(device)
    if device.type == "cpu":
        keep_freed_memory()  # as `vgglib.train` does; it helps both ways
    data = vgglib.load_data("shapes")
    print(f"{device_name(device)}, torch {torch.__version__}, batches of {BATCH}")

    print("\nInput alone, images a second")
    usual, ours = usual_batches(data, device), our_batches(data, device)
    found = rates({"usual": lambda: next(usual), "ours": lambda: next(ours)}, device, given.seconds)
    for name, rate in found.items():
        print(f"  {name:<6} {BATCH * rate:10,.0f}")
    print(f"  ratio  {found['ours'] / found['usual']:10.1f}")
    input_time = 1 / found["ours"]

    print("\nTraining step with its input, images a second, and share of the peak")
    brief = min(0.3, given.seconds / 10)
    peaks = {p: matrix_peak(device, p, brief) for p in dict.fromkeys(("float32", precision))}
    for name, peak in peaks.items():
        print(f"  peak in {name}: {peak / 1e9:,.0f} GFLOP/s")
    for name in given.models:
        actions = {
            "usual": usual_step(name, usual, device),
            "ours": our_step(name, data, device, precision),
        }
        # The peak wanders with the machine: it is measured beside the steps.
        peak = max(peaks[precision], matrix_peak(device, precision, brief))
        found = rates(actions, device, given.seconds)
        flop = 6 * vgglib.trace(name).multiply_adds * BATCH * found["ours"]
        print(
            f"  {name:<4} usual {BATCH * found['usual']:8,.0f}   ours {BATCH * found['ours']:8,.0f}"
            f"   ratio {found['ours'] / found['usual']:5.2f}   {flop / 1e9:8,.0f} GFLOP/s,"
            f" {100 * flop / peak:3.0f} % of {peak / 1e9:,.0f};"
            f" input {100 * input_time * found['ours']:.1f} % of the step"
        )
        if device.type in ("cpu", "cuda"):
            shares = [100 * share_of_products(action, device) for action in actions.values()]
            print("       matrix products: usual {:.0f} %, ours {:.0f} % of a step".format(*shares))

    if device.type == "cuda":
        for what, count in copies_and_waits(data, device, precision).items():
            print(f"  {what}, for each step within an epoch: {count:.1f}")

    print("\nMean and covariance of RGB")
    noise = np.random.default_rng(0).integers(0, 256, (given.images, 3, 32, 32), dtype=np.uint8)
    compare_statistics(torch.from_numpy(noise))

    rounds = 5 if given.seconds >= 1 else 1
    print(f"\nImporting, median of {rounds}")
    compare_imports(rounds)


if __name__ == "__main__":
    main()
