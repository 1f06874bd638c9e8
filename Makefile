# The few commands people type.  The build itself is CMake: see CMakePresets.json and CONTRIBUTING.md.

FUZZ_SECONDS ?= 60
STEPS ?= 10000

# Plugins that others may write are refused, and a umask of 002 makes such files (scripts/check-writable).
BUILD := umask 022 && cmake --build

.PHONY: help build test serve demo demo-kube bench model bench-hosts tsan coverage fuzz format lint clean

help:           ## This list
	@sed -n 's/^\([a-z-]*\): *[^#]*## /  make \1\t/p' Makefile | expand -t 20

build: build/release/build.ninja  ## The daemon and its plugins, optimised, in build/release
	$(BUILD) --preset release --target product

test: dev       ## Every test, with AddressSanitizer and UBSan
	@scripts/install-packages build run test
	@scripts/check-writable build/dev/plugins
	umask 022 && EMCO_HELM=$$(scripts/fetch-helm) && export EMCO_HELM && ctest --preset dev

serve: build    ## A server on port 9015 with a PostgreSQL of its own; state in ./var (EMCO_PORT, EMCO_DATA)
	@scripts/install-packages run
	@exec scripts/serve

demo: build     ## The main job on a server of its own, every request shown
	@scripts/install-packages run test
	@exec demo/run

demo-kube: build  ## The same on two Kubernetes API servers, or on the contexts of DEMO_KUBECONFIG
	@scripts/install-packages run test kube
	@exec demo/run kube

bench: bench-tools  ## Measure against the machine's limits
	@exec tests/bench/run

bench-hosts: bench-tools  ## The same for 5,000 API servers, which takes long
	@exec tests/bench/run P9c

# What the stub needs may have come after CMake looked for it.
.PHONY: bench-tools
bench-tools: build
	@scripts/install-packages run test bench
	@umask 022 && cmake --preset release >build/release/bench.log
	$(BUILD) --preset release --target bench

model: dev      ## Everything that may happen to the synchroniser, against a model: STEPS (10000), SEED (any)
	@scripts/install-packages build run test kube && scripts/fetch-kube
	@scripts/check-writable build/dev/plugins
	cmake --install build/dev --prefix build/dev/stage >build/dev/stage.log
	EMCO_STAGE=$(CURDIR)/build/dev/stage tests/model/run --steps $(STEPS) $(if $(SEED),--seed $(SEED))

tsan: build/tsan/build.ninja  ## Every test, with ThreadSanitizer
	@scripts/install-packages build run test
	$(BUILD) --preset tsan
	@scripts/check-writable build/tsan/plugins
	umask 022 && EMCO_HELM=$$(scripts/fetch-helm) && export EMCO_HELM && ctest --preset tsan

coverage: build/coverage/build.ninja  ## Lines that the tests execute, a table
	@scripts/install-packages build run test coverage
	$(BUILD) --preset coverage
	find build/coverage -name '*.gcda' -delete
	@scripts/check-writable build/coverage/plugins
	umask 022 && EMCO_HELM=$$(scripts/fetch-helm) && export EMCO_HELM && ctest --preset coverage
	gcovr --root . --exclude tests/ --exclude 'build/' build/coverage

fuzz: build/fuzz/build.ninja  ## Each fuzz target for FUZZ_SECONDS (60); a crash is kept in tests/fuzz/corpus
	$(BUILD) --preset fuzz
	@for target in build/fuzz/tests/fuzz/fuzz_*; do \
		test -x $$target -a -f $$target || continue; \
		name=$${target##*/fuzz_}; kept=tests/fuzz/corpus/$$name; found=build/fuzz/corpus/$$name; \
		mkdir -p $$kept $$found; echo "== $$name"; \
		$$target -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$$kept/ $$found $$kept || exit 1; \
	done

format:         ## clang-format on FILES="...": tables are aligned by hand, so never on everything
	@scripts/install-packages lint
	@test -n "$(FILES)" || { echo 'say which: make format FILES="lib/base/new.c"' >&2; exit 1; }
	clang-format -i $(FILES)

lint: dev       ## clang-tidy on every source file, or on FILES="..."
	@scripts/install-packages lint
	scripts/lint $(FILES)

clean:          ## Remove what was built and what the demos left; ./var and the cache stay
	@demo/run clean
	@demo/run kube clean
	rm -rf build

.PHONY: dev
dev: build/dev/build.ninja
	$(BUILD) --preset dev

# Ninja runs CMake again by itself when a list changes, so configuring happens once.
build/%/build.ninja:
	@scripts/install-packages build $(if $(filter fuzz clang,$*),fuzz)
	umask 022 && cmake --preset $*
