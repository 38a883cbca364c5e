VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

N ?= 500
PATIENTS ?= 1000

.PHONY: help test test-hapi test-download kill build demo bench vuln docs

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' Makefile

test: ## all checks: format, vet, staticcheck, tests with a real Redis, builds for all platforms
	@bash scripts/test.sh

test-hapi: ## exports from a real HAPI server, held against plain paging (Java 17, Maven; HAPI_DIR names the folder that starts it)
	@bash scripts/test-hapi.sh

kill: ## kills Sluice at random moments and counts what is lost: N kills of one process, and of four replicas with a real Redis
	go run ./test/kill -kills $(N)
	go run ./test/kill -kills $(N) -replicas 4 -redis -jobs 2 -patients $(PATIENTS)

test-download: ## downloads by curl, Go, Node and Python, whole and resumed (brings them along on Debian)
	@bash scripts/test-download.sh

build: ## the binary, as bin/sluice
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.buildVersion=$(VERSION)" -o bin/sluice ./cmd/sluice

demo: ## a whole export on this machine, with nothing installed
	go run ./cmd/sluice demo

bench: ## the benchmarks of the packages
	go test -run '^$$' -bench . -benchmem ./...

vuln: ## known vulnerabilities in what is used (asks vuln.go.dev)
	go tool -modfile=tools.mod govulncheck ./...

docs: ## write the generated parts of docs anew
	go test ./config ./telemetry -update
