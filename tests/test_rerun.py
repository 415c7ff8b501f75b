"""A cell that trains, interrupted in a real kernel and run again."""

import json
import time

import pytest

pytest.importorskip("ipykernel")

SETUP = """
import torch
import vgglib
from dataclasses import replace
data = vgglib.load_data("shapes", image_size=8, train_images=400, test_images=10)
recipe = replace(vgglib.RECIPES["quick"], name="again", epochs=100_000, width=1 / 32)
model = vgglib.make_network("I", data, recipe)
augment, preprocess = vgglib.make_transforms(data, recipe)
"""
TRAIN = """
done = vgglib.train(
    model, data, recipe, train_transform=augment, test_transform=preprocess,
    device="cpu", precision="float32", checkpoint="run.pt",
)
"""
EPOCHS = """
import json
print(json.dumps(len(torch.load("run.pt", weights_only=True)["history"]["seconds"])))
"""


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    from jupyter_client.manager import KernelManager

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def execute(client, code):
    """What a cell prints, or the name of its error."""
    printed = []

    def note(message):
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    while True:
        reply = client.execute_interactive(code, output_hook=note, timeout=300)
        if reply["content"]["status"] != "aborted":  # as what comes just after an interrupt may be
            break
    return reply["content"].get("ename") or "".join(printed)


def wait_for_an_epoch(file, seconds=120):
    """Until a checkpoint is written that was not there before."""

    def written():
        return file.stat().st_mtime_ns if file.exists() else 0

    before, deadline = written(), time.monotonic() + seconds
    while written() == before:
        assert time.monotonic() < deadline, f"no epoch in {seconds} s"
        time.sleep(0.1)


def test_a_cell_that_was_interrupted_goes_on_when_it_is_run_again(kernel, tmp_path):
    manager, client = kernel
    assert execute(client, SETUP) == ""
    client.execute(TRAIN)
    wait_for_an_epoch(tmp_path / "run.pt")
    manager.interrupt_kernel()
    reply = client.get_shell_msg(timeout=60)
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    before = json.loads(execute(client, EPOCHS))
    client.execute(TRAIN)  # the same cell
    wait_for_an_epoch(tmp_path / "run.pt")
    manager.interrupt_kernel()
    assert client.get_shell_msg(timeout=60)["content"]["ename"] == "KeyboardInterrupt"
    assert json.loads(execute(client, EPOCHS)) > before
