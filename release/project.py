"""What is released: the version, the binaries and the architectures."""

import pathlib
import subprocess
import tomllib
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[1]
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
NAME = f"webhook-endpoints-{VERSION}"

# Lambda's names of the architectures, which the template uses too, and Rust's.
TARGETS = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}
# Resources of the template, and the binaries that they run.
FUNCTIONS = {"ApiFunction": "api", "DeliverFunction": "deliver"}
ADMIN = "webhook-endpoints-admin"
# The cargo packages that the binaries belong to.
PACKAGES = {"api": "webhook-endpoints", "deliver": "webhook-endpoints", ADMIN: "admin"}


@dataclass(frozen=True)
class Binary:
    """A built binary. `name` is cargo's."""

    name: str
    architecture: str
    path: pathlib.Path

    @property
    def target(self):
        return TARGETS[self.architecture]


def run(*command, **options):
    """Runs a command in the repository and returns its standard output."""
    done = subprocess.run(
        command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE, **options
    )
    return done.stdout


def commit_time():
    """When the commit was made, in seconds since 1970: the only time in a release."""
    return int(run("git", "log", "-1", "--format=%ct"))
