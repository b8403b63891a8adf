"""Web servers of the tests: what others have beside a mail server, played in Python."""
import http.server
import threading


class Page(http.server.BaseHTTPRequestHandler):
    """One that says nothing on standard error."""

    def body(self):
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, status, body=b"", kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def serve(address, port, page):
    """Until shutdown(). Port 0: any; server.server_port tells."""
    server = http.server.ThreadingHTTPServer((address, port), page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
