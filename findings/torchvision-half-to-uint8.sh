#!/usr/bin/env bash
# Guess: v2.ToDtype(torch.uint8, scale=True) undoes v2.ToDtype(torch.float16, scale=True), as it
#   does for float32: 256 levels fit into float16.
# What happens: torchvision 0.29.1 multiplies by 255.999 in the image's own dtype and cuts off. In
#   float16 and bfloat16 that product is rounded first: white becomes 256, which wraps around to
#   0, so white areas turn black. The levels from 240 up (float16) or from 128 up (bfloat16) come
#   back one too high as well. It happens to images that are saved after work in half precision.
# What to do: image.float() before the conversion.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch, torchvision
from torchvision.transforms.v2.functional import to_dtype

print("torch", torch.__version__, "torchvision", torchvision.__version__)
levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
changed = {}
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    back = to_dtype(to_dtype(levels, dtype, scale=True), torch.uint8, scale=True)
    wrong = levels[back != levels].tolist()
    changed[dtype] = len(wrong)
    white = back[levels == 255].item()
    print(f"{dtype}: {len(wrong)} levels change {wrong[:1]}.., 240 -> {back.flatten()[240]},"
          f" white 255 -> {white}")
    assert white == (255 if dtype == torch.float32 else 0)
assert list(changed.values()) == [0, 16, 128]
halved = to_dtype(levels, torch.float16, scale=True)
assert torch.equal(to_dtype(halved.float(), torch.uint8, scale=True), levels)
PYTHON
