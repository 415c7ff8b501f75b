"""Choices for machines that the tests need not run on: their properties are made up."""

import pytest
import torch

from vgglib.machine.devices import autocast, choose_device, choose_precision, device_name

CPU, CUDA, MPS = map(torch.device, ("cpu", "cuda", "mps"))


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many CUDA GPUs, perhaps MPS, and perhaps bfloat16 on the CPU."""

    def make(gpus=0, mps=False, capability=(8, 0), bfloat16=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "Tesla T4")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(
            torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bfloat16}, raising=False
        )

    return make


@pytest.mark.parametrize(
    ("properties", "best"),
    [({"gpus": 1, "mps": True}, CUDA), ({"mps": True}, MPS), ({}, CPU)],
)
@pytest.mark.parametrize("wish", [None, "auto"])
def test_the_best_device_is_chosen(machine, properties, best, wish):
    machine(**properties)
    assert choose_device(wish) == best


@pytest.mark.parametrize("wish", ["cpu", "cuda", "cuda:1", torch.device("cuda", 0)])
def test_a_given_device_is_taken(machine, wish):
    machine(gpus=2)
    assert choose_device(wish) == torch.device(wish)


@pytest.mark.parametrize(
    ("properties", "wish"),
    [({}, "cuda"), ({"gpus": 2}, "cuda:2"), ({"gpus": 1}, "mps"), ({}, "cpu:1"), ({}, "meta")],
)
def test_a_device_that_is_not_there_is_refused(machine, properties, wish):
    machine(**properties)
    with pytest.raises(
        ValueError, match=f"device '{wish}' is not available here: .*Change runtime"
    ):
        choose_device(wish)


@pytest.mark.parametrize("wish", ["gpu", "", "cuda:x", 1.5])
def test_an_unknown_device_is_refused(machine, wish):
    machine()
    with pytest.raises(
        ValueError, match=f"unknown device {wish!r}: expected auto, cuda, mps or cpu"
    ):
        choose_device(wish)


@pytest.mark.parametrize(
    ("device", "properties", "precision"),
    [
        (CUDA, {"gpus": 1, "capability": (7, 5)}, "float16"),  # T4
        (CUDA, {"gpus": 1, "capability": (8, 0)}, "bfloat16"),  # A100
        (CUDA, {"gpus": 1, "capability": (9, 0)}, "bfloat16"),  # H100
        (MPS, {"mps": True}, "float32"),
        (CPU, {"bfloat16": True}, "bfloat16"),
        (CPU, {"bfloat16": False}, "float32"),
    ],
)
def test_the_precision_is_what_the_hardware_is_fast_in(machine, device, properties, precision):
    machine(**properties)
    assert choose_precision(device) == precision


def test_a_release_of_torch_that_cannot_tell_gets_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision(CPU) == "float32"


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_given_precision_is_taken(precision):
    assert choose_precision(CUDA, precision) == precision


def test_float16_is_refused_on_the_cpu():
    with pytest.raises(ValueError, match="float16 is for GPUs: on the CPU choose auto, float32"):
        choose_precision(CPU, "float16")


@pytest.mark.parametrize("precision", ["half", "fp16", "Float32"])
def test_an_unknown_precision_is_refused(precision):
    with pytest.raises(ValueError, match=r"unknown precision .* Known: .*float32, bfloat16"):
        autocast(CPU, precision)
    with pytest.raises(ValueError, match=r"unknown precision .* Known: auto, float32, bfloat16"):
        choose_precision(CPU, precision)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_autocast_computes_in_the_precision_and_keeps_the_weights(precision, dtype):
    layer = torch.nn.Linear(2, 2)
    with autocast(CPU, precision):
        assert layer(torch.rand(1, 2)).dtype == dtype
    assert layer.weight.dtype == torch.float32


def test_devices_have_names_for_records(machine):
    machine(gpus=1)
    assert device_name(CUDA) == "Tesla T4"
    assert device_name(MPS) == "mps"
    assert device_name(CPU).startswith("CPU (") and "threads" in device_name(CPU)
