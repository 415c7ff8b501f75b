"""Importing the package needs no terminal, GPU, network, notebook or plotting."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import vgglib
from tools.chapters import chapters, read
from tools.settings import ROOT

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
    assert {*found.stdout.split()} <= {"safetensors", "torch", "torchvision", "tqdm", "vgglib"}


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


PACKAGE = Path(vgglib.__file__).parent
MODULES = [
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if not path.name.startswith("__")
]


def test_the_overview_the_api_page_and_the_book_name_the_same():
    """Chapters in the order of the book, each module under one of them and on the page."""
    api = (ROOT / "pages" / "api.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"automodule:: vgglib\.([\w.]+)", api)) == sorted(MODULES)
    overview = vgglib.__doc__.split("=\n")[2].rsplit("\n====", 1)[0]
    titles = [line[:27].strip() for line in overview.splitlines() if line[:27].strip()]
    titles_of_book = [read(path).cells[0].source.splitlines()[0][2:] for path in chapters()]
    assert titles == [title for title in titles_of_book if title in titles]
    missing = {"What the sources get wrong"}  # it has no module of its own
    assert set(titles_of_book) - set(titles) == missing
    named = set(re.findall(r"``(\w+)``", vgglib.__doc__))
    assert {module.partition(".")[0] for module in MODULES} <= named
    assert named <= {module.partition(".")[0] for module in MODULES}


def test_each_public_name_is_used_by_a_chapter_a_command_or_a_page():
    places = [
        *(ROOT / "chapters").glob("*.ipynb"),
        *(ROOT / "pages").glob("*.md"),
        ROOT / "README.md",
    ]
    places += [PACKAGE / "__main__.py", PACKAGE / "imagenet.py"]
    text = "\n".join(place.read_text(encoding="utf-8") for place in places)
    unused = [name for name in vgglib.__all__ if not re.search(rf"\b{name}\b", text)]
    assert not unused
    assert len(vgglib.__all__) <= 48


def test_no_module_imports_one_that_imports_it():
    imports = {}
    for module in MODULES:
        tree = ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vgglib"):
                base = node.module.removeprefix("vgglib").lstrip(".")
                names = [f"{base}.{alias.name}".strip(".") for alias in node.names]
                found |= {name for name in (base, *names) if name in MODULES}
        imports[module] = found

    def reached(module, seen=()):
        for other in imports[module] - set(seen):
            yield other
            yield from reached(other, (*seen, other))

    for module in MODULES:
        assert module not in set(reached(module)), module
