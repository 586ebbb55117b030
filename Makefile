# The commands of the README. Each does its own set-up; nothing has to be set or typed before.
# LIBTORCH set by you wins over the fetched libtorch; CARGO_TARGET_DIR is respected.
# One build at a time: a build of everything fits two cores, two of them do not.

SHELL := /bin/bash
CARGO ?= cargo
STUDY := demo.redb
SPEC := studies/demo.toml
PAGE := demo.html
TARGET := $(or $(CARGO_TARGET_DIR),target)
PREFIX ?= /usr/local
PROFILE ?= dev
CACHE := $(or $(SYNTRACE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/syntrace)

.PHONY: help check-tools setup program build test demo study bench install uninstall clean
.NOTPARALLEL:

help:
	@echo "make demo    a small study on simulated captures whose answers mean something: $(STUDY), $(PAGE), tables on the terminal"
	@echo "make test    format, lints and all tests, with and without libtorch"
	@echo "make build   the whole tool, with server, PNG and Parquet: $(TARGET)/debug/syntrace"
	@echo "make study   the whole matrix of generators, budgets and attacks: study.redb, study.html"
	@echo "make bench   the benchmarks"
	@echo "make install the whole tool for all users of this machine, with man pages and completions: PREFIX=$(PREFIX)"
	@echo "make setup   libtorch alone (about 550 MB, once, outside the checkout)"
	@echo "make clean   removes what was built and the studies of demo and study; the fetched libtorch stays"

check-tools:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust 1.95 or newer from https://rustup.rs" >&2; exit 2; }
	@command -v c++ >/dev/null || { echo "c++ is missing: install a C++ compiler (Debian, Ubuntu: apt-get install g++)" >&2; exit 2; }
	@if [ -z "$$LIBTORCH" ] && ! ls "$(CACHE)"/libtorch-*/complete >/dev/null 2>&1; then \
	  python3 -m pip --version >/dev/null 2>&1 || { echo "python3 with pip is missing: it fetches libtorch once (Debian, Ubuntu: apt-get install python3-pip), or set LIBTORCH to libtorch 2.11.0" >&2; exit 2; }; \
	fi

setup: check-tools
	@tools/setup-libtorch.sh

# What the demo needs: no server, no PNG figures, no Parquet.
program: setup
	$(CARGO) build

build: setup
	$(CARGO) build --features full

# Formatting and lints are checked where the toolchain has them, licences of dependencies where cargo-deny is (deny.toml). Lints run while the tests are built (clippy in rustc's
# place for our own crates), and the build without libtorch, with the Python package's library, is built with the same
# dependencies: a check would compile them all once more. Tests run side by side, so each keeps to one libtorch thread: two on two busy cores are several
# times slower (seen: 16 s instead of 4 s), and the digits of a sum depend on their number. Property tests draw from
# one seed here, so that a failure is the same on the next machine; `cargo test` alone draws anew each time. Tests
# take minutes on two cores: after TEST_SECONDS one hangs, and is named. A test that lacks a tool is skipped, listed at
# the end, and fails where SYNTRACE_REQUIRE names the tool (SYNTRACE_REQUIRE=tshark,psql make test). Tests commit some
# thousand times, and each commit waits for the disk: they write to memory where there is room and programs may run (TMPDIR set by you wins).
TEST_SECONDS ?= 1800
SCRATCH := $(or $(TMPDIR),$(shell grep -q '^[^ ]* /dev/shm .*noexec' /proc/mounts || df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 { print "/dev/shm" }'),/tmp)
SKIPS := $(abspath $(TARGET))/skipped-tests.txt
LINT := $(shell command -v clippy-driver 2>/dev/null && clippy-driver --version >/dev/null 2>&1 && echo yes)
ifneq ($(LINT),)
test: export RUSTC_WORKSPACE_WRAPPER := clippy-driver
test: export CLIPPY_ARGS := -D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
endif
test: export OMP_NUM_THREADS ?= 1
test: export PROPTEST_RNG_SEED ?= 1
test: export SYNTRACE_SKIPS := $(SKIPS)
test: setup
	@if $(CARGO) fmt --version >/dev/null 2>&1; then $(CARGO) fmt --check; else echo "no rustfmt here: the format is not checked"; fi
	@$(if $(LINT),true,echo "no clippy here: lints are not checked")
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check licenses bans sources; else echo "no cargo-deny here: licences and duplicates of dependencies are not checked"; fi
	@mkdir -p $(dir $(SKIPS)); rm -f $(SKIPS)
	$(CARGO) build --no-default-features --lib -p syntrace -p syntrace-python
	$(CARGO) test --workspace --features full --no-run
	TMPDIR=$(SCRATCH) tools/within.sh $(TEST_SECONDS) $(CARGO) test --workspace --features full
	@if [ -s $(SKIPS) ]; then echo "skipped for want of a tool: $$(sort -u $(SKIPS) | wc -l)"; sort -u $(SKIPS) | sed 's/^/  /'; else echo "skipped for want of a tool: 0"; fi

demo: program
	$(TARGET)/debug/syntrace run $(STUDY) $(SPEC)
	$(TARGET)/debug/syntrace report $(STUDY) -o $(PAGE)

study: program
	$(TARGET)/debug/syntrace run study.redb studies/study.toml
	$(TARGET)/debug/syntrace report study.redb -o study.html

bench: setup
	$(CARGO) bench --features full

# For all users of the machine: programs, man pages, completions, and libtorch (where LIBTORCH is yours, it stays where it
# is). Whoever may not write to PREFIX builds first and then runs `sudo $(BUILT)/syntrace install $(PREFIX)`.
BUILT := $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
INTO := $(PREFIX) $(if $(DESTDIR),--destdir $(DESTDIR))

install: setup
	$(CARGO) build --features full --profile $(PROFILE)
	@own=; if [ -n "$$LIBTORCH" ] && [ "$$(readlink -f "$$LIBTORCH")" != "$$(readlink -f .libtorch)" ]; then own=--keep-libtorch; fi; \
	$(BUILT)/syntrace install $(INTO) $$own

uninstall:
	$(DESTDIR)$(PREFIX)/bin/syntrace uninstall $(INTO)

clean:
	$(CARGO) clean
	rm -f $(STUDY) $(PAGE) study.redb study.html
