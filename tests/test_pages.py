"""What the pages that are no chapters say of the book, and the files that they speak of."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tools import newest
from tools.address import address, parse
from tools.chapters import chapters, pages, read
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
        planned = [number for cell in (in_the_lab, at_home) for number in cell.split(", ")]
        assert sorted(filter(str.isdigit, planned)) == exercises, path.stem
        # A lecture and its lab fit into a meeting of two hours.
        assert int(lecture) + 15 * len(in_the_lab.split(", ")) <= 120, path.stem


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


def test_the_newest_versions_are_put_where_the_old_ones_stood(tmp_path):
    for name in newest.PLACES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    newest.put({"torch": "3.0.0", "torchvision": "0.31.0"}, tmp_path)
    requirements = (tmp_path / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {"torch==3.0.0", "torchvision==0.31.0"} <= set(requirements)
    page = (tmp_path / "pages" / "versions.md").read_text(encoding="utf-8")
    assert "| torch | 3.0.0 | 2.6 or newer |" in page
    assert "| torchvision | 0.31.0 | 0.21 or newer |" in page
    with pytest.raises(ValueError, match="has the version of jax in 0 places"):
        newest.put({"jax": "1.0"}, tmp_path)
    # Both files, or none.
    versions = tmp_path / "pages" / "versions.md"
    versions.write_text(page.replace("| torch |", "| torch  |"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"versions.md has the version of torch in 0 places"):
        newest.put({"torch": "4.0.0"}, tmp_path)
    assert "torch==3.0.0" in (tmp_path / "requirements.txt").read_text(encoding="utf-8")


def test_the_monthly_run_needs_no_environment_to_take_the_newest_torch():
    path = ROOT / ".github" / "workflows" / "newest.yml"
    steps = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["test"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands[:3] == ["python -m tools.newest", "make test", "make book"]
    # -S: without installed packages.
    done = subprocess.run([sys.executable, "-S", "-c", "import tools.newest"], cwd=ROOT)
    assert not done.returncode


def test_a_workspace_is_set_up_by_the_makefile():
    target = ".venv/.installed"
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert container["postCreateCommand"] == f"make {target}"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"\nINSTALLED = {target}\n" in makefile and "\n$(INSTALLED): " in makefile
    assert container["forwardPorts"] == [PORT]


def test_what_the_readme_says_can_be_done():
    """Its commands are the Makefile's, its links lead somewhere, and its pages are the site's."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.match(r"# .+\n\n```\nmake book\nmake test\n```\n", readme)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    commands = re.findall(r"(?:^|`)make ([a-z-]+)", readme, re.MULTILINE)
    assert len(commands) > 5 and set(commands) <= targets
    for link in re.findall(r"\]\(([^):]+)\)", readme):
        file, _, place = link.partition("#")
        assert (ROOT / file).exists(), link
        if place:
            headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text("utf-8"), re.MULTILINE)
            assert place in [heading.lower().replace(" ", "-") for heading in headings], link
    owner, name = parse(address())
    site = re.escape(f"https://{owner}.github.io/{name}/")
    # The host is in small letters where the owner is not.
    linked = set(re.findall(rf"\({site}(.+?)\.html\)", readme, re.IGNORECASE))
    assert {"pages/try_it", "pages/play"} <= linked <= set(pages())


def test_each_finding_has_its_script_and_its_row():
    text = (ROOT / "findings" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[([\w-]+)\]\((?:\1)\.sh\) \|", text, re.MULTILINE)
    scripts = sorted((ROOT / "findings").glob("*.sh"))
    assert sorted(rows) == [script.stem for script in scripts]
    for script in scripts:
        installed = re.search(r"pip\" install (.*?)\n(?!  )", script.read_text(), re.DOTALL)[1]
        packages = [word for word in installed.split() if word[0].isalpha()]
        assert packages and all("==" in package for package in packages), script.name
