#!/usr/bin/env python3
"""One session, one letter of 10 KB at a time: the time from the final dot to 250, beside an
fdatasync of as many bytes made between the letters on the same file system."""
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path
from statistics import median

from bench import Tram

LETTERS = int(os.environ.get("LETTERS", "400"))
BODY = b"From: a@source.test\r\nTo: bob@bench.test\r\nSubject: alone\r\n\r\n" + (b"y" * 76 + b"\r\n") * 131


def timed(do):
    start = time.monotonic()
    do()
    return time.monotonic() - start


class Session:
    def __init__(self, address, port):
        self.sock = socket.create_connection((address, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")
        self.answer(b"220")

    def answer(self, want):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                break
        if not line.startswith(want):
            raise SystemExit(f"unexpected answer: {line!r}")

    def say(self, line, want):
        self.sock.sendall(line + b"\r\n")
        self.answer(want)

    def letter(self):
        """Sends one; the time from its final dot to 250."""
        self.say(b"MAIL FROM:<a@source.test>", b"250")
        self.say(b"RCPT TO:<bob@bench.test>", b"250")
        self.say(b"DATA", b"354")
        self.sock.sendall(BODY)
        return timed(lambda: self.say(b".", b"250"))


def main():
    folder = tempfile.mkdtemp(prefix="tram-lone-", dir=os.environ.get("BENCH_DIR"))
    server = Tram(folder)
    syncs, letters = [], []
    try:
        session = Session("127.0.0.40", server.port)
        session.say(b"EHLO source.test", b"250")
        with open(Path(folder) / "beside", "wb", buffering=0) as beside:
            for _ in range(LETTERS):
                beside.write(BODY)
                syncs.append(timed(lambda: os.fdatasync(beside.fileno())))
                letters.append(session.letter())
                time.sleep(0.002)
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
    sync, letter = median(syncs) * 1e6, median(letters) * 1e6
    late = sorted(letters)[len(letters) * 9 // 10] * 1e6
    print(f"{LETTERS} letters, one at a time: final dot to 250 {letter:.0f} us (nine of ten under {late:.0f}), "
          f"one fdatasync {sync:.0f} us: {letter / sync:.1f} times")


if __name__ == "__main__":
    main()
