#!/usr/bin/env bash
# Guess: FlopCounterMode counts attention, on the CPU as on a GPU: 4 * heads * length^2 * width
#   operations.
# What happens: torch 2.14.1 counts 0 for scaled_dot_product_attention on the CPU. The CPU has a
#   kernel of its own, which is missing from the table of counted operations, and what is not in
#   the table counts as nothing, without a warning. A MultiheadAttention layer shows its four
#   linear maps only; a vision transformer looks cheaper the longer its input is. The same call
#   with the MATH backend is counted right.
# What to do: count under sdpa_kernel(SDPBackend.MATH), or on the meta device, and compare with
#   the formula.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import contextlib, torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

print("torch", torch.__version__)
heads, length, width = 4, 128, 32
formula = 4 * heads * length**2 * width

def count(context, device="cpu"):
    x = torch.randn(1, heads, length, width, device=device)
    with context, FlopCounterMode(display=False) as counter:
        scaled_dot_product_attention(x, x, x)
    return counter.get_total_flops()

plain = count(contextlib.nullcontext())
math = count(sdpa_kernel(SDPBackend.MATH))
print(f"formula {formula}, counted {plain}, with the MATH backend {math}")
meta = count(contextlib.nullcontext(), "meta")
print("on the meta device", meta)
assert plain == 0 and math == meta == formula
PYTHON
