"""The table of `agree`: what each corpus printed, a line for each implementation."""
import re
import sys
from pathlib import Path

PEER = {"SPF": "python3-spf", "DMARC": "opendmarc"}


def counts(name, text):
    """peer -> (agreed, explained, unexplained); the two kinds of corpora print two kinds of sums."""
    found = re.search(r"(\d+) agree, (\d+) differ with an explanation, (\d+) without", text)
    if found:
        return {PEER[name]: tuple(map(int, found.groups()))}
    out = {peer: [int(n), 0, 0] for n, peer in re.findall(r"^ *(\d+) agreements with (\S+)$", text, re.M)}
    for n, peer in re.findall(r"^ *(\d+) (\S+): ", text, re.M):
        out[peer][1] += int(n)
    for peer in re.findall(r"^UNEXPLAINED .*?, (\S+) says ", text, re.M):
        out[peer][2] += 1
    return out


def main():
    folder = Path(sys.argv[1])
    total, bad = 0, 0
    print(f"\n{'corpus':8}{'cases':>7}  {'compared with':16}{'verdicts':>9}{'agreed':>8}{'explained':>11}{'without':>9}")
    for line in (folder / "order").read_text().splitlines():
        name, cases = line.split()
        total += int(cases)
        found = counts(name, (folder / name).read_text())
        bad += not found
        print("" if found else f"{name:8}{cases:>7}  did not come to its end", end="" if found else "\n")
        for peer, (agreed, explained, without) in sorted(found.items()):
            bad += without
            print(f"{name:8}{cases:>7}  {peer:16}{agreed + explained + without:9}{agreed:8}{explained:11}{without:9}")
    print(f"{'all':8}{total:7}  {bad} disagreements without an explanation")


main()
