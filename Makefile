# SPDX-License-Identifier: Apache-2.0
# A thin front: the builds are in tools/build.sh, the suites in tests/run.py.
# A comment of two hashes after a target's name is its line in `make help`.

FUZZ_TIME ?= 60
PREFIX ?= /usr/local

.DEFAULT_GOAL := help
.PHONY: help build static static-sample test test-unit test-e2e test-sanitize test-valgrind test-long fuzz demo bench bench-svid size \
	lint format clean install

help: ## print this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  %-15s %s\n", $$1, $$2 }'

build: ## build sealpod for work, on the distribution's shared libraries: build/debug
	@tools/build.sh debug

static: ## build the release, musl and static-pie: build/sealpod, build/sealpodctl
	@tools/build.sh static >/dev/null && ls -l build/sealpod build/sealpodctl

static-sample: ## build the release with the sample attester, for tests only: build/static-sample
	@tools/build.sh static-sample

test: ## run the suites that every change must pass; the last line says how many tests passed
	@tools/need-packages.sh test && tests/run.py

test-unit: ## run the quick part of them: includes, manual pages, unit tests, corpora
	@tools/need-packages.sh test && tests/run.py lint unit

test-e2e: ## run the end-to-end tests on the static build, with the real SPIRE (as root, or by sudo)
	@tools/need-packages.sh test && tests/run.py e2e

test-sanitize: ## run unit and end-to-end tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/need-packages.sh test && tests/run.py sanitize e2e-sanitize

test-valgrind: ## run unit and end-to-end tests under valgrind
	@tools/need-packages.sh test && tests/run.py valgrind e2e-valgrind

test-long: ## run everything, in the long forms
	@tools/need-packages.sh test && tests/run.py lint unit sanitize toml kbs guest differential tee azure e2e-long e2e-sanitize valgrind e2e-valgrind

fuzz: ## run each fuzz target for FUZZ_TIME seconds (60)
	@tools/fuzz.sh $(FUZZ_TIME)

demo: ## show the way from attestation to an SVID, with real SPIRE and an emulated TEE (TEE=snp, snp-ioctl, tdx, az-snp, az-tdx: on an emulated machine; FAULT=kbs-down: what a failure looks like)
	@demo/demo.sh

bench: ## measure `sealpod run` up to the start of the agent, and `sealpod attest` up to the evidence: time, memory, system calls, TPM commands
	@bench/start.py
	@bench/attest.py
	@bench/azure.py

bench-svid: ## measure `sealpod svid` and the real spiffe-helper side by side (bench/svid.py --long: 1,000 rotations)
	@bench/svid.py

size: ## print the size of the static binary and what each library costs in it
	@bench/size.py

lint: ## check includes, manual pages, shell scripts and Go code
	@tools/lint.sh

format: ## format C and Go sources
	@clang-format -i $$(git ls-files '*.c' '*.h') && "$$(dirname "$$(tools/go.sh)")/gofmt" -w $$(git ls-files '*.go')

install: static ## install the release and its manual pages under PREFIX (/usr/local) and DESTDIR
	install -D -m 0755 build/sealpod "$(DESTDIR)$(PREFIX)/sbin/sealpod"
	install -D -m 0755 build/sealpodctl "$(DESTDIR)$(PREFIX)/bin/sealpodctl"
	install -D -m 0644 -t "$(DESTDIR)$(PREFIX)/share/man/man1" $(wildcard */*.1)
	install -D -m 0644 -t "$(DESTDIR)$(PREFIX)/share/man/man5" $(wildcard */*.5)
	install -D -m 0644 -t "$(DESTDIR)$(PREFIX)/share/man/man8" $(wildcard */*.8)

clean: ## remove what was built here; what is cached elsewhere stays
	rm -rf build
