"""Runs the tests that reach any of a group of mutants, with all of them at once. When a test
fails, halves of the group find the mutant that it fails for.

One mutant can hide another. So a test counts only for the mutants that it, or one that ran beside
it, reached.
"""

import pathlib
import tempfile
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

BATCH = 40


class Together:
    def __init__(self, hunt, group):
        self.hunt, self.group = hunt, group
        self.killed = set()
        self.lock = threading.Lock()
        # The mutants that a test is still to be run with.
        self.left = defaultdict(list)
        for mutant in group:
            survived = hunt.results.survived(mutant)
            for key in hunt.tests(mutant):
                if key not in survived:
                    self.left[key].append(mutant)

    def run(self):
        by_binary = defaultdict(list)
        for id, name in self.left:
            by_binary[id].append(name)
        batches = []
        for id, tests in by_binary.items():
            tests.sort(key=lambda name: self.hunt.reach.tests[id, name]["seconds"])
            batches += [(id, tests[i : i + BATCH]) for i in range(0, len(tests), BATCH)]
        with ThreadPoolExecutor(self.hunt.workers) as pool:
            list(pool.map(lambda batch: self.narrow(*batch, self.group), batches))
        print(f"{len(self.killed)} of {len(self.group)} are caught", flush=True)

    def narrow(self, id, tests, mutants):
        """Finds the mutants that these tests fail for."""
        while True:
            mutants = [mutant for mutant in mutants if mutant["id"] not in self.killed]
            tests = [name for name in tests if self.reached(id, name, mutants)]
            mutants = [m for m in mutants if any(m in self.left[id, name] for name in tests)]
            if not tests:
                return
            passed, failure = self.attempt(id, tests, mutants)
            if failure is None:
                return
            suspects = [failure] if failure in tests else [t for t in tests if t not in passed]
            if len(suspects) > 1:
                for half in halves(suspects):
                    self.narrow(id, half, mutants)
            elif suspects:
                self.blame(id, suspects[0], mutants)
            tests = [t for t in tests if t not in passed and t not in suspects]

    def blame(self, id, test, mutants):
        """Finds which of the mutants this test fails for."""
        mutants = self.reached(id, test, mutants)
        if len(mutants) > 1:
            for half in halves(mutants):
                self.narrow(id, [test], half)
        elif mutants:
            # Once more, so that neither a flaky test nor a stalled machine counts.
            failure = self.attempt(id, [test], mutants, patience=4)[1]
            if failure:
                with self.lock:
                    self.killed.add(mutants[0]["id"])
                    self.hunt.results.add(mutants[0], (id, failure), [])

    def reached(self, id, test, mutants):
        return [mutant for mutant in mutants if mutant in self.left[id, test]]

    def attempt(self, id, tests, mutants, patience=1):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "reached")
            binary = self.hunt.binaries[id]
            passed, failure = self.hunt.attempt(
                binary, tests, mutants, patience, MUTANTS_REACHED=str(file)
            )
            reached = set(map(int, file.read_text().split())) if file.exists() else set()
        with self.lock:
            for mutant in mutants:
                survived = [(id, name) for name in passed if mutant in self.left[id, name]]
                if survived and mutant["id"] in reached and mutant["id"] not in self.killed:
                    self.hunt.results.add(mutant, None, survived)
        return passed, failure


def halves(items):
    middle = len(items) // 2
    return items[:middle], items[middle:]
