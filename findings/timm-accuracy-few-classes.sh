#!/usr/bin/env bash
# Guess: utils.accuracy(output, target, topk=(1, 5)) of a network of three classes is refused, as
#   torch.topk refuses it.
# What happens: timm 1.0.31 takes the top three in place of the top five, and so gives 100 % to
#   any network, without a word.
# What to do: ask for a k below the number of classes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check timm==1.0.31 torch==2.14.1 \
  torchvision==0.29.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import timm
import torch
from timm.utils import accuracy

print("timm", timm.__version__, "torch", torch.__version__)
output = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [2.0, 3.0, 1.0]])
target = output.argmin(dim=1)  # the class that the network thinks least of, each time
top_1, top_5 = accuracy(output, target, topk=(1, 5))
print(f"three classes, always wrong: top-1 {top_1:.0f} %, top-5 {top_5:.0f} %")
try:
    output.topk(5)
except RuntimeError as error:
    print("torch.topk:", str(error).splitlines()[0])
else:
    raise SystemExit("torch.topk did not refuse")
assert (top_1, top_5) == (0, 100)
PYTHON
