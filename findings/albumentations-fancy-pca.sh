#!/usr/bin/env bash
# Guess: albumentations' FancyPCA, AlexNet's color augmentation, adds one random color to all pixels
#   of an image: with alpha=0.1, AlexNet's value and the default, some levels of 255.
# What happens: albumentations 2.0.8 multiplies each pixel's distance from the image's mean by a
#   matrix, the identity plus the eigenvectors times a * eigenvalue (on the [0, 1] scale), in place of
#   adding a * eigenvalue * eigenvector. So the color of the light, which AlexNet varies, never changes, but
#   only the contrast, and that by a percent or so. (Its page says that the mean is kept, and that
#   multiples of the components are added, which exclude each other.)
# What to do: add the shift by hand; it is one line.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check albumentations==2.0.8 numpy==2.4.6
cd "$folder"
NO_ALBUMENTATIONS_UPDATE=1 "$folder/venv/bin/python" - <<'PYTHON'
import albumentations
import numpy as np

print("albumentations", albumentations.__version__)
rng = np.random.default_rng(0)
# Like a photograph: light varies by 60 levels, and the colors with it.
light = rng.normal(0, 60, (64, 64, 1))
image = np.clip(120 + light + rng.normal(0, 15, (64, 64, 3)), 0, 255).astype(np.uint8)
pixels = image.reshape(-1, 3) / 255
values, vectors = np.linalg.eigh(np.cov(pixels, rowvar=False))
print("eigenvalues of its colors:", values[::-1].round(3))

augment = albumentations.Compose([albumentations.FancyPCA(alpha=0.1, p=1)], seed=1)
outputs = [augment(image=image)["image"] for _ in range(300)]
color = np.array([output.mean(axis=(0, 1)) for output in outputs]).std(axis=0)
contrast = np.array([output.std() for output in outputs]).std() / image.std()
alexnet = 255 * (rng.normal(0, 0.1, (300, 3)) * values @ vectors.T).std(axis=0)
print("deviation of the mean color, as in AlexNet's paper:", alexnet.round(2), "levels")
print("deviation of the mean color, FancyPCA(alpha=0.1):  ", color.round(2), "levels")
print(f"deviation of its contrast: {contrast:.1%}")
assert (alexnet > 1.5).all() and (color < 0.05).all() and 0.005 < contrast < 0.05
PYTHON
