# Two commands on a fresh machine with Python and make: `make demo` and `make test`.
# Recipes quote every path, so the clone may lie in a folder with spaces.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export GX_ANALYTICS_ENABLED := false

.PHONY: demo test test-long bench lint schemas setup clean

demo: $(READY)
	@"$(BIN)/roadworthy" demo

test: $(READY)
	@"$(BIN)/python" -m pytest -n 2 --dist loadscope

test-long: $(READY)
	@"$(BIN)/python" -m pytest -m long -n 2 --dist loadscope

bench: $(READY)
	@"$(BIN)/python" benchmarks/run.py

lint: $(READY)
	@"$(BIN)/ruff" check .
	@"$(BIN)/mypy"
	@"$(BIN)/lint-imports"
	@"$(BIN)/roadworthy" schemas --check

setup: $(READY)

# The lock names every package, so nothing is left to resolve: --no-deps keeps old pips from trying.
$(READY): requirements.lock pyproject.toml
	@echo "Setting up $(VENV): creating it, installing from requirements.lock (about 200 packages), compiling bytecode."
	@"$(PYTHON)" -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); sys.exit(0 if ok else "Roadworthy needs Python 3.11 to 3.13; this is %d.%d. Name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	@"$(PYTHON)" -m venv "$(VENV)"
	@"$(BIN)/python" -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	@"$(BIN)/python" -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	@"$(BIN)/python" -m compileall -q -j 2 "$(VENV)/lib" roadworthy checks reports flows >/dev/null || true
	@touch "$(READY)"

clean:
	@echo "Removing what runs made in the demo workspace (data/.roadworthy). Committed files stay."
	@"$(PYTHON)" -c 'import shutil; shutil.rmtree("data/.roadworthy", ignore_errors=True)'

# The demo's runs in Prefect's own pages, on the loopback address. Stop it with Ctrl-C.
.PHONY: ui
ui: $(READY)
	@echo "Prefect's pages: http://127.0.0.1:4200 (Ctrl-C ends them)"
	@PREFECT_HOME="$(CURDIR)/data/.roadworthy/prefect" PREFECT_UI_URL=http://127.0.0.1:4200 "$(BIN)/prefect" server start --host 127.0.0.1 --port 4200
