"""Several processes: the same weights as one, one writer, and what is refused."""

import json
import os
import subprocess
import sys

import pytest
import torch

from vgglib import distributed
from vgglib.__main__ import main

WORKER = """
import sys
import torch
from torch import nn
from torchvision.transforms import v2
from vgglib import distributed, load_data, train, vgg
from vgglib.training import Recipe
from vgglib.transforms import SubtractMean

torch.set_num_threads(1)
# 41 images in batches of 8: the last batch is one image, which leaves a process without any.
data = load_data("shapes", image_size=8, train_images=61, validation=20 / 61, test_images=10)
recipe = Recipe("tiny", epochs=int(sys.argv[3]), batch_size=8, learning_rate=0.05, dropout=0.0)
preprocess = SubtractMean([0.5, 0.5, 0.5])
with distributed.process_group(torch.device("cpu")) as device:
    torch.manual_seed(0)
    model = vgg("II", num_classes=10, image_size=8, width=1 / 32, dropout=0.0)
    training = train(
        model, data, recipe, train_transform=preprocess, test_transform=preprocess,
        device=device, precision="float32", checkpoint=sys.argv[2],
    )
    if distributed.rank() == 0:
        torch.save({"weights": model.state_dict(), "history": training.history,
                    "devices": training.devices}, sys.argv[1])
"""


def launch(processes, *arguments, **options):
    """Start a script or module as `torchrun` does; one process without it."""
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        **options,
    )


def train_in(processes, folder, epochs=2, name="run"):
    script = folder / "worker.py"
    script.write_text(WORKER)
    output = folder / f"{name}.result"
    done = launch(processes, script, output, folder / f"{name}.pt", epochs)
    assert done.returncode == 0, done.stderr
    return torch.load(output, weights_only=True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train_in(1, tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    return train_in(2, tmp_path_factory.mktemp("together"))


def test_two_processes_end_with_the_weights_of_one(alone, together):
    """The same batches, split in two, and the gradients averaged."""
    for name, weight in alone["weights"].items():
        assert torch.allclose(weight, together["weights"][name], rtol=1e-3, atol=1e-6), name


def test_two_processes_measure_what_one_measures(alone, together):
    for key in ("train_loss", "validation_loss", "validation_top_1", "learning_rate"):
        assert together["history"][key] == pytest.approx(alone["history"][key], rel=1e-4), key


def test_the_record_names_all_devices(alone, together):
    assert together["devices"] == [f"2 x {alone['devices'][0]}"]


def test_two_processes_go_on_from_a_checkpoint_of_one_and_the_other_way_round(tmp_path):
    """With fewer or more processes than before, from the same file."""
    whole = train_in(1, tmp_path, name="whole")["weights"]
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        # A schedule of epochs alone: the first of two epochs is the whole of a run of one.
        first = train_in(processes, folder, epochs=2)
        again = train_in(3 - processes, folder, epochs=2)  # finished: returns what was saved
        assert again["history"] == first["history"]
        for name, weight in whole.items():
            assert torch.allclose(weight, again["weights"][name], rtol=1e-3, atol=1e-6), name


def test_torchrun_takes_the_command_line_and_process_0_alone_writes(tmp_path):
    arguments = ["-m", "vgglib", "--epochs", "1", "--models", "I", "--recipe", "quick"]
    done = launch(2, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test top-1") == 1
    (file,) = (tmp_path / "results").iterdir()
    record = json.loads(file.read_text())
    assert record["device"].startswith("2 x CPU")
    assert (record["batch_size"], record["images_seen"]) == (64, 4500)
    assert [f.name for f in (tmp_path / "checkpoints").iterdir()] == [f"{file.stem}.pt"]


def test_the_parts_of_a_batch_are_weighted_by_their_length(monkeypatch):
    """Averaged over the processes, the weighted means of the parts are the mean of the batch."""
    losses = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    total = 0.0
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        monkeypatch.setattr(distributed, "world_size", lambda: 3)
        part, weight = distributed.part_of(torch.arange(5))
        total += weight * losses[part].mean().item() / 3
    assert total == pytest.approx(losses.mean().item())


def test_a_process_without_images_takes_one_that_does_not_count(monkeypatch):
    monkeypatch.setattr(distributed, "rank", lambda: 2)
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    part, weight = distributed.part_of(torch.tensor([7, 8]))
    assert (part.tolist(), weight) == ([7], 0)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with (
        pytest.raises(ValueError, match=r"process 2 on this machine finds 1 GPUs.*per-node=1"),
        distributed.process_group(torch.device("cuda")),
    ):
        pass


def test_alone_every_function_does_nothing():
    batch = torch.arange(3)
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
    assert distributed.part_of(batch)[1] == 1
    assert torch.equal(distributed.part_of(batch)[0], batch)
    assert distributed.from_first(lambda: 5) == 5
    assert distributed.from_all(5) == [5]
    assert distributed.mean(batch) is batch
    model = torch.nn.Linear(1, 1)
    assert distributed.replicate(model) is model


# --------------------------------------------------------------------------------------------------
# The command line
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "there is no folder 'nowhere'"),
        (["--epochs", "0"], "epochs must be an int of 1 or more, got 0"),
        (["--device", "tpu"], "tpu"),
    ],
)
def test_bad_arguments_get_one_line(monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        main(arguments)
    assert not list(tmp_path.iterdir())
