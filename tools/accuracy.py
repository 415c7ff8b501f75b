"""`make accuracy`: the accuracy tables from nothing, those trainings first that are worth most.

It says beforehand how long the trainings of each part take on this machine, and after each training
how far it is. Killed at any moment and run again, it loses at most the epoch or the test in hand:
what has a checkpoint goes on, and what has a record is not trained or tested again, unless another
network starts from it and its checkpoint is not on this machine. At the end papermill executes
*Results* and *Ten years later*, in place, and the table of the first page is renewed; where the
records go elsewhere, it makes copies of the two, and the book stays as it is.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

import vgglib
from tools import landing
from tools.chapters import ChapterError, chapters, execute, to_bytes
from tools.refresh import refresh
from tools.settings import PAIR, ROOT, Settings, read_settings
from tools.steps import step
from vgglib.__main__ import summary, with_starts
from vgglib.data import Data
from vgglib.evaluation import predict
from vgglib.experiments import Experiment, run_series
from vgglib.machine.files import atomic_write, check_writable
from vgglib.miniature import Cell, fill_tables, plan_tables, test_record_name
from vgglib.optimization import make_optimizer
from vgglib.recipes import IDEAS, SERIES, Recipe, deeper, fraction_held_out
from vgglib.records import (
    check_replaceable,
    read_records,
    record_name,
    run_name,
    write_predictions,
    write_record,
)
from vgglib.trained import load_trained, save_trained

#: The chapters that are executed at the end; `make refresh` does it for others with records.
TABLES = ("results", "ten_years_later")

# Whose predictions are kept, a file of 0.2 MB each, in the book 4 MB in all: by recipe and network
# the seeds that a chapter looks into; elsewhere the first three seeds of these. Two of the recipes
# say what label smoothing does to a network's confidence.
_KEPT_SEEDS = {
    "classic": {"I": (0, 1), "II": (0,), "III": (2,)},
    **{
        recipe: {"slim": (0, 1, 2)}
        for recipe in ("fast", IDEAS["whole"].name, IDEAS["label smoothing"].name)
    },
}


@dataclass(frozen=True)
class Part:
    """Trainings that are asked for together.

    Attributes:
        series: a recipe or an experiment of several, key of :data:`~vgglib.recipes.SERIES`.
        seeds: of each training.
        networks: those that are wanted; none: all of the recipe.
        data: of the trainings; empty: the data that were asked for.
    """

    series: str
    seeds: tuple[int, ...]
    networks: tuple[str, ...] = ()
    data: str = ""


#: What is trained, in this order: what decides a setting of the others; one seed of each row of the
#: first page; the experiments; more seeds.
PLAN = (
    Part("colors", (0, 1, 2)),
    Part("classic", (0,), ("I",)),
    Part("fast", (0,)),
    Part("modern", (0,), ("I",)),
    Part("classic", (0,), ("II",)),
    Part("modern", (0,), ("II", "III")),
    Part("classic", (2,), ("III",)),  # and I and II, from which it grows
    Part("ablation", (0, 1, 2)),
    Part("ideas", (0, 1, 2)),
    Part("starts", (0, 1, 2)),
    Part("classic", (1,), ("I",)),
    Part("fast", tuple(range(1, 10))),
    Part("longer", (0, 1, 2)),
    Part("cutout", (0, 1, 2)),
    Part("modern", (1,), ("III",)),
    Part("scales", (0, 1)),
    Part("fast", (0, 1, 2), data="cifar10-jpeg"),
)


@dataclass(frozen=True)
class Chain:
    """Networks that one training after the other gives, each from the one before where they grow.

    Attributes:
        data: name of the images.
        recipe: of the first.
        names: configurations.
        seed: of all.
    """

    data: str
    recipe: Recipe
    names: tuple[str, ...]
    seed: int

    @property
    def held_out(self) -> float:
        """Fraction of the training images that is."""
        return fraction_held_out(self.recipe.name)

    def trainings(self) -> Iterator[tuple[str, Recipe, str]]:
        """Name, recipe and file of the record of each."""
        for number, name in enumerate(self.names):
            own = deeper(self.recipe) if number and self.recipe.grows else self.recipe
            run = run_name(Path(self.data).name, own.name, name, own.epochs, self.seed)
            yield name, own, f"{run}.json"


def chains(part: Part, settings: Settings, seeds: tuple[int, ...] = ()) -> list[Chain]:
    """The chains of a part; networks that do not grow are a chain each."""
    found = []
    for seed in seeds or part.seeds:
        for recipe in SERIES[part.series].values():
            recipe = recipe.shortened(settings.epochs)
            known = vgglib.NETWORKS[recipe.name]
            wanted = part.networks or known
            rows = with_starts(wanted, known, True) if recipe.grows else [(n,) for n in wanted]
            images = part.data or settings.data
            found += [Chain(images, recipe, row, seed) for row in rows]
    return found


def plan(
    settings: Settings, seeds: tuple[int, ...] = (), series: tuple[str, ...] = ()
) -> list[tuple[Part, list[Chain]]]:
    """What is to be trained on some data: the JPEG copy only beside CIFAR-10 itself.

    Args:
        settings: data and epochs.
        seeds: of all parts; none: each part has its own.
        series: of the parts that are wanted; none: all.
    """
    parts = [part for part in PLAN if not part.data or settings.data == PAIR[0]]
    found, seen = [], set()
    for part in parts:
        own = [chain for chain in chains(part, settings, seeds) if chain not in seen]
        if own and (not series or part.series in series):
            found.append((part, own))
            seen.update(own)
    return found


def missing(chain: Chain, results: Path) -> list[tuple[str, Recipe, str]]:
    """Networks of a chain that have no record yet, with their recipes and the records' files."""
    return [training for training in chain.trainings() if not (results / training[2]).exists()]


def once_more(
    chain: Chain, settings: Settings, whole: bool = False
) -> Iterator[tuple[str, Recipe, str]]:
    """Networks that have a record, but no checkpoint here, and that missing ones start from.

    Args:
        chain: networks in a row.
        settings: where records and checkpoints are.
        whole: all networks of the chain are wanted, as if the last were missing.
    """
    trainings, undone = list(chain.trainings()), missing(chain, settings.results)
    end = len(trainings) if whole else trainings.index(undone[-1]) if undone else 0
    for training in trainings[:end]:
        if training not in undone and not _checkpoint(training[2], settings).exists():
            yield training


def _checkpoint(record: str, settings: Settings) -> Path:
    return settings.checkpoints / record.replace(".json", ".pt")


def seconds_of_training(name: str, recipe: Recipe, data: Data, device: torch.device) -> float:
    """How long a training would take here, by a few steps of it; some seconds to find out."""
    images = len(data.train) + 2 * len(data.validation) / 3  # two views, and no way back
    epochs = recipe.epochs - recipe.small_epochs * (1 - recipe.small_factor**2)
    return epochs * images * _seconds_of_image(name, _like(recipe), data, device)


def _like(recipe: Recipe) -> Recipe:
    """A recipe whose steps take as long, the same for all such."""
    kept = ("batch_size", "width", "crop", "training_scale", "batch_norm", "whitening")
    settings = {key: getattr(recipe, key) for key in kept}
    return Recipe("timed", epochs=1, muon=1e-3 if recipe.muon else 0.0, **settings)


@cache
def _seconds_of_image(name: str, recipe: Recipe, data: Data, device: torch.device) -> float:
    steps = math.ceil(500 / recipe.batch_size) + 1
    number = min(steps * recipe.batch_size, len(data.train))
    split = data.train.take(torch.arange(number)).to(device)
    model = vgglib.make_network(name, data, recipe)
    model.to(device, memory_format=torch.channels_last)
    transform, _ = vgglib.make_transforms(data, recipe)
    options = {"batch_size": recipe.batch_size, "precision": vgglib.choose_precision(device)}
    for _ in range(2):  # the first warms up
        started = time.perf_counter()
        vgglib.train_epoch(model, split, transform, make_optimizer(model, recipe), **options)
    return (time.perf_counter() - started) / number


class Work:
    """What `make accuracy` was asked for, and how far it is."""

    def __init__(self, settings: Settings, planned: list[tuple[Part, list[Chain]]]) -> None:
        self.settings, self.plan = settings, planned
        self.device = vgglib.choose_device(settings.device)
        self.loaded: dict[tuple[str, float], Data] = {}
        self.told: dict[tuple[str, float], dict[str, Any]] = {}  # what records say of the images
        self.expected: dict[str, float] = {}  # seconds of what is not done, by the record's file
        self.took = self.was_expected = 0.0

    def data(self, name: str, held_out: float) -> Data:
        """Loaded once."""
        if (name, held_out) not in self.loaded:
            self.loaded[name, held_out] = vgglib.load_data(
                name, root=self.settings.downloads, validation=held_out
            )
        return self.loaded[name, held_out]

    def estimate(self) -> None:
        """Print how long each part takes."""
        print("how long the trainings take here, by a few steps of each:")
        known = {record_name(record): record for record in read_records(self.settings.results)}
        for part, of_part in self.plan:
            seconds = 0.0
            trainings = {file: chain for chain in of_part for *_, file in chain.trainings()}
            for file in trainings.keys() & known.keys():
                self._check_images(known[file], trainings[file])
            undone = {t[2]: (c, t) for c in of_part for t in missing(c, self.settings.results)}
            untested = set()
            if part.series == "scales":  # a network that is trained anew is tested anew, too
                new = {c.seed for c in of_part if missing(c, self.settings.results)}
                untested = {*self._untested(of_part), *new}
            again = {
                t[2]: (c, t)
                for c in of_part
                for t in once_more(c, self.settings, whole=c.seed in untested)
                if t[2] not in self.expected
            }
            for file, (chain, (name, recipe, _)) in (again | undone).items():
                if file not in self.expected:  # of a part before
                    data = self.data(chain.data, chain.held_out)
                    self.expected[file] = seconds_of_training(name, recipe, data, self.device)
                    seconds += self.expected[file]
            what = " ".join([part.series, *part.networks, *(["on", part.data] * bool(part.data))])
            done = f"{len(trainings) - len(undone):3} of {len(trainings):3} done"
            told = f", with {len(again)} once more, whose checkpoints are not here" if again else ""
            print(f"  {what:<24} {done}  {_minutes(seconds)}{told}", flush=True)
        print(f"  {'all':<41}{_minutes(sum(self.expected.values()))}", flush=True)

    def _check_images(self, record: dict[str, Any], chain: Chain) -> None:
        """Refuse a record of other images, which would pass for one of these.

        Raises:
            ValueError: the record is of other images of the same name.
        """
        key = chain.data, chain.held_out
        if key not in self.told:  # once for all records: all pixels are read for it
            data = self.data(*key)
            self.told[key] = {
                "data_fingerprint": data.pixel_fingerprint,
                "data_origin": data.fingerprint,
                "image_size": data.image_size,
            }
        check_replaceable(self.settings.results, record | self.told[key])

    def train(self) -> None:
        """Train what has no record, part after part."""
        for part, of_part in self.plan:
            for chain in of_part:
                if missing(chain, self.settings.results):
                    if part.series == "scales":  # tests of the network before, if there are any
                        for cell, file in self._tests(of_part, chain.seed).items():
                            if cell.recipe == chain.recipe.name and {*cell.models} & {*chain.names}:
                                file.unlink(missing_ok=True)
                    self._train(chain)
            if part.series == "scales":
                self._test_by_protocols(of_part)

    def _train(self, chain: Chain) -> dict[str, Experiment]:
        data = self.data(chain.data, chain.held_out)

        def report(experiment: Experiment) -> None:
            file = record_name(experiment.record)
            if not (self.settings.results / file).exists():
                self._keep(experiment, data)
            elif file not in self.expected:
                return  # its checkpoint was only needed as the start of another
            self.took += experiment.training.seconds
            self.was_expected += self.expected.pop(file, 0.0)
            pace = self.took / self.was_expected if self.was_expected else 1.0
            left = _minutes(pace * sum(self.expected.values()))
            print(f"{summary(experiment)}; {len(self.expected)} to go, {left}", flush=True)

        return run_series(
            chain.names,
            data,
            chain.recipe,
            report=report,
            seed=chain.seed,
            checkpoints=self.settings.checkpoints,
            device=self.device,
        )

    def _keep(self, experiment: Experiment, data: Data) -> None:
        """Write what it found; the record last, since what has one is not trained again."""
        record, results = experiment.record, self.settings.results
        kept = _KEPT_SEEDS.get(record["recipe"], {}).get(record["model"], ())
        if record["seed"] in (range(3) if kept and results != ROOT / "results" else kept):
            write_predictions(results, record, experiment.test.probabilities, data.test.labels)
            if data.name in PAIR and self.settings.data == PAIR[0] and record["recipe"] == "fast":
                (other,) = (name for name in PAIR if name != data.name)
                test = self.data(other, fraction_held_out(record["recipe"])).test
                precision = vgglib.choose_precision(self.device)
                said = predict(
                    experiment.model, test.images, experiment.test_transform, precision=precision
                )
                write_predictions(results, record, said, test.labels, on=other)
        if record["recipe"] == "fast" and data.name == PAIR[0]:
            self._keep_network(record)
        write_record(results, record)

    def _keep_network(self, record: dict[str, Any]) -> None:
        """The small network of the first seed, for who wants to use one.

        Not the best of the seeds: without a validation split only the test set could tell which
        that is. Of all epochs: a short try does not replace the one that is there.
        """
        name = record_name(record)
        if record["seed"] == 0 and self.settings.epochs is None:
            network = replace(load_trained(_checkpoint(name, self.settings)), record=name)
            save_trained(
                network, self.settings.results / "networks" / f"{record['model']}.safetensors"
            )

    def _tests(self, of_part: list[Chain], seed: int) -> dict[Cell, Path]:
        """The cells of the tables of "Testing like the paper" of a seed, and their records."""
        own = [chain for chain in of_part if chain.seed == seed]
        scales = {chain.recipe.name: chain.recipe.training_scale for chain in own}
        names = tuple(dict.fromkeys(name for chain in own for name in chain.names))
        first = {"dataset": Path(own[0].data).name, "epochs": own[0].recipe.epochs, "seed": seed}
        folder = self.settings.results / "protocols"
        return {
            cell: folder
            / test_record_name(
                {**first, "recipe": cell.recipe, "models": cell.models}
                | {"protocol": asdict(cell.protocol)}
            )
            for cell in plan_tables(scales, names)
        }

    def _untested(self, of_part: list[Chain]) -> list[int]:
        """The seeds whose tests have no records yet, or not all."""
        seeds = dict.fromkeys(chain.seed for chain in of_part)
        return [s for s in seeds if not all(f.exists() for f in self._tests(of_part, s).values())]

    def _test_by_protocols(self, of_part: list[Chain]) -> None:
        for seed in self._untested(of_part):
            tests = self._tests(of_part, seed)
            own = [chain for chain in of_part if chain.seed == seed]
            trained = {
                (chain.recipe.name, name): experiment
                for chain in own
                for name, experiment in self._train(chain).items()
            }
            data = self.data(own[0].data, own[0].held_out)
            undone = [cell for cell, file in tests.items() if not file.exists()]
            fill_tables(undone, trained, data, results=self.settings.results / "protocols")

    def renew_pages(self) -> None:
        """Execute two chapters; copies of them where the records are not the book's."""
        paths = {path.stem: path for path in chapters()}
        published = self.settings.results == ROOT / "results"
        folder = self.settings.work.parent.with_name("accuracy") / Path(self.settings.data).name
        for name in TABLES:
            with step(f"tables, {name}"):
                if published:
                    refresh(paths[name])
                    continue
                own = {"RESULTS": str(self.settings.results)}
                if self.settings.data != "cifar10":  # of which the tables are in any case
                    names = ("DATA", "DOWNLOADS", "DEVICE")
                    own |= {name: self.settings.parameters[name] for name in names}
                with atomic_write(folder / f"{name}.ipynb") as file:
                    file.write(to_bytes(execute(paths[name], own)))
        if published:
            for page in landing.PAGES:
                landing.renew(page)


def _minutes(seconds: float) -> str:
    return f"about {seconds / 60:.0f} minutes" if seconds >= 30 else f"about {seconds:.0f} seconds"


def read_seeds(text: str) -> tuple[int, ...]:
    """The seeds as numbers; none where each part has its own.

    Raises:
        ValueError: one is no whole number of 0 or more.
    """
    wrong = [seed for seed in text.split() if not seed.isdecimal()]
    if wrong:
        raise ValueError(f'SEEDS={text}: expected whole numbers, such as SEEDS="0 1 2"')
    return tuple(int(seed) for seed in text.split())


def read_series(text: str) -> tuple[str, ...]:
    """The recipes and experiments that are wanted; none: all.

    Raises:
        ValueError: the plan has none of that name.
    """
    known = list(dict.fromkeys(part.series for part in PLAN))
    wrong = [name for name in text.split() if name not in known]
    if wrong:
        raise ValueError(f"RECIPES={text}: there is no {wrong[0]}; expected {', '.join(known)}")
    return tuple(text.split())


def own_settings(arguments: list[str]) -> Settings:
    """Those of the full profile; the records become the book's if no other folder is given.

    Raises:
        ValueError: see :func:`~tools.settings.read_settings`; or fewer epochs are asked for, and no
            other folder.
    """
    unlike = ("--seeds=", "--recipes=", "--profile=")
    others = [a for a in arguments if not a.startswith(unlike) and a != "--results="]
    settings = read_settings([f"--results={ROOT / 'results'}", *others, "--profile=full"])
    if settings.epochs and settings.results == ROOT / "results":
        raise ValueError(
            f"EPOCHS={settings.epochs} trains everything anew, and its records would stand among"
            " the book's: add RESULTS=FOLDER"
        )
    return settings


def measure(settings: Settings, seeds: tuple[int, ...] = (), series: tuple[str, ...] = ()) -> None:
    """Train what is missing, then renew the pages; see :func:`plan`.

    Raises:
        ChapterError: a chapter failed; the trainings before it are kept.
        ValueError: there is no such device, or a checkpoint of another run.
        FloatingPointError: a training diverged.
        OSError: a folder cannot be written.
    """
    work = Work(settings, plan(settings, seeds, series))
    check_writable(settings.results, "records")
    check_writable(settings.checkpoints, "checkpoints")
    work.estimate()
    work.train()
    work.renew_pages()


def main() -> None:
    """Read the command line, train, and say in a line what is wrong."""
    given = dict(a.removeprefix("--").split("=", 1) for a in sys.argv[1:])
    try:
        seeds, series = read_seeds(given.get("seeds", "")), read_series(given.get("recipes", ""))
        measure(own_settings(sys.argv[1:]), seeds, series)
    except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
        sys.exit(f"make accuracy: {error}")
    except ChapterError as error:
        sys.exit(f"make accuracy: {error}\nRun it again to go on where it stopped.")
    except KeyboardInterrupt:
        sys.exit("\nmake accuracy: stopped; run it again to go on where it was")


if __name__ == "__main__":
    main()
