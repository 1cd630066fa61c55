# The one entry. Everything lives in .venv; tools/setup.py fills it on first use and names what the system lacks.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run demo test coverage check vm bench bench-quick soak chaos fuzz docs format pins dist clean

PYTHON ?= python3
ARGS ?=
WORKERS ?= logical
BIN := .venv/bin

# The environment's own Python tells in 20 ms whether set-up is complete; only if it is not, or if PYTHON was
# named by the caller (it may differ from the one in there), $(PYTHON) sets up.
SETUP = command -v $(PYTHON) >/dev/null || { echo "livewarp: no $(PYTHON) here. Debian, Ubuntu: sudo apt install python3 python3-venv; Fedora: sudo dnf install python3; Arch: sudo pacman -S python" >&2; exit 1; }; $(PYTHON) tools/setup.py
ifeq ($(origin PYTHON),file)
SETUP := $(BIN)/python -IS tools/setup.py --ready $$goal 2>/dev/null || { $(SETUP) $$goal; }
else
SETUP := { $(SETUP) $$goal; }
endif

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-17s %s\n", $$1, $$2 }'

run:  ## start the daemon; options in ARGS, as in: make run ARGS="--source portrait:2"
	@goal=run; $(SETUP)
	@exec $(BIN)/livewarp run $(ARGS)

demo:  ## start it on the built-in portrait; watch at the address that it prints
	@goal=run; $(SETUP)
	@exec $(BIN)/livewarp run --source portrait:2 --fresh $(ARGS)

bench:  ## run all benchmarks, peers included, into benchmarks/results; ten minutes (`livewarp bench`: this machine alone)
	@goal=run; $(SETUP)
	@exec $(BIN)/python benchmarks/suite.py $(ARGS)

bench-quick:  ## the same, tiny, to see that all run; one minute
	@goal=run; $(SETUP)
	@exec $(BIN)/python benchmarks/suite.py --quick $(ARGS)

soak:  ## run for a long time and see that memory, threads, files and lateness stay flat; ten minutes
	@goal=run; $(SETUP)
	@exec $(BIN)/python benchmarks/soak.py $(ARGS)

chaos:  ## a thousand random sequences of faults and commands, each of which its number brings again; ten minutes
	@goal=test; $(SETUP)
	@exec $(BIN)/python tests/chaos.py $(ARGS)

fuzz:  ## bytes that anybody may send, for ten minutes a target; ARGS="--minutes 1 --only http" for less
	@goal=test; $(SETUP)
	@exec $(BIN)/python tests/fuzz.py $(ARGS)

test: check  ## all checks, then the tests, a process for each core (WORKERS=0: in one); options for pytest in ARGS
	@exec $(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal $(ARGS)

coverage: check  ## the tests, with the lines and branches that none takes in out/uncovered.txt
	@mkdir -p out && rm -f out/coverage* out/uncovered.txt
	@$(BIN)/python -m coverage run -m pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal $(ARGS)
	@$(BIN)/python -m coverage combine -q
	@$(BIN)/python -m coverage report --show-missing --skip-covered >out/uncovered.txt && grep TOTAL out/uncovered.txt

check:  ## lint, format, types and import floors
	@goal=test; $(SETUP)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

vm:  ## try real device nodes in machines of their own: unplugging, viewers, 25 fps; root is not needed
	@goal=test; $(SETUP)
	@exec $(BIN)/python tests/vm/by_hand.py $(ARGS)

dist:  ## make a release into dist/: wheel, sdist, Debian, RPM and Arch packages, checksums; two minutes
	@$(PYTHON) tools/dist.py $(ARGS)

format:  ## let ruff mend what it can, and format
	@goal=test; $(SETUP)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs:  ## draw the pictures of the docs anew, and their list of adjustments
	@goal=run; $(SETUP)
	@$(BIN)/python tools/make_pictures.py
	@$(BIN)/python tools/moving_picture.py
	@$(BIN)/python tools/picture_panel.py
	@$(BIN)/python tools/picture_models.py

pins:  ## renew the pinned versions in requirements*.txt (Python 3.11)
	@goal=test; $(SETUP)
	@$(BIN)/python tools/pin.py

clean:  ## remove .venv, caches and what builds leave behind
	rm -rf .venv build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
