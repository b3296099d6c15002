"""Pools of functions: each worker is a `bootstrap` under a Runtime Interface Emulator, which
has one invocation at a time."""

import asyncio
import json
import os
import pathlib
import signal
import time
from dataclasses import dataclass

from functions import INVOCATIONS

from .wire import Lost, Server

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Invocation:
    """An invocation that was made: of which worker, when, how it ended, and the ids in the
    messages that came back."""

    worker: str
    lane: str
    messages: int
    begun: float
    ended: float = 0
    outcome: str = ""
    returned: frozenset = frozenset()


class Worker:
    """A function's instance. It is started again when it ends."""

    def __init__(self, name, start, clock=None):
        self.name = name
        self.start = start
        # The file that says how wrong its clock is.
        self.clock = clock
        self.function = None
        self.invocation = None
        self.killed = None
        # Never killed.
        self.spared = False

    async def ensure_started(self):
        if self.function is None or self.function.process.poll() is not None:
            self.function = await asyncio.to_thread(self.start, self.name)

    def runtime(self):
        """The process id of the bootstrap, if it runs. Any thread may have started it."""
        threads = pathlib.Path(f"/proc/{self.function.process.pid}/task")
        try:
            found = [(thread / "children").read_text() for thread in threads.iterdir()]
        except OSError:
            return None
        pids = "".join(found).split()
        return int(pids[0]) if pids else None

    def kill(self, whole):
        """Kills the runtime, as if it had crashed, or the whole sandbox. Returns whether it
        was in the middle of an invocation."""
        pid = self.runtime()
        if pid is None or self.function.process.poll() is not None:
            return False
        self.killed = "killed"
        if whole:
            self.function.process.kill()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.invocation is not None

    async def invoke(self, event, timeout):
        """The function's answer. None if it failed."""
        await self.ensure_started()
        server = Server(self.function.port, keep=False)
        try:
            _, body = await server.post(INVOCATIONS, event, timeout=timeout)
            answer = json.loads(body or b"null")
        except (Lost, ValueError) as error:
            if self.function.process.poll() is None:
                await asyncio.sleep(0.1)
            return None, self.killed or f"lost: {error}"
        if isinstance(answer, dict) and ("batchItemFailures" in answer or "statusCode" in answer):
            return answer, "done"
        return None, self.killed or f"failed: {str(answer)[:60]}"


class Pool:
    """The instances of a function."""

    def __init__(self, workers, timeout):
        self.workers = workers
        self.timeout = timeout
        # First in, first out, so that all of them work.
        self.idle = asyncio.Queue()
        # How the next worker that is invoked is to be killed, and how soon.
        self.doomed = None
        for worker in workers:
            self.idle.put_nowait(worker)
        self.invocations = []

    async def invoke(self, event, lane, messages=1):
        """The function's answer, which is None if it failed, and the record of the
        invocation."""
        worker = await self.idle.get()
        made = Invocation(worker.name, lane, messages, time.time())
        worker.invocation = made
        if self.doomed and not worker.spared:
            kill, after = self.doomed
            self.doomed = None
            asyncio.get_running_loop().call_later(after, kill, worker)
        try:
            answer, made.outcome = await worker.invoke(json.dumps(event).encode(), self.timeout)
            return answer, made
        finally:
            made.ended = time.time()
            self.invocations.append(made)
            worker.invocation = worker.killed = None
            self.idle.put_nowait(worker)

    def stop(self):
        for worker in self.workers:
            if worker.function:
                pid = worker.runtime()
                worker.function.stop()
                if pid:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass


class Usage:
    """The CPU time and the memory of processes that come and go."""

    def __init__(self):
        self.spent = {}
        self.resident = {}
        # By name, the CPU time until some moment.
        self.marked = {}

    def sample(self, name, pid):
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return
        self.spent[(name, pid)] = (int(stat[11]) + int(stat[12])) / TICKS
        megabytes = int(stat[21]) * PAGE / 1e6
        self.resident.setdefault(name, []).append(megabytes)

    def mark(self):
        for (name, _), spent in self.spent.items():
            self.marked[name] = self.marked.get(name, 0) + spent

    def range_of(self, name):
        """What memory a process had at most, and over time if there was but one."""
        found = self.resident[name]
        text = f"{max(found):.0f} MB at most"
        if "not killed" in name and len(found) > 10:
            tenths = [found[len(found) * tenth // 10] for tenth in range(1, 10)]
            text += f" (at each tenth of the time: {', '.join(f'{it:.1f}' for it in tenths)})"
        return text
