# make run     build the server and start it
# make test    everything that CI checks
# make bench   measure the server against the scenarios in loadtest/scenarios, and composition beside bare encoders
# make fuzz    run each fuzz target for FUZZ_SECONDS; needs the nightly compiler and `cargo install cargo-fuzz`
# make lint    clippy over the workspace, warnings are errors
# make fmt     format the sources
# make deps    install the Debian packages and the Rust toolchain, where missing

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# rustup puts cargo here; a shell opened before its installation does not know yet.
export PATH := $(HOME)/.cargo/bin:$(PATH)

# What the build needs: a C compiler and cmake for libopus, nasm for H.264, libvpx for VP8, libyuv to scale.
BUILD_PACKAGES := build-essential pkg-config cmake nasm libvpx-dev libyuv-dev fonts-dejavu-core
# What the tests need: SIPp, baresip, sipsak and a scanner (from PyPI) as peers, xmllint, openssl and ffmpeg as judges, that we
# did not write.
TEST_PACKAGES := sip-tester baresip-core sipsak libxml2-utils kamailio kamailio-tls-modules coturn nftables iproute2 openssl ffmpeg chromium finch pidgin-sipe tmux python3-venv

# Arguments of the server, as in: make run ARGS="--config plenum.toml"
ARGS ?=
# Scenarios of `make bench`.
SCENARIOS ?= g711-100 g711-100-srtp g711-400 opus-100 opus-100-all calls-per-second lossy flood forged-flood registers control-200 crowd-500 crowd-1000 video-1 video-20

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
TEST_STEPS := fmt-check build lint core unit e2e doc

# What is fuzzed, as FOLDER:TARGET. Without a sanitizer, for they have no unsafe code of ours; but for those of FUZZ_ADDRESS, which
# reach media/native and the C libraries below it, and run with the address sanitizer.
FUZZ_TARGETS := focus/fuzz:xml focus/fuzz:c3p focus/fuzz:differ focus/fuzz:info sip/fuzz:message sip/fuzz:stream sip/fuzz:websocket sip/fuzz:digest media/fuzz:stun media/fuzz:ice_lines media/fuzz:sdes media/fuzz:dtls media/fuzz:bfcp media/fuzz:video_payloads media/fuzz:video_decoders
FUZZ_ADDRESS := video_decoders
FUZZING := plenum-sip-fuzz/fuzzing,plenum-media-fuzz/fuzzing,plenum-focus-fuzz/fuzzing
FUZZ_SECONDS ?= 60

.PHONY: help run test bench fuzz lint fmt deps deps-build deps-test deny $(filter-out lint,$(TEST_STEPS))

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run: deps-build
	cargo build --release --bin plenum
	exec $(TARGET_DIR)/release/plenum serve $(ARGS)

# Every step runs to its end or fails the whole; none is left out because something is missing.
test: deps
	@begun=$$SECONDS; passed=; \
	for step in $(TEST_STEPS); do \
	    echo "=== $$step"; step_begun=$$SECONDS; \
	    $(MAKE) --no-print-directory $$step || { \
	        echo "make test: FAILED at $$step after $$((SECONDS - begun)) s (passed:$${passed:- nothing})"; exit 1; }; \
	    passed="$$passed $$step ($$((SECONDS - step_begun)) s)"; \
	done; \
	echo "make test: passed in $$((SECONDS - begun)) s:$$passed"

fmt-check:
	cargo fmt --all --check

# One selection of packages for everything that is built: another one unifies the features of what
# they depend on in another way, and would build it all again.
WORKSPACE := --locked --workspace

lint:
	cargo clippy $(WORKSPACE) --all-targets --features $(FUZZING) -- -D warnings

build:
	cargo build $(WORKSPACE) --all-targets

# The cores build without tokio, sockets and threads.
core:
	cargo check --locked -p plenum-sip -p plenum-media -p plenum-mcu -p plenum-focus --no-default-features

# All tests but those from end to end, whose names begin with e2e.
unit:
	cargo test $(WORKSPACE) --lib --bins --test '[!e]*' --test 'e[!2]*'
	cargo test $(WORKSPACE) --doc

# One call at a time: the tests measure gaps and delay, and a busy neighbour would be measured too.
e2e: build
	PLENUM_BIN=$(abspath $(TARGET_DIR))/debug/plenum cargo test $(WORKSPACE) --test 'e2e*' -- --test-threads=1

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc $(WORKSPACE) --no-deps

bench: deps-build
	cargo build --release --bin plenum --bin plenum-loadtest
	$(TARGET_DIR)/release/plenum-loadtest bench --plenum $(TARGET_DIR)/release/plenum $(SCENARIOS)
	cargo bench $(WORKSPACE) --bench compose

# New inputs go to a folder of their own; those in the repository are the seeds.
fuzz:
	@for each in $(FUZZ_TARGETS); do \
	    folder=$${each%%:*}; target=$${each##*:}; \
	    found=$(TARGET_DIR)/fuzz-corpus/$$target; mkdir -p $$found; \
	    sanitizer=none; case " $(FUZZ_ADDRESS) " in *" $$target "*) sanitizer=address;; esac; \
	    echo "=== $$each"; \
	    cargo +nightly fuzz run --fuzz-dir $$folder --features fuzzing -s $$sanitizer $$target $$found $$folder/corpus/$$target -- \
	        -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1; \
	done

fmt:
	cargo fmt --all

# Licences, advisories and sources of what we depend on; needs `cargo install cargo-deny`.
deny:
	cargo deny --config .deny.toml check

deps: deps-build deps-test

deps-build: PACKAGES := $(BUILD_PACKAGES)
deps-test: PACKAGES := $(TEST_PACKAGES)
deps-build deps-test:
	@missing=; \
	for package in $(PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	: Whoever has npm from elsewhere keeps it.; \
	if [ $@ = deps-test ] && ! command -v npm >/dev/null; then missing="$$missing npm"; fi; \
	if [ -n "$$missing" ]; then \
	    sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	    echo "installing Debian packages:$$missing"; \
	    $$sudo apt-get update -q; \
	    $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
	fi
	@: A cargo that is too old says so here, not in the middle of the build.
	@if [ $@ = deps-build ] && command -v cargo >/dev/null && \
	    ! printf '%s\n' 1.90 "$$(cargo --version | cut -d ' ' -f 2)" | sort -VC; then \
	    echo "$$(cargo --version) is too old: 1.90 or newer is needed (rustup update, or remove Debian's cargo)"; exit 1; \
	fi
	@if [ $@ = deps-build ] && ! command -v cargo >/dev/null; then \
	    echo "installing the Rust toolchain into ~/.cargo with rustup (https://rustup.rs)"; \
	    command -v curl >/dev/null || { sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	        $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends curl ca-certificates; }; \
	    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c clippy -c rustfmt; \
	fi
