"""What goes wrong in the soak, at random times: kills, restarts, wrong clocks, receivers in
trouble, rotated secrets."""

import asyncio
import base64
import signal
import time


class Over(Exception):
    """The time of trouble is over."""


class Chaos:
    def __init__(self, service, rng, options):
        self.service = service
        self.rng = rng
        self.options = options
        self.kills = []
        self.idle_kills = 0
        self.jumps = []
        self.stalls = 0
        self.rotations = []
        self.tasks = []
        self.over = asyncio.Event()

    def start(self):
        parts = [self.kill(), self.restart(), self.stall(), self.rotate()]
        parts += [self.trouble("hang", "hanging"), self.trouble("refuse", "refusing")]
        if self.options.faketime:
            parts.append(self.jump())
        self.tasks = [asyncio.create_task(self.until_over(part)) for part in parts]

    async def until_over(self, part):
        try:
            await part
        except Over:
            pass

    async def stop(self):
        """Ends all trouble, and repairs what it left."""
        self.over.set()
        await asyncio.gather(*self.tasks)
        for pool in self.service.pools:
            pool.doomed = None
        for worker in self.service.workers():
            if worker.clock:
                worker.clock.write_text("+0\n")
        await self.service.receivers.tell(do="hang", endpoint="hanging", on=False)
        await self.service.receivers.tell(do="refuse", endpoint="refusing", on=False)

    async def pause(self, mean):
        await self.sleep(min(self.rng.expovariate(1 / mean), 4 * mean))

    async def sleep(self, seconds):
        try:
            await asyncio.wait_for(self.over.wait(), seconds)
        except TimeoutError:
            return
        raise Over

    async def kill(self):
        """Kills the next worker that is invoked soon after it was, or one that is at it."""
        while True:
            await self.pause(self.options.kill_every)
            pool = self.service.deliver if self.rng.random() < 0.7 else self.service.api_pool
            busy = [it for it in pool.workers if it.invocation and not it.spared]
            if pool is self.service.api_pool:
                # A call takes a few milliseconds.
                pool.doomed = self.kill_one, self.rng.uniform(0, 0.02)
            elif busy and self.rng.random() < 0.5:
                self.kill_one(self.rng.choice(busy))
            else:
                pool.doomed = self.kill_one, self.rng.uniform(0, 0.15)

    def kill_one(self, worker):
        whole = self.rng.random() < 0.5
        lane = worker.invocation.lane if worker.invocation else "idle"
        if worker.kill(whole):
            self.kills.append((time.time(), worker.name, lane, whole))
        else:
            self.idle_kills += 1

    async def restart(self):
        while True:
            await self.pause(self.options.restart_every)
            how = self.rng.choice([signal.SIGINT, signal.SIGKILL])
            await self.service.aws.restart_table(how, self.rng.uniform(0, self.options.outage))

    async def stall(self):
        aws = self.service.aws
        while True:
            await self.pause(self.options.restart_every)
            process = self.rng.choice([aws.queues, aws.table])
            await aws.stall(process, self.rng.uniform(0.5, self.options.outage))
            self.stalls += 1

    async def jump(self):
        """Sets the clock of one process wrong for a while, in the middle of its work."""
        while True:
            await self.pause(self.options.jump_every)
            left = self.options.ends_at - time.monotonic()
            # What is put off by a wrong clock may end that much later.
            jumps = [by for by in self.options.jumps if abs(by) < left]
            workers = [worker for worker in self.service.workers() if worker.clock]
            if not jumps:
                continue
            worker, by = self.rng.choice(workers), self.rng.choice(jumps)
            begun = time.time()
            worker.clock.write_text(f"{by:+d}\n")
            try:
                await self.pause(self.options.jump_lasts)
            finally:
                worker.clock.write_text("+0\n")
                self.jumps.append((begun, time.time(), worker.name, by))

    async def trouble(self, kind, endpoint):
        while True:
            await self.pause(self.options.trouble_every)
            await self.service.receivers.tell(do=kind, endpoint=endpoint, on=True)
            await self.pause(self.options.trouble_lasts)
            await self.service.receivers.tell(do=kind, endpoint=endpoint, on=False)

    async def rotate(self):
        """Rotates to secrets of our own, so that a lost answer leaves none unknown."""
        path = f"/webhooks/{self.service.ids['rotated']}/rotate-secret"
        while True:
            await self.sleep(self.options.rotate_every * self.rng.uniform(0.8, 1.2))
            secret = new_secret(self.rng)
            overlap = self.rng.choice([0, 20])
            await self.service.receivers.tell(do="secret", endpoint="rotated", secret=secret)
            begun = time.time()
            body = {"secret": secret, "overlapSeconds": overlap}
            await self.service.api.insist("POST", path, body)
            self.rotations.append((begun, time.time(), overlap))


def new_secret(rng):
    return "whsec_" + base64.b64encode(rng.randbytes(32)).decode()
