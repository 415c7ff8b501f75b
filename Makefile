# `make help` lists what there is to do; README says what a fresh machine needs.

PYTHON ?= python3
BIN = .venv/bin
INSTALLED = .venv/.installed
PACKAGES = web/node_modules/.package-lock.json

# The settings of `make book`. An empty one gets the default of its profile.
PROFILE =
DATA =
DEVICE =
EPOCHS =
RESULTS =
CHECKPOINTS =
DOWNLOADS =
SETTINGS = --profile="$$PROFILE" --data="$$DATA" --device="$$DEVICE" --epochs="$$EPOCHS" \
	--results="$$RESULTS" --checkpoints="$$CHECKPOINTS" --downloads="$$DOWNLOADS"
# The settings of `make records` and `make accuracy`, besides.
SEEDS =
RECIPES =
RECIPE = quick
CHAPTER =
MACHINE =
URL =
export PROFILE DATA DEVICE EPOCHS RESULTS CHECKPOINTS DOWNLOADS CHAPTER MACHINE RECIPE RECIPES SEEDS URL

.PHONY: help book serve test test-machines margins test-site pdf handout slides colab refresh accuracy records benchmark lint address clean python settings
.NOTPARALLEL:

help:
	@echo 'make book                    execute the chapters and build the website'
	@echo 'make book PROFILE=full       the same with the full-size trainings, on CIFAR-10:'
	@echo '                             most of a working day on two cores; goes on where it stopped'
	@echo '     DATA=FOLDER             train on your images: train/<class>/*, test/<class>/*'
	@echo '     DEVICE=cuda             or cpu, mps; the best there is if not given'
	@echo '     EPOCHS=3                less time: so many epochs for each recorded recipe'
	@echo '     RESULTS=FOLDER          where records go (full: _build/full/results)'
	@echo '     CHECKPOINTS=FOLDER      where trainings are kept (full: ~/.cache/vgg-book)'
	@echo '     DOWNLOADS=FOLDER        where CIFAR-10 is, or goes (data)'
	@echo 'make serve                   serve the website that make book built, and print its address'
	@echo 'make test                    test the package, compare the chapters with their outputs'
	@echo 'make test-machines           compare the chapters as other processors would: an hour'
	@echo '     CHAPTER=training        only that one; MACHINE=other: one machine, not like this one'
	@echo 'make margins                 how far what the chapters say is from turning: over an hour'
	@echo 'make test-site               test the website that make book built, in Chromium'
	@echo 'make pdf                     print the book that make book built, with Chromium'
	@echo 'make handout                 the chapters without solutions, for a class: notebooks, HTML'
	@echo 'make slides CHAPTER=training a chapter as slides, for a browser'
	@echo 'make colab                   run the chapters as in Colab: nothing but the notebook'
	@echo 'make refresh                 execute the committed notebooks in place'
	@echo '     CHAPTER=training        only that one'
	@echo 'make accuracy DATA=cifar10   train all that the tables show, and renew them: hours; says'
	@echo '                             how many, and goes on where it stopped; DEVICE, EPOCHS,'
	@echo '                             CHECKPOINTS, DOWNLOADS as above; RESULTS=results if not'
	@echo '                             given, and needed with EPOCHS; SEEDS="0" for fewer seeds,'
	@echo '                             RECIPES="fast modern" for a part'
	@echo 'make benchmark               how fast the training is, beside the usual way'
	@echo 'make records                 train the networks of a recipe again, in place of the records'
	@echo '                             in results/; RESULTS=FOLDER keeps these'
	@echo '     SEEDS="0 1 2" RECIPE=quick, or another that `python -m vgglib --help` lists;'
	@echo '     DATA, DEVICE, EPOCHS as above'
	@echo 'make lint                    check the style of the code, notebooks included'
	@echo 'make address URL=https://github.com/<owner>/<name>'
	@echo '                             change the address of the repository everywhere'
	@echo 'make clean                   remove what was built, and the records of PROFILE=full; not'
	@echo '                             the environment, .venv'
	@echo 'PYTHON=python3.11            the Python to make the environment with'

book: python settings $(INSTALLED) $(PACKAGES)
	@$(BIN)/python -m tools.build $(SETTINGS)

serve: python settings $(INSTALLED)
	@$(BIN)/python -m tools.serve --profile="$$PROFILE"

# A test for each core, and each of one thread: the networks of the tests are small.
test: python settings $(INSTALLED)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile
	@$(BIN)/python -m tools.compare

test-machines: python settings $(INSTALLED)
	@$(BIN)/python -m tools.machines --machine="$${MACHINE:-all}" $$CHAPTER

margins: python settings $(INSTALLED)
	@$(BIN)/python -m tools.margins $$CHAPTER

test-site: python settings $(INSTALLED) $(PACKAGES)
	@$(BIN)/python -m pytest web/tests -q -n auto --site="_build/$${PROFILE:-quick}/html"

pdf: python settings $(INSTALLED) $(PACKAGES)
	@$(BIN)/python -m tools.pdf --profile="$$PROFILE"

handout: python settings $(INSTALLED)
	@$(BIN)/python -m tools.handout

slides: python settings $(INSTALLED) $(PACKAGES)
	@$(BIN)/python -m tools.slides $$CHAPTER

colab: python settings $(INSTALLED)
	@$(BIN)/python -m tools.colab $$CHAPTER

refresh: python settings $(INSTALLED)
	@$(BIN)/python -m tools.refresh $$CHAPTER

accuracy: python settings $(INSTALLED)
	@$(BIN)/python -m tools.accuracy --seeds="$$SEEDS" --recipes="$$RECIPES" $(SETTINGS)

benchmark: $(INSTALLED)
	@$(BIN)/python benchmarks/speed.py --device="$${DEVICE:-auto}"

records: python $(INSTALLED)
	@$(BIN)/python -m tools.records --seeds $${SEEDS:-0 1 2} --recipe="$$RECIPE" \
		--data="$${DATA:-shapes}" --device="$${DEVICE:-auto}" $${EPOCHS:+--epochs="$$EPOCHS"} \
		--results="$$RESULTS" --checkpoints="$$CHECKPOINTS" --downloads="$$DOWNLOADS"

lint: $(INSTALLED)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

address: python
	@$(PYTHON) -m tools.address "$$URL"

clean:
	rm -rf _build build .pytest_cache .ruff_cache *.egg-info
	find . \( -name .venv -o -name node_modules -o -name .git \) -prune -o \
		-name __pycache__ -exec rm -rf {} +

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo 'Python 3.10 or newer is needed ($(PYTHON) is not): make PYTHON=python3.11 ...' >&2; \
		exit 1; }

settings:
	@$(PYTHON) -m tools.settings $(SETTINGS)

# -qq: pip shows errors only.
$(INSTALLED): requirements.txt pyproject.toml | python
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo 'This Python cannot make environments: install its venv (Debian, Ubuntu:' \
		'apt install python3-venv)' >&2; exit 1; }
	@echo 'Installing into .venv: some minutes, and some gigabytes for torch'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.txt -e .
	@touch $@

# What the reader's browser gets. Node.js itself is in .venv; no script of a package is run.
$(PACKAGES): web/package.json web/package-lock.json $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix web --ignore-scripts --silent
	@touch $@
