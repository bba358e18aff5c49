# SPDX-License-Identifier: GPL-2.0-only
# A thin front for build/faultline. `make help` lists the verbs.
BUILD ?= build
OUT ?= out
KERNELS ?= bookworm
PREFIX ?= /usr/local
PYTHON := /usr/bin/python3
FAULTLINE := $(BUILD)/faultline

.PHONY: help deps build command install deb bench test example study answers probe-cost gate-study blind-trial self-gate self-baseline kmod lint tidy format \
  sanitize fuzz mutants docs clean

help:            ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## +/\t/' | expand -t 12

deps:            ## install what is missing (apt; asks nothing)
	@tools/deps

build: deps      ## build/faultline and the tests
	@test -f $(BUILD)/build.ninja || cmake -S . -B $(BUILD) -G Ninja -Wno-dev >/dev/null
	@cmake --build $(BUILD)
	@tools/pinned-guest $(FAULTLINE) $(BUILD)

command: deps    ## build/faultline alone, without the tests: half the time
	@test -f $(BUILD)/build.ninja || cmake -S . -B $(BUILD) -G Ninja -Wno-dev >/dev/null
	@cmake --build $(BUILD) --target faultline
	@tools/pinned-guest $(FAULTLINE) $(BUILD)

install: command ## into PREFIX (/usr/local), below DESTDIR: command, guest, man pages, completions
	@tools/help-pages $(BUILD)
	@cmake --install $(BUILD) --prefix $(PREFIX) >$(BUILD)/install.log

deb: command     ## build/faultline_*.deb, and what lintian says of it
	@tools/deb $(BUILD)

bench: command   ## everything once, in short, with a report: 12 minutes, writes out/
	@tools/bench $(FAULTLINE) $(OUT) $(KERNELS)

test: build      ## all tests: C++, reports/, and real ones in the VM
	@tools/test $(BUILD)

docs: build      ## write anew what docs/ and README.md copy: figures, outputs, the commands' help
	@tools/figures --update --build $(BUILD)
	@tools/commands --update --build $(BUILD)
	@$(FAULTLINE) list --schema >reports/result.schema.json
	@tools/doc-commands --build $(BUILD)

example: build   ## measure docs/example anew, and the report of it
	@tools/example $(FAULTLINE) docs/example

study: build     ## measure all the claims' cases, 3 hours, and write docs/study; STUDY="c7 c9": those; STUDY=list: what there is
	@tools/study $(FAULTLINE) out-study docs/study

answers: build   ## measure anew what the lists have asked, write docs/answers, say what moved
	@tools/answers $(FAULTLINE)

probe-cost: build ## what the same question costs by bpftrace, perf trace, ftrace
	@tools/probe-cost $(FAULTLINE) $(KERNELS)

gate-study: build ## how often the gate errs, by planted regressions
	@tools/gate-study $(FAULTLINE) $(KERNELS)

blind-trial: build ## the gate on changes of 1 to 500 instructions whose labels are sealed until it has spoken
	@tools/blind-trial $(FAULTLINE) $(KERNELS)

self-gate: build ## our own tax and boot time against .ci/baseline
	@tools/self-gate $(FAULTLINE) .ci/baseline

self-baseline: build ## measure .ci/baseline anew
	@tools/self-gate $(FAULTLINE) .ci/baseline save

kmod:            ## the strategy module for the kernel that runs here, or KDIR=
	@tools/kmod $(BUILD)

lint: build      ## formats, SPDX lines, shellcheck, the edges between folders
	@tools/lint $(BUILD)

tidy: build      ## lint, and clang-tidy over all but tests
	@tools/lint $(BUILD) tidy

sanitize: deps   ## the unit tests under AddressSanitizer and UBSan
	@tools/sanitize

fuzz: deps       ## bytes that nobody would write, for every parser; FUZZ_SECONDS (600) each, 3 hours; needs clang's libFuzzer
	@tools/fuzz

mutants: deps    ## bugs put in on purpose, which the tests must notice
	@mkdir -p $(BUILD); tools/mutants-reports >$(BUILD)/mutants-reports.log 2>&1 & reports=$$!; status=0; \
	  tools/mutants || status=1; wait $$reports || status=1; cat $(BUILD)/mutants-reports.log; exit $$status

format:          ## clang-format everything
	@git ls-files '*.cc' '*.h' '*.c' | xargs clang-format -i

clean:           ## remove what was built; the cache stays
	@rm -rf $(BUILD) build-asan build-fuzz
