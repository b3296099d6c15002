"""How long everything takes in a run."""

import os
import pathlib
from dataclasses import dataclass, field

FAKETIME = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
]


@dataclass
class Options:
    """For a run of so many minutes. Times are in seconds; those of what happens at random
    are means."""

    minutes: float
    seed: int
    # Until when trouble lasts, by time.monotonic().
    ends_at: float = 0
    faketime: str | None = field(
        default_factory=lambda: next((path for path in FAKETIME if os.path.exists(path)), None)
    )
    api_workers: int = 3
    fast_slots: int = 6
    slow_slots: int = 5
    # The emulated AWS loses one answer in so many.
    lose_one_in: int = 3_000
    wide_share: float = 0.3
    rate_limit: int = 20
    slow_answer: float = 5

    # In the environment of the functions. What is not here is as the template has it.
    schedule: str = "2,4,8,15,30,60"
    drain_per_second: int = 200
    pause_after: int = 60
    delivery_timeout: int = 15
    function_timeout: int = 60
    visibility: int | None = None

    kill_every: float = 4
    restart_every: float = 150
    outage: float = 8
    jump_every: float = 60
    jump_lasts: float = 20
    jumps: tuple = (-600, -240, -30, 30, 240, 600)
    trouble_every: float = 150
    trouble_lasts: float = 60
    rotate_every: float = 80
    sweep_every: float = 60
    # At the end of the publishing, without trouble: what was killed last comes back.
    calm: float = 0
    drained_within: float = 1_200

    def __post_init__(self):
        if self.minutes < 5:
            self.shorten()
        if self.minutes >= 30:
            # The visibility timeout of the template, and what follows.
            self.calm = 420
            # More slots, and fewer events for the slow endpoints, so that the machine is the limit.
            self.fast_slots, self.slow_slots = 8, 14
            self.wide_share = 0.1
        self.rotate_every = max(self.rotate_every, self.minutes * 60 / 45)

    def shorten(self):
        self.schedule = "1,2,3,4,5"
        self.pause_after = 10
        self.delivery_timeout = 5
        # An attempt may begin if there is time for it and for 19 seconds of AWS calls.
        self.function_timeout = 32
        # What is killed comes back after that, and everything ends before.
        self.visibility = 35
        self.slow_answer = 4
        self.kill_every = 2
        self.restart_every = 12
        self.outage = 3
        self.jump_every, self.jump_lasts = 8, 4
        self.jumps = (-30, 15)
        self.trouble_every, self.trouble_lasts = 10, 8
        self.rotate_every = 12
        self.sweep_every = 10
        self.drained_within = 300

    def variables(self):
        """Of the delivery function, beside those of the template."""
        return {
            "RETRY_SCHEDULE_SECONDS": self.schedule,
            "DRAIN_PER_SECOND": str(self.drain_per_second),
            "PAUSE_AFTER_SECONDS": str(self.pause_after),
            "DELIVERY_TIMEOUT_SECONDS": str(self.delivery_timeout),
            "LOG_LEVEL": "warn",
        }

    def clock_variables(self, file: pathlib.Path):
        """Has a process read how wrong its clock is from a file, once a second. Waits are
        by the monotonic clock, which no one sets."""
        return {
            "LD_PRELOAD": self.faketime,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
