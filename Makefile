# Thin: each line can be run by hand. `make help` lists the targets.

PYTHON ?= python3
# The folder of documents that `make demo` loads.
DIR ?= docs/demo

.DEFAULT_GOAL := help
.PHONY: help run demo parts test test-security lint bench bench-quality

help: ## This list.
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: parts ## The whole product on 127.0.0.1:8080, from nothing.
	cargo run --release --locked --bin consigne -- serve

demo: parts ## Loads DIR into a running gateway, asks, erases, verifies. DIR=folder
	cargo run --release --locked --bin consigne -- demo $(DIR)

parts: ## The pinned model, runtime and playground, into parts/.
	$(PYTHON) plugins/fastembed/parts/fetch.py --into parts

test: parts ## Everything, on SQLite and again on a private Postgres.
	cargo build --locked --bin consigne
	scripts/nextest run --locked --workspace
	scripts/postgres run -- scripts/nextest run --locked --workspace --profile postgres

test-security: parts ## Other people's attacks on a running gateway, and suites of known answers.
	cargo build --locked --bin consigne
	CONSIGNE_ALL_STRINGS=1 scripts/nextest run --locked --workspace -E 'test(/wycheproof|forger|hostile|isolation|harmless|signed|vectors/) | test(clients::)'
	scripts/security

lint: ## Format, clippy, links in the docs, licences and advisories.
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D rustdoc::broken_intra_doc_links" cargo doc --locked --workspace --no-deps --document-private-items
	scripts/deny

bench-quality: parts ## How well the search finds what it should, on sets with known answers.
	cargo build --release --locked --bin consigne
	scripts/bench-quality

bench: parts ## Start, memory, loading, answers and the index of a release build, measured.
	cargo build --release --locked --bin consigne
	scripts/bench
	cargo run --release --locked -p consigne-plugin-flat --example scan
