#!/usr/bin/env bash
# Guess: a network that was converted, saved and read again gives the logits that it gave before.
# What happens: openvino 2026.4.1's save_model stores the weights in 16 bits unless it is told
#   otherwise, and says nothing: the file has half the size, and logits differ by some ten-
#   thousandths.
# What to do: save_model(model, path, compress_to_fp16=False), or compare the logits after
#   reading.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check openvino==2026.4.1 torch==2.14.1 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os
import warnings

import numpy as np
import openvino as ov
import torch
from torch import nn

warnings.filterwarnings("ignore")  # of torch's tracing
print("openvino", ov.__version__.split("-")[0], "torch", torch.__version__)
torch.manual_seed(0)
hidden, last = nn.Conv2d(3, 16, 3, padding=1), nn.Linear(16 * 64, 10)
network = nn.Sequential(hidden, nn.ReLU(), nn.Flatten(), last).eval()
images = torch.randn(4, 3, 8, 8)
core = ov.Core()


def logits(model):
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return core.compile_model(model, "CPU", exact)(images.numpy())[0]


def errors(**options):
    """Largest difference to PyTorch before and after saving, and bytes a weight."""
    with torch.no_grad():
        expected = network(images).numpy()
    model = ov.convert_model(network, example_input=images)
    before = np.abs(logits(model) - expected).max()
    ov.save_model(model, "network.xml", **options)
    after = np.abs(logits(core.read_model("network.xml")) - expected).max()
    size = os.path.getsize("network.bin") / sum(p.numel() for p in network.parameters())
    return before, after, size


plain, full = errors(), errors(compress_to_fp16=False)
for name, (before, after, size) in {"default": plain, "compress_to_fp16=False": full}.items():
    print(f"{name}: off by {before:.0e} before, {after:.0e} after, {size:.1f} bytes a weight")
assert max(plain[0], *full[:2]) < 1e-5 < plain[1] < 1e-2 and plain[2] < 2.1 < 3.9 < full[2]
PYTHON
