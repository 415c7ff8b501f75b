#!/usr/bin/env bash
# Guess: an augmentation of kornia gives an image of shape (3, 16, 16) back in that shape, as torchvision's do.
# What happens: kornia 0.9.0 gives (1, 3, 16, 16). In a dataset's transform all goes on, and a batch of 32 has the shape
#   (32, 1, 3, 16, 16), at which the first convolution stops; a network that flattens first, or a loss that broadcasts,
#   takes it in silence.
# What to do: keepdim=True in each augmentation, or augment the batch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 kornia==0.9.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import kornia
import torch
from kornia import augmentation
from torchvision.transforms import v2

print("kornia", kornia.__version__, "torch", torch.__version__)
image = torch.rand(3, 16, 16)
flips = {
    "torchvision": v2.RandomHorizontalFlip(1.0),
    "kornia": augmentation.RandomHorizontalFlip(p=1.0),
    "kornia, keepdim": augmentation.RandomHorizontalFlip(p=1.0, keepdim=True),
}
shapes = {name: tuple(flip(image).shape) for name, flip in flips.items()}
print(shapes)
assert shapes == {"torchvision": (3, 16, 16), "kornia": (1, 3, 16, 16), "kornia, keepdim": (3, 16, 16)}
images = [(flips["kornia"](image), 0) for _ in range(32)]
batch, _ = next(iter(torch.utils.data.DataLoader(images, batch_size=32)))
print("a batch:", tuple(batch.shape))
assert batch.shape == (32, 1, 3, 16, 16)
flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 10))
assert flat(batch).shape == (32, 10)
PYTHON
