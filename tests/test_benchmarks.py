"""The benchmark runs, and the two ways that it compares compute the same."""

import importlib.util
import os
import re
import subprocess
import sys

import torch

import vgglib
from tools.settings import ROOT

SCRIPT = ROOT / "benchmarks" / "speed.py"


def load_script():
    spec = importlib.util.spec_from_file_location("speed", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_benchmark_prints_its_ratios():
    arguments = ["--seconds", "0.1", "--images", "300", "--models", "I", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    ratios = [float(r) for r in re.findall(r"ratio +([\d.]+)", done.stdout)]
    assert len(ratios) == 3
    # Far below what it measures on a quiet machine, so that a busy one does not fail. The other two
    # are of a few milliseconds each.
    assert ratios[0] > 2 and min(ratios) > 0
    shares = re.search(r"matrix products: usual (\d+) %, ours (\d+) % of a step", done.stdout)
    assert all(20 < int(share) < 100 for share in shares.groups())
    assert int(re.search(r"(\d+) % of [\d,]+;", done.stdout)[1]) > 0
    difference = re.search(r"difference of the covariances: (\S+)", done.stdout)
    assert float(difference[1]) < 1e-6


def test_the_usual_way_and_ours_give_the_same_pixels():
    """Without chance, an image is the same whether it is transformed alone or in a batch."""
    speed = load_script()
    data = vgglib.load_data("shapes", train_images=60, test_images=10)
    statistics = vgglib.channel_statistics(data.train.images)
    usual = speed.usual_transform(statistics, flip=0.0)
    usual.transforms.pop()  # the color shift, which is random
    ours = vgglib.SubtractMean(statistics.mean)(data.train.images)
    one_by_one = [image for image, _ in speed.Images(data.train, usual)]
    assert torch.allclose(torch.stack(one_by_one), ours, atol=1e-6)


def test_the_share_of_products_is_near_one_where_there_is_nothing_else():
    speed = load_script()
    cpu = torch.device("cpu")
    maps, filters = torch.randn(8, 64, 64, 64), torch.randn(64, 64, 3, 3)
    products = speed.share_of_products(lambda: torch.conv2d(maps, filters), cpu)
    assert products > 0.8
    none = speed.share_of_products(lambda: maps.exp().sum().item(), cpu)
    assert none == 0
