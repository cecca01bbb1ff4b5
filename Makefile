# `make run` and `make test` do all the set-up on a fresh Debian 12 with Rust, Python 3, Node 20 and make.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: run build test bench soak lint fmt buf rust-tests browser-tests companion companion-tests setup setup-test setup-bench

run: build
	@scripts/run.sh

build: setup
	cargo build --release --locked -p boothd -p booth

setup:
	@scripts/setup.sh

setup-test:
	@scripts/setup.sh test

setup-bench:
	@scripts/setup.sh bench

test: setup-test fmt buf lint rust-tests browser-tests companion-tests

fmt:
	cargo fmt --all --check

lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

buf: proto/node_modules/.installed
	scripts/buf.sh lint
	scripts/proto-breaking.sh

# The system's tests start the built programs.
rust-tests:
	cargo build --workspace --locked
	cargo test --workspace --locked

browser-tests: tests/browser/node_modules/.installed proto/node_modules/.installed
	cargo build --workspace --locked
	cd tests/browser && npm test --silent

# The module for Bitfocus Companion, packed: companion/booth-<version>.tgz.
companion: proto/node_modules/.installed companion/node_modules/.installed
	cd companion && npm run --silent build

# As it was packed, on the Node that Companion runs modules on.
companion-tests: companion
	cargo build --workspace --locked
	cd companion && npm test --silent

bench: setup-bench
	cargo build --release --locked -p boothd -p booth -p booth-judge -p booth-tests
	target/release/booth-bench

# Half an hour of a channel on air: drift and memory.
soak: setup-bench
	cargo build --release --locked -p boothd -p booth -p booth-judge -p booth-tests
	target/release/booth-bench soak

# npm installs exactly what the lock file names, once.
%/node_modules/.installed: %/package.json %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --silent
	@touch $@
