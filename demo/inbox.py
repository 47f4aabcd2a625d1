"""Somebody who is told: writes each notification of the agent on a line: ``python -m demo.inbox HOST:PORT``."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Inbox(BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    def do_POST(self) -> None:
        """Write it down, and say that it arrived."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        sys.stdout.write(body.decode("utf-8", "replace") + "\n")
        sys.stdout.flush()
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing of its own."""


def main() -> None:
    """Listen until told to end."""
    host, port = sys.argv[1].rsplit(":", 1)
    HTTPServer((host, int(port)), Inbox).serve_forever()


if __name__ == "__main__":
    main()
