# `make demo` and `make test` set up what they need in .venv, once, and run.
PYTHON ?= python3
BIN := .venv/bin
ENV := env -u PYTHONPATH VTK_DEFAULT_OPENGL_WINDOW=vtkEGLRenderWindow

.PHONY: demo test lint clean

demo: .venv/ready
	$(ENV) $(BIN)/planessl demo --out demo --overwrite

test: .venv/ready
	$(BIN)/ruff check .
	$(ENV) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: .venv/ready
	$(BIN)/ruff check .

# The stamp is written last: a set-up that was cut off is done again.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PlaneSSL needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt 'torch==2.13.0'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv demo build *.egg-info
