"""Mail in and out of accounts, as other programs keep it: with the server running and stopped; read by programs
that are not ours."""
import fcntl
import imaplib
import mailbox
import os
import pty
import shlex
import struct
import subprocess
import termios

from world import TRAM


def letter(n, body="text\n"):
    return f"From: alice@one.test\nTo: bob@one.test\nSubject: letter {n}\nMessage-ID: <{n}@one.test>\n\n{body}".encode()


def make_maildir(path):
    box = mailbox.Maildir(path, create=True)
    work = box.add_folder("Work.Deep")
    for n in range(120):
        m = mailbox.MaildirMessage(letter(n, "x\n" * n))
        m.set_subdir("cur" if n % 2 else "new")
        m.set_flags("FS" if n % 3 == 0 else "R")
        m.set_date(1700000000 + n)
        (work if n % 10 == 0 else box).add(m)
    return box


def seen_by_imap(home, user):
    """Mailbox -> [(flags, date, bytes)] as a client sees it."""
    out = {}
    c = home.imap(user)
    for line in c.list()[1]:
        name = line.decode().rsplit(" ", 1)[1].strip('"')
        c.select(f'"{name}"', readonly=True)
        status, data = c.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])") if c.untagged_responses["EXISTS"][-1] != b"0" else ("OK", [])
        flags = [sorted(set(imaplib.ParseFlags(m[0])) - {b"\\Recent"}) for m in data if isinstance(m, tuple)]
        out[name] = sorted(zip(flags, ((imaplib.Internaldate2tuple(m[0]), m[1]) for m in data if isinstance(m, tuple))))
    c.logout()
    return out


def test_mail_goes_in_and_out_while_the_server_runs_and_while_it_does_not(one, tmp_path):
    make_maildir(tmp_path / "in")
    first = one.json("import", "alice@one.test", "--maildir", str(tmp_path / "in"))
    assert (first["messages"], first["there"], first["failed"], first["mailboxes"]) == (120, 0, 0, 2), first
    alice = seen_by_imap(one, "alice")
    assert len(alice["INBOX"]) == 108 and len(alice["Work/Deep"]) == 12
    flags, (date, text) = alice["INBOX"][-1]
    assert text.startswith(b"From: alice@one.test\r\n") and flags == [b"\\Flagged", b"\\Seen"]

    out = one.json("export", "alice@one.test", "--maildir", str(tmp_path / "out"))
    assert out["messages"] == 120
    box = mailbox.Maildir(tmp_path / "out", create=False)  # Python's reads it
    assert len(box) == 108 and len(box.get_folder("Work.Deep")) == 12
    assert {m.get_flags() for m in box} == {"FS", "R"}

    one.stop()
    assert one.json("import", "alice@one.test", "--maildir", str(tmp_path / "in"))["there"] == 120
    assert one.json("import", "bob@one.test", "--maildir", str(tmp_path / "out"))["messages"] == 120
    assert one.json("export", "bob@one.test", "--mbox", str(tmp_path / "mbox"))["messages"] == 120
    read = mailbox.mbox(tmp_path / "mbox" / "INBOX.mbox", create=False)
    assert sorted(m["Subject"] for m in read) == sorted(m["Subject"] for m in box)
    said = one.tram("export", "bob@one.test", "--mbox", str(tmp_path / "mbox"), status=1).stderr
    assert "is there already" in said
    one.start()
    assert seen_by_imap(one, "bob") == alice

    (tmp_path / "out" / "cur" / "2.bad:2,").write_bytes(b"")
    said = one.tram("import", "bob@one.test", "--maildir", str(tmp_path / "out"), status=1).stdout
    assert "2.bad:2,: it is empty" in said and "120 were there already" in said
    assert "no Maildir" in one.tram("import", "bob@one.test", "--maildir", str(tmp_path / "mbox"), status=1).stderr
    one.tram("import", "nobody@one.test", "--mbox", str(tmp_path / "mbox"), status=1)
    one.tram("import", "bob@one.test", "--mbox", "a", "--maildir", "b", status=2)


def test_a_terminal_shows_how_far_it_is(one, tmp_path):
    make_maildir(tmp_path / "in")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    done = subprocess.Popen([TRAM, "-C", str(one.dir), "import", "alice@one.test", "--maildir", str(tmp_path / "in")], stdout=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end was closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert done.wait(60) == 0
    assert b" %  " in shown and b"[" in shown and b"\r\x1b[K120 messages are imported, in 2 mailboxes." in shown, shown
    assert b"\x1b" not in one.tram("import", "alice@one.test", "--maildir", str(tmp_path / "in")).stdout.encode()


def test_mutt_reads_what_is_exported(one, tmp_path):
    make_maildir(tmp_path / "in")
    one.tram("import", "alice@one.test", "--maildir", str(tmp_path / "in"))
    one.tram("export", "alice@one.test", "--maildir", str(tmp_path / "out"))
    one.tram("export", "alice@one.test", "--mbox", str(tmp_path / "mbox"))
    for folder in (tmp_path / "out", tmp_path / "mbox" / "INBOX.mbox"):
        copy = tmp_path / (folder.name + ".read")
        rc = tmp_path / "muttrc"
        rc.write_text("set mbox_type=mbox confirmappend=no confirmcreate=no move=no\n")
        keys = f"push <jump>50<enter><copy-message><kill-line>{copy}<enter><exit>"
        command = ["mutt", "-n", "-F", str(rc), "-R", "-f", str(folder), "-e", keys]
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "vt100", "LANG": "C.UTF-8"}
        subprocess.run(["script", "-qec", shlex.join(command), "/dev/null"], env=env, capture_output=True, timeout=60)
        (read,) = mailbox.mbox(copy, create=False)
        n = int(read["Message-ID"][1:].split("@")[0])
        assert read["Subject"] == f"letter {n}" and read.get_payload() == "x\n" * n, folder
