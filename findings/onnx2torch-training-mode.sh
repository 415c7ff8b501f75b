#!/usr/bin/env bash
# Guess: a network that onnx2torch makes from a file is in evaluation mode, as the file is: it gives what the file gives.
# What happens: onnx2torch 1.5.15 gives it in training mode. Batch normalization takes the statistics of the batch, so what
#   an image gets depends on those beside it, and each call moves the averages of the file.
# What to do: convert(...).eval().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 onnx==1.23.2 \
  onnxscript==0.7.2 onnxruntime==1.32.0 onnx2torch==1.5.15 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import onnxruntime
import torch
from onnx2torch import convert
from torch import nn

print("onnx2torch", version("onnx2torch"), "torch", torch.__version__, "onnx", version("onnx"))
torch.manual_seed(0)
images = torch.rand(4, 3, 8, 8)
network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8)).eval()
torch.onnx.export(network, (images,), dynamo=True, verbose=False).save("network.onnx")
session = onnxruntime.InferenceSession("network.onnx", providers=["CPUExecutionProvider"])
(expected,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
expected = torch.from_numpy(expected)

converted = convert("network.onnx")
print("in training mode:", converted.training)
before = {name: value.clone() for name, value in converted.state_dict().items()}
with torch.no_grad():
    as_given, as_evaluated = converted(images), convert("network.onnx").eval()(images)
moved = [name for name, value in converted.state_dict().items() if not torch.equal(value, before[name])]
print(f"greatest difference from the file: {(as_given - expected).abs().max():.2f} as it is,",
      f"{(as_evaluated - expected).abs().max():.0e} after eval(); changed by the call: {moved}")
assert converted.training and moved
assert not torch.allclose(as_given, expected, atol=0.1) and torch.allclose(as_evaluated, expected, atol=1e-5)
PYTHON
