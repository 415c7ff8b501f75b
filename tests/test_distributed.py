"""Several processes: the same weights as one, one writer, and what is refused."""

import json
import os
import socket
import subprocess
import sys

import pytest
import torch

from vgglib import __main__ as command
from vgglib.__main__ import main, with_starts
from vgglib.machine import distributed
from vgglib.miniature import read_test_records
from vgglib.recipes import NETWORKS, SERIES, Recipe

WORKER = """
import sys
import torch
from vgglib import Recipe, SubtractMean, load_data, make_transforms
from vgglib import train, training, vgg
from vgglib.machine import distributed

result, checkpoint, recipe, stop_after = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
torch.set_num_threads(1)
# 43 images in batches of 8: the last batch has three, which no two processes can share equally.
data = load_data("shapes", image_size=32, train_images=63, validation=20 / 63, test_images=10)
recipes = {
    "paper": Recipe("tiny", epochs=2, batch_size=8, learning_rate=0.02, dropout=0.0),
    "muon": Recipe(
        "tiny", epochs=2, batch_size=8, learning_rate=0.02, dropout=0.0, muon=0.05,
        schedule="one_cycle", warmup=0.2, averaging=0.5, label_smoothing=0.1,
    ),
    # Dropout and augmentation: each process has draws of its own.
    "chance": Recipe("tiny", epochs=2, batch_size=8, learning_rate=0.02, dropout=0.5),
}
recipe = recipes[recipe]
preprocess = augment = SubtractMean([0.5, 0.5, 0.5])
if recipe.dropout:
    augment, preprocess = make_transforms(data, recipe)

class Noted(torch.nn.Module):
    draws = []

    def __init__(self, transform):
        super().__init__()
        self.transform = transform

    def forward(self, images):
        self.draws.append(torch.rand(()).item())
        return self.transform(images)

saved = []
save = training.save_checkpoint

def save_then_stop(*args):
    save(*args)
    saved.append(1)
    if stop_after and len(saved) == 1 + stop_after:  # one is written before the first epoch
        raise KeyboardInterrupt("stopped")

training.save_checkpoint = save_then_stop
with distributed.process_group(torch.device("cpu")) as device:
    torch.manual_seed(0)
    model = vgg("II", num_classes=10, image_size=32, width=1 / 32, dropout=recipe.dropout)
    done = train(
        model, data, recipe, train_transform=Noted(augment), test_transform=preprocess,
        device=device, precision="float32", checkpoint=checkpoint,
    )
    draws = distributed.from_all(Noted.draws)
    if distributed.rank() == 0:
        torch.save({"weights": model.state_dict(), "history": done.history,
                    "devices": done.computed, "draws": draws}, result)
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


def train_in(processes, folder, recipe="paper", stop_after=0):
    """Train by the worker; with ``stop_after``, only so many epochs, and nothing comes back."""
    script, output = folder / "worker.py", folder / "result.pt"
    script.write_text(WORKER)
    done = launch(processes, script, output, folder / "run.pt", recipe, stop_after)
    if stop_after:
        assert done.returncode != 0 and "stopped" in done.stderr
        return None
    assert done.returncode == 0, done.stderr
    return torch.load(output, weights_only=True)


def assert_close(ours, theirs, tolerance=1e-3):
    for name, weight in ours["weights"].items():
        difference = (weight - theirs["weights"][name]).norm() / weight.norm()
        assert difference < tolerance, name


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train_in(1, tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    return train_in(2, tmp_path_factory.mktemp("together"))


def test_two_processes_end_with_the_weights_of_one(alone, together):
    """The same batches, split in two, and the gradients averaged by the images of each part."""
    assert_close(together, alone)


def test_two_processes_end_with_the_weights_of_one_under_muon_too(tmp_path):
    """With a plan for the learning rate, label smoothing and an average of the weights."""
    results = {}
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        results[processes] = train_in(processes, folder, recipe="muon")
    assert_close(results[2], results[1], tolerance=0.05)  # its products are in bfloat16


def test_two_processes_measure_what_one_measures(alone, together):
    for key in ("train_loss", "validation_loss", "validation_top_1", "learning_rate"):
        assert together["history"][key] == pytest.approx(alone["history"][key], rel=1e-4), key


def test_the_record_names_all_devices(alone, together):
    ((device, precision),) = alone["devices"]
    assert together["devices"] == [(f"2 x {device}", precision)]


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_a_run_goes_on_with_another_number_of_processes(alone, tmp_path, before, after):
    train_in(before, tmp_path, stop_after=1)
    resumed = train_in(after, tmp_path)
    assert len(resumed["history"]["seconds"]) == 2
    assert len(resumed["devices"]) == 2  # one CPU, and two
    assert_close(resumed, alone)


def test_each_process_draws_its_own_and_goes_on_with_it(tmp_path):
    folders = [tmp_path / "whole", tmp_path / "stopped"]
    for folder in folders:
        folder.mkdir()
    whole = train_in(2, folders[0], recipe="chance")
    first, second = whole["draws"]
    assert not {*first} & {*second}
    train_in(2, folders[1], recipe="chance", stop_after=1)
    resumed = train_in(2, folders[1], recipe="chance")
    steps = len(first) // 2
    assert resumed["draws"] == [first[steps:], second[steps:]]
    assert_close(resumed, whole, tolerance=1e-6)


def test_an_error_of_process_0_ends_them_all_with_one_message(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "shapes-quick-I-1epochs-seed0.pt").write_bytes(b"no checkpoint")
    arguments = ["-m", "vgglib", "--epochs", "1", "--networks", "I", "--recipe", "quick"]
    done = launch(2, *arguments, cwd=tmp_path)
    assert done.returncode != 0
    assert done.stderr.count("is damaged or no checkpoint of this package") == 1


EACH_ITS_OWN_FOLDERS = """
import os, sys
from vgglib.__main__ import main

number = os.environ["RANK"]
main([*sys.argv[1:], "--results", f"results{number}", "--checkpoints", f"checkpoints{number}"])
"""


def test_torchrun_takes_the_command_line_and_process_0_alone_writes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(EACH_ITS_OWN_FOLDERS)
    arguments = ["--epochs", "1", "--networks", "I", "--recipe", "quick"]
    done = launch(2, script, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test top-1") == 1
    (file,) = (tmp_path / "results0").glob("*.json")
    record = json.loads(file.read_text())
    assert record["device"].startswith("2 x CPU")
    assert (record["batch_size"], record["images_seen"]) == (64, 4500)
    assert [f.name for f in (tmp_path / "checkpoints0").iterdir()] == [f"{file.stem}.pt"]
    assert {f.name for f in tmp_path.iterdir()} == {"script.py", "results0", "checkpoints0"}


def test_processes_that_a_job_controller_started_train_together(tmp_path):
    """As srun and others start them: each is told its number and where to meet."""
    script = tmp_path / "script.py"
    script.write_text(EACH_ITS_OWN_FOLDERS)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [
        subprocess.Popen(
            [sys.executable, script, "--epochs", "1", "--networks", "I", "--recipe", "quick"],
            cwd=tmp_path,
            env={**os.environ, **told, "OMP_NUM_THREADS": "1", "RANK": n, "LOCAL_RANK": n},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for n in "01"
    ]
    said = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert [text.count("test top-1") for text in said] == [1, 0]
    (file,) = tmp_path.glob("results*/*.json")
    assert json.loads(file.read_text())["device"].startswith("2 x CPU")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"WORLD_SIZE": "4", "RANK": "1"}, "WORLD_SIZE is 4, but there is no LOCAL_RANK, MASTER_A"),
        ({"SLURM_STEP_NUM_TASKS": "8"}, "SLURM_STEP_NUM_TASKS is 8, but there is no RANK, WORLD_S"),
        (
            {"OMPI_COMM_WORLD_SIZE": "2"},
            "OMPI_COMM_WORLD_SIZE is 2, but .*: each process would",
        ),
    ],
)
def test_processes_that_cannot_meet_do_not_all_train_everything(monkeypatch, told, message):
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=message):
        main(["--epochs", "1"])


def test_one_process_of_a_job_controller_is_alone(monkeypatch):
    for name in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.setenv(name, "1")
    with distributed.process_group(torch.device("cpu")) as device:
        assert (device.type, distributed.world_size()) == ("cpu", 1)


def test_a_command_that_is_stopped_says_how_to_go_on(monkeypatch, capsys):
    def stopped(given):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", stopped)
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 130
    assert capsys.readouterr().err == "\nvgglib: stopped; the same command goes on where it was\n"


def test_the_command_takes_an_image_size(tmp_path, image_folder):
    folders = ["--results", str(tmp_path / "results"), "--checkpoints", str(tmp_path / "kept")]
    photos = ["--data", str(image_folder), "--image-size", "16", "--recipe", "quick"]
    main([*photos, "--epochs", "1", "--networks", "I", "--device", "cpu", *folders])
    (file,) = (tmp_path / "results").glob("*.json")
    assert json.loads(file.read_text())["image_size"] == 16


def test_the_command_trains_on_all_images_where_the_schedule_needs_none_held_out(
    tmp_path, image_folder, capsys
):
    folders = ["--results", str(tmp_path / "results"), "--checkpoints", str(tmp_path / "kept")]
    photos = ["--data", str(image_folder), "--epochs", "2", "--device", "cpu"]
    with pytest.raises(SystemExit, match="no validation images, by which the schedule 'plateau'"):
        main([*photos, "--recipe", "quick", "--validation", "0", *folders])
    main([*photos, "--recipe", "fast", *folders])
    (file,) = (tmp_path / "results").glob("*.json")
    record = json.loads(file.read_text())
    assert (record["validation_images"], record["validation_top_1"]) == (0, None)
    assert "validation" not in capsys.readouterr().out.splitlines()[-1]
    file.unlink()
    again = ["--checkpoints", str(tmp_path / "others"), *folders[:2]]
    main([*photos, "--recipe", "fast", "--validation", "0.5", *again])
    assert json.loads(file.read_text())["validation_images"] > 0


LOADS_OTHERWISE = """
import os
import vgglib.__main__ as command

load, number = command.load_data, int(os.environ["RANK"])

def otherwise(*args, **options):
    if number == 1:
        {line}
    return load(*args, **options)

command.load_data = otherwise
command.main(["--epochs", "1", "--networks", "I", "--data", "pictures"])
"""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("return load(args[0], validation=0.5)", "process 1 has other images than process 0"),
        ("raise RuntimeError('out of memory')", "vgglib: out of memory"),
    ],
)
def test_what_goes_wrong_in_another_process_is_told(tmp_path, save_image, line, message):
    for i in range(4):
        for part in ("train", "test"):
            for name in ("cat", "dog"):
                save_image(tmp_path / "pictures" / part / name / f"{i}.png")
    script = tmp_path / "script.py"
    script.write_text(LOADS_OTHERWISE.format(line=line))
    done = launch(2, script, cwd=tmp_path)
    assert done.returncode != 0
    assert done.stderr.count(message) == 1


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
    told = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}
    for name, value in {**told, "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with (
        pytest.raises(ValueError, match=r"2 processes on this machine find 1 GPUs.*per-node=1"),
        distributed.process_group(torch.device("cuda")),
    ):
        pass


def test_on_gpus_each_process_has_its_own_and_they_talk_over_nccl(monkeypatch):
    said = []
    for name, value in {
        "RANK": 9,
        "LOCAL_RANK": 1,
        "WORLD_SIZE": 16,
        "LOCAL_WORLD_SIZE": 8,
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": 1,
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "set_device", said.append)
    dist = distributed.dist
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **_: said.append(backend))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: said.append("parted"))
    with distributed.process_group(torch.device("cuda")) as device:
        said.append("within")
    assert device == torch.device("cuda", 1)
    assert said == [device, "nccl", "within", "parted"]


@pytest.mark.parametrize(
    ("wanted", "grows", "trained"),
    [
        (["III"], True, ["I II III"]),
        (["II", "I"], True, ["I II"]),
        (["A", "II"], True, ["I II", "A"]),  # A does not start from II
        (["III", "I"], False, ["III I"]),
        (["A", "D"], True, ["A D"]),  # not those of the recipe: each from the one before
    ],
)
def test_networks_that_grow_are_trained_with_those_that_they_start_from(wanted, grows, trained):
    found = with_starts(wanted, ("I", "II", "III"), grows)
    assert [" ".join(row) for row in found] == trained


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
        (["--epochs", "0"], "epochs must be at least 1, got 0"),
        (["--device", "tpu"], "unknown device 'tpu': expected auto"),
    ],
)
def test_bad_arguments_get_one_line(monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message) as stopped:
        main(arguments)
    assert "\n" not in str(stopped.value)
    assert not list(tmp_path.iterdir())


def test_a_training_of_processes_that_have_not_met_is_refused(monkeypatch):
    told = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "a"}
    for name, value in {**told, "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="several processes were started, and each would train"):
        distributed.check_met()


def test_a_process_that_is_shown_one_gpu_alone_takes_it(monkeypatch):
    told = {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "3", "MASTER_ADDR": "a"}
    for name, value in {**told, "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(distributed.dist, "init_process_group", lambda *_, **__: None)
    monkeypatch.setattr(distributed.dist, "destroy_process_group", lambda: None)
    with distributed.process_group(torch.device("cuda")) as device:
        assert device == torch.device("cuda", 0)


def test_the_command_tests_the_networks_of_the_scales(monkeypatch, tmp_path, image_folder, capsys):
    recipe = Recipe("scale 16", epochs=1, batch_size=4, width=1 / 32, crop=8,
                    training_scale=(16, 16), batch_norm=True)  # fmt: skip
    monkeypatch.setitem(SERIES, "scales", {"16": recipe})
    monkeypatch.setitem(NETWORKS, recipe.name, ("I",))
    folders = ["--results", str(tmp_path / "results"), "--checkpoints", str(tmp_path / "kept")]
    photos = ["--data", str(image_folder), "--image-size", "16", "--device", "cpu"]
    main([*photos, "--recipe", "scales", *folders])
    assert len(read_test_records(tmp_path / "results" / "protocols")) == 4
    assert "seed 0: tested by 4 combinations" in capsys.readouterr().out


def test_what_cannot_be_shared_by_processes_is_refused(monkeypatch):
    variables = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 2, "MASTER_PORT": 1}
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    with (
        pytest.raises(ValueError, match="mps serves one process"),
        distributed.process_group(torch.device("mps")),
    ):
        pass
