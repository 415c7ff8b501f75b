#!/usr/bin/env bash
# Guess: An exported interpolate(scale_factor=0.7, mode='bilinear', antialias=True) gives torch's
#   numbers, as it does without antialias.
# What happens: torch 2.14.1 (onnxscript 0.7.2) exports it by the size that comes out: 22 of 32
#   pixels, which is 0.6875. torch itself steps by 0.7, so that images of noise differ by 0.2 and
#   more. Where the size comes out whole (0.75), and without antialias, both agree.
# What to do: size= in place of scale_factor=, before the training.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 onnx==1.23.2 \
  onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import onnxruntime
import torch
from torch.nn import functional as F

print(*(f"{name} {version(name)}" for name in ("torch", "onnx", "onnxscript", "onnxruntime")))


class Resize(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, x):
        return F.interpolate(x, mode="bilinear", **self.options)


torch.manual_seed(0)
images = torch.rand(1, 3, 32, 32)


def exported(**options):
    """What the ONNX file gives for the images."""
    program = torch.onnx.export(Resize(**options), (images,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    return torch.from_numpy(session.run(None, {"x": images.numpy()})[0])


for options in (
    {"scale_factor": 0.7},
    {"scale_factor": 0.75, "antialias": True},
    {"size": (22, 22), "antialias": True},
    {"scale_factor": 0.7, "antialias": True},
):
    off = (exported(**options) - Resize(**options)(images)).abs().max().item()
    print(f"{options}: off by {off:.6f}")
    assert off > 0.1 if options == {"scale_factor": 0.7, "antialias": True} else off < 1e-4
by_size = Resize(size=(22, 22), antialias=True)(images)
off = (exported(scale_factor=0.7, antialias=True) - by_size).abs().max().item()
print(f"the last beside torch's size=(22, 22): off by {off:.6f}")
assert off < 1e-4
PYTHON
