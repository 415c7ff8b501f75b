#!/usr/bin/env bash
# Guess: with_epoch(100) makes an epoch of 100 samples.
# What happens: with webdataset 1.0.2 each worker of the DataLoader counts for itself: with two workers an epoch has 200
#   samples, with eight 800, and a schedule that was planned for 100 is over early. (In batches made by the dataset it is
#   as many batches for each worker.)
# What to do: divide by the number of workers, or use WebLoader(...).with_epoch(100), behind the workers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 webdataset==1.0.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import tarfile
from importlib.metadata import version

import torch
import webdataset

print("webdataset", version("webdataset"), "torch", torch.__version__)
shards = ["0.tar", "1.tar"]
for shard in shards:
    with tarfile.open(shard, "w") as file:
        for number in range(50):
            entry = tarfile.TarInfo(f"{number:03}.cls")
            entry.size = 1
            file.addfile(entry, io.BytesIO(b"7"))


def samples(workers):
    data = webdataset.WebDataset(shards, shardshuffle=False).repeat().with_epoch(100)
    return sum(1 for _ in torch.utils.data.DataLoader(data, batch_size=None, num_workers=workers))


found = {workers: samples(workers) for workers in (0, 1, 2)}
print("samples of an epoch, by workers:", found)
assert found == {0: 100, 1: 100, 2: 200}
data = webdataset.WebDataset(shards, shardshuffle=False).repeat()
loader = webdataset.WebLoader(data, batch_size=None, num_workers=2).with_epoch(100)
assert sum(1 for _ in loader) == 100
PYTHON
