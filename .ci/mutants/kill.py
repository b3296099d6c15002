"""Runs, for each mutant, the tests that reach it, until one fails."""

import contextlib
import json
import os
import pathlib
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

CPU_SECONDS, CPU_SECONDS_PER_TEST = 30, 4
FIRST = 40  # tests for each mutant before any mutant gets all of its tests


def spawn(binary, arguments, **variables):
    return subprocess.Popen(
        [binary["path"], *arguments],
        cwd=binary["folder"],
        env={**os.environ, "CARGO_MANIFEST_DIR": binary["folder"], **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def kill(process):
    """Ends the process and those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def names(binary, *arguments):
    output = spawn(binary, ["--list", "--format", "terse", *arguments]).communicate()[0]
    return [line.removesuffix(": test") for line in output.splitlines() if line.endswith(": test")]


def run(binary, tests, seconds, threads, **variables):
    """Runs tests in one process, until one fails: those that passed, and the failure, which is a
    test's name, "crash", "timeout" (too much CPU time), "stall" (too much time) or None."""
    process = spawn(binary, ["--exact", f"--test-threads={threads}", *tests], **variables)
    cpu = CPU_SECONDS + CPU_SECONDS_PER_TEST * len(tests)
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (cpu, cpu + 1))
    timed_out = threading.Event()

    def stop():
        timed_out.set()
        kill(process)

    timer = threading.Timer(seconds, stop)
    timer.start()
    passed, failure = [], None
    try:
        for line in process.stdout:
            if not line.startswith("test "):
                continue
            name, _, verdict = line.removeprefix("test ").rstrip().partition(" ... ")
            name = name.removesuffix(" - should panic")
            if verdict == "ok":
                passed.append(name)
            elif verdict.startswith("FAILED"):
                failure = name
                break
        if failure is None and process.wait() != 0:
            is_busy = process.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
            failure = "stall" if timed_out.is_set() else "timeout" if is_busy else "crash"
    finally:
        timer.cancel()
        kill(process)
        process.wait()
        process.stdout.close()
    return passed, failure


class Reach:
    """Which tests reach which mutants. `reach.jsonl` has a line for each test, which was run
    alone."""

    def __init__(self, path):
        self.path = path
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
                _, failure = run(binary, [name], 300, 1, MUTANTS_REACHED=str(file))
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
            if not entry["fails"]:
                for id in entry["mutants"]:
                    found[id].append(key)
        return found


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
        for most in (FIRST, None):
            pending = [m for m in self.mutants if not self.results.is_final(m, self.tests(m))]
            print(f"{len(pending)} mutants to run, with {most or 'all'} tests", flush=True)
            self.done = 0
            with ThreadPoolExecutor(self.workers) as pool:
                list(pool.map(self.one, pending, repeat(most)))

    def tests(self, mutant):
        return self.by_mutant.get(mutant["id"], [])

    def one(self, mutant, most):
        killers = self.killers[mutant["file"], mutant["function"]]
        survived = self.results.survived(mutant)
        tests = [key for key in self.tests(mutant) if key not in survived]
        tests.sort(key=lambda key: (-killers[key], self.cost(key, mutant["file"])))
        tests = tests[: most and max(0, most - len(survived))]
        failure, passed = None, []
        while tests and failure is None:
            size = 10 if not passed else 40
            batch, tests = tests[:size], tests[size:]
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
                passed, failure = self.attempt(binary, tests, mutant)
                if failure is None:
                    break
                suspects = [failure] if failure in tests else [t for t in tests if t not in passed]
                if failure == "timeout" or (binary["kind"] == "lib" and failure != "stall"):
                    return id, failure
                # Once more, so that neither a flaky test nor a stalled machine counts.
                again = self.attempt(binary, suspects, mutant, patience=4)[1]
                if again:
                    return id, again
                tests = [t for t in tests if t not in passed and t not in suspects]
        return None

    def attempt(self, binary, tests, mutant, patience=1):
        usual = [self.reach.tests[binary["id"], test]["seconds"] for test in tests]
        seconds = patience * (20 + 5 * max(usual) + 2 * sum(usual))
        threads = 2 if binary["kind"] == "lib" else 6
        return run(binary, tests, seconds, threads, MUTANT=str(mutant["id"]))
