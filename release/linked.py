"""What is linked into the binaries: crates, and what comes with them and the toolchain."""

import functools
import json
import pathlib
import re
import tomllib
from dataclasses import dataclass, field
from importlib import metadata

from release.project import PACKAGES, ROOT, VERSION, run


@dataclass(frozen=True, order=True)
class Part:
    """Something that a binary contains. `folder` has its licence files."""

    name: str
    version: str
    purl: str
    licence: str = field(compare=False)
    folder: pathlib.Path = field(compare=False)
    repository: str = field(compare=False, default="")
    checksum: str = field(compare=False, default="")
    authors: tuple = field(compare=False, default=())

    @property
    def ref(self):
        return f"{self.name}@{self.version}"


@functools.cache
def cargo_packages():
    """Every package in Cargo.lock, by name and version."""
    found = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1"))
    return {(package["name"], package["version"]): package for package in found["packages"]}


@functools.cache
def checksums():
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    return {(package["name"], package["version"]): package.get("checksum", "") for package in locked}


def crate(name, version):
    package = cargo_packages()[name, version]
    return Part(
        name,
        version,
        # Those of this repository are not published.
        f"pkg:cargo/{name}@{version}" if package["source"] else "",
        # An old form, in which a slash means OR.
        re.sub(r"\s*/\s*", " OR ", package["license"]),
        pathlib.Path(package["manifest_path"]).parent,
        package["repository"] or "",
        checksums()[name, version],
        tuple(re.sub(r"\s*<.*>", "", author) for author in package["authors"]),
    )


@functools.cache
def crates(binary, target):
    """The crates of a binary, each with those that it uses. `cargo tree` knows the features
    that this binary is built with; `cargo metadata` would add those of the tests."""
    tree = run(
        *("cargo", "tree", "--locked", "--package", PACKAGES[binary], "--target", target),
        *("--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", " {p}"),
    )
    uses, above = {}, []
    for line in tree.splitlines():
        depth, name, version = line.split()[:3]
        part = (name, version.removeprefix("v"))
        del above[int(depth) :]
        uses.setdefault(part, set())
        if above:
            uses[above[-1]].add(part)
        above.append(part)
    return {crate(*part): {crate(*used) for used in used_parts} for part, used_parts in uses.items()}


def c_code(parts):
    """The C and assembly code of AWS-LC, which one of the crates contains."""
    (around,) = [part for part in parts if part.name == "aws-lc-sys"]
    folder = around.folder / "aws-lc"
    header = (folder / "include/openssl/base.h").read_text()
    version = re.search(r'AWSLC_VERSION_NUMBER_STRING "([\d.]+)"', header).group(1)
    purl = f"pkg:github/aws/aws-lc@v{version}"
    licence = around.licence.removeprefix("ISC AND (Apache-2.0 OR ISC) AND ")
    return Part("aws-lc", version, purl, licence, folder, "https://github.com/aws/aws-lc")


def toolchain():
    """The Rust standard library, and what zig links: the unwinder, the compiler's runtime
    library and the start-up code of glibc. glibc itself is not linked in."""
    sysroot = pathlib.Path(run("rustc", "--print", "sysroot").strip())
    version = re.search(r"rustc (\S+)", run("rustc", "--version")).group(1)
    (zig,) = [file for file in metadata.files("ziglang") if file.name == "LICENSE" and len(file.parts) == 2]
    zig_version = metadata.version("ziglang")
    return [
        Part(
            "rust-std",
            version,
            f"pkg:generic/rust-std@{version}",
            "MIT OR Apache-2.0",
            sysroot / "share/doc/rust",
            "https://github.com/rust-lang/rust",
        ),
        Part(
            "ziglang",
            zig_version,
            f"pkg:pypi/ziglang@{zig_version}",
            "MIT AND Apache-2.0 WITH LLVM-exception AND LGPL-2.1-or-later",
            pathlib.Path(zig.locate()).parent,
            "https://ziglang.org",
        ),
    ]


def parts(binary, target):
    """Everything in a binary but the project's own code, with what each part uses."""
    uses = {part: set(used) for part, used in crates(binary, target).items()}
    around = next(part for part in uses if part.name == "aws-lc-sys")
    aws_lc = c_code(uses)
    uses[around].add(aws_lc)
    uses[aws_lc] = set()
    (own,) = [part for part in uses if (part.name, part.version) == (PACKAGES[binary], VERSION)]
    for part in toolchain():
        uses[own].add(part)
        uses[part] = set()
    return own, uses
