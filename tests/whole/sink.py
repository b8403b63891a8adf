"""A receiving server that takes every letter: for campaigns. Fast for Python: one thread, asyncio."""
import asyncio
import re
import threading


class Sink:
    """Serves until closed. letters: for each that was answered with 250, its recipients, Message-ID and, with `keep`,
    its bytes."""

    def __init__(self, addresses, port, keep=False, heard=None):
        self.letters, self.keep, self.heard = [], keep, heard
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(addresses, port, ready), daemon=True)
        self.thread.start()
        assert ready.wait(60), "the sink does not listen"

    def _run(self, addresses, port, ready):
        asyncio.set_event_loop(self.loop)
        servers = [self.loop.run_until_complete(asyncio.start_server(self._session, a, port, limit=1 << 22, backlog=512)) for a in addresses]
        self.loop.call_soon(ready.set)
        self.loop.run_forever()
        for server in servers:
            server.close()
        under_way = asyncio.all_tasks(self.loop)
        for session in under_way:
            session.cancel()
        self.loop.run_until_complete(asyncio.gather(*under_way, return_exceptions=True))
        self.loop.close()

    async def _session(self, reader, writer):
        try:
            writer.write(b"220 sink\r\n")
            to = []
            while line := await reader.readline():
                word = line[:4].upper()
                if word == b"EHLO":
                    writer.write(b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n")
                elif word == b"RCPT":
                    to.append(re.search(rb"<(.*)>", line)[1].decode())
                    writer.write(b"250 ok\r\n")
                elif word == b"DATA":
                    writer.write(b"354 go on\r\n")
                    body = await reader.readuntil(b"\r\n.\r\n")
                    found = re.search(rb"^Message-ID:\s*(\S+)", body, re.M | re.I)
                    self.letters.append((tuple(to), found and found[1].decode(), body if self.keep else None))
                    if self.heard:
                        self.heard(to)
                    writer.write(b"250 taken\r\n")
                    to = []
                elif word == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 ok\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


def zone(domains, addresses):
    """MX records of the domains, spread over the addresses."""
    hosts = "".join(f"mx{i}.sink.test. IN A {a}\n" for i, a in enumerate(addresses))
    return hosts + "".join(f"{d}. IN MX 0 mx{i % len(addresses)}.sink.test.\n" for i, d in enumerate(domains))
