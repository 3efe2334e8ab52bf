STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 30000x
TIMES ?= 10
PACKAGES ?= ./...
SERVERS := postgresql pgbouncer etcd-server patroni python3-idna openssl iproute2 slapd
# What the tests of drivers run; Node may have come from elsewhere than Debian.
DRIVERS := python3-psycopg2 python3-psycopg default-jre-headless libpostgresql-jdbc-java \
	$(shell command -v node >/dev/null || echo nodejs) $(shell command -v npm >/dev/null || echo npm)
# Readers of PgBouncer's console, and a PgBouncer to compare ours with.
CONSOLE := pgbouncer check-postgres munin-plugins-core libdbd-pg-perl
# promtool, and a Prometheus that scrapes a Portero.
PROMETHEUS := prometheus
# A machine with systemd, on which the Debian package is tested, and judges of the package.
PACKAGING := systemd lintian mandoc man-db procps
# What the tests of the status page look at it with.
BROWSER := chromium fonts-dejavu-core
TESTED_WITH := $(SERVERS) $(DRIVERS) $(CONSOLE) $(PROMETHEUS) $(PACKAGING) $(BROWSER)
# Tests and tools whose dependencies stay out of the product's go.mod.
MODULES := browser packaging packaging/kubernetes/check
# A package's tests have servers of their own, and watch the clock: one package at a time.
ONE := -p 1
# One set of flags for all, so that nothing is compiled twice. Only the race
# detector wants C.
export CGO_ENABLED := 0
export GOFLAGS := $(GOFLAGS) -trimpath

.PHONY: help build deb reproducible demo test lint race stress upgrade-test screenshots fuzz bench failover faults drill

help: ## what there is
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## bin/portero
	go build -o bin/portero ./cmd/portero

deb: ## bin/portero_VERSION_GOARCH.deb, of what is checked out
	@mkdir -p bin
	packaging/build bin

reproducible: ## build the package of the last commit twice, at two places, and compare
	packaging/reproducible

demo: build ## a real cluster, Portero before it, a switchover and a crash; under 5 minutes
	scripts/packages $(SERVERS)
	go run ./internal/lab/demo

test: ## go vet and all tests, against real servers
	scripts/packages $(TESTED_WITH)
	go vet ./...
	go test -count=1 $(ONE) -timeout 15m ./...
	for module in $(MODULES); do go vet -C $$module ./... && go test -C $$module -count=1 $(ONE) -timeout 10m ./... || exit 1; done

lint: ## gofmt, go vet and staticcheck
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted by gofmt:" $$unformatted; exit 1; }
	for module in . $(MODULES); do (cd $$module && go vet ./... && go run $(STATICCHECK) ./...) || exit 1; done

race: ## all tests with the race detector, which needs a C compiler; and so with PAM
	scripts/packages $(TESTED_WITH) gcc libc6-dev libpam0g-dev
	CGO_ENABLED=1 go test -race -tags pam $(ONE) -timeout 20m $(PACKAGES)

stress: ## all tests TIMES times (10), while others keep the processors busy
	scripts/packages $(TESTED_WITH)
	scripts/stress $(TIMES) $(PACKAGES)

upgrade-test: ## 200 clients of pgbench over ten restarts; none may notice
	scripts/packages $(SERVERS)
	go test -count=1 -v -run TestPgbenchDoesNotNoticeTenRestarts ./cmd/portero

screenshots: ## the status page as a browser shows it, into docs/img
	scripts/packages $(BROWSER)
	go test -C browser -count=1 -run TestScreenshots . -args -screenshots ../docs/img

fuzz: ## each fuzz target FUZZTIME (30000x)
	@grep -rEo --include='*_test.go' '^func Fuzz\w+' . | sed 's|/[^/]*:func | |' | sort | while read -r dir target; do \
		echo "$$dir $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$dir </dev/null || exit 1; \
	done

bench: build ## beside PgBouncer (PGBOUNCER names one) and HAProxy (and BEFORE, another build), into docs/benchmarks.md and docs/scale.md; some 35 minutes
	scripts/packages postgresql pgbouncer haproxy
	$(if $(PGBOUNCER),,scripts/pgbouncer bin/newer)
	go run ./bench $(if $(PGBOUNCER),-pgbouncer $(PGBOUNCER)) $(if $(BEFORE),-before $(BEFORE)) -out docs/benchmarks.md -scale docs/scale.md

failover: build ## ten switchovers, ten crashes, ten dead leaders; about half an hour
	scripts/packages $(SERVERS)
	go run ./internal/lab/demo -runs 10 -events switchover,crash,kill

faults: build ## all faults through Portero and two chains of HAProxy and PgBouncer, into docs/failover.md; hours, goes on where it stopped
	scripts/packages $(SERVERS) pgbouncer haproxy
	go run ./faults -record docs/failover.jsonl -out docs/failover.md -plot docs/failover.png

drill: build ## three servers, lost one by one and cut from each other, into docs/failover.md; hours, goes on where it stopped
	scripts/packages $(SERVERS)
	go run ./drill -record docs/drill.jsonl -out docs/failover.md
