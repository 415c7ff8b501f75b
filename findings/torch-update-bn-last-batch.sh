#!/usr/bin/env bash
# Guess: after swa_utils.update_bn a batch norm has the mean and variance of all images that it
#   was shown.
# What happens: torch 2.14.1 takes the mean over *batches*, each counting the same. A last batch
#   of one image counts as much as one of a hundred: of 100 images with numbers around 0 and a
#   last one around 50 the mean becomes 24.8, where it is 0.5. And the variance is the mean of
#   those within batches, so what differs between batches is lost: 0.97 in place of 25.2.
# What to do: give it batches of one size, each like the whole.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.optim.swa_utils import update_bn

print("torch", torch.__version__)
torch.manual_seed(0)
images = torch.randn(101, 1, 4, 4)
images[100] += 50  # the last one is bright


def statistics(*batches):
    norm = torch.nn.BatchNorm2d(1)
    update_bn(batches, norm)
    return norm.running_mean.item(), norm.running_var.item()


truth = images.mean().item(), images.var().item()
at_once, in_two = statistics(images), statistics(images[:100], images[100:])
# Each half has a part of every image.
alike = statistics(images[..., :2], images[..., 2:])
print("all images:       mean {:.2f}, variance {:.2f}".format(*truth))
print("one batch:        mean {:.2f}, variance {:.2f}".format(*at_once))
print("batches of 100:   mean {:.2f}, variance {:.2f}".format(*in_two))
print("batches alike:    mean {:.2f}, variance {:.2f}".format(*alike))
assert abs(at_once[0] - truth[0]) < 1e-3 and abs(at_once[1] - truth[1]) < 0.01
assert abs(alike[0] - truth[0]) < 0.1 and abs(alike[1] - truth[1]) < 1
assert in_two[0] > 40 * truth[0] and in_two[1] < truth[1] / 20
PYTHON
