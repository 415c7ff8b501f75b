#!/usr/bin/env bash
# Guess: torch.onnx.export of a network that is still in training mode gives the network for use, without dropout and
#   with the averages of batch normalization; or else the network as it trains, with both.
# What happens: torch 2.14.1 with onnxscript 0.7.2 gives half of each. Batch normalization uses its running averages, and
#   dropout stays: two runs of the file on the same input differ. A warning says that evaluation mode is recommended.
# What to do: network.eval() before the export.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 onnx==1.23.2 onnxscript==0.7.2 \
  onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import onnxruntime
import torch
import onnxscript
from torch import nn

print("torch", torch.__version__, "onnxscript", onnxscript.__version__, "onnxruntime", onnxruntime.__version__)
torch.manual_seed(0)
images = 5 * torch.randn(64, 8) + 3


def exported(layer):
    """A function: what the exported layer, exported in training mode, makes of the images."""
    torch.onnx.export(layer.train(), (images,), dynamo=True, verbose=False).save("layer.onnx")
    session = onnxruntime.InferenceSession("layer.onnx", providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: torch.from_numpy(session.run(None, {name: images.numpy()})[0])


def norm():
    """A batch normalization with averages that are not those of its start, nor of the images."""
    layer = nn.BatchNorm1d(8)
    layer.running_mean.fill_(2.0)
    layer.running_var.fill_(4.0)
    return layer


normalized = exported(norm())()
as_used = norm().eval()(images)
as_trained = norm().train()(images)
print("batch norm: differs by", (normalized - as_used).abs().max().item(), "from evaluation,",
      (normalized - as_trained).abs().max().item(), "from training")
assert torch.allclose(normalized, as_used, atol=1e-5) and not torch.allclose(normalized, as_trained, atol=1)

drop = exported(nn.Dropout(0.5))
once, again = drop(), drop()
print(f"dropout: {(once == 0).double().mean():.0%} of the numbers are 0; two runs are equal: {torch.equal(once, again)}")
assert 0.4 < (once == 0).double().mean() < 0.6 and not torch.equal(once, again)
PYTHON
