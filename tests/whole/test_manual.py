"""The manual says what the program's tables say, and nothing else: commands, their arguments, settings."""
import json
import re
import shlex
import subprocess

from world import ROOT, TRAM

HELP = json.loads(subprocess.run([TRAM, "help", "--json"], capture_output=True, check=True).stdout)


def plain(line):
    """A roff heading as a reader sees it."""
    macro, _, rest = line.partition(" ")
    words = shlex.split(rest)
    text = " ".join(words) if len(macro) == 2 else "".join(words)
    return re.sub(r"\\f[RBI]", "", text).replace("\\-", "-")


def entries(name):
    """Headings (.TP) of a page with the text below each."""
    page = (ROOT / "docs" / "man" / name).read_text()
    out = {}
    for part in page.split("\n.TP\n")[1:]:
        head, _, body = part.partition("\n")
        out[plain(head)] = body.split("\n.SH ")[0]
    return out


def test_every_command_with_its_arguments_stands_in_the_manual():
    page = entries("tram.1")
    told = {head for head in page if not head.startswith(("DIR/", "--"))}
    have = {f"{c['name']} {c['usage']}".strip() for c in HELP["commands"]}
    assert told == have, (told - have, have - told)
    for c in HELP["commands"]:
        body = page[f"{c['name']} {c['usage']}".strip()]
        assert body.strip(), c["name"]
        for arg in c["args"]:
            if arg["type"] == "number" and arg["default"]:
                assert str(arg["default"]) in body, (c["name"], arg["name"])


def test_every_setting_stands_in_the_manual_with_its_default_and_limits():
    page = entries("tram.conf.5")
    settings = {s["name"]: s for s in HELP["settings"]}
    assert page.keys() == settings.keys(), page.keys() ^ settings.keys()
    for name, s in settings.items():
        body = page[name].replace("\n", " ")
        if s["default"]:
            assert f"Default {s['default']}." in body, (name, s["default"])
        if "least" in s:
            assert f"From {s['least']} to {s['most']}." in body, (name, s["least"], s["most"])
        for word in s.get("words", "").split():
            assert re.search(rf"\b{word}\b", body), (name, word)
        assert s["reload"] == ("SIGHUP" in body), name
