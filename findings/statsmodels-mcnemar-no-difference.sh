#!/usr/bin/env bash
# Guess: McNemar's test of two classifiers that are right on the same images gives p = 1.
# What happens: statsmodels 0.15.0 with exact=False, the approximation for large counts, gives an
#   infinite statistic and p = 0, the strongest evidence there can be, with a RuntimeWarning of a
#   division only. The continuity correction is taken off |b - c| even where that is 0, squared,
#   and divided by b + c = 0. Without the correction both numbers are nan. For the same reason
#   b = c = 1 gives a statistic of 0.5 where it should be 0.
# What to do: exact=True, which gives 1; or ask for b + c > 0 before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check statsmodels==0.15.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import math
import warnings

import numpy as np
import statsmodels
from statsmodels.stats.contingency_tables import mcnemar

warnings.simplefilter("ignore", RuntimeWarning)
print("statsmodels", statsmodels.__version__)
right = np.arange(10_000) % 10 != 0  # of both classifiers, on 10,000 images


def test(first, second, **options):
    """Statistic and probability, from the table of right and wrong."""
    table = [[int((a & b).sum()) for b in (second, ~second)] for a in (first, ~first)]
    found = mcnemar(table, **options)
    print(table, options, f"statistic {found.statistic}, p {found.pvalue}")
    return found.statistic, found.pvalue


assert test(right, right, exact=False) == (math.inf, 0.0)
assert all(map(math.isnan, test(right, right, exact=False, correction=False)))
assert test(right, right, exact=True) == (0, 1.0)
other = right.copy()
other[[0, 1]] = ~other[[0, 1]]  # one image more, another less
assert test(right, other, exact=False)[0] == 0.5
PYTHON
