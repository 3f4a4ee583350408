# The day's commands; `just` lists them.
default:
    @just --list

# Format, and apply what the lints can mend by themselves
fix:
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
    cargo fmt --all

# Format, lints, fuzzers (that they build), docs and dependencies, without a warning
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    fuzz/check
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
    cargo deny --workspace check bans licenses sources

# The tests that need no server
test *args:
    cargo build --workspace --all-targets
    cargo nextest run --workspace -E 'not test(/redis/)' {{args}}

# All tests, on a Redis started for them
test-redis *args:
    scripts/test {{args}}

# What CI runs
ci:
    .ci/run
