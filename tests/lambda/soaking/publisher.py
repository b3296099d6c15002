"""Publishes as fast as the rest keeps up, and repeats what got no answer with the same
idempotency key until it is accepted."""

import asyncio
import random
import time

# Beyond so many visible messages on the fast lane, and on the slow one, it slows down.
MOST_WAITING = (100, 2_000)
# Events of this type go to every endpoint, those of the other one to the quick ones only.
WIDE, NARROW = "soak.wide", "soak.narrow"


class Publisher:
    def __init__(self, api, run, wide_share, rate=10.0):
        self.api = api
        self.run_id = run
        self.wide_share = wide_share
        self.rate = rate
        self.credit = 0.0
        self.begun = 0
        # By number: the event's id once it is accepted, and whether it is wide.
        self.accepted = {}
        self.wide = set()
        self.latencies = []
        # Calls that were repeated, by the status of the answer.
        self.refused = {}
        self.is_over = False

    async def stop(self):
        """What is begun is still published."""
        self.is_over = True

    async def pace(self, depths):
        """Adjusts the rate to what is waiting. `depths` returns the visible messages of
        both lanes."""
        while not self.is_over:
            await asyncio.sleep(1)
            waiting = await depths()
            if any(found > most for found, most in zip(waiting, MOST_WAITING)):
                self.rate = max(2.0, self.rate * 0.9)
            elif waiting[0] < MOST_WAITING[0] / 4:
                self.rate = min(1_000.0, self.rate * 1.03 + 0.1)

    async def refill(self):
        last = time.monotonic()
        while not self.is_over:
            await asyncio.sleep(0.02)
            now = time.monotonic()
            self.credit = min(self.credit + (now - last) * self.rate, self.rate)
            last = now

    async def publish(self):
        """Publishes until it is told to stop, and then what it has begun."""
        while not self.is_over:
            size = 1 if random.random() < 0.6 else random.randint(2, 20)
            if self.credit < size and self.credit < self.rate / 2:
                await asyncio.sleep(0.02)
                continue
            self.credit -= size
            numbers = range(self.begun, self.begun + size)
            self.begun += size
            events = {number: self.event(number) for number in numbers}
            await (self.publish_one if size == 1 else self.publish_many)(events)

    def event(self, number):
        if random.random() < self.wide_share:
            self.wide.add(number)
        return {
            "type": WIDE if number in self.wide else NARROW,
            "data": {"n": number, "at": round(time.time() * 1000)},
        }

    def key(self, number):
        return f"{self.run_id}-{number}"

    async def publish_one(self, events):
        ((number, event),) = events.items()
        while True:
            begun = time.monotonic()
            status, data = await self.api.call(
                "POST", "/events", event, idempotency_key=self.key(number)
            )
            if status == 202:
                self.latencies.append(time.monotonic() - begun)
                self.accepted[number] = data["id"]
                return
            await self.wait_to_repeat(status, data)

    async def publish_many(self, events):
        while events:
            rows = [event | {"idempotencyKey": self.key(n)} for n, event in events.items()]
            status, data = await self.api.call("POST", "/events/batch", {"events": rows})
            if status != 202:
                await self.wait_to_repeat(status, data)
                continue
            for number, row in list(zip(events, data["events"])):
                if "id" in row:
                    self.accepted[number] = row["id"]
                    del events[number]
            if events:
                await self.wait_to_repeat("row", data)

    async def wait_to_repeat(self, status, data):
        self.refused[status] = self.refused.get(status, 0) + 1
        if status is not None and status != "row" and status not in (429, 500, 503):
            raise SystemExit(f"publishing: {status} {data}")
        await asyncio.sleep(random.uniform(0.2, 1.0))
