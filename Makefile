# The commands of the README. Each does its own set-up; nothing has to be set or typed before.
# LIBTORCH set by you wins over the fetched libtorch; CARGO_TARGET_DIR is respected.
# One build at a time: a build of everything fits two cores, two of them do not.

SHELL := /bin/bash
CARGO ?= cargo
STUDY := demo.redb
SPEC := studies/demo.toml
PAGE := demo.html
TARGET := $(or $(CARGO_TARGET_DIR),target)
CACHE := $(or $(SYNTRACE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/syntrace)

.PHONY: help check-tools setup build test demo bench clean
.NOTPARALLEL:

help:
	@echo "make demo    a whole small study on simulated captures: $(STUDY), $(PAGE), tables on the terminal"
	@echo "make test    format, lints and all tests, with and without libtorch"
	@echo "make build   the tool: $(TARGET)/debug/syntrace"
	@echo "make bench   the benchmarks"
	@echo "make setup   libtorch alone (about 550 MB, once, outside the checkout)"
	@echo "make clean   removes what was built and the demo study; the fetched libtorch stays"

check-tools:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust 1.95 or newer from https://rustup.rs" >&2; exit 2; }
	@command -v c++ >/dev/null || { echo "c++ is missing: install a C++ compiler (Debian, Ubuntu: apt-get install g++)" >&2; exit 2; }
	@if [ -z "$$LIBTORCH" ] && ! ls "$(CACHE)"/libtorch-*/complete >/dev/null 2>&1; then \
	  python3 -m pip --version >/dev/null 2>&1 || { echo "python3 with pip is missing: it fetches libtorch once (Debian, Ubuntu: apt-get install python3-pip), or set LIBTORCH to libtorch 2.11.0" >&2; exit 2; }; \
	fi

setup: check-tools
	@tools/setup-libtorch.sh

build: setup
	$(CARGO) build

# fmt and clippy are checked where the toolchain has them. `--no-default-features` proves that the tool
# builds without libtorch; it is checked, not linked: that costs seconds instead of a second build.
# Tests run side by side, so each keeps to one libtorch thread: two on two busy cores are several times
# slower (seen: 16 s instead of 4 s), and the digits of a sum depend on their number. Property tests draw from
# one seed here, so that a failure is the same on the next machine; `cargo test` alone draws anew each time. Tests
# take three minutes on two cores: after TEST_SECONDS one hangs, and is named.
TEST_SECONDS ?= 1800
test: export OMP_NUM_THREADS ?= 1
test: export PROPTEST_RNG_SEED ?= 1
test: setup
	@if $(CARGO) fmt --version >/dev/null 2>&1; then $(CARGO) fmt --check; else echo "skipped: no rustfmt here"; fi
	$(CARGO) test --no-run
	tools/within.sh $(TEST_SECONDS) $(CARGO) test
	@if $(CARGO) clippy --version >/dev/null 2>&1; then $(CARGO) clippy --all-targets -- -D warnings; else echo "skipped: no clippy here"; fi
	$(CARGO) check --no-default-features

demo: build
	$(TARGET)/debug/syntrace run $(STUDY) $(SPEC)
	$(TARGET)/debug/syntrace report $(STUDY) -o $(PAGE)

bench: setup
	$(CARGO) bench

clean:
	$(CARGO) clean
	rm -f $(STUDY) $(PAGE)
