# Everything that a developer or a machine runs. Each command sets up what it needs inside the checkout.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PROVIDER ?= stripe
CASE ?= checkout-subscription
VENV := .venv

.PHONY: help
help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.PHONY: demo
demo: ## Play the main job of all three providers on a Cryptlex sandbox, with the real binaries
	cargo build --locked --workspace --bins
	target/debug/devkit demo

.PHONY: test
test: ## Run every test
	cargo test --locked --workspace

.PHONY: check
check: ## Formatting, lints and documentation, warnings denied
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

.PHONY: invoke
invoke: $(VENV)/bin/cargo-lambda ## Sign and wrap events/$(PROVIDER)/$(CASE).json and hand it to the function under `cargo lambda watch`
	cargo build --locked -p devkit
	mkdir -p target/invoke
	target/debug/devkit envelope $(PROVIDER) $(CASE) --out target/invoke/$(PROVIDER)-$(CASE).json
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda invoke $(PROVIDER)-webhook --data-file target/invoke/$(PROVIDER)-$(CASE).json

.PHONY: watch
watch: $(VENV)/bin/cargo-lambda ## Run the functions under cargo-lambda's emulator, for `make invoke`
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda watch --ignore-changes

$(VENV)/bin/cargo-lambda:
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet cargo-lambda==1.9.2
