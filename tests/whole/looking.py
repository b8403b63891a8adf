"""What lies in the memory of a running program, for tests that look for secrets there. Root looks: the server shows itself to nobody
else."""
import base64
import secrets

MARK = secrets.token_hex(15)[:15]  # in every password of this test, wherever it was cut


def password(road):
    return f"{MARK}-{road}-{MARK}-{road}-{MARK}"


def pieces(secret):
    """A secret as it is, in two halves, and as it looks inside of base64, at each of the three places where it may begin."""
    raw = secret.encode()
    return [raw[:len(raw) // 2], raw[len(raw) // 2:], *(base64.b64encode(b"\0" * shift + raw)[4:-4] for shift in range(3))]


def memory(pid):
    """All that the process can read itself, part by part: (place, bytes)."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            at, rights, _, _, _, *name = line.split(maxsplit=5)
            low, high = (int(x, 16) for x in at.split("-"))
            if rights[0] != "r" or (name and name[0].startswith("[v")):
                continue
            part = bytearray()
            while low + len(part) < high:
                mem.seek(low + len(part))
                try:
                    part += mem.read(min(high - low - len(part), 1 << 24))
                except OSError:
                    break
            yield low, (name or [""])[0].strip(), bytes(part)


def found(pid, *others):
    """Where the mark of the passwords lies in the memory, or another secret: [(address, part, what is there)]."""
    wanted = [MARK.encode(), *pieces(MARK)[2:], *(piece for secret in others for piece in pieces(secret))]
    where = []
    for low, name, part in memory(pid):
        for piece in wanted:
            at = part.find(piece)
            while at >= 0:
                where.append((hex(low + at), name, part[max(0, at - 64):at + 96]))
                at = part.find(piece, at + len(piece))
    return where
