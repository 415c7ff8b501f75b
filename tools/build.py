"""`make book`: execute all chapters, build the website from the executed copies, put it in place.

All happens in a folder of its own. The last good site is replaced at the very end.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path, PurePath

from PIL import Image

from tools.chapters import ChapterError, chapters, pages, plain
from tools.live_figures import make_figures
from tools.settings import ROOT, Settings, read_settings
from tools.steps import step
from vgglib.machine.devices import choose_device
from vgglib.machine.files import check_writable

# What the website is made of besides the pages in _toc.yml.
SOURCES = ("_config.yml", "_toc.yml", "assets", "LICENSE", "LICENSE-TEXT", "CITATION.cff")

# What the website serves from npm's packages, and where: so it asks no other server for anything.
PACKAGES = {
    "mathjax/es5/tex-mml-chtml.js": "mathjax/tex-mml-chtml.js",
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
    "mathjax/es5/output/chtml/fonts/woff-v2": "mathjax/output/chtml/fonts/woff-v2",
    "mathjax/LICENSE": "mathjax/LICENSE",
    "onnxruntime-web/dist/ort.wasm.bundle.min.mjs": "figures/onnxruntime/ort.wasm.bundle.min.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": (
        "figures/onnxruntime/ort-wasm-simd-threaded.wasm"
    ),
}

# What is mended in the pages, as regular expressions and what takes their place.
MENDS = {
    # Icons are drawn with a font; this script of all icons, 1.5 MB, is for others.
    r"<script[^>]*/fontawesome\.js[^>]*></script>": "",
    # A label that hides the text of the button from who hears the page.
    r'<summary aria-label="Toggle hidden content">': "<summary>",
    r'(<button class="[^"]*search-button-field[^>]*?) aria-label="Search"': r"\1",
    # Scripts that the text would wait for. Others on the page need documentation_options at once.
    r'<script (src="[^"]*(?:_static/(?!documentation_options\.)|searchindex\.)[^"]*")></script>': (
        r"<script defer \1></script>"
    ),
    # Scripts at the end of the page, which would be fetched before the style sheets.
    r'<link rel="preload" as="script"[^>]*>': "",
}
# What is left out of a page that has nothing of its kind: addresses by what the page must have.
NEEDED = {
    # What sets formulas is the heaviest part of a page.
    r"/mathjax/": r'class="[^"]*\b(?:math|output_area)\b',
    # The look of cards and grids.
    r"/sphinx-design\.|/design-tabs\.": r'class="[^"]*\bsd-',
}
# Each of these goes on from a training of the one before, or reads its records.
ROW = ("training", "going_deeper", "results")
UNUSED = ("fontawesome.js", "*.js.map", "*.css.map")


def build(settings: Settings) -> Path:
    """Build the book and return the folder of the site.

    Raises:
        ChapterError: a chapter failed.
        subprocess.CalledProcessError: the website has warnings or errors.
        ValueError: there is no such device.
        OSError: a folder cannot be written.
    """
    # Refused before the first chapter rather than after hours: a device that is not there, ...
    choose_device(settings.device)
    place = settings.work.parent
    for name in ("html", "results"):
        recover(place / name)
    shutil.rmtree(settings.work, ignore_errors=True)
    source = settings.work / "source"
    for folder in ("chapters", "pages"):
        (source / folder).mkdir(parents=True)
    # ... and folders that cannot be written.
    check_writable(settings.results, "records")
    check_writable(settings.checkpoints, "checkpoints")

    execute_all(settings, source / "chapters")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    for page in pages():
        if not page.startswith("chapters/"):
            shutil.copy(ROOT / f"{page}.md", source / f"{page}.md")
    copy_packages(source / "assets")
    with step("live figures"):
        make_figures(source / "assets" / "figures")
    with step("website"):
        make_site(source)
    finish(source / "_build" / "html")

    replace(place / "html", source / "_build" / "html")
    if settings.results.is_relative_to(settings.work):
        replace(place / "results", settings.results)
    return place / "html"


def execute_all(settings: Settings, folder: Path) -> None:
    """Execute the chapters and write them into the folder.

    The small trainings of the quick profile leave cores idle, so chapters run side by side there,
    with an equal share of the cores. Those of a row stay one after the other.

    Raises:
        ChapterError: a chapter failed. What still runs is stopped.
    """
    paths = chapters()
    cores = os.cpu_count() or 1
    rows = in_rows(paths) if settings.profile == "quick" else [paths]
    workers = min(cores, len(rows))
    running: set[subprocess.Popen[str]] = set()
    stopped = threading.Event()

    def execute_row(row: list[Path]) -> None:
        for path in row:
            if stopped.is_set():
                return
            start = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "tools.chapters", path, folder / path.name]
                + [json.dumps(settings.parameters)],
                cwd=ROOT,
                env={"OMP_NUM_THREADS": str(cores // workers), **os.environ},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
            running.add(process)
            if stopped.is_set():  # in the meantime
                process.send_signal(signal.SIGINT)
            message, errors = process.communicate()
            running.discard(process)
            if process.returncode:
                stopped.set()
                told = message.strip() or errors.strip()
                ended = f"chapter {path.stem} ended with status {process.returncode}"
                raise ChapterError(told or ended)
            print(f"{path.stem:<30}{time.perf_counter() - start:8.0f} s", flush=True)

    pool = ThreadPoolExecutor(workers)
    try:
        for done in as_completed([pool.submit(execute_row, row) for row in rows]):
            done.result()
    finally:
        stopped.set()
        for process in list(running):
            process.send_signal(signal.SIGINT)
        pool.shutdown()


def in_rows(paths: Sequence[Path]) -> list[list[Path]]:
    """The row of those that need each other first, as it takes longest; each other by itself."""
    row = [path for path in paths if path.stem in ROW]
    return [row] * bool(row) + [[path] for path in paths if path.stem not in ROW]


def copy_packages(assets: Path, packages: Mapping[str, str] | None = None) -> None:
    """Copy what the pages need of npm's packages.

    Args:
        assets: where they go.
        packages: places within the packages, and within ``assets``; by default :data:`PACKAGES`.

    Raises:
        OSError: the packages are not installed.
    """
    modules = ROOT / "web" / "node_modules"
    for origin, target in (PACKAGES if packages is None else packages).items():
        path = modules / origin
        if not path.exists():
            raise OSError(f"there is no {path}: `make book` installs it, or: npm ci --prefix web")
        (assets / target).parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, assets / target, dirs_exist_ok=True)
        else:
            shutil.copy(path, assets / target)


def make_site(source: Path, builder: str = "html") -> None:
    """Run Jupyter Book with warnings as errors; its log is shown if there are any."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "--all"]
    command += ["--builder", builder]
    command += ["-n", "-W", "--keep-going", str(source)]  # -n: links are checked too
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},  # for the extension tools.whole
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    log = plain(done.stdout + done.stderr)
    (source.parent / "website.log").write_text(log, encoding="utf-8")
    if done.returncode:
        lines = log.splitlines()
        told = [line for line in lines if "WARNING" in line or "ERROR" in line] or lines[-20:]
        print("\n" + "\n".join(line.replace(f"{source}/", "") for line in told), file=sys.stderr)
        done.check_returncode()


def finish(site: Path) -> None:
    """Mend what the theme does badly, take out what no reader needs, make the figures smaller.

    A figure says its size, so that the text does not jump when it arrives, and the style sheet
    knows how far it may be shrunk.
    """
    sizes = {}
    for picture in site.glob("_images/*.png"):
        image = Image.open(picture)
        sizes[picture.name] = image.size
        image.save(picture.with_suffix(".webp"), lossless=True, method=6)
        picture.unlink()

    def sized(match: re.Match[str]) -> str:
        folder, name = match.groups()
        width, height = sizes[name]
        return (
            f'src="{folder}{Path(name).stem}.webp" width="{width}" height="{height}"'
            f' style="--width: {width}px" loading="lazy"'
        )

    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for found, better in MENDS.items():
            text = re.sub(found, better, text)
        for files, use in NEEDED.items():
            if not re.search(use, text):
                fetched = rf'="[^"]*(?:{files})[^>]*>'
                text = re.sub(
                    rf"<script[^>]* src{fetched}</script>|<link[^>]* href{fetched}", "", text
                )
        text = re.sub(r'src="([./]*_images/)([^"/]+\.png)"', sized, text)
        page.write_text(text, encoding="utf-8")
    # The first page itself rather than a page that sends there.
    first = site / f"{pages()[0]}.html"
    text = seen_from_above(first.read_text(encoding="utf-8"), first.parent.relative_to(site))
    (site / "index.html").write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "web" / "404.html", site / "404.html")
    for name in UNUSED:
        for file in site.rglob(name):
            file.unlink()


def seen_from_above(html: str, folder: PurePath) -> str:
    """A page of a folder with its relative addresses as they are at the top of the site."""

    def moved(match: re.Match[str]) -> str:
        name, address = match.groups()
        path, mark, rest = re.fullmatch(r"([^?#]*)([?#]?)(.*)", address).groups()
        if path:
            slash = "/" * (path.endswith("/"))
            path = posixpath.normpath(posixpath.join(folder.as_posix(), path)) + slash
        return f'{name}="{path}{mark}{rest}"'

    # Relative is what begins with no scheme, no slash and no mark.
    relative = r'"((?![a-z][a-z0-9+.-]*:|[/#])[^"]*)"'
    return re.sub(rf"\b(href|src|action|data-content_root)={relative}", moved, html)


def replace(target: Path, new: Path) -> None:
    """Put the folder ``new`` in the place of ``target``.

    Two renames: there is no moment at which neither the old nor the new is whole on the disk.
    """
    old = target.with_name(f"{target.name}.old")
    recover(target)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def recover(target: Path) -> None:
    """Finish or undo a replacement that was killed between its two renames."""
    old = target.with_name(f"{target.name}.old")
    if old.exists():
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)


def main() -> None:
    """Build, or say what failed and what is untouched."""
    try:
        settings = read_settings(sys.argv[1:])
        site = build(settings)
    except (ValueError, OSError) as error:
        sys.exit(f"make book: {error}")
    except KeyboardInterrupt:
        sys.exit("\nmake book: stopped; the last good site is as it was")
    except (ChapterError, subprocess.CalledProcessError) as error:
        print("", flush=True)
        if isinstance(error, subprocess.CalledProcessError):
            error = f"the website has the warnings above; log: {settings.work / 'website.log'}"
        good = settings.work.with_name("html")
        kept = f"\nThe last good site, {good}, is as it was." if good.exists() else ""
        more = "" if settings.profile == "quick" else " Run it again to go on where it stopped."
        sys.exit(f"make book: {error}{kept}{more}")
    profile = "" if settings.profile == "quick" else f" PROFILE={settings.profile}"
    print(f"\nThe book: {site / 'index.html'}\nTry it runs where it is served: make serve{profile}")


if __name__ == "__main__":
    main()
