# GX: build it, run it, test it. `make help` lists the targets.

export PATH := $(PATH):/usr/local/go/bin

GO        ?= go
ARGS      ?=
TESTFLAGS ?=
GOTESTSUM := .bin/gotestsum-v1.13.0
OAPI      := .bin/oapi-codegen-v2.8.2
RACE      ?= $$(command -v cc >/dev/null && echo -race)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/gx
	@echo "building bin/gx (the first time takes a minute)"
	@CGO_ENABLED=0 $(GO) build -trimpath -o bin/gx ./cmd/gx

.PHONY: up
up: build ## Run the whole system: PostgreSQL, ledger, seven services, workers (ARGS="--ephemeral")
	@exec bin/gx up $(ARGS)

.PHONY: demo
demo: build ## Play the demo against the running system
	@exec bin/gx demo $(ARGS)

.PHONY: deps
deps: build ## Install what the tests need and this machine lacks
	@bin/gx doctor --install --for=test

.PHONY: test
test: deps lint fabric-tools newman $(GOTESTSUM) $(OAPI) ## Run every test
	@test -n "$(RACE)" || echo "SKIPPED: the race detector: there is no C compiler, or RACE= is empty"
	@echo "SKIPPED: Fabric's failures (make fabric-test) and the faults at length (make chaos)"
	GX_REQUIRE_POSTGRES=1 $(GOTESTSUM) --format=pkgname-and-test-fails --packages=./... -- $(RACE) -timeout=20m $(TESTFLAGS)

.PHONY: generate
generate: $(OAPI) ## Write the OpenAPI documents, the Go client and the Postman collection anew
	$(GO) generate ./api/openapi ./api/client ./api/postman

.PHONY: newman
newman: ## Install newman, which plays the Postman collection; SKIPPED, loudly, without npm
	@if ! command -v npm >/dev/null; then echo "SKIPPED: the Postman collection is not played: npm is not here"; \
	elif ! cmp -s tools/newman/package-lock.json .bin/newman/package-lock.json || ! test -x .bin/newman/node_modules/.bin/newman; then \
		mkdir -p .bin/newman && cp tools/newman/package*.json .bin/newman/ && cd .bin/newman && npm ci --ignore-scripts --no-audit --no-fund --silent || \
		echo "SKIPPED: the Postman collection is not played: npm can't install newman"; fi

.PHONY: crash
crash: ## Kill the real processes under load, 27 times, and count every Qirat
	GX_CRASH_ROUNDS=3 $(GO) test -v -count=1 -timeout=30m -run='^TestKill$$' ./test/crash

SEED   ?= $(shell date +%s)
TIME   ?= 20m
REPORT ?= bin/chaos.md

.PHONY: chaos
chaos: build ## Prove the ring under every fault, at length (SEED=1 TIME=20m REPORT=bin/chaos.md)
	@printf '# Chaos, seed %s, %s, %s\n\n' $(SEED) "$$(git rev-parse --short HEAD)" "$$(date -u +%FT%TZ)" > $(REPORT)
	@status=0; export GX_CHAOS=1 GX_CHAOS_SEED=$(SEED) GX_CHAOS_REPORT=$(abspath $(REPORT)); \
	$(GO) test -count=1 -v -timeout=30m ./test/chaos || status=1; \
	GX_CRASH_POINTS=3 $(GO) test -count=1 -v -timeout=40m -run='^(TestPoints|TestTwoOfEverything|TestSoak|TestOverload)$$' ./test/crash || status=1; \
	$(GO) test -count=1 -timeout=30m -run='^TestOrder$$' ./internal/submitter -rapid.checks=300 || status=1; \
	$(MAKE) --no-print-directory sim SEED=$(SEED) TIME=$(TIME) || status=1; \
	cat $(REPORT); exit $$status

SEEDS ?= 10000

.PHONY: sim
sim: ## Simulate the whole pipeline on every processor (SEED=1 SEEDS=10000 TIME=20m; all seeds take hours: TIME=6h)
	@mkdir -p bin; : > bin/sim.md; export GX_CHAOS_REPORT="$${GX_CHAOS_REPORT:-$(abspath bin/sim.md)}"; \
	n=$$(nproc); each=$$((($(SEEDS) + n - 1) / n)); pids=; status=0; \
	for i in $$(seq 0 $$((n - 1))); do \
		GX_SIM_SEED=$$(($(SEED) + i * each)) GX_SIM_SEEDS=$$each GX_SIM_TIME=$(TIME) $(GO) test -count=1 -timeout=0 -run='^TestSimulation$$' ./test/sim & pids="$$pids $$!"; \
	done; \
	for p in $$pids; do wait $$p || status=1; done; cat bin/sim.md; exit $$status

.PHONY: fabric-tools
fabric-tools: ## Build Hyperledger Fabric's programs into the user's cache, once
	@cd tools/fabric && $(GO) run .

.PHONY: fabric
fabric: build fabric-tools ## Run a Fabric network of its own (ARGS="--orderers=1"); gx up --ledger=fabric needs none
	@exec bin/gx fabric up $(ARGS)

.PHONY: fabric-test
fabric-test: fabric-tools ## Test the ledger on real Fabric networks; SKIPPED, loudly, without Fabric's programs
	cd tools/fabric && $(GO) test -count=1 .
	GX_FABRIC=1 $(GO) test -count=1 -v -timeout=15m ./contract/chaincode ./internal/fabric/... ./internal/ledger/fabric
	GX_FABRIC=1 $(GO) test -count=1 -v -timeout=15m -run=Fabric ./cmd/gx
	GX_CRASH=1 $(GO) test -count=1 -v -timeout=15m -run=Fabric ./test/crash

.PHONY: fabric-bench
fabric-bench: fabric-tools ## Measure the ring on a Fabric network beside a bare client
	GOGC=200 GX_TEST_BENCH=1 $(GO) test -count=1 -v -timeout=30m ./test/bench

.PHONY: lint
lint: ## Check format, vet and the house rules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'd:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...

.PHONY: bench
bench: build ## Measure the running system (gx bench)
	@exec bin/gx bench $(ARGS)

.PHONY: clean
clean: ## Remove what was built; data stay
	rm -rf bin .bin

$(GOTESTSUM):
	GOBIN=$(CURDIR)/.bin/tmp $(GO) install gotest.tools/gotestsum@v1.13.0
	mv .bin/tmp/gotestsum $@ && rmdir .bin/tmp

$(OAPI):
	GOBIN=$(CURDIR)/.bin/tmp $(GO) install github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2
	mv .bin/tmp/oapi-codegen $@ && rmdir .bin/tmp
