"""Runs the tests that reach a mutant, until one fails: first the most promising ones for each
mutant, then the others for many mutants at once, because those mutants probably survive."""

import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

from running import run
from together import Together

FIRST = 20  # tests for each mutant alone
AT_ONCE = (256, 32, 4, 1)  # mutants


class Hunt:
    def __init__(self, binaries, mutants, reach, results, workers):
        self.binaries = {binary["id"]: binary for binary in binaries}
        self.reach, self.results, self.workers = reach, results, workers
        self.mutants = mutants
        self.by_mutant = reach.by_mutant()
        files = {mutant["id"]: mutant["file"] for mutant in mutants}
        self.in_file = {
            key: Counter(files.get(id) for id in entry["mutants"])
            for key, entry in reach.tests.items()
        }
        # Tests that killed a mutant of the same function go first.
        self.killers = defaultdict(Counter)
        self.lock = threading.Lock()
        self.done = 0

    def run(self):
        pending = self.pending()
        print(f"{len(pending)} mutants to run, each with up to {FIRST} tests", flush=True)
        with ThreadPoolExecutor(self.workers) as pool:
            list(pool.map(self.first, pending))
        for size in AT_ONCE:
            pending = self.pending()
            print(f"{len(pending)} mutants to run, {size} at once", flush=True)
            for start in range(0, len(pending), size):
                Together(self, pending[start : start + size]).run()

    def pending(self):
        return [m for m in self.mutants if not self.results.is_final(m, self.tests(m))]

    def tests(self, mutant):
        return self.by_mutant.get(mutant["id"], [])

    def first(self, mutant):
        killers = self.killers[mutant["file"], mutant["function"]]
        survived = self.results.survived(mutant)
        tests = [key for key in self.tests(mutant) if key not in survived]
        tests.sort(key=lambda key: (-killers[key], self.cost(key, mutant["file"])))
        tests = tests[: max(0, FIRST - len(survived))]
        failure, passed = None, []
        while tests and failure is None:
            batch, tests = tests[:10], tests[10:]
            failure = self.batch(mutant, batch)
            passed += batch
        with self.lock:
            if failure:
                killers[failure] += 1
            self.results.add(mutant, failure, [] if failure else passed)
            self.done += 1
            if self.done % 50 == 0:
                print(f"{self.done} done", flush=True)

    def cost(self, test, file):
        """Low for quick tests, and for those that reach much of the file: they probably check
        what it does, where others only pass through."""
        return self.reach.tests[test]["seconds"] / self.in_file[test][file] ** 2

    def batch(self, mutant, batch):
        by_binary = defaultdict(list)
        for binary, name in batch:
            by_binary[binary].append(name)
        for id, tests in by_binary.items():
            binary = self.binaries[id]
            while tests:
                passed, failure = self.attempt(binary, tests, [mutant])
                if failure is None:
                    break
                suspects = [failure] if failure in tests else [t for t in tests if t not in passed]
                if failure == "timeout" or (binary["kind"] == "lib" and failure != "stall"):
                    return id, failure
                # Once more, so that neither a flaky test nor a stalled machine counts.
                again = self.attempt(binary, suspects, [mutant], patience=4)[1]
                if again:
                    return id, again
                tests = [t for t in tests if t not in passed and t not in suspects]
        return None

    def attempt(self, binary, tests, mutants, patience=1, **variables):
        usual = [self.reach.tests[binary["id"], test]["seconds"] for test in tests]
        seconds = patience * (20 + 5 * max(usual) + 2 * sum(usual))
        cpu = int(30 + 4 * len(tests) + sum(usual))
        threads = 2 if binary["kind"] == "lib" else 6
        ids = ",".join(str(mutant["id"]) for mutant in mutants)
        return run(binary, tests, seconds, cpu, threads, MUTANT=ids, **variables)
