"""The mutants that cargo-mutants lists, and the copy of the source that gets them."""

import json
import os
import pathlib
import subprocess
from collections import Counter
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "mutants"
TREE = TARGET / "tree"
FOLDERS = ["src/domain", "src/delivery", "src/api"]
# These are tests.
EXCLUDED = ["src/**/fuzz.rs", "src/**/fuzz/**"]


@dataclass(eq=False)
class Mutant:
    id: int
    file: str
    function: str
    genre: str
    replacement: str
    span: list
    name: str
    start: int = 0
    end: int = 0
    key: str = ""

    def __post_init__(self):
        # Without the line, so that it stays the same when the file changes elsewhere.
        self.key = f"{self.file}: {self.name.split(': ', 1)[1]}"

    @property
    def folder(self):
        return self.file.split("/")[1]


def positions(span):
    return [(span[end]["line"], span[end]["column"]) for end in ("start", "end")]


def listed():
    """All mutants, numbered in the order of cargo-mutants."""
    command = ["cargo", "mutants", "--list", "--json", "--package", "webhook-endpoints"]
    for folder in FOLDERS:
        command += ["--file", f"{folder}/**/*.rs"]
    for glob in EXCLUDED:
        command += ["--exclude", glob]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    mutants = [
        Mutant(
            id=id,
            file=entry["file"],
            function=(entry["function"] or {}).get("function_name", ""),
            genre=entry["genre"],
            replacement=entry["replacement"],
            span=positions(entry["span"]),
            name=entry["name"],
        )
        for id, entry in enumerate(json.loads(output))
    ]
    # The same replacement in the same function gets a number.
    seen = Counter()
    for mutant in mutants:
        seen[mutant.key] += 1
        if seen[mutant.key] > 1:
            mutant.key += f" #{seen[mutant.key]}"
    return mutants


def copy_tree(excluded):
    """Copies what git knows of and what it would add, as it is now, to TREE. Files that did not
    change keep their times, so that cargo does not rebuild what depends on them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    files = {name for name in output.decode().split("\0") if name and (ROOT / name).exists()}
    for name in files - excluded:
        write(TREE / name, (ROOT / name).read_bytes(), (ROOT / name).stat().st_mode)
    for folder, _, names in os.walk(TREE):
        for name in names:
            path = pathlib.Path(folder, name)
            if str(path.relative_to(TREE)) not in files and path.name != "mutant.rs":
                path.unlink()


def write(path, content, mode=None):
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if mode:
        path.chmod(mode)
