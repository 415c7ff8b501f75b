#!/usr/bin/env bash
# Guess: nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2), with AlexNet's constants (Krizhevsky et al. 2012,
#   section 3.3), is AlexNet's normalization.
# What happens: torch 2.14.1 divides alpha by the number of neighbors, and the paper does not: with its constants the
#   sum of squares counts a fifth of what it should. (The formula in its documentation has the division.) ONNX's LRN
#   divides as well, so an export gives what torch gives.
# What to do: alpha = 5e-4 for the paper's 1e-4.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 onnx==1.23.2 onnxruntime==1.32.0 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import nn

print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)
n, alpha, beta, k = 5, 0.1, 0.75, 2.0  # a larger alpha, so that it shows
maps = torch.rand(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))


def by_the_paper(alpha):
    squares = nn.functional.pad(maps.square(), (0, 0, 0, 0, n // 2, n // 2))
    return maps / (k + alpha * sum(squares[:, i : i + 8] for i in range(n))) ** beta


of_torch = nn.LocalResponseNorm(n, alpha, beta, k)(maps)
node = helper.make_node("LRN", ["x"], ["y"], size=n, alpha=alpha, beta=beta, bias=k)
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 4, 4]) for name in "xy"]
graph = helper.make_graph([node], "lrn", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
of_onnx = torch.from_numpy(session.run(None, {"x": maps.numpy()})[0])
for name, found in {"torch": of_torch, "ONNX Runtime": of_onnx}.items():
    apart = [(found - by_the_paper(a)).abs().max().item() for a in (alpha, alpha / n)]
    print(f"{name}: from the paper's formula by {apart[0]:.4f}, with a fifth of alpha by {apart[1]:.1e}")
    assert apart[0] > 0.02 and apart[1] < 1e-5
PYTHON
