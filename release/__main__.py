"""Makes a release, from a clean checkout: docs/development/releasing.md.

    python -m release                         # for both architectures, into dist/
    python -m release --architecture x86_64   # for one of them, to try it
    python -m release --generate              # writes the generated files of deploy/
    python -m release --notes v1.2.3          # checks the tag; prints the release notes
"""

import argparse
import shutil
import subprocess

from release import (
    archive,
    binaries,
    cdk,
    changelog,
    notices,
    sbom,
    template,
    terraform,
)
from release.project import (
    ADMIN,
    FUNCTIONS,
    NAME,
    ROOT,
    TARGETS,
    VERSION,
    commit_time,
    run,
)

DIST = ROOT / "dist"
# Copied as they are: the licence, and what deploys the template with other tools.
COPIED = ["LICENSE", "CHANGELOG.md", "deploy/terraform", "deploy/cdk"]


def copy(folder):
    """Copies the tracked files of COPIED, those of deploy/ to the top, and compiles the CDK
    construct."""
    for name in run("git", "ls-files", *COPIED).splitlines():
        path = folder / name.removeprefix("deploy/")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, path)
    subprocess.run(
        ["npx", "--no-install", "tsc", "--outDir", folder / "cdk/dist"],
        cwd=ROOT / "deploy/cdk",
        check=True,
    )


def add(folder, binary):
    """Adds a built binary: a function as a zip file, the admin command as it is."""
    functions = {name: function for function, name in FUNCTIONS.items()}
    if binary.name in functions:
        path = folder / f"functions/{functions[binary.name]}-{binary.architecture}.zip"
        archive.zip_function(path, binary.path)
    else:
        path = folder / f"bin/{ADMIN}-{binary.architecture}"
        shutil.copyfile(binary.path, path)
        path.chmod(0o755)
    sbom.write(folder / "sbom", binary)


def release(architectures):
    if changed := run("git", "status", "--porcelain"):
        raise SystemExit(f"a release is made from a clean checkout, but these differ:\n{changed}")
    folder = DIST / NAME
    shutil.rmtree(DIST, ignore_errors=True)
    for name in ("functions", "bin", "sbom"):
        (folder / name).mkdir(parents=True)
    copy(folder)
    (folder / "VERSION").write_text(VERSION + "\n")
    template.write(folder / "template.yaml")
    notices.write(folder / "THIRD_PARTY.txt")
    for architecture in architectures:
        for binary in binaries.build(architecture):
            add(folder, binary)
    archive.write_sums(folder / "SHA256SUMS", archive.files_in(folder))
    packed = DIST / f"{NAME}.tar.gz"
    archive.tar_gz(packed, folder, commit_time())
    archive.write_sums(DIST / "SHA256SUMS", [packed])


def main():
    arguments = argparse.ArgumentParser(prog="python -m release")
    arguments.add_argument(
        "--architecture", choices=TARGETS, action="append", help="build only for this one"
    )
    arguments.add_argument(
        "--generate", action="store_true", help="write the generated files of deploy/"
    )
    arguments.add_argument(
        "--notes", metavar="TAG", help="check a tag, and print what CHANGELOG.md says of it"
    )
    chosen = arguments.parse_args()
    if chosen.generate:
        terraform.write()
        cdk.write()
    elif chosen.notes:
        print(changelog.notes_of(chosen.notes), end="")
    else:
        release(chosen.architecture or list(TARGETS))


if __name__ == "__main__":
    main()
