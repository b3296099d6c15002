"""Builds the tests once, with all mutants that can be switched at run time."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import defaultdict

import constants
import schemata
from listed import ROOT, TARGET, TREE, copy_tree, listed, write

HERE = ROOT / ".ci/mutants"
LINT = b"#[deny(dead_code)] fn lint() {}\n"
DECLARATION = b"\n#[doc(hidden)]\npub mod mutant;\n"


def cargo(*arguments, generate):
    """The messages of `cargo test` in the copy, and how it ended."""
    # The lint fails after all other checks, which saves generating code.
    switch = (HERE / "mutant.rs").read_bytes() + (b"" if generate else LINT)
    write(TREE / "src/mutant.rs", switch)
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(TARGET / "target"),
        "CARGO_PROFILE_DEV_DEBUG": "0",
    }
    command = ["cargo", "test", "--workspace", "--no-run", "--locked", *arguments]
    done = subprocess.run(
        [*command, "--message-format", "json"],
        check=False,
        cwd=TREE,
        env=environment,
        capture_output=True,
        text=True,
    )
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return messages, done


def is_library(path):
    return path.startswith("src/") and not path.startswith("src/bin/")


class Build:
    def __init__(self):
        self.mutants = {mutant.id: mutant for mutant in listed()}
        self.files = {}
        by_file = defaultdict(list)
        for mutant in self.mutants.values():
            by_file[mutant.file].append(mutant)
        for file, mutants in by_file.items():
            self.files[file] = schemata.File((ROOT / file).read_bytes(), mutants)
        # Names of functions that are called where only a `const fn` can be.
        self.keep_const = set()
        # Mutants that do not compile.
        self.failed = set()

    def write_switched(self):
        mutants = [m for m in self.mutants.values() if m.id not in self.failed]
        further = constants.sites(self.files, mutants)
        in_constants = {m.id for sites in further.values() for site in sites for m in site.mutants}
        for name, file in self.files.items():
            here = [m for m in mutants if m.file == name]
            source, left_out = file.switched(here, self.keep_const, further.get(name, ()))
            self.failed |= {m.id for m in left_out} - in_constants
            if not is_library(name):
                source = source.replace(b"crate::mutant::", b"webhook_endpoints::mutant::")
            write(TREE / name, source)

    def switch(self):
        """Leaves out what does not compile, until the rest does."""
        copy_tree(excluded={*self.files, "src/lib.rs"})
        library = (ROOT / "src/lib.rs").read_bytes() + DECLARATION
        write(TREE / "src/lib.rs", library)
        while True:
            self.write_switched()
            errors = self.errors()
            if not errors:
                break
            before = len(self.failed), len(self.keep_const)
            for error in errors:
                self.blame(error)
            print(f"{len(errors)} errors; {len(self.failed)} mutants left out", flush=True)
            if before == (len(self.failed), len(self.keep_const)):
                sys.exit("cannot attribute:\n" + "\n".join(e["rendered"] for e in errors))

    @staticmethod
    def errors():
        messages, done = cargo("--lib", "--test", "it", generate=False)
        errors = [m["message"] for m in messages if m["reason"] == "compiler-message"]
        errors = [
            e
            for e in errors
            if e["level"] == "error" and e["spans"] and (e["code"] or {}).get("code") != "dead_code"
        ]
        if not any(m["reason"] == "compiler-message" for m in messages):
            sys.exit(done.stderr)
        return errors

    def blame(self, error):
        """Leaves out the mutants that an error is about."""
        if (error["code"] or {}).get("code") == "E0015":  # not const
            called = error["message"].split("`")[1].split("::")[-1].split("(")[0]
            if called not in self.keep_const and "mutant" not in error["message"]:
                self.keep_const.add(called)
                return
        if (error["code"] or {}).get("code") == "E0004" and self.blame_arm(error["spans"][0]):
            return
        spans = sorted(error["spans"], key=lambda span: not span["is_primary"])
        for span in spans:
            while span.get("expansion"):
                span = span["expansion"]["span"]
            path = TREE / span["file_name"]
            if not path.exists():
                continue
            for start, end, ids in schemata.ranges(path.read_bytes()):
                # A macro's or a statement's span can be wider than the mark.
                if start <= span["byte_start"] and span["byte_end"] <= end:
                    self.failed |= set(ids)
                    return

    def blame_arm(self, span):
        """A match needs an arm that a mutant would delete: probably the last one that can be."""
        file = self.files[span["file_name"]]
        text = (TREE / span["file_name"]).read_bytes()
        tree = schemata.PARSER.parse(text)
        node = tree.root_node.descendant_for_byte_range(span["byte_start"], span["byte_end"])
        found = schemata.enclosing(node, "match_expression")
        for arm in reversed(found.child_by_field_name("body").named_children):
            pattern = arm.child_by_field_name("pattern") if arm.type == "match_arm" else None
            for id in re.findall(rb"mutant::on\((\d+)\)", pattern.text if pattern else b""):
                mutant = self.mutants[int(id)]
                if mutant.genre == "MatchArm" and not file.guard_of(mutant):
                    self.failed.add(mutant.id)
                    return True
        return False

    def tests(self):
        """Builds the tests with all mutants that can be switched."""
        self.write_switched()
        print("building the tests", flush=True)
        messages, done = cargo(generate=True)
        if done.returncode:
            sys.exit(done.stderr)
        return [
            {
                "kind": m["target"]["kind"][0],
                "id": f"{m['target']['kind'][0]}:{m['target']['name']}",
                "path": m["executable"],
                "folder": os.path.dirname(m["manifest_path"]),
            }
            for m in messages
            if m["reason"] == "compiler-artifact" and m["executable"] and m["profile"]["test"]
        ]


def main(keep):
    """`keep` is for a change that added tests or removed code: what is known of the rest stays."""
    build = Build()
    build.switch()
    out = {
        "binaries": build.tests(),
        "source": digest(),
        "mutants": [
            {
                "id": m.id,
                "file": m.file,
                "key": m.key,
                "name": m.name,
                "function": m.function,
                "folder": m.folder,
                "compiles": m.id not in build.failed,
            }
            for m in build.mutants.values()
        ],
    }
    known = TARGET / "mutants.json"
    before = json.loads(known.read_text()) if known.exists() else {"source": None, "mutants": []}
    reach, results = TARGET / "reach.jsonl", TARGET / "results.jsonl"
    if keep and reach.exists() and results.exists():
        renumber(reach, before["mutants"], out["mutants"])
        # Other tests may catch the others now.
        lines = results.read_text().splitlines(keepends=True)
        results.write_text("".join(line for line in lines if json.loads(line)["killer"]))
    elif before["source"] != out["source"]:
        # What earlier tests reached and caught may be different now.
        reach.unlink(missing_ok=True)
        results.unlink(missing_ok=True)
    known.write_text(json.dumps(out, indent=1))
    print(
        f"{len(build.mutants) - len(build.failed)} mutants; {len(build.failed)} more do not compile"
    )


def renumber(reach, before, after):
    """Rewrites what tests reach from the numbers of an earlier build to those of this one."""
    keys = {mutant["id"]: mutant["key"] for mutant in before}
    ids = {mutant["key"]: mutant["id"] for mutant in after}
    lines = []
    for line in reach.read_text().splitlines():
        entry = json.loads(line)
        entry["mutants"] = sorted(ids[keys[id]] for id in entry["mutants"] if keys[id] in ids)
        lines.append(json.dumps(entry) + "\n")
    reach.write_text("".join(lines))


def digest():
    """Identifies the code that the tests are built from."""
    paths = sorted([*TREE.rglob("*.rs"), TREE / "Cargo.lock"])
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
