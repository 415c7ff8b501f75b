"""What the pages that are no chapters say of the book, and the files that they speak of."""

import json
import re

import yaml

from tools.chapters import chapters, read
from tools.serve import PORT
from tools.settings import ROOT

TEACH = (ROOT / "pages" / "teach.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| \[.+?\]\(\.\./chapters/(\w+)\.ipynb\) \|(.*)\|$", re.MULTILINE)


def test_the_plan_for_teachers_has_each_chapter_and_each_exercise():
    rows = {name: [cell.strip() for cell in row.split("|")] for name, row in ROW.findall(TEACH)}
    assert list(rows) == [path.stem for path in chapters()]
    for path in chapters():
        _, lecture, in_the_lab, at_home = rows[path.stem]
        text = "\n".join(cell.source for cell in read(path).cells)
        reading = int(re.search(r"^Reading: (\d+) minutes", text, re.MULTILINE)[1])
        assert int(lecture) == 2 * reading, path.stem
        exercises = re.findall(r"^\*\*Exercise (\d+)\.\*\*", text, re.MULTILINE)
        planned = [*in_the_lab.split(", "), *at_home.split(", ")]
        assert sorted(planned) == exercises, path.stem


def test_a_part_of_a_chapter_that_the_plan_names_is_there():
    assert "up to *Does it help?*" in TEACH
    text = "\n".join(c.source for c in read(ROOT / "chapters" / "pca_augmentation.ipynb").cells)
    assert "## Does it help?" in text


def test_the_versions_on_their_page_are_those_that_are_installed():
    page = (ROOT / "pages" / "versions.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([\w ]+) \| (.+?) \|", page, re.MULTILINE))
    lowest = dict(re.findall(r"^\| ([\w ]+) \| .+? \| (.+?) or newer \|$", page, re.MULTILINE))
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for package in ("torch", "torchvision"):
        assert f"{package}=={rows[package]}" in requirements
    low, below = re.fullmatch(r"([\d.]+) or newer, below (\d+)", rows["Jupyter Book"]).groups()
    assert f"jupyter-book>={low},<{below}" in requirements
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">={lowest.pop("Python")}"' in project
    for package, version in lowest.items():
        assert f'"{package}>={version}"' in project


def test_the_monthly_run_takes_the_newest_torch():
    path = ROOT / ".github" / "workflows" / "newest.yml"
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    steps = workflow["jobs"]["test"]["steps"]
    (command,) = (step["run"] for step in steps if "sed" in step.get("run", ""))
    pattern, replacement = re.search(r"'s/(.*)/(.*)/'", command).groups()
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    newest = re.sub(pattern, replacement, requirements, flags=re.MULTILINE).splitlines()
    assert {"torch", "torchvision"} <= set(newest)
    assert not [line for line in newest if line.startswith("torch") and "=" in line]
    assert {"make test", "make book"} <= {step.get("run") for step in steps}


def test_a_workspace_is_set_up_by_the_makefile():
    target = ".venv/.installed"
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert container["postCreateCommand"] == f"make {target}"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"\nINSTALLED = {target}\n" in makefile and "\n$(INSTALLED): " in makefile
    assert container["forwardPorts"] == [PORT]
