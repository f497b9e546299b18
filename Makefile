# make demo   a drive through the real node, pictures and figures under out/demo
# make test   everything that must hold
# make bench  where the milliseconds go, under out/bench
# make check  the linter; .ci/run is both
# make clean  deletes what was built and written (build, install, log, out); make distclean .venv too
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INPUT ?=

.PHONY: demo test bench check venv clean distclean

demo: venv
	$(BIN)/python -m sds_perception.ros.trial.demo $(INPUT) --output out/demo

test: venv
	$(BIN)/python -m pytest -n 2

bench: venv
	$(BIN)/sds-bench --output out/bench

check: venv
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

venv: $(VENV)/.complete

# TORCH=system: the machine brings its own torch (a vehicle does); none is installed then.
$(VENV)/.complete: $(wildcard requirements/*.txt) setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(if $(filter system,$(TORCH)),--system-site-packages) $(VENV)
	$(BIN)/python -m pip install -q $(if $(filter system,$(TORCH)),,-r requirements/torch.txt) 'setuptools<80' wheel
	$(BIN)/python -m pip install -q -r requirements/vehicle.txt -r requirements/ros.txt \
		-r requirements/training.txt -r requirements/test.txt
	$(BIN)/python -m pip install -q --no-build-isolation --no-deps -e .
	touch $(VENV)/COLCON_IGNORE $@

clean:
	rm -rf build install log out

distclean: clean
	rm -rf $(VENV)
