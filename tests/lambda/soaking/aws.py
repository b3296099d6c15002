"""The emulated AWS: one process with the queues and the secrets, which stays up because it
keeps them in memory, and one with the table, which keeps it in a file and can be killed."""

import asyncio
import json
import re
import signal
import subprocess
import time

from functions import lasting_port, stop

from .wire import Lost, Server

# Messages that one call receives or deletes (SQS quota).
MOST = 10
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Aws:
    def __init__(self, binary, state_dir, log_path, lose_one_in):
        self.binary = binary
        self.state_dir = state_dir
        self.log_path = log_path
        self.lose_one_in = lose_one_in
        self.table_port = lasting_port()
        self.table = self.queues = None
        self.variables = {}
        self.server = None
        self.restarts = {"SIGINT": 0, "SIGKILL": 0}

    def start(self):
        self.start_table()
        self.queues = self.spawn(
            "--port",
            "0",
            "--dynamodb",
            f"http://127.0.0.1:{self.table_port}",
            "--lose-one-in",
            str(self.lose_one_in),
        )
        while "SECRET_PREFIX" not in self.variables:
            name, value = self.line_of(self.queues).split("=", 1)
            self.variables[name] = value
        self.server = Server(int(self.variables["AWS_ENDPOINT_URL"].rsplit(":", 1)[1]))

    def spawn(self, *arguments):
        with open(self.log_path, "a") as log:
            return subprocess.Popen(
                [self.binary, *arguments], stdout=subprocess.PIPE, stderr=log, text=True
            )

    def line_of(self, process):
        line = process.stdout.readline().rstrip("\n")
        if not line:
            raise SystemExit("the emulators did not start")
        return line

    def start_table(self):
        port = str(self.table_port)
        self.table = self.spawn("--port", port, "--only-dynamodb", self.state_dir)
        self.line_of(self.table)

    async def restart_table(self, how, pause):
        """Ends the table's process by this signal, and starts it again after a pause."""
        self.table.send_signal(how)
        await asyncio.to_thread(self.end, self.table)
        await asyncio.sleep(pause)
        await asyncio.to_thread(self.start_table)
        self.restarts[how.name] += 1

    def end(self, process):
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    async def stall(self, process, seconds):
        """Neither answers nor closes connections for so long."""
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    def stop(self):
        for process in (self.queues, self.table):
            if process:
                process.send_signal(signal.SIGCONT)
                stop(process)

    async def call(self, operation, body, timeout=10):
        headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", f"AmazonSQS.{operation}"),
        ]
        status, answer = await self.server.post("/", json.dumps(body).encode(), headers, timeout)
        if status != 200:
            raise Lost(f"{operation}: {status} {answer[:200]!r}")
        return json.loads(answer or b"{}")

    async def insist(self, operation, body):
        """Repeats a call until it is answered."""
        while True:
            try:
                return await self.call(operation, body)
            except Lost:
                await asyncio.sleep(0.2)

    async def receive(self, queue_url, most=MOST):
        answer = await self.call(
            "ReceiveMessage",
            {
                "QueueUrl": queue_url,
                "MaxNumberOfMessages": min(most, MOST),
                "MessageSystemAttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
            },
        )
        return answer.get("Messages") or []

    async def delete(self, queue_url, messages):
        """Deletes as Lambda does: until it has succeeded."""
        for begin in range(0, len(messages), MOST):
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(messages[begin : begin + MOST])
            ]
            await self.insist("DeleteMessageBatch", {"QueueUrl": queue_url, "Entries": entries})

    async def depth(self, queue_url):
        """How many messages are visible, in flight and delayed."""
        answer = await self.insist(
            "GetQueueAttributes", {"QueueUrl": queue_url, "AttributeNames": ["All"]}
        )
        names = ["", "NotVisible", "Delayed"]
        counts = (answer["Attributes"][f"ApproximateNumberOfMessages{name}"] for name in names)
        return [int(count) for count in counts]

    async def sweep(self, every):
        """Replaces the schedule rule of the template."""
        body = {"QueueUrl": self.variables["QUEUE_URL"], "MessageBody": '{"kind":"sweep"}'}
        while True:
            await self.insist("SendMessage", body)
            await asyncio.sleep(every)


class Mapping:
    """An event source mapping: passes the messages of a queue to the delivery function, as
    the template has it."""

    def __init__(self, aws, queue_url, pool, concurrency, batch_size, window=0):
        self.aws = aws
        self.queue_url = queue_url
        self.pool = pool
        self.slots = asyncio.Semaphore(concurrency)
        self.batch_size = batch_size
        self.window = window
        self.lane = queue_url.rsplit("-", 1)[1]
        self.tasks = set()
        self.returned = 0

    async def run(self):
        while True:
            await self.slots.acquire()
            task = asyncio.create_task(self.handle(await self.next_batch()))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def next_batch(self):
        batch, end = [], None
        while True:
            try:
                received = await self.aws.receive(self.queue_url, self.batch_size - len(batch))
            except Lost:
                received = []
                await asyncio.sleep(0.2)
            batch += received
            if batch and end is None:
                end = time.monotonic() + self.window
            is_over = end is not None and time.monotonic() >= end
            if len(batch) >= self.batch_size or is_over:
                return batch
            if len(received) < MOST:
                await asyncio.sleep(0.2 if self.window else 0.02)

    async def handle(self, batch):
        try:
            event = {"Records": [self.record(message) for message in batch]}
            answer, made = await self.pool.invoke(event, self.lane, len(batch))
            if answer is None:
                # The function failed: all come back after the visibility timeout.
                return
            failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
            done = [message for message in batch if message["MessageId"] not in failed]
            bodies = (message["Body"] for message in batch if message["MessageId"] in failed)
            made.returned = frozenset(id for body in bodies for id in ID.findall(body))
            self.returned += len(failed)
            await self.aws.delete(self.queue_url, done)
        finally:
            self.slots.release()

    def record(self, message):
        name = self.queue_url.rsplit("/", 1)[1]
        attributes = message.get("MessageAttributes") or {}
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {
                key: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
                for key, value in attributes.items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{name}",
            "awsRegion": "us-east-1",
        }
