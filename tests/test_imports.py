"""Importing the package needs no terminal, GPU, network, notebook or plotting."""

import subprocess
import sys
from pathlib import Path

import vgglib

CODE = """
import socket, sys

def fail(*args, **options):
    raise AssertionError("the network was used")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = fail
assert not sys.stdin.isatty() and not sys.stdout.isatty()
import vgglib
import torch
print([name for name in ("matplotlib", "matplotlib.pyplot", "IPython") if name in sys.modules])
print(torch.cuda.is_initialized())
"""


def test_an_import_needs_no_terminal_gpu_network_notebook_or_plots():
    found = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=Path(vgglib.__file__).parents[1],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == "[]\nFalse\n"


def test_an_import_costs_no_more_than_torch_and_torchvision():
    """By the modules that it loads besides, since seconds depend on the machine."""
    code = (
        "import sys, torch, torchvision; before = {*sys.modules}; import vgglib;"
        "new = {name.split('.')[0] for name in {*sys.modules} - before};"
        "print(*sorted(new - sys.stdlib_module_names))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    print(found.stdout)
    assert {*found.stdout.split()} <= {"torch", "torchvision", "tqdm", "vgglib"}


def test_the_public_names_exist_and_are_sorted():
    """Constants, classes, functions, and by the alphabet among them."""

    def kind(name):
        return 0 if name.isupper() else 1 if name[0].isupper() else 2

    names = vgglib.__all__
    assert names == sorted(set(names), key=lambda name: (kind(name), name))
    assert all(hasattr(vgglib, name) for name in names)


def test_each_public_name_is_documented():
    for name in vgglib.__all__:
        if not name.isupper():
            assert getattr(vgglib, name).__doc__, name
