#!/usr/bin/env bash
# Guess: transforms.ToTensor() makes [0, 1] of a gray image of 16 bits, as of one of 8 bits; at
#   the least it keeps black below white.
# What happens: torchvision 0.29.1 (Pillow 13.0.0) takes the 16 bits for a signed integer and does
#   not scale. All that is brighter than 32767 becomes negative: white becomes -1, just below
#   black. ConvertImageDtype(torch.float32) behind it then gives 0.92 for a dark gray, -0.78 for a
#   light one and 0 for white. There is no warning. Medical and depth images come in this format.
#   PILToTensor and the v2 ToImage read it right.
# What to do: v2.ToImage() and v2.ToDtype(torch.float32, scale=True), or PILToTensor() in place of
#   ToTensor().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6 pillow==13.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import numpy as np, PIL, torch, torchvision
from PIL import Image
from torchvision import transforms
from torchvision.transforms import v2

print("torch", torch.__version__, "torchvision", torchvision.__version__, "Pillow", PIL.__version__)
grays = [0, 30000, 40000, 65535]
file = io.BytesIO()
Image.fromarray(np.array([grays], dtype=np.uint16)).save(file, "PNG")
image = Image.open(file)
print(f"mode {image.mode}, levels {np.asarray(image)[0].tolist()}")
to_float = transforms.ConvertImageDtype(torch.float32)
results = {}
for name, transform in {
    "ToTensor": transforms.ToTensor(),
    "ToTensor, ConvertImageDtype": transforms.Compose([transforms.ToTensor(), to_float]),
    "PILToTensor, ConvertImageDtype": transforms.Compose([transforms.PILToTensor(), to_float]),
    "v2.ToImage, v2.ToDtype": v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]),
}.items():
    found = transform(image)
    results[name] = [round(value, 4) for value in found.flatten().tolist()]
    print(f"{name}: {found.dtype} {results[name]}")
assert results.pop("ToTensor") == [0, 30000, 40000 - 65536, -1]
broken, *right = results.values()
assert broken[1] > 0.9 and broken[2] < -0.7 and abs(broken[3]) < 0.001
assert right == [[0, 0.4578, 0.6104, 1]] * 2
PYTHON
