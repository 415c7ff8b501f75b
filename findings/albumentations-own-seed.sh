#!/usr/bin/env bash
# Guess: With random.seed, np.random.seed and torch.manual_seed a pipeline draws the same again.
# What happens: albumentations 2.0.8 has a random generator of its own in each Compose, made from
#   the system's entropy: two pipelines after the same three seeds draw differently.
# What to do: A.Compose([...], seed=0).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check albumentations==2.0.8 numpy==2.4.6 \
  torch==2.14.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os
import random

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A
import numpy as np
import torch

print("albumentations", A.__version__, "numpy", np.__version__)

image = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)


def draws(**options):
    """Where 20 crops of 16 x 16 begin, after all seeds were set."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    crop = A.Compose([A.RandomCrop(16, 16)], **options)
    return [int(crop(image=image)["image"][0, 0, 0]) for _ in range(20)]


print("after the same seeds:", draws()[:5], draws()[:5])
print("with seed=0:         ", draws(seed=0)[:5], draws(seed=0)[:5])
assert draws() != draws()
assert draws(seed=0) == draws(seed=0)
PYTHON
