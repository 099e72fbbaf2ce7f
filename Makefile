# The commands of the README. Each sets up all that it needs first.
# `lab` and `test-lab` need root: they make network namespaces and control groups.
.PHONY: setup setup-test setup-lab setup-bench setup-paper demo lab test test-lab test-paper bench bench-lab calibrate lint types imports lock clean
PYTHON ?= python3
BIN := .venv/bin

setup: .setup/done

.setup/done: requirements.lock pyproject.toml setup.sh
	@bash setup.sh

setup-test: .setup/test-done

.setup/test-done: requirements.lock pyproject.toml setup.sh
	@bash setup.sh test

setup-lab: .setup/lab-done

.setup/lab-done: requirements.lock pyproject.toml setup.sh
	@bash setup.sh lab

setup-bench: .setup/bench-done

.setup/bench-done: requirements.lock pyproject.toml setup.sh
	@bash setup.sh bench

demo: setup
	@$(BIN)/harness demo

test: setup-test
	@$(BIN)/nox --non-interactive

setup-paper: .setup/paper-done

.setup/paper-done: requirements.lock pyproject.toml setup.sh
	@bash setup.sh paper

test-paper: setup-paper
	@$(BIN)/nox --non-interactive -s paper

test-lab: setup-lab
	@$(BIN)/nox --non-interactive -s lab

lab: setup-lab
	@$(BIN)/harness lab up --overlay production

calibrate: setup
	@$(BIN)/harness calibrate

bench: setup-bench
	@$(BIN)/nox --non-interactive -s bench

lint types imports: setup
	@$(BIN)/nox --non-interactive -s $@

bench-lab: setup-lab
	@$(BIN)/python -m benchmarks.lab

# Needs uv; writes versions and hashes of all dependencies, for all platforms.
lock:
	uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url \
	  --python-version 3.11 --all-extras --group dev pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .setup .mypy_cache .ruff_cache .pytest_cache .hypothesis
