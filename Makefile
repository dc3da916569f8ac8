# Everything that a developer or a machine runs. Each command sets up what it needs inside the checkout.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PROVIDER ?= stripe
CASE ?= $(CASE_$(PROVIDER))
CASE_stripe := checkout-subscription
CASE_fastspring := order-subscription
CASE_paddle := transaction-web
WEBHOOK_PATH ?= $(if $(filter stripe,$(PROVIDER)),/v2,/v1)
INVOCATION = target/invoke/$(PROVIDER)-$(CASE).json
VENV := .venv
# Where cargo builds, unless the environment says otherwise.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
ARCHITECTURE ?= arm64
BINARIES := stripe-webhook fastspring-webhook paddle-webhook
RUST_MACHINE = $(if $(filter x86_64,$(ARCHITECTURE)),x86_64,aarch64)
# What devkit is built for by `make dist-devkit`.
TARGET ?= x86_64-unknown-linux-musl
# Only built packages whose hash is known: to build one from its source would run tools that no hash covers. Macs with an
# Intel processor are the exception, because some packages are no longer built for them.
PIP_INSTALL = -m pip install --quiet --no-deps --no-compile --require-hashes \
	$(if $(filter Darwin-x86_64,$(shell uname -s)-$(shell uname -m)),,--only-binary :all:) --requirement
# The oldest Python that each list of packages is resolved for, and the list.
LOCKS := 3.10:crates/devkit/moto/requirements 3.11:crates/devkit/browser/requirements 3.11:deploy/requirements 3.10:deploy/requirements-sam \
	3.10:deploy/requirements-cargo-lambda 3.10:deploy/requirements-uv 3.12:deploy/requirements-setuptools 3.12:deploy/requirements-emulator
# What builds the site. cargo checks its hash, and those of all that it is made of.
MDBOOK := 0.5.4
# What this machine can run itself.
HERE := $(if $(filter x86_64 amd64,$(shell uname -m)),x86_64,arm64)
# The emulator of `make stack` needs a newer Python than the rest.
EMULATOR_PYTHON ?= python3
# Of Stripe, Paddle and AWS; a private key; a Cryptlex token.
SECRET_PATTERN := whsec_[A-Za-z0-9]{24,}|sk_live_[A-Za-z0-9]{16,}|pdl_live_apikey_|pdl_ntfset_01[a-z0-9]{24}_[A-Za-z0-9]{16,}|AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE KEY|eyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}

# For the sandbox only: nothing of this is a secret.
DEMO_ENVIRONMENT := \
	STRIPE_WEBHOOK_SECRET=whsec_demo_not_a_secret \
	FASTSPRING_WEBHOOK_SECRET=fs_demo_not_a_secret \
	PADDLE_WEBHOOK_SECRET=pdl_ntfset_demo_not_a_secret \
	CRYPTLEX_PRODUCT_ID=11111111-1111-4111-8111-000000000001 \
	CRYPTLEX_ACCESS_TOKEN=sandbox-token \
	CRYPTLEX_WEB_API_BASE_URL=http://127.0.0.1:4000

.PHONY: help
help: ## Say what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.PHONY: demo
demo: ## Play a story of each provider on a Cryptlex sandbox, with the real functions; SLOW=1 pauses between the steps
	cargo build --locked --workspace --bins
	@$(TARGET_DIR)/debug/devkit demo $(if $(SLOW),--slow)

.PHONY: test
test: $(VENV)/bin/moto_server ## Run every test; DynamoDB is a moto server that they start themselves
	cargo test --locked --workspace

.PHONY: test-browser
test-browser: $(VENV)/browser/bin/playwright ## Look at the sandbox's page in the Chromium that is installed; CHROMIUM=/path/to/chrome for another one
	cargo build --locked -p devkit
	$(VENV)/browser/bin/python -B crates/devkit/browser/test_page.py

.PHONY: pictures
pictures: $(VENV)/browser/bin/playwright ## Draw docs/images again, from the demo and the sandbox's page; needs Chromium
	cargo build --locked --workspace --bins
	$(TARGET_DIR)/debug/devkit demo --svg docs/images/demo.svg
	$(VENV)/browser/bin/python -B crates/devkit/browser/pictures.py docs/images/sandbox.png

.PHONY: crash
crash: ## Kill the servers while thousands of events are delivered, with the ledger in a file and losing it each time
	cargo build --locked --workspace --bins
	$(TARGET_DIR)/debug/devkit crash $(CRASH)
	$(TARGET_DIR)/debug/devkit crash --lose-ledger $(CRASH)

.PHONY: books
books: ## Try 10,000 lives of subscriptions against a model of the provider's books; SEED=7 tries others, BOOKS=500 fewer
	BOOKS=$(or $(BOOKS),10000) BOOKS_SEED=$(or $(SEED),2026) cargo test --locked -p webhook-core --test it -- books:: --nocapture

.PHONY: bench
bench: $(VENV)/bin/cargo-lambda $(VENV)/bin/moto_server ## Measure the functions as they are deployed, and write BENCHMARKS.md; Linux only
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda build --locked --release $(BINARIES:%=--bin %) --bin devkit
	cargo build --locked --release --manifest-path bench/floor/Cargo.toml --target-dir target/floor
	for binary in $(BINARIES); do (cd target/lambda/$$binary && python3 -m zipfile -c bootstrap.zip bootstrap) || exit 1; done
	target/lambda/devkit/bootstrap bench --write BENCHMARKS.md $(BENCH)

.PHONY: arm64
arm64: arm64-tools $(VENV)/bin/cargo-lambda $(VENV)/bin/moto_server ## Run the functions for arm64 on an emulated processor, and compare them with this machine's build; x86-64 Linux with qemu-user
	rustup target add aarch64-unknown-linux-gnu
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda build --locked --release --target aarch64-unknown-linux-gnu $(BINARIES:%=--bin %)
	cargo build --locked --workspace --bins
	$(TARGET_DIR)/debug/devkit arm64 $(ARM64)

# Before anything is built: the build takes minutes.
.PHONY: arm64-tools
arm64-tools:
	@command -v qemu-aarch64 > /dev/null \
		|| { echo "qemu-aarch64 is missing. Debian and Ubuntu have it in qemu-user: apt-get install qemu-user"; exit 1; }
	@qemu-aarch64 -cpu help | grep -qw neoverse-n1 \
		|| { echo "This qemu-aarch64 does not know neoverse-n1, the processor of AWS Graviton2. That of Debian 12 does."; exit 1; }
	@test -e /usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1 \
		|| { echo "The C library for arm64 is missing. Debian and Ubuntu have it in libc6-arm64-cross: apt-get install libc6-arm64-cross"; exit 1; }

.PHONY: site
site: $(VENV)/mdbook-$(MDBOOK)/bin/mdbook ## Build the documentation as a site in target/site/book; REPOSITORY_URL=https://.. links source files, too
	python3 docs/site.py prepare target/site
	$(VENV)/mdbook-$(MDBOOK)/bin/mdbook build target/site
	python3 docs/site.py check target/site

.PHONY: words
words: ## Count words and sentences of each page; long ones fail `make test`
	cargo test --locked -p devkit --test docs -- sentences --nocapture

.PHONY: snapshots
snapshots: ## Rewrite what the corpus is read as; the change is for `git diff` to show
	INSTA_UPDATE=always cargo test --locked -p webhook-core --test it -- corpus

.PHONY: check
check: check-deploy ## Formatting, lints and documentation, warnings denied; template and workflows
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

.PHONY: check-deploy
check-deploy: $(VENV)/bin/zizmor ## Expand template.yaml as AWS does, lint and compare it; try the scripts; look for holes in policies and workflows
	$(VENV)/bin/python deploy/check_template.py
	$(VENV)/bin/zizmor --offline --quiet --no-progress .github/workflows
	$(VENV)/bin/python deploy/check_scripts.py
	$(VENV)/bin/python deploy/check_release.py
	$(VENV)/bin/python deploy/check_role.py

.PHONY: scan-secrets
scan-secrets: ## Look for real secrets in every commit
	@! git log --patch --no-color --all | grep -v 'SECRET_PATTERN :=' | grep -nE '^\+.*($(SECRET_PATTERN))' \
		|| { echo "that looks like a real secret: revoke it"; exit 1; }

.PHONY: sam-build
sam-build: $(VENV)/sam/bin/sam $(VENV)/bin/cargo-lambda ## Build the three functions for template.yaml into .aws-sam; ARCHITECTURE=x86_64 for the other one
	rustup target add $(RUST_MACHINE)-unknown-linux-gnu
	PATH="$(CURDIR)/$(VENV)/bin:$(CURDIR)/$(VENV)/sam/bin:$$PATH" SAM_CLI_TELEMETRY=0 sam build --parameter-overrides Architecture=$(ARCHITECTURE)

.PHONY: stack
stack: $(VENV)/emulator/bin/localstack-supervisor $(VENV)/sam/bin/sam ## Deploy template.yaml into an emulator of AWS and use it; Linux, Python 3.12 or newer, not part of make test; ZIPS=dist builds no functions
	$(if $(ZIPS),,$(MAKE) sam-build ARCHITECTURE=$(HERE))
	cargo build --locked -p devkit
	ZIPS=$(ZIPS) ARCHITECTURE=$(HERE) $(VENV)/emulator/bin/python deploy/emulator/run.py

.PHONY: sam
sam: $(VENV)/sam/bin/sam ## Install sam, which deploys; deploy/deploy.sh does it when needed

.PHONY: dist
dist: ## Build what a release holds and this machine can: zips for both architectures, bill of materials, checksums, in dist/
	rm -rf dist
	$(MAKE) dist-zips ARCHITECTURE=arm64
	$(MAKE) dist-zips ARCHITECTURE=x86_64
	$(MAKE) dist-sbom
	python3 deploy/release.py sums dist

.PHONY: dist-zips
dist-zips: $(VENV)/bin/cargo-lambda ## Pack the three functions for Lambda into dist/; ARCHITECTURE=x86_64 for the other one
	rustup target add $(RUST_MACHINE)-unknown-linux-gnu
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda build --locked --release --target $(RUST_MACHINE)-unknown-linux-gnu $(BINARIES:%=--bin %)
	python3 deploy/release.py pack $(ARCHITECTURE) target/lambda dist

.PHONY: dist-devkit
dist-devkit: $(if $(findstring linux,$(TARGET)),$(VENV)/bin/cargo-lambda) ## Build devkit for TARGET into dist/; for Linux it is static
	rustup target add $(TARGET)
	mkdir -p dist
	$(if $(findstring linux,$(TARGET)),\
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda build --locked --release --target $(TARGET) --bin devkit \
		&& cp target/lambda/devkit/bootstrap dist/devkit-$(TARGET) && python3 deploy/release.py static dist/devkit-$(TARGET),\
	cargo build --locked --release --target $(TARGET) --bin devkit && cp target/$(TARGET)/release/devkit dist/devkit-$(TARGET))

.PHONY: dist-sbom
dist-sbom: ## Write what the released programs are made of into dist/, as CycloneDX
	mkdir -p dist
	set -o pipefail; cargo metadata --locked --format-version 1 --filter-platform x86_64-unknown-linux-gnu --filter-platform aarch64-unknown-linux-gnu \
		--filter-platform aarch64-apple-darwin | python3 deploy/sbom.py Cargo.lock > dist/payment-webhooks.cdx.json

.PHONY: check-tag
check-tag: ## Look whether TAG is the version of Cargo.toml, with a v, and has a heading in CHANGELOG.md
	@grep -qxF 'version = "$(TAG:v%=%)"' Cargo.toml || { echo "Cargo.toml has another version than $(TAG)"; exit 1; }
	@grep -qE '^## $(subst .,\.,$(TAG:v%=%))( |$$)' CHANGELOG.md || { echo "CHANGELOG.md has no heading for $(TAG)"; exit 1; }

.PHONY: lock
lock: $(VENV)/bin/uv ## Write the hashes of every Python tool for all systems; UPGRADE=--upgrade looks for newer packages
	for lock in $(LOCKS); do $(VENV)/bin/uv pip compile --quiet --universal --python-version $${lock%%:*} --generate-hashes \
		--only-binary :all: --no-annotate --custom-compile-command "make lock" $(UPGRADE) \
		$${lock#*:}.in --output-file $${lock#*:}.txt || exit 1; done

.PHONY: sandbox
sandbox: ## Run the Cryptlex sandbox on 127.0.0.1:4000, to look at or for `make watch`
	cargo run --locked -p devkit -- sandbox

.PHONY: watch
watch: $(VENV)/bin/cargo-lambda ## Run the functions under cargo-lambda's emulator on 127.0.0.1:9000 against that sandbox
	@$(DEMO_ENVIRONMENT) PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda watch --ignore-changes --invoke-address 127.0.0.1

.PHONY: invoke
invoke: $(VENV)/bin/cargo-lambda ## Sign and wrap events/PROVIDER/CASE.json as of now and invoke the function under `make watch`
	@cargo build --locked --quiet -p devkit
	@mkdir -p target/invoke
	@$(TARGET_DIR)/debug/devkit envelope $(PROVIDER) $(CASE) --path $(WEBHOOK_PATH) --out $(INVOCATION)
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda invoke $(PROVIDER)-webhook --invoke-address 127.0.0.1 \
		--data-file $(INVOCATION) > $(INVOCATION).answer \
		|| { echo "no answer: is 'make watch' running in another terminal?"; exit 1; }
	@$(TARGET_DIR)/debug/devkit answer < $(INVOCATION).answer

.PHONY: moto
moto: $(VENV)/bin/moto_server ## Install the DynamoDB server that the tests need, for `cargo test` without make

$(VENV)/bin/python:
	@python3 -c 'import sys; sys.version_info >= (3, 10) or sys.exit("Python 3.10 or newer is needed, for make check 3.11")'
	python3 -m venv $(VENV)

$(VENV)/bin/moto_server: crates/devkit/moto/requirements.txt | $(VENV)/bin/python
	$(VENV)/bin/python $(PIP_INSTALL) $<
	@touch $@

$(VENV)/bin/zizmor: deploy/requirements.txt $(VENV)/bin/moto_server
	$(VENV)/bin/python $(PIP_INSTALL) $<
	@touch $@

# An environment of its own, so that no other target installs it.
$(VENV)/browser/bin/playwright: crates/devkit/browser/requirements.txt
	@python3 -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed")'
	python3 -m venv $(VENV)/browser
	$(VENV)/browser/bin/python $(PIP_INSTALL) $<
	@touch $@

# A separate environment: sam and moto need different versions.
$(VENV)/sam/bin/sam: deploy/requirements-sam.txt
	@python3 -c 'import sys; sys.version_info >= (3, 10) or sys.exit("Python 3.10 or newer is needed")'
	python3 -m venv $(VENV)/sam
	$(VENV)/sam/bin/python $(PIP_INSTALL) $<
	@touch $@

# Shared by all targets: cargo builds everything again when the path of the linker changes.
$(VENV)/bin/cargo-lambda: deploy/requirements-cargo-lambda.txt | $(VENV)/bin/python
	$(VENV)/bin/python $(PIP_INSTALL) $<
	@touch $@

# Two of its packages have no wheels. What builds them is pinned, too, and nothing else is fetched for it.
$(VENV)/emulator/bin/localstack-supervisor: deploy/requirements-setuptools.txt deploy/requirements-emulator.txt
	@$(EMULATOR_PYTHON) -c 'import sys; sys.version_info >= (3, 12) or sys.exit("make stack needs Python 3.12 or newer: EMULATOR_PYTHON=python3.13")'
	$(EMULATOR_PYTHON) -m venv --clear $(VENV)/emulator
	$(VENV)/emulator/bin/python $(PIP_INSTALL) deploy/requirements-setuptools.txt
	$(VENV)/emulator/bin/python -m pip install --quiet --no-deps --no-compile --require-hashes --only-binary :all: \
		--no-binary airspeed-ext,jsonpath-rw --no-build-isolation --requirement deploy/requirements-emulator.txt
	@touch $@

$(VENV)/mdbook-$(MDBOOK)/bin/mdbook:
	cargo install mdbook --version =$(MDBOOK) --locked --no-default-features --features search --root $(VENV)/mdbook-$(MDBOOK)

$(VENV)/bin/uv: deploy/requirements-uv.txt | $(VENV)/bin/python
	$(VENV)/bin/python $(PIP_INSTALL) $<
	@touch $@
