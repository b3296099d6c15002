"""Learns which tests reach which mutants."""

import json
import pathlib
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from running import names, run


class Reach:
    """Which tests reach which mutants. `reach.jsonl` has a line for each test, which was run
    alone."""

    def __init__(self, path, longest):
        """Tests that take longer than `longest` seconds do not count."""
        self.path, self.longest = path, longest
        self.tests = {}
        if path.exists():
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                self.tests[entry["binary"], entry["test"]] = entry

    def learn(self, binaries, workers):
        """Runs the tests that are not in the file yet, or failed."""
        missing = []
        for binary in binaries:
            ignored = set(names(binary, "--ignored"))
            missing += [
                (binary, name)
                for name in names(binary)
                if name not in ignored and self.is_unknown(binary["id"], name)
            ]
        lock = threading.Lock()

        def one(pair):
            binary, name = pair
            with tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder, "reached")
                begun = time.monotonic()
                _, failure = run(binary, [name], 300, 300, 1, MUTANTS_REACHED=str(file))
                seconds = time.monotonic() - begun
                ids = sorted(map(int, file.read_text().split())) if file.exists() else []
            entry = {
                "binary": binary["id"],
                "test": name,
                "seconds": round(seconds, 3),
                "fails": failure is not None,
                "mutants": ids,
            }
            with lock:
                self.tests[binary["id"], name] = entry
                with self.path.open("a") as out:
                    out.write(json.dumps(entry) + "\n")

        print(f"running {len(missing)} tests, each alone", flush=True)
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(one, missing))

    def is_unknown(self, binary, name):
        return self.tests.get((binary, name), {"fails": True})["fails"]

    def by_mutant(self):
        found = defaultdict(list)
        for key, entry in self.tests.items():
            if not entry["fails"] and entry["seconds"] <= self.longest:
                for id in entry["mutants"]:
                    found[id].append(key)
        return found
