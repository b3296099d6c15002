"""The share of mutants caught, and the mutants that were not."""

from collections import Counter, defaultdict


def explained(path):
    """The mutants that need no test: key to reason. A reason is a comment, and holds for the
    lines that follow it."""
    found, reason = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("# "):
            reason = line.removeprefix("# ")
        elif line:
            found[line] = reason
    return found


def report(mutants, results, path):
    """Prints the report. Whether nothing is left to do."""
    reasons = explained(path)
    counts, missed = defaultdict(Counter), []
    for mutant in mutants:
        verdict = results.verdict(mutant)
        if verdict == "missed" and reasons.pop(mutant["key"], None):
            verdict = "explained"
        elif verdict == "missed":
            missed.append(mutant)
        counts[mutant["folder"]][verdict] += 1
    print("| Folder | Mutants | Caught | of these by a time limit | Missed | Explained | Share |")
    print("|---|---|---|---|---|---|---|")
    total = sum(counts.values(), Counter())
    for folder, count in [*counts.items(), ("all", total)]:
        caught = count["caught"] + count["timeout"]
        viable = caught + count["missed"] + count["explained"]
        share = f"{caught / viable:.1%}" if viable else "-"
        print(
            f"| {folder} | {viable} | {caught} | {count['timeout']} | {count['missed']}"
            f" | {count['explained']} | {share} |"
        )
    print(f"\n{total['unviable']} others do not compile.")
    if total["not run"]:
        print(f"{total['not run']} were not run.")
    if missed:
        print("\nMissed, and not in explained.txt:\n")
        for mutant in missed:
            print(f"{mutant['name']}\n    {mutant['key']}")
    known = {mutant["key"] for mutant in mutants}
    for key in reasons:
        print(f"\nIn explained.txt, but {'caught' if key in known else 'unknown'}: {key}")
    return not missed and not reasons.keys() - known
