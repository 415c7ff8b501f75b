#!/usr/bin/env bash
# Guess: Normalize(mean, std) of a float image on [0, 1] gives (image - mean) / std, as
#   torchvision's does.
# What happens: albumentations 2.0.8 subtracts 255 times the mean and divides by 255 times the
#   deviation, whatever the type: pixels of 0.2 and 0.8 come out as -1.997 and -1.987. All images
#   look nearly alike to the network, and nothing is said.
# What to do: max_pixel_value=1.0 for floats.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check albumentations==2.0.8 numpy==2.4.6
cd "$folder"
export NO_ALBUMENTATIONS_UPDATE=1
"$folder/venv/bin/python" - <<'PYTHON'
import albumentations as A
import numpy as np

print("albumentations", A.__version__)

pixels = np.array([0.2, 0.8])
image = np.broadcast_to(pixels[:, None, None], (2, 4, 3))
mean, deviation = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
pictures = {"bytes": (255 * image).round().astype(np.uint8), "floats": image.astype(np.float32)}


def first_column(picture, **options):
    return A.Normalize(mean, deviation, **options)(image=picture)["image"][:, 0, 0]


found = {name: first_column(picture) for name, picture in pictures.items()}
for name, values in found.items():
    print(f"{name}: 0.2 and 0.8 become", " and ".join(f"{value:.3f}" for value in values))
expected = (pixels - 0.5) / 0.25
assert np.allclose(found["bytes"], expected, atol=0.01)
assert np.allclose(found["floats"], -2, atol=0.02)
assert np.allclose(first_column(pictures["floats"], max_pixel_value=1.0), expected, atol=1e-4)
PYTHON
