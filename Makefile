# The front door. Meson and ninja do the work; see meson.build.
BUILD ?= build
SECONDS_EACH ?= 600
.PHONY: all deps demo test test-postgres test-token bench bench-store bench-million bench-egress bench-registrar fault soak fuzz format lint conformance size dist clean help

all: deps $(BUILD)/build.ninja ## build/estocd and build/estoc
	@ninja -C $(BUILD) estocd estoc

$(BUILD)/build.ninja: | deps
	@meson setup $(BUILD) >/dev/null

deps: ## install what is missing of Debian's packages
	@scripts/install-deps

demo: all ## a server with its own CA, and a device that enrolls
	@scripts/demo

test: deps ## every test, with gcc, clang and sanitizers
	@scripts/test

test-postgres: all ## the conformance tests with the store in a PostgreSQL database
	@ninja -C $(BUILD)
	@tests/with-postgres meson test -C $(BUILD) --no-rebuild --num-processes 4 \
		--timeout-multiplier 4 --suite conformance --no-suite file

test-token: all ## the conformance tests with the CA's key in a token of SoftHSM2
	@ninja -C $(BUILD)
	@ESTOC_TEST_CA=token meson test -C $(BUILD) --no-rebuild --num-processes 4 \
		--timeout-multiplier 4 --suite conformance --no-suite key-file

bench: deps ## what an enrollment costs, as ratios: P1 to P12 with their reach, as far as they are measured
	@bench/run

bench-store: deps ## what waiting for the disk costs, as a ratio to a store in memory
	@bench/store

bench-million: deps ## what grows up to 1,000,000 certificates: the table of docs/scale.md (2 min)
	@bench/million

bench-egress: deps ## what leaves a server with a budget of 100 kbit/s
	@bench/egress

bench-registrar: deps ## 500 devices at once through a registrar: its CPU next to a local CA's
	@bench/registrar

fault: all ## kill -9, power cuts, full disks, stopped databases: what the store keeps (30 min)
	@ninja -C $(BUILD)
	@FAULT_BUILD=$(BUILD) tests/fault/run

soak: deps ## 10,000 enrollments, and the server's memory
	@bench/soak 10000

fuzz: deps ## each fuzz target for SECONDS_EACH seconds (default 600)
	@scripts/fuzz $(SECONDS_EACH)

format: deps ## clang-format over all C files
	@git ls-files '*.[ch]' | xargs clang-format -i

lint: deps ## clang-format and clang-tidy, nothing may remain
	@scripts/lint

conformance: all ## docs/conformance.md anew, from the names of the tests
	@ninja -C $(BUILD)
	@meson test -C $(BUILD) --no-rebuild --num-processes 4 >/dev/null || true
	@scripts/conformance $(BUILD)

size: deps ## code size of the core for Cortex-M3, and the symbols it needs
	@scripts/core-size

dist: deps ## the core as estoc.h and estoc.c, for somebody's firmware, in build-dist
	@scripts/dist --check

clean: ## remove build folders
	@rm -rf build build-*

help:
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12
