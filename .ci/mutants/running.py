"""Runs tests in a process of their own."""

import contextlib
import os
import resource
import signal
import subprocess
import threading


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


def run(binary, tests, seconds, cpu, threads, **variables):
    """Runs tests in one process, until one fails: those that passed, and the failure, which is a
    test's name, "crash", "timeout" (too much CPU time), "stall" (too much time) or None."""
    process = spawn(binary, ["--exact", f"--test-threads={threads}", *tests], **variables)
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
