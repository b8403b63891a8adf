"""A restart under load: whoever holds the listening sockets (systemd's tram.socket) keeps them open meanwhile, so nobody
who connects is refused, and everybody is greeted, if only by the next server."""
import os
import signal
import socket
import subprocess
import threading
import time

from world import OFFSET, TRAM

HAND_OVER = ("import fcntl,os,sys; fds = [fcntl.fcntl(int(n), fcntl.F_DUPFD, 20) for n in sys.argv[1].split(',')]; "
             "[os.dup2(fd, 3 + i) for i, fd in enumerate(fds)]; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])")
PORTS = {25: b"220 ", 143: b"* OK ", 110: b"+OK "}
RESTARTS = 3


class Caller(threading.Thread):
    """Connects all the time, each time waits to be greeted."""

    def __init__(self, address, port, greeting):
        super().__init__(daemon=True)
        self.at, self.greeting = (address, port), greeting
        self.greeted, self.turned_away, self.wrong, self.over = 0, 0, [], False

    def run(self):
        while not self.over:
            try:
                with socket.create_connection(self.at, 60) as s:
                    said = s.recv(200)
                if said.startswith(self.greeting):
                    self.greeted += 1
                elif said.startswith((b"421 ", b"* BYE ", b"-ERR [SYS/TEMP] ")):
                    self.turned_away += 1  # it came as the server ended, and was told so
                else:
                    self.wrong.append(said)
            except OSError as e:
                self.wrong.append(e)


def serve(home, sockets, log):
    done = subprocess.Popen(["/usr/bin/python3", "-c", HAND_OVER, ",".join(str(s.fileno()) for s in sockets), TRAM, "-C", str(home.dir), "serve"],
                            env=dict(os.environ, LISTEN_FDS=str(len(sockets))), pass_fds=[s.fileno() for s in sockets], stdout=subprocess.PIPE, stderr=log)
    assert done.stdout.readline() == b"ready\n"
    return done


def test_nobody_is_refused_while_the_server_is_made_anew(world):
    home = world.home("one.test")
    sockets = [socket.create_server((home.address, OFFSET + port), backlog=1024) for port in PORTS]
    callers = [Caller(home.address, OFFSET + port, greeting) for port, greeting in PORTS.items() for _ in range(2)]
    with open(home.log, "ab") as log:
        process = serve(home, sockets, log)
        try:
            for c in callers:
                c.start()
            for _ in range(RESTARTS):
                before = [c.greeted for c in callers]
                end = time.monotonic() + 90
                while not all(c.greeted > n + 5 for c, n in zip(callers, before)):
                    assert time.monotonic() < end, [(c.at, c.greeted, c.wrong) for c in callers]
                    time.sleep(0.02)
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0
                time.sleep(0.2)  # nobody is there, and callers wait
                process = serve(home, sockets, log)
            after = [c.greeted for c in callers]
            end = time.monotonic() + 90
            while not all(c.greeted > n for c, n in zip(callers, after)) and time.monotonic() < end:
                time.sleep(0.02)
            for c in callers:
                c.over = True
            for c in callers:
                c.join(60)
        finally:
            process.terminate()
            process.wait(60)
    assert not any(c.wrong for c in callers), [(c.at, c.wrong[:5]) for c in callers]
    assert all(c.greeted > RESTARTS * 5 for c in callers)
