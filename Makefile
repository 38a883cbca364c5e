VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

N ?= 500
PATIENTS ?= 1000

.PHONY: help test test-hapi test-download test-redis test-blob kill kill-short mutants sim scale nth build demo bench bench-short vuln docs

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' Makefile

test: ## all checks: format, vet, staticcheck, tests with a real Redis, builds for all platforms
	@bash scripts/test.sh

test-hapi: ## exports from a real HAPI server, held against plain paging (Java 17, Maven; HAPI_DIR names the folder that starts it)
	@bash scripts/test-hapi.sh

test-download: ## downloads with curl, Go, Node and Python: the same lines, also in pieces
	@bash scripts/test-download.sh

test-redis: ## the suite of the job state on a Redis with TLS, a cluster and sentinels, from the Debian packages
	@bash scripts/test-redis.sh

test-blob: ## the contract of a store on doubles of S3, Azure and GCS, and exports into them under kills (KILLS=50)
	scripts/test-blob.sh $(or $(KILLS),50)

kill: ## kills Sluice at random moments and at every named point, freezes it, takes Redis away; counts what is lost (N kills each)
	go run ./test/kill -kills 20
	go run ./test/kill -kills $(N) -replicas 4 -redis -jobs 2 -patients $(PATIENTS) -min 100ms -max 900ms
	go run ./test/kill -mode points -patients 10
	go run ./test/kill -mode freeze -redis -replicas 2 -patients 400
	go run ./test/kill -mode flush -redis -replicas 2 -patients 200
	go run ./test/kill -mode outage -redis -replicas 2 -patients 200
	go run ./test/kill -mode failover -redis -replicas 2 -patients 300
	go run ./test/kill -mode oom -redis -replicas 2 -patients 200 -outage 20s
	go run ./test/kill -mode fulldisk -patients 100
	go run -tags nextformat ./test/kill -mode upgrade -redis -replicas 2 -jobs 2 -patients 150
	go run ./test/kill -mode rate -redis -replicas 4 -rate 50 -burst 10 -patients 400

kill-short: ## the same in two minutes
	go run ./test/kill -kills 20 -max 800ms
	go run ./test/kill -kills 12 -replicas 4 -redis -patients 300 -min 100ms -max 600ms
	go run ./test/kill -mode points -some 5 -patients 10
	go run ./test/kill -mode flush -redis -replicas 2 -patients 200

mutants: ## switches one rule off at a time: the tests must notice
	@bash scripts/mutants.sh

SEEDS ?= 2000
sim: ## simulates the engine in virtual time under all kinds of trouble, SEEDS seeds
	@bash scripts/sim.sh $(SEEDS)

scale: ## a plan of a million patients; speed and memory from 1,000 to 100,000
	go run ./test/scale

nth: ## every single call of storage and Redis fails once, in three ways
	go test ./fanout -run 'R2|R3' -nth.every 1 -v | grep -v -e '--- PASS' -e '=== RUN'

build: ## the binary, as bin/sluice
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.buildVersion=$(VERSION)" -o bin/sluice ./cmd/sluice

demo: ## a whole export on this machine, with nothing installed
	go run ./cmd/sluice demo

bench: ## whole exports against a bare client, with memory; then the benchmarks of the packages
	go run ./test/load
	go test -run '^$$' -bench . -benchmem ./...

bench-short: ## that memory does not grow with the data
	go run ./test/load -short -spread 25

vuln: ## known vulnerabilities in what is used (asks vuln.go.dev)
	go tool -modfile=tools.mod govulncheck ./...

docs: ## write the generated parts of docs anew
	go test ./config ./telemetry -update
