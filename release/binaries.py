"""Builds the binaries, with the same bytes wherever the repository is."""

import json
import os
import shutil
import subprocess

from release.project import ADMIN, FUNCTIONS, ROOT, TARGETS, Binary, commit_time

BUILD_DIR = ROOT / "target/release-build"
# The admin command also runs on old distributions. provided.al2023 has glibc 2.34, but
# cargo-lambda's default is what `sam build` takes, and what tests/lambda/run tests.
ADMIN_GLIBC = "2.26"


def folders():
    """The folders that end up in binaries (in messages of panics, and in those of AWS-LC),
    and what stands there instead."""
    cargo_home = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    return {cargo_home: "/cargo", str(ROOT): "/webhook-endpoints"}


def environment():
    # RUSTFLAGS of the caller's would change the result, and replace cargo-lambda's.
    kept = {name: value for name, value in os.environ.items() if "RUSTFLAGS" not in name}
    return kept | {
        "CFLAGS": " ".join(f"-ffile-prefix-map={old}={new}" for old, new in folders().items()),
        "CARGO_TARGET_DIR": str(BUILD_DIR),
        "CARGO_INCREMENTAL": "0",
        "SOURCE_DATE_EPOCH": str(commit_time()),
    }


def lambda_build(output, *arguments):
    # cargo joins these with the flags of cargo-lambda, which it passes in the same way.
    flags = [f"--remap-path-prefix={old}={new}" for old, new in folders().items()]
    subprocess.run(
        [
            *("cargo", "lambda", "build", "--release", "--locked", "--lambda-dir", output),
            *("--config", f"build.rustflags={json.dumps(flags)}", *arguments),
        ],
        cwd=ROOT,
        env=environment(),
        check=True,
    )


def build(architecture):
    """Builds both functions and the admin command for an architecture."""
    output = BUILD_DIR / "lambda" / architecture
    shutil.rmtree(output, ignore_errors=True)
    target = TARGETS[architecture]
    bins = [argument for name in FUNCTIONS.values() for argument in ("--bin", name)]
    lambda_build(output, *bins, "--target", target)
    # cargo-lambda's optimizations take instructions of Lambda's processors, which the
    # operator's machine need not have.
    lambda_build(
        output,
        *("--package", "admin", "--bin", ADMIN),
        *("--target", f"{target}.{ADMIN_GLIBC}", "--disable-optimizations"),
    )
    names = [*FUNCTIONS.values(), ADMIN]
    return [Binary(name, architecture, output / name / "bootstrap") for name in names]
