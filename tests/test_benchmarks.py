"""The benchmark runs, and the two ways that it compares compute the same."""

import os
import re
import subprocess
import sys

import torch

from tools.settings import ROOT

SCRIPT = ROOT / "benchmarks" / "speed.py"


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
    # Far below what it measures on a quiet machine, so that a busy one does not fail.
    assert ratios[0] > 2 and ratios[2] > 1
    difference = re.search(r"difference of the covariances: (\S+)", done.stdout)
    assert float(difference[1]) < 1e-6


def test_importing_the_package_imports_no_plotting_and_no_notebook():
    """What torch and torchvision do not need themselves would make every start slower."""
    code = (
        "import sys, torch, torchvision; before = set(sys.modules); import vgglib;"
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"matplotlib", "IPython", "pandas", "scipy"} & set(done.stdout.split())
    assert "vgglib" in done.stdout.split()


def test_the_usual_way_and_ours_give_the_same_pixels():
    """Without chance, an image is the same whether it is transformed alone or in a batch."""
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import speed
    finally:
        sys.path.pop(0)
    import vgglib

    data = vgglib.load_data("shapes", train_images=60, test_images=10)
    mean = vgglib.channel_statistics(data.train.images).mean
    usual = speed.Images(
        data.train,
        speed.v2.Compose(
            [
                speed.v2.ToImage(),
                speed.v2.ToDtype(torch.float32, scale=True),
                speed.v2.Normalize(mean.tolist(), [1.0, 1.0, 1.0]),
            ]
        ),
    )
    ours = vgglib.SubtractMean(mean)(data.train.images)
    assert torch.allclose(torch.stack([image for image, _ in usual]), ours, atol=1e-6)
