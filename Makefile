# make alone prints this file's targets. Needed: Go, Python 3, make; a C compiler
# only for the race detector.

SHELL   := /bin/sh
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
SOAK    ?= 60s
RELEASE ?= dist
SHOTS   ?= docs
OUT     := .tools/e2e

# -race needs a C compiler; without one the same tests run without it and say so.
HAVE_CC := $(shell command -v "$$(go env CC)" >/dev/null 2>&1 && echo yes)
ifeq ($(HAVE_CC),yes)
RACE := CGO_ENABLED=1
FLAGS := -race
else
RACE := CGO_ENABLED=0
FLAGS :=
endif
# Programs built with -race sleep a second at their end otherwise.
TEST := GORACE=atexit_sleep_ms=0 $(RACE) go test

.PHONY: help tools build try test unit e2e faults fuzz lint demo bench soak matrix mixed test-image test-page test-deploy test-moto licences release images images-update vuln check clean

help: ## print the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

tools: ## put consul and envoy into .tools/bin (PATH, else built and fetched; about 4 minutes once)
	@tools/get.sh

build: ## build ./meshtask, one static binary
	@VERSION='$(VERSION)' tools/build.sh meshtask

try: tools ## put meshtask and a small app beside consul and envoy: what the pages under docs/ run
	@VERSION='$(VERSION)' tools/build.sh .tools/bin/meshtask
	CGO_ENABLED=0 go build -C e2e -o ../.tools/bin/app ./app

test: unit e2e ## all tests: unit and scenarios, then the real parts

unit: ## unit, scenario and command-line tests
	@[ -n "$(FLAGS)" ] || echo "no C compiler: testing without the race detector"
	$(TEST) $(FLAGS) -shuffle=on $$(go list ./... | grep -v /conformance$$)
	$(TEST) $(FLAGS) -shuffle=on ./conformance  # alone: it fills the process table on purpose

e2e: tools ## tests with a real Consul, a real Envoy and a real app
	$(TEST) -C e2e $(FLAGS) -shuffle=on -parallel 8 -timeout 10m ./...

fuzz: ## every fuzz target of the tree for its share of FUZZ (10m); a crash is kept in testdata/fuzz
	tools/fuzz.sh $(or $(FUZZ),10m)

lint: ## gofmt, vet, go fix, staticcheck; NOTICE and the tables of deploy/terraform are not stale
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt these:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go vet -C e2e ./...
	@go fix -diff ./... || { echo "run: go fix ./..."; exit 1; }
	@go fix -C e2e -diff ./... || { echo "run: go fix -C e2e ./..."; exit 1; }
	go tool -modfile=tools/lint/go.mod staticcheck ./...
	cd e2e && go tool -modfile=../tools/lint/go.mod staticcheck ./...
	@go vet -C tools/tfdocs . && go test -C tools/tfdocs -count=1 .
	@go vet -C tools/licences . && go build -C tools/licences -o ../../$(OUT)/licences . && $(OUT)/licences -check

demo: ## a Consul server and three tasks on loopback: up, intentions, a stop under load
	@tools/get.sh --any
	@go build -C e2e -o ../$(OUT)/demo ./demo && exec $(OUT)/demo

bench: tools ## the budgets, measured, and docs/benchmarks.md (GROWTH=--quick: not the page); as root docs/conformance.md too
	@go build -C e2e -o ../$(OUT)/growth ./growth; rc=0; \
	if [ "$$(id -u)" = 0 ]; then go run ./bench || rc=1; else echo "not root: not compared with other inits"; fi; \
	go test -C e2e -run '^$$' -bench . -benchtime 10x ./... || rc=1; \
	$(OUT)/growth $(GROWTH) || rc=1; exit $$rc

faults: tools ## break tasks in each way of e2e/faults, and write docs/faults: what is said of each
	$(TEST) -C e2e -parallel 8 -timeout 20m ./faults -update

soak: tools ## rolling replacement under load for SOAK (60s); fails on one lost request
	@go build -C e2e -o ../$(OUT)/soak ./soak && exec $(OUT)/soak --for $(SOAK)

matrix: tools ## a life, tests and soak on every pair of tools/versions, and docs/versions.md (MATRIX='--corners --what life'); hours
	@tools/matrix.sh
	@go build -C e2e -o ../$(OUT)/matrix ./matrix && exec $(OUT)/matrix $(MATRIX)

mixed: tools ## sibling tasks of two builds, mesh container of one and apps of the other (FROM=v0.1.0: a tag or commit; default: the last tag)
	@tools/mixed.sh $(FROM)

test-image: tools ## build the images and run what is in them (buildah where it is installed; else without it)
	@go build -C e2e -o ../$(OUT)/image ./image && exec $(OUT)/image

test-page: tools ## drive the page of a task with a real Chromium, and take the pictures of docs/page.md (SHOTS=docs)
	@tools/page.sh --shots $(SHOTS)

test-deploy: ## render and validate deploy/: Terraform, CloudFormation, CDK, compose (needs terraform and npm)
	@deploy/test/run.sh

test-moto: ## hold our fakes of AWS against moto (Python 3 with venv; installs it into .tools/moto)
	@tools/moto.sh
	@go build -C e2e -o ../$(OUT)/moto ./moto && exec $(OUT)/moto

licences: ## write NOTICE and THIRD_PARTY_LICENSES.txt: what is linked, and under which licences
	@go build -C tools/licences -o ../../$(OUT)/licences . && $(OUT)/licences

release: ## both architectures, SBOMs, licences and checksums into RELEASE (dist)
	@VERSION='$(VERSION)' tools/release.sh $(RELEASE)

images: ## both images for both architectures, by docker buildx, podman or buildah (REPOSITORY=…; IMAGES='--dry-run', '--push')
	@VERSION='$(VERSION)' tools/build-images.sh $(IMAGES) $(REPOSITORY)

images-update: ## resolve the base images' tags to digests anew (needs a registry, and crane, skopeo or docker buildx)
	@tools/images.sh

vuln: ## scan what we ship with govulncheck, where its database can be reached
	@tools/vuln.sh

check: lint test ## what a change must pass

clean: ## remove what was built, but not the real parts
	rm -rf meshtask .demo $(OUT) $(RELEASE)
