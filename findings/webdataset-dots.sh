#!/usr/bin/env bash
# Guess: a sample's key is its file name without the extension. What TarWriter wrote under the key
#   run.0, the reader gives back under run.0.
# What happens: webdataset 1.0.2 ends the key at the first dot of the name, in the reader only.
#   TarWriter takes keys with dots and writes run.0.txt, run.1.txt and so on. The reader gives one
#   single sample with the key "run" and the fields 0.txt, 1.txt, ... Keys such as lr0.1-step3 or
#   2026.11.28-0001 do that too. Three samples become one, without an error.
# What to do: no dots in keys: key.replace('.', '_'). Count the samples after writing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check webdataset==1.0.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata as metadata
import webdataset

print("webdataset", metadata.version("webdataset"))
for keys in (["run.0", "run.1", "run.2"], ["run_0", "run_1", "run_2"]):
    with webdataset.TarWriter("shard.tar") as shard:
        for label, key in enumerate(keys):
            shard.write({"__key__": key, "cls": label, "txt": "a caption"})
    samples = list(webdataset.WebDataset("shard.tar", shardshuffle=False))
    read = {s["__key__"]: sorted(name for name in s if name[0] != "_") for s in samples}
    print("written", keys, "read", read)
    if "run.0" in keys:
        assert list(read) == ["run"] and len(read["run"]) == 6
    else:
        assert list(read) == keys
PYTHON
