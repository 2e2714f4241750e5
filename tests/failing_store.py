"""A server before a real S3 server that passes requests on until it is told to refuse some, as a store in trouble does.

A process of its own: clients of the store hold Python's lock while they wait for an answer.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition
from urllib.parse import urlsplit

PAUSE = 0.1
SECONDS = 20  # of silence, after which a connection ends: nothing here can hang
FAULTS = {
    "full": (507, "InsufficientStorage", "There is not enough space to store the object"),
    "quota": (403, "QuotaExceeded", "The quota of the bucket is exceeded"),
    "gone": (404, "NoSuchBucket", "The specified bucket does not exist"),
    "clock": (403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large"),
    "throttled": (503, "SlowDown", "Please reduce your request rate"),
}
"""Status, code and message of each, as stores send them."""


@dataclass(frozen=True)
class FailingStore:
    """The server, as a test sees it."""

    address: str

    def refuse(self, fault: str, wanted: str = "", times: int = 10**9, after: int = 0) -> None:
        """Answer so many requests, after some others, with a fault of FAULTS: of `METHOD /path`s with a pattern."""
        self._tell("refuse", [*FAULTS[fault], wanted, times, after])

    def recover(self) -> None:
        """Pass everything on again."""
        self._tell("refuse", [200, "", "", "", 0, 0])

    def seen(self) -> list[str]:
        """Return `METHOD /path` of each request since this was asked last."""
        return list(self._tell("seen", None))

    def round_trips(self) -> int:
        """Return in how many round trips the requests since this was asked last were made.

        After this was asked, each waits until no other has come for PAUSE seconds; those that wait are one round trip.
        """
        return int(self._tell("round_trips", None)[0])

    def _tell(self, what: str, said: object) -> list[str]:
        connection = HTTPConnection(urlsplit(self.address).netloc, timeout=SECONDS)
        connection.request("PATCH", f"/{what}", json.dumps(said))  # a method that S3 has not
        found: list[str] = json.loads(connection.getresponse().read())
        connection.close()
        return found


@contextmanager
def before(address: str) -> Iterator[FailingStore]:
    """Serve on the loopback what the S3 server at `address` does, but for what is refused."""
    command = [sys.executable, "-m", "tests.failing_store", urlsplit(address).netloc]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield FailingStore(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    there = ""
    onward: HTTPConnection | None = None  # of each connection to here
    seen: list[str] = []  # noqa: RUF012  (of the one server of this process, as is what follows)
    turn = Condition()
    trips: list = []  # noqa: RUF012  (how many there were, when the last request came)
    refusing: list = [200, "", "", "", 0, 0]  # noqa: RUF012

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, HTTPException):  # who asked has gone, or nobody answers
            self.close_connection = True

    def do_GET(self) -> None:
        body, asked = self._body(), f"{self.command} {self.path}"
        self.seen.append(asked)
        if self.trips:
            self._wait_for_others()
        status, code, message, wanted, times, after = self.refusing
        hit = bool(times) and re.search(wanted, asked) is not None
        if hit:
            self.refusing[4 if after == 0 else 5] -= 1
        if hit and after == 0:
            said = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            self._answer(status, f'<?xml version="1.0" encoding="UTF-8"?>{said}'.encode())
            return
        onward = self.onward = self.onward or HTTPConnection(self.there, timeout=SECONDS)
        onward.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # the signature is of these, the host among them
            if name.lower() not in ("connection", "expect"):
                onward.putheader(name, value)
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            onward.endheaders([body], encode_chunked=True)
        else:
            onward.endheaders(body)
        answer = onward.getresponse()
        content = answer.read()
        dropped = ("connection", "transfer-encoding", "content-length")
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in dropped]
        self._answer(answer.status, content, headers, answer.getheader("Content-Length"))

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def do_PATCH(self) -> None:
        said, answer = json.loads(self._body()), []
        if self.path == "/refuse":
            self.refusing[:] = said
        elif self.path == "/seen":
            answer, self.seen[:] = [*self.seen], []
        else:
            answer, self.trips[:] = [*self.trips] or [0], [0, 0.0]
        self._answer(200, json.dumps(answer).encode())

    def _wait_for_others(self) -> None:
        with self.turn:
            mine, self.trips[1] = self.trips[0], time.monotonic()
            while mine == self.trips[0] and (left := self.trips[1] + PAUSE - time.monotonic()) > 0:
                self.turn.wait(left)
            if mine == self.trips[0]:
                self.trips[0] += 1
                self.turn.notify_all()

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # what follows the last part
            pass
        return b"".join(parts)

    def _answer(self, status: int, content: bytes, headers: list = [], length: str | None = None) -> None:  # noqa: B006
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    _Handler.there = sys.argv[1]
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
