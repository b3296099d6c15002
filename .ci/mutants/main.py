"""Mutation testing of the folders in `listed.FOLDERS`: `run build`, `run reach`, `run hunt`,
`run report`, or all of them in turn."""

import argparse
import json
import pathlib
import resource
import sys

import build
from kill import Hunt
from listed import TARGET
from reach import Reach
from report import report
from results import Results

MEMORY = 6 << 30


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="*", default=["build", "reach", "hunt", "report"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", choices=["lib"], help="only run unit tests")
    parser.add_argument("--keep", action="store_true", help="tests were added, or code removed")
    parser.add_argument("--longest", type=float, default=600, help="only run tests this quick")
    parser.add_argument("--folder", action="append", help="only run mutants of these")
    options = parser.parse_args()
    if "build" in options.steps:
        build.main(options.keep)
    built = json.loads((TARGET / "mutants.json").read_text())
    # Tests inherit it: a mutant may allocate without end.
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    reach = Reach(TARGET / "reach.jsonl", options.longest)
    binaries = [b for b in built["binaries"] if options.kind in (None, b["kind"])]
    if "reach" in options.steps:
        reach.learn(binaries, options.workers + 1)
    results = Results(TARGET / "results.jsonl")
    if "hunt" in options.steps:
        mutants = [
            m
            for m in built["mutants"]
            if m["compiles"] and m["folder"] in (options.folder or [m["folder"]])
        ]
        Hunt(binaries, mutants, reach, results, options.workers).run()
    if "report" in options.steps:
        here = pathlib.Path(__file__).parent
        if not report(built["mutants"], results, here / "explained.txt"):
            sys.exit(1)


if __name__ == "__main__":
    main()
