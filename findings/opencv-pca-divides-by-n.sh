#!/usr/bin/env bash
# Guess: The eigenvalues of cv2.PCACompute2 are those of the covariance that np.cov, torch.cov and
#   scikit-learn's PCA estimate, with n - 1.
# What happens: OpenCV 5.0 divides by n: of the colors of a patch of 2x2 pixels its eigenvalues
#   are three quarters of the others'. Of all the pixels of a data set they are nearly the same.
# What to do: multiply by n / (n - 1).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check opencv-python-headless==5.0.0.93 \
  scikit-learn==1.9.1 torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import cv2
import numpy as np
import torch
from sklearn.decomposition import PCA

print(*(f"{name} {version(name)}" for name in ("opencv-python-headless", "scikit-learn", "torch")))

for n in (4, 100_000):
    pixels = np.random.default_rng(0).random((n, 3)) * [1.0, 0.5, 0.25]
    found = {
        "cv2": cv2.PCACompute2(pixels, None)[2].ravel(),
        "numpy": np.linalg.eigvalsh(np.cov(pixels, rowvar=False))[::-1],
        "torch": torch.linalg.eigvalsh(torch.cov(torch.from_numpy(pixels).T)).numpy()[::-1],
        "scikit-learn": PCA().fit(pixels).explained_variance_,
    }
    for name, values in found.items():
        print(f"{n} pixels, {name}: {np.round(values, 5)}")
    assert np.allclose(found["numpy"], found["torch"])
    assert np.allclose(found["numpy"], found["scikit-learn"])
    assert np.allclose(found["cv2"], found["numpy"] * (n - 1) / n)
PYTHON
