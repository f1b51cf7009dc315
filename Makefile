# The only commands that CI and the README name. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo

.PHONY: help run demo test bench fuzz fmt lint deny crash soak proto-baseline tools

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "make %-15s %s\n", $$1, $$2}'

run: ## Run the whole house in one process on SQLite in ./data
	$(CARGO) run --release -p portreeve -- serve

demo: ## See it work: a file of requests, some to live, one expires before your eyes
	$(CARGO) build --release -p portreeve
	./target/release/portreeve demo

test: tools lint ## Everything that CI demands: format, lints, tests on both stores
	$(CARGO) test --workspace --lib --bins --tests
	@echo 'make test: all is well'

bench: tools ## Measure against anchors on this machine; the table also as JSON under target/bench/
	$(CARGO) run --release -p portreeve-tests --bin bench

fuzz: ## A minute of texts that nobody would write, against every parser that reads what people write
	$(CARGO) run --release -p portreeve-tests --bin fuzz -- --seconds $(or $(FUZZ_SECONDS),60)

fmt: ## Format the code
	$(CARGO) fmt --all

lint: ## Check the format and the lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

deny: ## Ask cargo-deny about licences, bans, sources and advisories (needs the network; builds it once)
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny@0.20.2
	$(CARGO) deny check

crash: tools ## Kill and restart the executable under load, 500 rounds on each store
	CRASH_ROUNDS=500 CRASH_BUDGET_SECONDS=14400 $(CARGO) test --release -p portreeve-tests --test crash -- --nocapture --test-threads=1

soak: tools ## Ten minutes at half the measured maximum: no growth of memory or latency, no error
	$(CARGO) run --release -p portreeve-tests --bin bench -- soak

proto-baseline: ## Take today's wire contract as the one that must not break
	UPDATE_PROTO_BASELINE=1 $(CARGO) test -p portreeve-tests --test architecture wire

# The OpenID provider that the tests of logins start: a package of the npm registry, pinned, outside the sources.
OIDC := $(or $(CARGO_TARGET_DIR),target)/oidc

# Tests on PostgreSQL start a private server of their own; its programs must be there. SQLite is compiled in. The tests of
# pages open them in a real Chromium, those of brokers start a real nats-server.
tools:
	@if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || [ -n "$$PORTREEVE_POSTGRES_BIN" ]; then \
		:; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql; \
	else \
		echo 'PostgreSQL 15 or later is missing; install it: sudo apt-get install -y postgresql' >&2; exit 1; \
	fi
	@if ! command -v cc >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq build-essential; \
		else \
			echo 'a C compiler is missing; install it: sudo apt-get install -y build-essential' >&2; exit 1; \
		fi; \
	fi
	@if ! command -v nats-server >/dev/null && ! [ -x /usr/sbin/nats-server ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nats-server; \
		else \
			echo 'nats-server 2.9 or later is missing; install it: sudo apt-get install -y nats-server' >&2; exit 1; \
		fi; \
	fi
	@if ! command -v node >/dev/null || ! command -v npm >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm; \
		else \
			echo 'Node.js 18 or later and npm are missing; install them: sudo apt-get install -y nodejs npm' >&2; exit 1; \
		fi; \
	fi
	@if ! cmp -s tests/oidc/package-lock.json $(OIDC)/package-lock.json || ! [ -d $(OIDC)/node_modules ]; then \
		mkdir -p $(OIDC) && cp tests/oidc/package.json $(OIDC) && \
		cp tests/oidc/package-lock.json $(OIDC)/package-lock.json.new && \
		(cd $(OIDC) && mv package-lock.json.new package-lock.json && \
		npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || (rm package-lock.json; exit 1)); \
	fi
	@if ! command -v chromedriver >/dev/null || ! { command -v chromium || command -v google-chrome; } >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver; \
		else \
			echo 'Chromium and its driver are missing; install them: sudo apt-get install -y chromium chromium-driver' >&2; exit 1; \
		fi; \
	fi
