# The recipes that CI and developers run. `.ci/run` installs the tools and runs them;
# .github/workflows/ci.yml runs the same recipes as separate jobs.

set shell := ["bash", "-euo", "pipefail", "-c"]

export PATH := justfile_directory() / ".venv/bin" + ":" + justfile_directory() / ".ci/node_modules/.bin" + ":" + env("PATH")
# Validating the template needs a Region, but no AWS account.
export AWS_DEFAULT_REGION := "us-east-1"
export SAM_CLI_TELEMETRY := "0"
export REDOCLY_TELEMETRY := "off"
export REDOCLY_SUPPRESS_UPDATE_NOTICE := "true"
# Without debug information, building takes half the time and half the disk space.
export CARGO_PROFILE_DEV_DEBUG := env("CARGO_PROFILE_DEV_DEBUG", "0")

bash_scripts := "$(git grep -l '^#!/usr/bin/env bash$' -- ':!justfile' ':!*.md')"

# List the recipes
[private]
default:
    @just --list --unsorted

# Run the whole service in one process; Ctrl-C stops it
run *arguments:
    cargo run -p local -- {{ arguments }}

# Check everything that CI checks
ci: lint packaging test fuzz contract lambda

# Check formatting, template, documents, dependencies and code
lint: format template openapi links spelling scripts dependencies clippy rustdoc

# Check the code's formatting
format:
    cargo fmt --all --check

# Check the template, and those of the recipes
template:
    sam validate --lint --template template.yaml
    cfn-lint template.yaml docs/recipes/*.yaml
    .ci/checkov/run

# Check openapi.json
openapi:
    redocly lint --extends recommended-strict openapi.json

# Check links within the repository, including anchors; not the web
links:
    lychee --offline --include-fragments --no-progress $(git ls-files '*.md')

# Check the spelling
spelling:
    typos

# Check shell and Python scripts
scripts:
    shellcheck {{ bash_scripts }}
    ruff check --exclude clients/python/webhook_endpoints_client . tests/lambda/run tests/lambda/soak tests/emulators/moto

# Check licences, bans, sources, and that every dependency is used
dependencies:
    cargo-deny --workspace check licenses bans sources
    cargo-shear --locked

# Check dependencies for known vulnerabilities; downloads their database
advisories:
    cargo-deny --workspace check advisories

# Check the code
clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# With `--examples`, cargo enables the features of dev-dependencies, as for tests, so that it can
# reuse the results of Clippy's checks. Links to private items are allowed, because comments are for
# readers of the code. Bare URLs are allowed, because --help prints clap's comments as they are.

# Check the documentation of the code
rustdoc:
    RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links -A rustdoc::bare-urls" \
      cargo doc --workspace --no-deps --document-private-items --lib --bins --examples --locked

# All packages at once: for a single package, cargo would rebuild the AWS SDK with fewer features.

# Build everything; the other recipes use these binaries
build:
    cargo build --workspace --all-targets --locked

# Run the tests, evaluate the policies for their AWS calls, and run each benchmark once
test: build tests iam benchmarks

# Tests mostly wait, so there are two threads per core. If a test fails, all tests run again under
# nextest, which runs each in its own process and retries it once, because SDK deadlines pass when
# the machine stalls for seconds. Its report lists failed and flaky tests.

# Run the tests and record their AWS calls
tests:
    #!/usr/bin/env bash
    set -euo pipefail
    export AWS_CALLS="$(realpath -m "${CARGO_TARGET_DIR:-target}")/aws-calls"
    rm -rf "$AWS_CALLS"
    export RUST_TEST_THREADS=$((2 * $(nproc)))
    cargo test --workspace --locked || {
      echo "== tests failed; running them again, with one retry each"
      cargo nextest run --workspace --locked --profile ci --test-threads "$RUST_TEST_THREADS"
    }

# Evaluate the templates' policies for the AWS calls that the tests made
iam:
    .ci/iam/run

# Fuzz every target for this many seconds, or only some: `just fuzz 600 url filter`
fuzz seconds="60" *targets:
    fuzz/run {{ seconds }} {{ targets }}

# Only check that they run; meaningful measurements need an idle machine
[private]
benchmarks:
    "${CARGO_TARGET_DIR:-target}/debug/webhook-endpoints-bench" requests --times 5
    "${CARGO_TARGET_DIR:-target}/debug/webhook-endpoints-bench" fan-out
    "${CARGO_TARGET_DIR:-target}/debug/webhook-endpoints-bench" simulate --most 10
    "${CARGO_TARGET_DIR:-target}/debug/webhook-endpoints-bench" history --most 100

# Run third-party tools against the service over HTTP
contract: build clients signatures snippets portal peers schemathesis

# Make every call with the clients generated from openapi.json
clients:
    .ci/with-service .ci/client/run

# Verify deliveries with public libraries
signatures:
    .ci/with-service python .ci/signatures/run.py
    python .ci/signatures/recipes.py

# Run the verification code that the portal shows for each language
snippets:
    .ci/with-service node --test --test-timeout=120000 .ci/signatures/snippets.test.mjs

# Test the portal in Chromium
portal:
    .ci/with-service .ci/portal/run

# Test the comparison with other senders, with few events
peers:
    tsc --project bench/peers/tsconfig.json
    .ci/with-service node --test --test-timeout=300000 bench/peers/tests/*.test.mjs

# Look for contradictions between openapi.json and the API
schemathesis:
    .ci/with-service .ci/schemathesis/run

# Build the functions as for a deployment, and test them
lambda:
    python tests/lambda/run

# Soak the built functions while processes are killed: `just soak --minutes 60`
soak *arguments:
    python tests/lambda/soak {{ arguments }}

# Mutation testing of domain/, delivery/ and api/, about an hour: docs/development/testing.md
mutants *arguments:
    .ci/mutants/run {{ arguments }}

# Test the release scripts, without building a release: template, archives, SBOM, Terraform, CDK
packaging:
    python -m unittest discover --start-directory release/tests --top-level-directory .

# Generate the files in deploy/ that repeat the template's parameters and outputs
generate-deploy:
    python -m release --generate

# Make a release in dist/; `just release --architecture x86_64` makes one for a single architecture
release *arguments:
    python -m release {{ arguments }}

# Test the functions of the release in dist/, like `lambda` does those of `sam build`
release-functions:
    python tests/lambda/run --release dist/webhook-endpoints-*/

# Make the release in dist/ again in another folder, and compare every byte
reproducible *arguments:
    release/reproduce {{ arguments }}
