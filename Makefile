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

# In the order of the files the longest come first, and none is left alone at the end.
test: $(READY)
	@"$(BIN)/python" -m pytest -n 2 --dist loadscope --no-loadscope-reorder

test-long: $(READY)
	@"$(BIN)/python" -m pytest -m long -n 2 --dist loadscope

bench: $(READY)
	@"$(BIN)/python" benchmarks/run.py

# Every linter runs, so that one finding does not hide another.
lint: $(READY)
	@failed=""; \
	"$(BIN)/ruff" check . || failed="$$failed ruff"; \
	"$(BIN)/mypy" || failed="$$failed mypy"; \
	"$(BIN)/lint-imports" || failed="$$failed lint-imports"; \
	"$(BIN)/roadworthy" schemas --check || failed="$$failed schemas"; \
	if [ -n "$$failed" ]; then echo "Failed:$$failed"; exit 1; fi

# What is published of the files people write: JSON Schemas, and docs/files.md.
schemas: $(READY)
	@"$(BIN)/roadworthy" schemas roadworthy/schemas

setup: $(READY)

# A set-up that stops half-way leaves no stamp, so the next command takes it up again.
$(READY): requirements.lock pyproject.toml
	@rm -f "$(READY)"
	@"$(PYTHON)" .ci/install.py "$(VENV)"
	@touch "$(READY)"

clean:
	@echo "Removing what runs made in the demo workspace (data/.roadworthy). Committed files stay."
	@"$(PYTHON)" -c 'import shutil; shutil.rmtree("data/.roadworthy", ignore_errors=True)'

# The demo's runs in Prefect's own pages, on the loopback address. Stop it with Ctrl-C.
.PHONY: ui
ui: $(READY)
	@echo "Prefect's pages: http://127.0.0.1:4200 (Ctrl-C ends them)"
	@PREFECT_HOME="$(CURDIR)/data/.roadworthy/prefect" PREFECT_UI_URL=http://127.0.0.1:4200 "$(BIN)/prefect" server start --host 127.0.0.1 --port 4200
