"""The tools behind `make`: settings, execution, normalization, replacement, the package's data."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import PurePath
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import urlopen

import nbformat
import numpy as np
import pytest
import yaml
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from tools import build, compare, handout, landing, pdf, records, refresh, serve, slides, whole
from tools.chapters import (
    KERNEL,
    ChapterError,
    alternative_text,
    chapters,
    execute,
    normalize,
    read,
    to_bytes,
)
from tools.settings import ROOT, TEST_SPLITS, check_files, read_settings
from vgglib import folders
from vgglib.data import SOURCES
from vgglib.published import PUBLIC_TRAININGS
from vgglib.records import book_results, read_records, write_record


def write(path, *cells):
    nbformat.write(new_notebook(cells=list(cells), metadata={"kernelspec": KERNEL}), path)
    return path


# --------------------------------------------------------------------------------------------------
# Settings
# --------------------------------------------------------------------------------------------------


def test_quick_starts_from_nothing_and_full_goes_on(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    quick, full = read_settings([]), read_settings(["--profile=full"])
    assert (quick.profile, quick.data, quick.device) == ("quick", "shapes", "auto")
    assert quick.results.is_relative_to(quick.work)
    assert quick.checkpoints.is_relative_to(quick.work)
    assert full.data == "cifar10"
    assert full.results == ROOT / "_build" / "full" / "results"  # not the published records
    assert full.checkpoints == tmp_path / "vgg-book" / "cifar10"
    assert full.work != quick.work


def test_epochs_are_a_number_or_the_recipe_s_own():
    assert read_settings(["--epochs=12"]).parameters["EPOCHS"] == 12
    assert read_settings([]).parameters["EPOCHS"] is None


def test_folders_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for part in ("train", "test"):
        (tmp_path / "photos" / part / "cat").mkdir(parents=True)
        (tmp_path / "photos" / part / "cat" / "1.png").touch()
    settings = read_settings(["--data=photos", "--results=r", "--checkpoints=c"])
    assert settings.parameters["DATA"] == str(tmp_path / "photos")
    assert settings.parameters["RESULTS"] == str(tmp_path / "r")
    assert settings.parameters["CHECKPOINTS"] == str(tmp_path / "c")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--profile=ful", "PROFILE=ful: expected quick or full; did you mean full?"),
        ("--epochs=many", "EPOCHS=many: expected a whole number of 1 or more"),
        ("--epochs=0", "EPOCHS=0: expected a whole number of 1 or more"),
        (
            "--data=nowhere",
            rf"there is no folder .*nowhere; expected {', '.join(SOURCES)} or a folder",
        ),
        ("--data=Cifar-10", "did you mean cifar10?"),
        ("--data=.", r"no images in .*test; expected train/<class>/\* and test/<class>/\*"),
    ],
)
def test_refuses_at_once(monkeypatch, tmp_path, argument, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train" / "cat").mkdir(parents=True)
    (tmp_path / "train" / "cat" / "1.png").touch()
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        read_settings([argument])


def test_what_jupyter_book_2_renames_is_missed_by_name(tmp_path):
    check_files(tmp_path)  # something else is wrong there
    for name in (".bak", "._config.yml.bak", "myst.yml"):
        (tmp_path / name).touch()
    (tmp_path / "_toc.yml").touch()
    told = r"_config.yml is now ._config.yml.bak: Jupyter Book 2 .*: mv .* _config.yml && rm myst"
    with pytest.raises(ValueError, match=told):
        check_files(tmp_path)
    (tmp_path / "_config.yml").touch()
    check_files(tmp_path)


@pytest.mark.parametrize("target", ["book", "test", "refresh"])
def test_make_says_what_jupyter_book_2_did(tmp_path, target):
    for name in ("tools", "vgglib"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "._toc.yml.bak").touch()
    command = ["make", target, f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode
    assert "make: _toc.yml is now ._toc.yml.bak: Jupyter Book 2 does that" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_build_that_make_did_not_prepare_is_refused(tmp_path):
    app = SimpleNamespace(srcdir=str(tmp_path))
    with pytest.raises(whole.NotPrepared, match=r"lacks assets/mathjax/.*`make book` executes"):
        whole.setup(app)
    for name in whole.PREPARED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert whole.setup(app)
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]
    # First: without what make installs others are missing, too, and that would be told instead.
    assert config["config"]["extensions"][0] == whole.__name__
    assert config["local_extensions"] == {whole.__name__: "."}


@pytest.mark.parametrize("layout", ["train cat,test cat", "train cat,val cat", "cat,dog"])
def test_the_layouts_that_load_data_takes_are_taken(monkeypatch, tmp_path, layout):
    monkeypatch.chdir(tmp_path)
    for place in layout.split(","):
        folder = tmp_path.joinpath(*place.split())
        folder.mkdir(parents=True)
        (folder / "1.png").touch()
    assert read_settings(["--data=."]).data == str(tmp_path)
    assert ("test", *folders.VALIDATION) == TEST_SPLITS


def test_make_refuses_before_it_installs_anything(tmp_path):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("tools", "vgglib"):
        shutil.copytree(ROOT / name, tmp_path / name)
    command = ["make", "book", "DATA=my photos", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode
    assert "make: DATA=my photos: there is no folder" in done.stderr
    assert not (tmp_path / ".venv").exists()


# --------------------------------------------------------------------------------------------------
# Execution
# --------------------------------------------------------------------------------------------------


def test_execute_passes_what_a_chapter_declares_and_hides_it(tmp_path):
    path = write(
        tmp_path / "a.ipynb",
        new_markdown_cell("# A"),
        new_code_cell('DATA = "shapes"\nRESULTS = "results"', metadata={"tags": ["parameters"]}),
        new_code_cell("import os\n\nDATA, RESULTS, os.listdir()"),
        new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}),
        new_code_cell("'after'"),
    )
    before = path.read_bytes()
    notebook = execute(path, {"DATA": "/far/photos", "RESULTS": "/far/r", "PROFILE": "full"})

    assert path.read_bytes() == before
    _, _, injected, shown, error, after = notebook.cells
    assert shown.outputs[0].data["text/plain"] == "('/far/photos', '/far/r', [])"
    assert injected.metadata.tags == ["injected-parameters", "remove-cell"]
    assert injected.source == "DATA = 'photos'"
    assert error.outputs[0].ename == "ZeroDivisionError"
    assert after.outputs[0].data["text/plain"] == "'after'"


def test_a_failure_names_chapter_cell_and_error_and_leaves_the_file(tmp_path):
    path = write(
        tmp_path / "training.ipynb",
        new_code_cell("DATA = 1", metadata={"tags": ["parameters"]}),
        new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}),
        new_code_cell("\nwidth = 3\nraise ValueError('too\\nsmall')"),
        new_code_cell("never = 1"),
    )
    before = path.read_bytes()
    message = (
        "chapter training, cell 3 of 4, which begins\n    width = 3\n"
        "failed:\n    ValueError: too\n    small"
    )
    with pytest.raises(ChapterError) as error:
        execute(path, {"DATA": 2})
    assert str(error.value) == message
    with pytest.raises(ChapterError):
        refresh.refresh(path)
    assert path.read_bytes() == before


def test_a_kernel_that_dies_is_a_failure_of_its_cell(tmp_path):
    killed = new_code_cell("import os; os._exit(9)")
    path = write(tmp_path / "a.ipynb", new_code_cell("a = 1"), killed, new_code_cell("b = 1"))
    with pytest.raises(ChapterError, match=r"chapter a, cell 2 of 3, which begins\n    import os"):
        execute(path, {})


def test_refresh_gives_the_same_bytes_twice(tmp_path):
    source = (
        "import matplotlib.pyplot as plt\n\nfor i in range(3):\n    print(i, flush=True)\n"
        "plt.plot([1, 2])\nplt.show()"
    )
    path = write(tmp_path / "a.ipynb", new_code_cell(source, metadata={"collapsed": False}))
    assert refresh.refresh(path)
    first = path.read_bytes()
    outputs = read(path).cells[0].outputs
    assert [output.output_type for output in outputs] == ["stream", "display_data"]
    assert outputs[0].text == "0\n1\n2\n"
    assert not refresh.refresh(path)
    assert path.read_bytes() == first


def test_normalize_keeps_nothing_of_an_editor_or_a_person():
    """A cell as Colab writes it."""
    person = {"user": {"displayName": "A Person", "userId": "0123"}, "timestamp": 1}
    editor = {"executionInfo": person, "outputId": "a1", "id": "X", "colab": {"height": 100}}
    author = {"cellView": "form", "mystnb": {"image": {"alt": "A red line."}}}
    picture = new_output(
        "display_data",
        data={"image/png": "AA==", "text/plain": "a", "application/vnd.colab+json": "{}"},
        metadata={"image/png": {"width": 20, "needs_background": "light"}, "who": "A Person"},
    )
    figure = new_code_cell("x", metadata=editor | author, outputs=[picture])
    text = new_markdown_cell("y", metadata={"editable": False, "user_expressions": [], "tags": []})
    notebook = new_notebook(cells=[figure, text], metadata={"colab": {"provenance": ["a"]}})
    normalize(notebook)
    assert figure.metadata == author
    assert figure.outputs[0].data == {"image/png": "AA==", "text/plain": "a"}
    assert figure.outputs[0].metadata == {"image/png": {"width": 20, "alt": "A red line."}}
    assert text.metadata == {}
    assert b"erson" not in to_bytes(notebook)


def test_what_the_website_folds_is_folded_elsewhere_as_long_as_it_is():
    cell = new_code_cell("x", metadata={"tags": ["hide-cell"]})
    notebook = new_notebook(cells=[cell])
    normalize(notebook)
    assert cell.metadata.jupyter == {"outputs_hidden": True, "source_hidden": True}
    assert cell.metadata.slideshow == {"slide_type": "skip"}
    cell.metadata.tags = ["hide-input"]
    normalize(notebook)
    assert cell.metadata == {"tags": ["hide-input"]}


def test_normalize_removes_what_chance_left():
    noisy = new_code_cell(
        "x",
        metadata={"papermill": {"duration": 1}, "execution": {"a": "12:00"}, "tags": []},
        outputs=[new_output("stream", name="stdout", text=t) for t in ("a", "b")],
    )
    kept = new_code_cell("y", metadata={"tags": ["hide-input"], "nbval": {"reason": "why"}})
    notebook = new_notebook(
        cells=[noisy, kept],
        metadata={"widgets": {}, "language_info": {"name": "python", "version": "3.11.7"}},
    )
    normalize(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert "version" not in notebook.metadata.language_info
    assert noisy.metadata == {}
    assert [output.text for output in noisy.outputs] == ["ab"]
    assert kept.metadata == {"tags": ["hide-input"], "nbval": {"reason": "why"}}
    once = to_bytes(notebook)
    assert to_bytes(normalize(notebook)) == once


# --------------------------------------------------------------------------------------------------
# The site
# --------------------------------------------------------------------------------------------------


def test_replace_and_recover(tmp_path):
    site, new, old = tmp_path / "html", tmp_path / "new", tmp_path / "html.old"
    for content in ("one", "two"):
        new.mkdir()
        (new / content).touch()
        build.replace(site, new)
        assert [path.name for path in site.iterdir()] == [content]
    assert not old.exists()

    site.rename(old)  # killed between the two renames
    build.recover(site)
    assert [path.name for path in site.iterdir()] == ["two"]
    shutil.copytree(site, old)  # killed before the old one was removed
    build.recover(site)
    assert site.exists()
    assert not old.exists()


def test_a_chapter_that_fails_leaves_the_last_good_site(tmp_path, monkeypatch, capsys):
    work = tmp_path / "quick" / "work"
    site = tmp_path / "quick" / "html"
    site.mkdir(parents=True)
    (site / "index.html").write_text("good")
    bad = write(tmp_path / "bad.ipynb", new_code_cell("1 / 0"))
    settings = read_settings([])
    monkeypatch.setattr(build, "chapters", lambda: [bad])
    monkeypatch.setattr(
        build,
        "read_settings",
        lambda arguments: type(settings)(
            **{**vars(settings), "work": work, "results": work / "r", "checkpoints": work / "c"}
        ),
    )
    with pytest.raises(SystemExit) as end:
        build.main()
    assert "make book: chapter bad, cell 1 of 1, which begins\n    1 / 0" in end.value.code
    assert f"The last good site, {site}, is as it was." in end.value.code
    assert (site / "index.html").read_text() == "good"


def test_chapters_run_side_by_side_and_stop_when_one_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build.os, "cpu_count", lambda: 2)
    paths = [
        write(tmp_path / "slow.ipynb", new_code_cell("import time; time.sleep(300)")),
        write(tmp_path / "short.ipynb", new_code_cell("1")),
        write(tmp_path / "bad.ipynb", new_code_cell("1 / 0")),
        write(tmp_path / "never.ipynb", new_code_cell("1")),
    ]
    monkeypatch.setattr(build, "chapters", lambda: paths)
    executed = tmp_path / "executed"
    executed.mkdir()
    start = time.monotonic()
    with pytest.raises(ChapterError, match="chapter bad"):
        build.execute_all(read_settings([]), executed)
    assert time.monotonic() - start < 120
    assert "short" in capsys.readouterr().out
    assert [path.name for path in executed.iterdir()] == ["short.ipynb"]


def test_chapters_that_need_each_other_stay_in_order():
    rows = build.in_rows(chapters())
    assert [path.stem for path in rows[0]] == list(build.ROW)
    assert sorted(path for row in rows for path in row) == sorted(chapters())


# --------------------------------------------------------------------------------------------------
# The package
# --------------------------------------------------------------------------------------------------


def test_a_wheel_holds_every_module_and_every_record(tmp_path):
    pytest.importorskip("setuptools", minversion="77")  # without it pip would have to download it
    source = tmp_path / "clone"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("vgglib", "vggcheck", "results"):
        shutil.copytree(ROOT / name, source / name)
    (source / "results" / "one-more.json").write_text("{}")
    (source / "results" / "predictions").mkdir(exist_ok=True)
    (source / "results" / "predictions" / "one-more.npz").write_text("")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("vgglib", "vggcheck"):
        modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*.py")}
        assert f"{package}/__init__.py" in modules <= names
    published = {p.relative_to(source / "results") for p in (source / "results").rglob("*.*")}
    published -= {PurePath("README.md")}
    assert any(p.parent.name == "protocols" for p in published)
    assert {f"vgglib/results/{p.as_posix()}" for p in published} <= names
    assert not any(name.startswith(("tests", "tools", "chapters")) for name in names)
    assert wheel.stat().st_size < 15e6


@pytest.mark.parametrize("name", ["training", "going_deeper", "ten_years_later", "testing"])
def test_a_training_that_is_recorded_obeys_the_settings_and_can_be_resumed(name):
    """The full profile is not executed by any test: hours."""
    cells = read(ROOT / "chapters" / f"{name}.ipynb").cells
    calls = [
        {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        for cell in cells
        if cell.cell_type == "code" and re.search(r"run_(experiment|series)\(", cell.source)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith(("run_experiment", "run_series"))
    ]
    recorded = [call for call in calls if call.get("results") == "RESULTS"]
    assert len(recorded) == 1
    settings = {"seed": "SEED", "checkpoints": "CHECKPOINTS", "device": "DEVICE"}
    assert recorded[0].items() >= settings.items()


def test_pages_are_mended_and_lightened(tmp_path, save_image):
    page = tmp_path / "chapters" / "a.html"
    page.parent.mkdir()
    card = '<meta property="og:image" content="https://x.io/_images/social_previews/a.png" />'
    page.write_text(
        '<script defer src="../_static/scripts/fontawesome.js?digest=5"></script>'
        '<script src="../_static/documentation_options.js?v=5"></script>'
        '<link rel="preload" as="script" href="../_static/scripts/bootstrap.js?digest=5" />'
        '<script src="../_static/doctools.js?v=5"></script>'
        '<script src="../searchindex.js"></script>'
        "<p>text</p>"
        '<summary aria-label="Toggle hidden content">\nShow</summary>'
        '<button class="btn search-button-field js" aria-label="Search" id="s">Search</button>'
        f'<img alt="a" src="../_images/b.png" />{card}'
    )
    first = tmp_path / "pages" / "intro.html"
    first.parent.mkdir()
    first.write_text('the first page <a href="../chapters/a.html#b">a</a><a href="api.html">')
    for name in ("fontawesome.js", "bootstrap.js.map", "bootstrap.js"):
        (tmp_path / name).touch()
    pixels = np.asarray(Image.open(save_image(tmp_path / "_images" / "b.png", size=(30, 20))))
    build.finish(tmp_path)
    assert page.read_text() == (
        '<script src="../_static/documentation_options.js?v=5"></script>'
        '<script defer src="../_static/doctools.js?v=5"></script>'
        '<script defer src="../searchindex.js"></script>'
        "<p>text</p><summary>\nShow</summary>"
        '<button class="btn search-button-field js" id="s">Search</button>'
        '<img alt="a" src="../_images/b.webp" width="30" height="20" style="--width: 30px"'
        f' loading="lazy" />{card}'
    )
    assert (np.asarray(Image.open(tmp_path / "_images" / "b.webp")) == pixels).all()
    assert not (tmp_path / "_images" / "b.png").exists()
    assert (tmp_path / "index.html").read_text() == (
        'the first page <a href="chapters/a.html#b">a</a><a href="pages/api.html">'
    )
    assert (tmp_path / "404.html").exists()
    assert not (tmp_path / "fontawesome.js").exists()
    assert not (tmp_path / "bootstrap.js.map").exists()
    assert (tmp_path / "bootstrap.js").exists()


@pytest.mark.parametrize(
    ("fetched", "bodies", "needed"),
    [
        (
            '<script defer="defer" src="../_static/mathjax/tex-mml-chtml.js?v=1"></script>',
            {
                "text": '<p class="mathless">1 + 1</p>',
                "formula": '<span class="math notranslate nohighlight">\\(x\\)</span>',
                "output": '<div class="output text_html output_area">$x$</div>',
            },
            {"formula", "output"},
        ),
        (
            '<link rel="stylesheet" type="text/css" href="../_static/sphinx-design.min.css?v=1" />'
            '<script data-sd-tabs-storage-prefix="sphinx-design-tab-id-"'
            ' src="../_static/design-tabs.js?v=1"></script>',
            {"text": '<p class="card">1</p>', "grid": '<div class="sd-container sd-card">1</div>'},
            {"grid"},
        ),
    ],
    ids=["formulas", "cards"],
)
def test_a_page_fetches_what_it_has_use_for(tmp_path, fetched, bodies, needed):
    folder = tmp_path / "pages"
    folder.mkdir()
    for name, body in {**bodies, "intro": "the first"}.items():
        (folder / f"{name}.html").write_text(f"<head>{fetched}</head>{body}")
    build.finish(tmp_path)
    for name, body in bodies.items():
        head = fetched if name in needed else ""
        assert (folder / f"{name}.html").read_text() == f"<head>{head}</head>{body}"


def test_a_site_is_served_with_its_page_for_wrong_addresses(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "index.html").write_text("the book")
    (tmp_path / "404.html").write_text("no such page")
    (tmp_path / "a.mjs").touch()
    first = serve.free_server(tmp_path, range(0, 1))  # 0: any port
    threading.Thread(target=first.serve_forever, daemon=True).start()
    there = f"http://127.0.0.1:{first.server_port}/"
    with urlopen(there) as answer:
        assert answer.read() == b"the book"
    with urlopen(there + "a.mjs") as answer:
        assert answer.headers["Content-Type"] == "text/javascript"
    with pytest.raises(HTTPError) as error:
        urlopen(there + "no/such")
    assert (error.value.code, error.value.read()) == (404, b"no such page")
    taken = range(first.server_port, first.server_port + 1)
    with pytest.raises(OSError, match=rf"the ports {first.server_port} to"):
        serve.free_server(tmp_path, taken)
    first.shutdown()
    first.server_close()


def test_a_reader_who_leaves_is_no_error_to_tell(capfd):
    def told(error):
        try:
            raise error
        except Exception:
            running.handle_error(None, ("127.0.0.1", 1))
        return capfd.readouterr().err

    with serve.Server(("127.0.0.1", 0), serve.Handler) as running:
        assert told(ConnectionResetError()) == ""
        assert "ValueError: ours" in told(ValueError("ours"))


def test_a_site_that_was_not_built_cannot_be_served(tmp_path, monkeypatch):
    settings = replace(read_settings([]), work=tmp_path / "work")
    monkeypatch.setattr(serve, "read_settings", lambda arguments: settings)
    with pytest.raises(SystemExit, match=r"make serve: there is no site in .*: run make book"):
        serve.main()


def test_packages_are_copied_or_missed_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "PACKAGES", {"mathjax/a.js": "mathjax/b.js"})
    with pytest.raises(OSError, match=r"there is no .*a\.js"):
        build.copy_packages(tmp_path / "assets")
    origin = tmp_path / "web" / "node_modules" / "mathjax" / "a.js"
    origin.parent.mkdir(parents=True)
    origin.write_text("1")
    build.copy_packages(tmp_path / "assets")
    assert (tmp_path / "assets" / "mathjax" / "b.js").read_text() == "1"


def test_a_book_that_was_not_built_cannot_be_printed(tmp_path, monkeypatch):
    settings = replace(read_settings([]), work=tmp_path)
    monkeypatch.setattr(pdf, "read_settings", lambda arguments: settings)
    with pytest.raises(SystemExit, match="no whole book to print: run make book first"):
        pdf.main()


@pytest.mark.parametrize("origin", landing.PAGES, ids=lambda path: path.stem)
def test_first_pages_have_the_table_of_the_records(tmp_path, origin):
    page = tmp_path / origin.name
    shutil.copy(origin, page)
    assert not landing.renew(page), "run: make refresh CHAPTER=results"
    page.write_text(page.read_text().replace("| III | 86.93 |", "| III | 8.93 |"))
    assert landing.renew(page)
    assert page.read_bytes() == origin.read_bytes()


def test_the_first_page_is_about_the_originals(tmp_path):
    """A network that has no record on them is missing, not taken from the copy."""
    records = {r["model"]: r for r in read_records(book_results()) if r["recipe"] == "modern"}
    write_record(tmp_path, records["I"] | {"dataset": "cifar10"})
    write_record(tmp_path, records["III"] | {"dataset": "cifar10-jpeg"})
    _, _, one, two, three, slim, wide = landing.accuracy_table(tmp_path).splitlines()
    accuracy = f"{records['I']['top_k_accuracy'][0]:.2f}"
    assert f"| - | {accuracy} ({records['I']['epochs']}\u00a0epochs) |  |  |" in one
    assert two.count(landing.MISSING) == three.count(landing.MISSING) == 2
    assert slim.count(landing.MISSING) == 1
    for name, line, other in (("slim", slim, "94_muon"), ("wide", wide, "95")):
        accuracy, _ = PUBLIC_TRAININGS[f"airbench{other}"]
        assert line == f"| {name} |  |  |  | - | {accuracy:.2f} ({other}) |"


@pytest.mark.parametrize(
    ("accuracies", "cell"),
    [
        ([80.0], "80.00 (8_epochs)"),
        ([80.0, 82.0], "80.00 and 82.00 (8_epochs)"),
        ([80.0, 82.0, 84.0], "82.00_±_2.00 (8_epochs, 3_seeds)"),
    ],
)
def test_a_deviation_stands_on_the_first_page_from_three_seeds_on(tmp_path, accuracies, cell):
    record = next(r for r in read_records(book_results()) if r["recipe"] == "modern")
    for seed, top_1 in enumerate(accuracies):
        own = {"seed": seed, "top_k_accuracy": [top_1, 95.0, 97.0, 98.0, 99.0]}
        write_record(tmp_path, record | own | {"model": "I", "dataset": "cifar10", "epochs": 8})
    table = landing.accuracy_table(tmp_path).replace("\u00a0", "_")  # where it does not break
    assert f"| - | {cell} |" in table


# --------------------------------------------------------------------------------------------------
# For a class
# --------------------------------------------------------------------------------------------------


def names(cell, kind):
    """What the code of a cell binds (ast.Store) or uses (ast.Load) by name."""
    found = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Name)]
    return {name.id for name in found if isinstance(name.ctx, kind)}


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_handout_has_no_solution_and_needs_none(path):
    chapter = read(path)
    solutions = [c for c in chapter.cells if c.source.startswith("# @title Solution")]
    class_ = handout.without_solutions(chapter)
    assert len(class_.cells) == len(chapter.cells) - len(solutions)
    text = "\n".join(cell.source for cell in class_.cells)
    assert "# @title Your answer 1" in text
    assert "# @title Solution" not in text
    assert "colab.research.google.com" not in text
    assert "](../" not in text
    code = [cell for cell in chapter.cells if cell.cell_type == "code"]
    for solution in solutions:
        after = code[code.index(solution) + 1 :]
        of_all = set().union(*(names(c, ast.Store) for c in code if c not in solutions))
        used = set().union(*(names(c, ast.Load) for c in after if c not in solutions))
        assert not names(solution, ast.Store) & used - of_all
    assert chapter == read(path)


def test_handouts_are_notebooks_and_pages_that_lead_to_each_other(tmp_path, monkeypatch):
    path = ROOT / "chapters" / "training.ipynb"
    monkeypatch.setattr(handout, "chapters", lambda: [path])
    for _ in range(2):  # the second takes the place of the first
        handout.write(tmp_path / "class")
    assert {f.name for f in tmp_path.rglob("*.*")} == {"training.ipynb", "training.html"}
    page = BeautifulSoup((tmp_path / "class" / "training.html").read_text(), "html.parser")
    assert page.title.text == "Training"
    links = {a["href"] for a in page.select("main a[href]") if not a["href"].startswith("#")}
    assert "going_deeper.html" in links and not any(".ipynb" in link for link in links)
    assert any(link.endswith("/pages/glossary.html#dropout") for link in links)
    described = [image["alt"] for image in page.select("main .jp-OutputArea img")]
    assert described == list(filter(None, map(alternative_text, read(path).cells)))


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_slides_begin_at_headings_and_hold_no_more_than_fits(path):
    cells = slides.as_slides(read(path)).cells
    kinds = [cell.metadata.slideshow.slide_type for cell in cells]
    headings = re.findall(
        r"^##? ", "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown"), re.M
    )
    assert kinds.count("slide") == len(headings)
    assert len(kinds) - kinds.count("-") >= 20
    starts = [i for i, kind in enumerate(kinds) if kind != "-"]
    for start, end in zip(starts, [*starts[1:], len(cells)], strict=True):
        shown = [slides.height(cell) for cell in cells[start:end]]
        # One cell may be higher than a slide, with its heading above it; it can be scrolled.
        own = shown[1:] if slides.heading(cells[start]) else shown
        assert sum(shown) <= slides.LINES or len(own) == 1, cells[start].source
        assert not (end < len(cells) and re.fullmatch(r"#+ .*", cells[end - 1].source))


def test_slides_have_pictures_with_their_texts_and_no_folded_code(tmp_path):
    written = slides.write(ROOT / "chapters" / "training.ipynb", tmp_path)
    page = BeautifulSoup(written.read_text(), "html.parser")
    images = page.select(".slides img")
    assert images and all(len(image["alt"]) >= 20 for image in images)
    assert "import vgglib" not in page.select_one(".slides").text
    # Shown without a network: what the page loads lies beside it.
    loaded = [e.get("src") or e.get("href") for e in page.select("script[src], link[href]")]
    assert len(loaded) == 5
    places = tuple(slides.PROGRAMS.values())
    assert all(address.startswith(places) for address in loaded), loaded
    assert "# @title Solution" not in page.select_one(".slides").text
    # Other chapters have no slides beside these.
    links = [link["href"] for link in page.select(".slides a[href*='.html']")]
    assert f"{handout.site()}/chapters/results.html" in links
    assert all(link.startswith("https://") for link in links)


def test_the_records_of_fast_are_not_parted_from_its_network(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["records", "--data=cifar10", "--recipe=fast"])
    with pytest.raises(SystemExit, match=r"make records: with the records of fast .* Add RESULTS"):
        records.main()


def test_a_paragraph_code_and_a_list_stay_whole_on_slides():
    source = "## A\n\nText\n\n```python\na\n\n# b\n```\n\n- one\n\n- two\n\n$$\nx\n\ny\n$$\n\nEnd"
    found = [cell.source for cell in slides.parts(new_markdown_cell(source))]
    assert found == [
        "## A\n\nText",
        "```python\na\n\n# b\n```\n\n- one\n\n- two",
        "$$\nx\n\ny\n$$",
        "End",
    ]


@pytest.mark.parametrize(
    ("asked", "told"), [([], "which one"), (["trainin"], "no chapter trainin")]
)
def test_slides_of_no_chapter_are_refused(monkeypatch, asked, told):
    monkeypatch.setattr(sys, "argv", ["slides", *asked])
    with pytest.raises(SystemExit, match=f"make slides: {told}"):
        slides.main()


@pytest.mark.parametrize(
    ("address", "above"),
    [
        ("../chapters/a.html#b", "chapters/a.html#b"),
        ("api.html?q=1", "pages/api.html?q=1"),
        ("../", "./"),
        ("../_static/", "_static/"),
        ("#b", "#b"),
        ("/a", "/a"),
        ("https://x.io/../a", "https://x.io/../a"),
        ("data:image/png;base64,a/b", "data:image/png;base64,a/b"),
        ("", ""),
    ],
)
def test_a_page_of_a_folder_is_shown_at_the_top(address, above):
    html = '<html data-content_root="../"><a href="{}"><img src="{}" alt="../a">'
    found = build.seen_from_above(html.format(address, address), PurePath("pages"))
    assert found == html.format(above, above).replace('root="../"', 'root="./"')


def test_a_comparison_of_a_chapter_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["compare", "trainin"])
    with pytest.raises(SystemExit, match="make test: no chapter trainin; there are architecture, "):
        compare.main()


def test_a_chapter_that_gives_something_else_is_an_error(monkeypatch, capsys):
    found = compare.Comparison(2, 1.0, "cell 3 differs")
    monkeypatch.setattr(compare, "compare", lambda *_, **__: found)
    monkeypatch.setattr(sys, "argv", ["compare", "mistakes"])
    with pytest.raises(SystemExit, match="make test: mistakes gave other outputs than"):
        compare.main()
    assert "cell 3 differs" in capsys.readouterr().out
