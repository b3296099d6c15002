"""The results so far, a line for each run of a mutant, so that an interrupted run goes on."""

import json


class Results:
    def __init__(self, path):
        self.path = path
        self.by_key = {}
        if path.exists():
            for line in path.read_text().splitlines():
                self.take(json.loads(line))

    def take(self, entry):
        earlier = self.by_key.get(entry["mutant"])
        if earlier and not entry["killer"]:
            entry["survived"] = earlier["survived"] + entry["survived"]
        self.by_key[entry["mutant"]] = entry

    def add(self, mutant, killer, survived):
        """`killer` is a binary and a test of it, or how it ended."""
        entry = {"mutant": mutant["key"], "killer": killer, "survived": survived}
        with self.path.open("a") as out:
            out.write(json.dumps(entry) + "\n")
        self.take(entry)

    def survived(self, mutant):
        """The tests that passed with the mutant."""
        entry = self.by_key.get(mutant["key"])
        return {tuple(key) for key in entry["survived"]} if entry else set()

    def is_final(self, mutant, tests):
        entry = self.by_key.get(mutant["key"])
        if entry is None:
            return False
        return bool(entry["killer"]) or self.survived(mutant) >= set(tests)

    def verdict(self, mutant):
        if not mutant["compiles"]:
            return "unviable"
        entry = self.by_key.get(mutant["key"])
        if entry is None:
            return "not run"
        if not entry["killer"]:
            return "missed"
        return "timeout" if entry["killer"][1] in ("timeout", "stall") else "caught"
