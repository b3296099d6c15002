"""Makes up the accounts of a soak, and prints them with its figures."""

import collections
import re

from . import accounts
from .service import ENDPOINTS, QUICK

# Of the lines that the functions log.
LEVEL = re.compile(r'"level":"(WARN|ERROR)".*?"message":"([^"]*)"')
REASON = re.compile(r'"reason":"([^"]*)"')


class Verdict:
    def __init__(self, service, publisher, chaos):
        self.service = service
        self.publisher = publisher
        self.chaos = chaos
        self.problems = []

    def check(self, sentence, holds, found=None):
        """Prints only what does not hold."""
        if not holds:
            print(f"FAILED  {sentence}: {found}", flush=True)
            self.problems.append(sentence)

    async def account(self):
        # Its lines are in a buffer until it is told something.
        await self.service.receivers.tell(do="nothing")
        found = accounts.read(self.service.receivers.log_path)
        ids = self.publisher.accepted
        self.check("every event was accepted", len(ids) == self.publisher.begun)
        self.check("every event has an id of its own", len(set(ids.values())) == len(ids))
        print("\n  endpoint    events  delivered  failed  attempts  requests    taken  again")
        for name in ENDPOINTS:
            await self.account_of(name, found[name])
        print()
        self.account_of_signatures(found)
        self.account_of_repeats(found)
        url = self.service.aws.variables["DEAD_LETTER_QUEUE_URL"]
        dead = await self.service.aws.depth(url)
        self.check("no message is a dead letter", sum(dead) == 0, dead)
        self.account_of_logs()
        arrived = [of[0].at - of[0].published / 1000 for of in found["healthy"].values()]
        print(f"from publishing to the healthy receiver: {accounts.percentiles(arrived)}")
        seconds = collections.Counter(
            int(it.at) for of in found["limited"].values() for it in of
        )
        limit = self.service.options.rate_limit
        print(f"most requests in a second at the limit of {limit}/s: {max(seconds.values())}")

    def due(self, name):
        """The ids of the events that an endpoint is to get."""
        accepted = self.publisher.accepted
        return {id for n, id in accepted.items() if name in QUICK or n in self.publisher.wide}

    async def history(self, name):
        """How many deliveries of an endpoint have each status, and their attempts."""
        path = f"/webhooks/{self.service.ids[name]}/deliveries"
        status, attempts = collections.Counter(), 0
        async for items in self.service.api.pages(path, "limit=100"):
            for item in items:
                status[item["status"]] += 1
                attempts += item["attempts"]
        return status, attempts

    async def is_recorded(self):
        """Whether the history of every endpoint has all that it is to get."""
        for name in ENDPOINTS:
            status, _ = await self.history(name)
            if status.total() < len(self.due(name)):
                return False
        return True

    async def account_of(self, name, requests):
        due, id = self.due(name), self.service.ids[name]
        status, attempts = await self.history(name)
        taken = collections.Counter(
            event for event, of in requests.items() for it in of if it.answer == "200"
        )
        print(
            f"{name:>10}  {len(due):8}  {status['DELIVERED']:9}  {status['FAILED']:6}  "
            f"{attempts:8}  {sum(map(len, requests.values())):8}  {len(taken):7}  "
            f"{taken.total() - len(taken):5}",
            flush=True,
        )
        total = status["DELIVERED"] + status["FAILED"]
        self.check(f"{name}: every event is in the history", total == len(due), (total, len(due)))
        self.check(f"{name}: nothing is pending", status["PENDING"] == 0, status)
        self.check(f"{name}: it got nothing that it was not to get", set(requests) <= due)
        lost = [event for event in due - set(taken) if not await self.is_used_up(event, id)]
        self.check(f"{name}: nothing is lost", not lost, (len(lost), lost[:5]))

    async def is_used_up(self, event, endpoint):
        """Whether an event that a receiver never took has used up its schedule there."""
        found = await self.service.api.insist("GET", f"/events/{event}")
        of = [it for it in found["deliveries"] if it["webhookId"] == endpoint]
        most = self.service.options.schedule.count(",") + 2
        return [(it["status"], it["attempts"]) for it in of] == [("FAILED", most)]

    def account_of_signatures(self, found):
        wrong = accounts.wrong_signatures(found, self.chaos.rotations, self.chaos.jumps)
        unsigned, untimely, by_right_clock, outdated = wrong
        self.check("every request is signed by a secret of its endpoint", not unsigned, unsigned[:5])
        self.check("only wrong clocks sign untimely", not by_right_clock, by_right_clock[:5])
        self.check("no old secret signs after a rotation", not outdated, outdated[:5])
        print(f"{untimely} requests were refused because they were signed by a wrong clock")

    def account_of_repeats(self, found):
        invocations = accounts.Invocations(self.service.deliver.invocations)
        causes, examples = collections.Counter(), {}
        for events in found.values():
            of_endpoint, some = accounts.repeats(events, invocations)
            causes += of_endpoint
            examples |= some
        print(f"{causes.total()} were taken again")
        for cause, count in causes.most_common():
            print(f"    {count} {cause}")
        unexplained = examples.get(accounts.UNEXPLAINED)
        self.check("every repetition is explained", unexplained is None, unexplained)

    def account_of_logs(self):
        """Counts what the functions logged as warnings and errors."""
        lines, panics = collections.Counter(), []
        for path in self.service.work_dir.glob("*-*.log"):
            function = path.name.split("-")[0]
            with open(path, errors="replace") as log:
                for line in log:
                    if '"_aws"' in line:
                        continue
                    if "panicked" in line:
                        panics.append(line)
                    elif found := LEVEL.search(line):
                        reason = REASON.search(line)
                        lines[(function, *found.groups(), reason[1] if reason else "")] += 1
        self.check("no function panicked", not panics, panics[:5])
        print("logged by the functions:")
        for (function, level, message, reason), count in lines.most_common(25):
            print(f"    {count} {function} {level}: {message}" + (f" ({reason})" if reason else ""))

    def report(self, seconds):
        """Prints figures of a run that published for so long."""
        publisher, chaos, service = self.publisher, self.chaos, self.service
        accepted = len(publisher.accepted)
        print(f"\n{accepted} events in {seconds:.0f} s: {accepted / seconds:.1f}/s on average")
        print(f"a call that publishes one: {accounts.percentiles(publisher.latencies)}")
        print(f"calls that were repeated, by status: {publisher.refused}")
        for pool, kind in ((service.api_pool, "api"), (service.deliver, "deliver")):
            outcomes = collections.Counter(made.outcome for made in pool.invocations)
            kills = [kill for kill in chaos.kills if kill[1].startswith(kind)]
            print(f"{kind}: {len(kills)} kills in the middle of an invocation; invocations:")
            for outcome, count in outcomes.most_common(6):
                print(f"    {count} {outcome}")
        killed = [made for made in service.deliver.invocations if made.outcome == "killed"]
        print(f"messages in killed invocations: {sum(made.messages for made in killed)}")
        returned = sum(mapping.returned for mapping in service.mappings)
        print(f"messages that functions gave back: {returned}")
        print(f"restarts of the table: {service.aws.restarts}; stalls of AWS: {chaos.stalls}")
        jumps = collections.Counter(by for *_, by in chaos.jumps)
        print(f"wrong clocks, by seconds: {dict(jumps)}; rotations: {len(chaos.rotations)}")
        print("while publishing:")
        for name, spent in service.usage.marked.items():
            print(f"    {name}: {spent:.0f} s of CPU, {service.usage.range_of(name)}")
