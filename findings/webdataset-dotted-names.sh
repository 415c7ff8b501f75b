#!/usr/bin/env bash
# Guess: a shard with cat.1.png and cat.2.png, each with its cat.N.cls, has two samples.
# What happens: webdataset 1.0.2 takes everything after the first dot of a name for the field, so both are fields
#   of one sample "cat": 1.png, 1.cls, 2.png, 2.cls. It has no field png. So do file names that begin with a date
#   (2024.05.17) or a version (v1.2).
# What to do: no dots in names but before the ending; cat_1.png is a sample of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check webdataset==1.0.2 pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import tarfile
from importlib.metadata import version

import webdataset
from PIL import Image

print("webdataset", version("webdataset"))


def samples(*names):
    with tarfile.open("shard.tar", "w") as shard:
        for number, name in enumerate(names):
            png = io.BytesIO()
            Image.new("RGB", (4, 4), (number, 0, 0)).save(png, "PNG")
            for field, content in (("png", png.getvalue()), ("cls", str(number).encode())):
                entry = tarfile.TarInfo(f"{name}.{field}")
                entry.size = len(content)
                shard.addfile(entry, io.BytesIO(content))
    found = webdataset.WebDataset("shard.tar", shardshuffle=False)
    return {s["__key__"]: [key for key in s if not key.startswith("__")] for s in found}


dotted, plain = samples("cat.1", "cat.2"), samples("cat_1", "cat_2")
print("cat.1, cat.2:", dotted)
print("cat_1, cat_2:", plain)
assert dotted == {"cat": ["1.png", "1.cls", "2.png", "2.cls"]}
dated = samples("2024.05.17-a", "2024.05.18-b")
print("2024.05.17-a, 2024.05.18-b:", dated)
assert list(dated) == ["2024"]
assert plain == {"cat_1": ["png", "cls"], "cat_2": ["png", "cls"]}
PYTHON
