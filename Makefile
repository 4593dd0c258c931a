# Two commands do it all: make run, make test. Both install what the machine lacks.

# What the station runs on, and what only its tests hold it against.
RUN_PACKAGES  := gcc libc6-dev pkg-config libpcsclite-dev pcscd vsmartcard-vpcd fonts-ocr-b fonts-noto-core libopenjp2-tools
TEST_PACKAGES := libssl-dev libeac-dev libmrtd-dev openpace opensc yubico-piv-tool openssl argon2 poppler-utils zbar-tools tesseract-ocr chromium

BIN := bin/stationd

.PHONY: run demo build test bench fuzz killtest deps test-deps clean

run: build ## the demo station: real readers in software, console, first citizen
	$(BIN) demo

demo: build ## the same, once and without a console; exit 0 only if the card was issued and verified
	$(BIN) demo --once

build: deps
	go build -o $(BIN) ./station/stationd

test: test-deps ## everything: the floors' law, vet, linter, unit, rig, fuzz seeds, killed processes
	go vet ./...
	go tool staticcheck ./...
	go test -timeout 9m ./...

bench: test-deps ## figures: one card against a bare replay, a line's hour, an enrolment and its search, the start
	go test -run '^$$' -bench . -benchtime 1x -timeout 10m ./station/stationd ./station/enrol

killtest: test-deps ## several hundred kills of the real daemon; make test runs a few dozen
	CARDSTATION_KILLS=300 go test -count 1 -v -run '^TestKilledAtRandom$$' -timeout 60m ./station/stationd

FUZZTIME ?= 30s
fuzz: test-deps ## every fuzz target for FUZZTIME each
	@for p in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$p 2>/dev/null | grep '^Fuzz'); do \
			echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; \
		done; \
	done

deps:
	@.ci/install $(RUN_PACKAGES)

test-deps:
	@.ci/install $(RUN_PACKAGES) $(TEST_PACKAGES)

clean:
	rm -rf bin
