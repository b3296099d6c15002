"""The service as a soak runs it: emulated AWS, functions, event source mappings, receivers and
their endpoints."""

import asyncio
import json
import os
import pathlib
import shutil
import sys
import tempfile

from functions import Template, lasting_port

from .api import Api
from .aws import Aws, Mapping
from .chaos import new_secret
from .publisher import WIDE
from .workers import Pool, Usage, Worker

# These get every event, the others only the wide ones.
QUICK = ["healthy", "rotated", "flapping", "resetting"]
ENDPOINTS = [*QUICK, "limited", "slow", "hanging", "refusing"]


class Receivers:
    """The process of the receivers."""

    def __init__(self, log_path):
        self.log_path = log_path
        self.process = None
        self.lock = asyncio.Lock()

    async def start(self, endpoints):
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            pathlib.Path(__file__).with_name("receivers.py"),
            self.log_path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await self.ask(endpoints)

    async def ask(self, message):
        async with self.lock:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            await self.process.stdin.drain()
            if not await self.process.stdout.readline():
                raise SystemExit("the receivers have ended")

    async def tell(self, **command):
        await self.ask(command)

    def stop(self):
        if self.process and self.process.returncode is None:
            self.process.kill()


class Service:
    def __init__(self, options, rng, build_dir, emulators, work_dir):
        self.options = options
        self.rng = rng
        self.work_dir = work_dir
        self.build_dir = build_dir
        self.template = Template(build_dir / "template.yaml")
        # In memory if that can be: SQLite waits for the disk with every write.
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.state_dir = tempfile.mkdtemp(prefix="soak-", dir=memory)
        self.aws = Aws(emulators, self.state_dir, work_dir / "emulators.log", options.lose_one_in)
        self.receivers = Receivers(work_dir / "requests.log")
        self.usage = Usage()
        # The endpoints' ids by name.
        self.ids = {}
        self.pools = []
        self.mappings = []

    def workers(self):
        return [worker for pool in self.pools for worker in pool.workers]

    async def start(self):
        options = self.options
        await asyncio.to_thread(self.aws.start)
        given = self.aws.variables
        queues = [given["QUEUE_URL"], given["SLOW_QUEUE_URL"]]
        if options.visibility:
            for queue in queues:
                attributes = {"VisibilityTimeout": str(options.visibility)}
                body = {"QueueUrl": queue, "Attributes": attributes}
                await self.aws.insist("SetQueueAttributes", body)
        slots = options.fast_slots + options.slow_slots
        self.api_pool = self.pool("api", options.api_workers, 40)
        self.deliver = self.pool("deliver", slots, options.function_timeout + 15)
        self.pools = [self.api_pool, self.deliver]
        await asyncio.gather(*(worker.ensure_started() for worker in self.workers()))
        self.api = Api(self.api_pool)
        await self.register()
        # Batch sizes and windows of the template.
        self.mappings = [
            Mapping(self.aws, queues[0], self.deliver, options.fast_slots, 10),
            Mapping(self.aws, queues[1], self.deliver, options.slow_slots, 100, window=2),
        ]

    def pool(self, kind, count, timeout):
        names = [f"{kind}-{number}" for number in range(count)]
        workers = [Worker(name, self.start_function, self.clock_of(name)) for name in names]
        # One lives on, to see whether its memory grows.
        workers[1].spared = True
        return Pool(workers, timeout)

    def start_function(self, name):
        """Starts a worker's process. Its name says what it is."""
        given = self.aws.variables
        deployed = {
            "Table": given["TABLE_NAME"],
            "DeliveryQueue": given["QUEUE_URL"],
            "SlowQueue": given["SLOW_QUEUE_URL"],
            "DeadLetterQueue": given["DEAD_LETTER_QUEUE_URL"],
        }
        names = ["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        more = {name: given[name] for name in names}
        more |= {"ALLOW_LOOPBACK_TARGETS": "true", "LOG_LEVEL": "warn"}
        function, timeout = "ApiFunction", None
        if name.startswith("deliver"):
            function, timeout = "DeliverFunction", self.options.function_timeout
            headers = {"x-soak-worker": name, "x-soak-attempt": "{attempt}"}
            more |= self.options.variables() | {"EVENT_HEADERS": json.dumps(headers)}
        if clock := self.clock_of(name):
            more |= self.options.clock_variables(clock)
        log_path = self.work_dir / f"{name}.log"
        return self.template.start(
            name, function, self.build_dir, log_path, deployed, more, timeout, "warn"
        )

    def clock_of(self, name):
        """The file of a worker whose clock can be wrong: every third one."""
        number = int(name.rsplit("-", 1)[1])
        if not self.options.faketime or number % 3:
            return None
        path = self.work_dir / f"{name}.clock"
        if not path.exists():
            path.write_text("+0\n")
        return path

    async def register(self):
        secrets = {name: new_secret(self.rng) for name in ENDPOINTS}
        seconds = self.options.slow_answer
        ports = {name: lasting_port() for name in ENDPOINTS}
        endpoints = [
            {
                "name": name,
                "manner": name,
                "port": ports[name],
                "secret": secret,
                "seconds": seconds,
            }
            for name, secret in secrets.items()
        ]
        await self.receivers.start(endpoints)
        # The sample endpoint would get every event.
        for found in await self.api.insist("GET", "/webhooks"):
            await self.api.insist("DELETE", f"/webhooks/{found['id']}")
        for name, secret in secrets.items():
            body = {
                "url": f"http://127.0.0.1:{ports[name]}/hook",
                "events": ["*"] if name in QUICK else [WIDE],
                "secret": secret,
            }
            if name == "limited":
                body["rateLimit"] = self.options.rate_limit
            self.ids[name] = (await self.api.insist("POST", "/webhooks", body))["id"]

    async def depths(self):
        """Of the fast lane and of the slow one: the messages that are visible, in flight and
        delayed."""
        given = self.aws.variables
        fast = await self.aws.depth(given["QUEUE_URL"])
        return fast, await self.aws.depth(given["SLOW_QUEUE_URL"])

    async def visible(self):
        fast, slow = await self.depths()
        return fast[0], slow[0]

    async def pending(self):
        """Whether any delivery is pending."""
        for id in self.ids.values():
            path = f"/webhooks/{id}/deliveries"
            data = await self.api.insist("GET", path, query="status=PENDING&limit=1")
            if data["items"]:
                return True
        return False

    async def measure(self):
        """Samples what the processes use, every second."""
        while True:
            for worker in self.workers():
                if worker.function:
                    kind = worker.name.split("-")[0]
                    pid = worker.runtime()
                    self.usage.sample(f"{kind} functions", pid)
                    if worker.spared:
                        self.usage.sample(f"the {kind} function that was not killed", pid)
                    self.usage.sample("runtime emulators", worker.function.process.pid)
            self.usage.sample("emulated queues and secrets", self.aws.queues.pid)
            self.usage.sample("emulated table", self.aws.table.pid)
            self.usage.sample("receivers", self.receivers.process.pid)
            self.usage.sample("publisher, gateway and pollers", os.getpid())
            await asyncio.sleep(1)

    def stop(self):
        for pool in self.pools:
            pool.stop()
        self.receivers.stop()
        self.aws.stop()
        shutil.rmtree(self.state_dir, ignore_errors=True)
