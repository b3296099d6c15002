"""What became of every event at every endpoint, from what the receivers wrote down and the
invocations that were made."""

import bisect
import collections
import itertools
from dataclasses import dataclass

UNEXPLAINED = "unexplained"


@dataclass(slots=True)
class Request:
    """A request that a receiver got."""

    at: float
    worker: str
    attempt: int
    secret: int | None
    signed_at: int
    published: int
    answer: str


def read(path):
    """The requests by endpoint and event id."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    with open(path) as file:
        for line in file:
            at, endpoint, event, worker, attempt, secret, signed_at, _, published, answer = line.split()
            number = None if secret == "-" else int(secret)
            request = Request(
                float(at), worker, int(attempt), number, int(signed_at), int(published), answer
            )
            found[endpoint][event].append(request)
    for requests in (of for events in found.values() for of in events.values()):
        requests.sort(key=lambda request: request.at)
    return found


class Invocations:
    """The invocations by worker and time."""

    def __init__(self, invocations):
        self.of_worker = collections.defaultdict(list)
        for made in sorted(invocations, key=lambda made: made.begun):
            self.of_worker[made.worker].append(made)
        self.begun = {
            worker: [made.begun for made in all_made] for worker, all_made in self.of_worker.items()
        }

    def at(self, worker, at):
        index = bisect.bisect_right(self.begun.get(worker, []), at) - 1
        return self.of_worker[worker][index] if index >= 0 else None


def repeats(events, invocations):
    """Why receivers got again what they had taken, with an example of each cause."""
    causes, examples = collections.Counter(), {}
    for event, requests in events.items():
        taken = [request for request in requests if request.answer == "200"]
        for first, second in itertools.pairwise(taken):
            cause = cause_of(event, first, second, invocations)
            causes[cause] += 1
            examples.setdefault(cause, (event, first, second))
    return causes, examples


def cause_of(event, first, second, invocations):
    made = invocations.at(first.worker, first.at)
    if made is None:
        return UNEXPLAINED
    if made.outcome == "killed":
        return "killed between sending and recording"
    if made.outcome != "done":
        return "the invocation failed"
    if event in made.returned:
        return "AWS failed between sending and recording"
    if second.attempt > first.attempt:
        return "the service did not get the answer"
    again = invocations.at(second.worker, second.at)
    # It read the delivery before the first one recorded the attempt.
    if again and again.begun < made.ended:
        return "two messages of one attempt at the same time"
    return UNEXPLAINED


def wrong_signatures(found, rotations, jumps):
    """Requests that no secret signed; those signed at a time that receivers refuse, and of
    these, the ones by a right clock; and those signed by an old secret after a rotation."""
    unsigned, untimely, by_right_clock, outdated = [], 0, [], []
    for endpoint, events in found.items():
        for event, requests in events.items():
            for request in requests:
                is_wrong = clock_was_wrong(request, jumps)
                if request.secret is None:
                    unsigned.append((endpoint, event, request))
                elif request.answer == "untimely":
                    untimely += 1
                    if not is_wrong:
                        by_right_clock.append((endpoint, event, request))
                if endpoint != "rotated" or is_wrong or request.secret is None:
                    continue
                replaced = rotations[request.secret :][:1]
                if replaced and request.signed_at > replaced[0][1]:
                    outdated.append((event, request, replaced[0]))
    return unsigned, untimely, by_right_clock, outdated


def clock_was_wrong(request, jumps):
    # A clock is read again within a second, and an attempt is dated before it is made.
    return any(
        worker == request.worker and begun - 1 <= request.at <= ended + 60
        for begun, ended, worker, _ in jumps
    )


def percentiles(values):
    values = sorted(values)
    if not values:
        return "none"
    of = {f"p{share}": values[min(len(values) - 1, len(values) * share // 100)] for share in (50, 99)}
    of["longest"] = values[-1]
    return ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in of.items())
