"""Documents hold nothing that the program does not have: commands, options, settings, figures."""
import json
import re
import subprocess

import pytest

from world import ROOT, TRAM, World

HELP = json.loads(subprocess.run([TRAM, "help", "--json"], capture_output=True, check=True).stdout)
COMMANDS = {c["name"]: c for c in HELP["commands"]}
DOCUMENTS = sorted(p for p in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def commands_in(text):
    """What is to be typed: lines of code that begin with tram, and words between backquotes that do."""
    for line in text.splitlines():
        code = re.match(r" {4,}(tram .*)", line)
        if code:
            yield code[1]
    yield from re.findall(r"`(tram [^`]*)`", text)


def judge(words):
    """None, or what is wrong with the words behind `tram`."""
    if words[:1] == ["-C"]:
        words = words[2:]
    names = [n for n in COMMANDS if words[:len(n.split())] == n.split()]
    if not names:
        groups = {n.split()[0] for n in COMMANDS if " " in n}
        return None if words and words[0] in groups and (len(words) == 1 or "|" in words[1]) else "no such command"
    usage = COMMANDS[max(names, key=len)]["usage"]
    missing = [w for w in words if w.startswith("--") and not re.search(rf"{re.escape(w.split('=')[0])}\b", usage) and w not in ("--json", "--help")]
    return f"no option {missing}" if missing else None


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda p: p.name)
def test_each_command_in_a_document_exists(page):
    wrong = []
    for line in commands_in(page.read_text()):
        words = re.split(r"\s+", re.sub(r"\s+#.*|\s*[<>].*|[.,;:]+$", "", line).strip())[1:]
        why = judge([w.rstrip(",.;:") for w in words])
        if words and why:
            wrong.append((line, why))
    assert not wrong, wrong


def test_the_examination_itself_finds_what_is_wrong():
    assert judge(["queue", "list", "--domain", "x"]) is None and judge(["-C", "/x", "serve"]) is None
    assert judge(["queue", "fly"]) and judge(["dance"]) and judge(["queue", "list", "--sideways"])


def anchors(page):
    """The names that GitHub gives to the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in heads}


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda p: p.name)
def test_each_link_of_a_document_leads_somewhere(page):
    wrong = []
    for file, anchor in re.findall(r"\]\(([^):#]*)(?:#([^)]*))?\)", page.read_text()):
        to = page.parent / file if file else page
        if not to.exists() or anchor and anchor not in anchors(to):
            wrong.append(f"{file}#{anchor}")
    assert not wrong, wrong


def test_each_choice_of_tests_in_a_document_finds_one():
    said = [m for page in DOCUMENTS for m in re.findall(r"pytest [^`\n]*?(tests/[\w/]+\.py)(?: -k (\w+))?", page.read_text())]
    assert said
    for file, word in said:
        assert re.search(rf"^def test_\w*{word}", (ROOT / file).read_text(), re.M), (file, word)


def rfcs_of_the_code():
    """RFC number -> files of src, tests apart, that cite it in a comment."""
    cited = {}
    for path in sorted(p for p in (ROOT / "src").glob("*/*.[chS]") if not re.search(r"_(test|sim|fuzz)$", p.stem)):
        text = re.sub(r"\n[ \t]*(?:\*|//)?[ \t]*", " ", path.read_text())
        for numbers in re.findall(r"RFCs? (\d{3,4}(?:(?:,? and|,? or|,|/) (?:RFC )?\d{4}\b(?! bytes))*)", text):
            for number in re.findall(r"\d{3,4}", numbers):
                cited.setdefault(number, set()).add(path)
    return cited


def files_named(cell):
    """`smtpd/data` is smtpd/data.c and .h, `mail/dsn*` all that begin so, `relay/` a folder."""
    out = {}
    for name in re.findall(r"`((?!tests/)[a-z0-9]+/[\w./]*\*?)`", cell):
        pattern = name + "*" if name.endswith("/") else re.sub(r"\.c$", "", name)
        out[name] = set((ROOT / "src").glob(f"{pattern}.[ch]"))
    return out


def test_each_rfc_that_the_code_follows_stands_in_the_list_and_is_cited_where_the_list_says():
    cited, listed, wrong = rfcs_of_the_code(), set(), []
    text = (ROOT / "RFC.md").read_text()
    for line in text.split("\n## Forms of vendors\n")[0].splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if not re.match(r"\| \d{4}", line):
            continue
        places = files_named(line)
        wrong += [f"{name}: no such file" for name, found in places.items() if not found]
        for number in re.findall(r"\b\d{4}\b", cells[0]):
            listed.add(number)
            if len(cells) > 3 and cells[2] in ("no", "later"):
                continue
            if not cited.get(number, set()) & set().union(*places.values()):
                wrong.append(f"RFC {number}: no file that the list names cites it")
    wrong += [f"RFC {n}: not in the list, cited in {min(cited[n])}" for n in sorted(set(cited) - listed)]
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    yield world.home("one.test", accounts=["alice"]).start()
    world.close()


def test_each_figure_of_the_dashboard_is_one_of_the_nodes(home):
    with_tls = ["curl", "-skf", f"https://{home.address}:{home.port(443)}/metrics"]
    have = set(re.findall(r"^# TYPE (tram_\w+)", subprocess.run(with_tls, capture_output=True, text=True, check=True).stdout, re.M))
    dashboard = json.loads((ROOT / "docs" / "grafana.json").read_text())
    shown = {name for p in dashboard["panels"] for t in p["targets"] for name in re.findall(r"tram_\w+", t["expr"])}
    assert len(shown) > 15 and shown <= have, shown - have
    told = set(re.findall(r"`(tram_\w+)", (ROOT / "docs" / "operate.md").read_text()))
    assert told and told <= have, told - have


def test_each_test_that_cuts_the_power_is_there_as_the_page_says():
    page = (ROOT / "docs" / "format.md").read_text().split("## 9. ")[1]
    told = re.findall(r"`(\w+/\w+\.c)` `(\w+)`", page)
    assert len(told) > 20
    for file, name in told:
        assert f"TEST({name})" in (ROOT / "src" / file).read_text(), (file, name)


def test_every_library_that_is_linked_is_named_with_its_reason():
    linked = re.findall(r"NEEDED.*\[(lib\w+?)(?:-[\d.]+)?\.so", subprocess.run(["readelf", "-d", TRAM], capture_output=True, text=True, check=True).stdout)
    table = (ROOT / "ARCHITECTURE.md").read_text().split("## Dependencies")[1]
    named = {word for line in table.splitlines() for word in re.findall(r"\blib\w+", line.split("|")[1] if line.startswith("| ") else "")}
    assert len(linked) > 10 and not set(linked) - named, set(linked) - named
