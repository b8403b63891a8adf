"""docs/limits.md says what the code says: each constant and setting that a row names has a value that
the row tells."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "s": 10**9, "minutes": 60 * 10**9, "ms": 10**6}


def sources():
    return [p for p in (ROOT / "src").glob("*/*.[ch]")]


def constants():
    """NAME to its expressions, from enums and #defines: one for each file that has a constant of that name."""
    found = {}
    for path in sources():
        text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S).replace("\\\n", " ")
        for name, value in re.findall(r"^#define ([A-Z][A-Z0-9_]+)[ \t]+(.+)$", text, re.M):
            found.setdefault(name, []).append(value)
        for body in re.findall(r"\benum\b[^{;]*\{([^}]*)\}", text):
            for name, value in re.findall(r"\b([A-Z][A-Z0-9_]+)\s*=\s*([^,]+)", body):
                found.setdefault(name, []).append(value.strip())
    return found


def evaluate(text, known, depth=0):
    assert depth < 10, text
    text = re.sub(r"\((?:u?int64_t|size_t)\)|INT64_C", "", text)
    text = re.sub(r"\b(0x[0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", text)
    text = re.sub(r"\b[A-Z][A-Z0-9_]+\b", lambda m: str(evaluate(known[m[0]][0], known, depth + 1)), text)
    return int(eval(text.replace("/", "//"))) if re.fullmatch(r"[\d\s()*+<>/-]+", text) else None


def values_of(name, known):
    assert name in known, f"docs/limits.md names {name}, which is nowhere"
    return {evaluate(text, known) for text in known[name]}


def settings():
    text = (ROOT / "src/core/config.c").read_text()
    return dict(re.findall(r'\{"([a-z_]+)",\s*"([^"]*)"', text))


def setting_value(text):
    m = re.fullmatch(r"(\d+)([kMGsmhdw]?)", text)
    if not m:
        return None
    scale = {"": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30, "s": 10**9, "m": 60 * 10**9,
             "h": 3600 * 10**9, "d": 86400 * 10**9, "w": 7 * 86400 * 10**9}[m[2]]
    return int(m[1]) * scale


def numbers(cell):
    out = set()
    for n, unit in re.findall(r"(\d[\d,]*)(?: (KiB|MiB|GiB|minutes|ms|s)\b)?", cell):
        out.add(int(n.replace(",", "")) * UNITS.get(unit, 1))
    return out


def rows():
    for line in (ROOT / "docs/limits.md").read_text().splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and not set(line) <= set("|-: "):
            yield cells


def test_every_constant_has_the_value_that_is_told():
    known, seen = constants(), 0
    for what, limit, where, _ in rows():
        for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", where):
            assert values_of(name, known) & numbers(limit), f"{what}: {name} is {known[name]}, not {limit}"
            seen += 1
    assert seen > 30


def test_every_setting_has_the_default_that_is_told():
    known = settings()
    for what, limit, where, _ in rows():
        for name in re.findall(r"`([a-z]+_[a-z_]+)`", where):
            if "/" in name:
                continue
            assert name in known, f"{what}: there is no setting {name}"
            assert setting_value(known[name]) in numbers(limit), f"{what}: {name} is {known[name]}, not {limit}"


def test_every_file_that_is_named_is_there():
    for cells in rows():
        for path in re.findall(r"`([a-z]+/[a-z_]+\.[ch])`", cells[2]):
            assert (ROOT / "src" / path).is_file(), path
