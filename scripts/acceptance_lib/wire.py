"""A small HTTP client that knows whether anything was sent before it failed, which is what a history needs."""

import base64
import json
import socket
import struct
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

TIMEOUT_S = 20


class NotSent(Exception):
    """Nothing reached the server: surely not applied."""


class Cut(Exception):
    """The request was sent and no whole answer came: nobody knows."""


@dataclass
class Answer:
    status: int
    headers: dict = field(default_factory=dict)
    body: bytes = b""

    def json(self):
        """The body, with amounts as exact decimals."""
        return json.loads(self.body, parse_float=Decimal)


def basic(access_key, secret_key):
    return "Basic " + base64.b64encode(f"{access_key}:{secret_key}".encode()).decode()


class Connection:
    """One kept-alive connection, made again when the server has closed it between two requests."""

    def __init__(self, url, authorization=None):
        parts = urlsplit(url)
        self.address = (parts.hostname, parts.port)
        self.authorization = authorization
        self.socket = None
        self.rest = b""

    def head(self, method, path, length):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.address[0]}:{self.address[1]}", f"Content-Length: {length}"]
        if self.authorization:
            lines.append(f"Authorization: {self.authorization}")
        if length:
            lines.append("Content-Type: application/json")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def request(self, method, path, body=b""):
        self.open()
        self.send(self.head(method, path, len(body)) + body)
        return self.receive()

    def post(self, path, value):
        return self.request("POST", path, json.dumps(value).encode())

    def get(self, path):
        return self.request("GET", path)

    def open(self):
        if self.socket and self._closed_by_server():
            self.close()
        if not self.socket:
            try:
                self.socket = socket.create_connection(self.address, timeout=TIMEOUT_S)
            except OSError as error:
                raise NotSent(str(error)) from error
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.rest = b""

    def _closed_by_server(self):
        try:
            self.socket.setblocking(False)
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT_S)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            self.close()
            raise Cut(str(error)) from error

    def receive(self):
        try:
            answer = self._read_answer()
        except (OSError, ValueError) as error:
            self.close()
            raise Cut(str(error)) from error
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def _read_answer(self):
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        answer = Answer(int(head[0].split(" ")[1]), headers)
        if headers.get("transfer-encoding", "").lower() == "chunked":
            answer.body = self._chunks()
        else:
            answer.body = self._exactly(int(headers.get("content-length", "0")))
        return answer

    def _chunks(self):
        whole = b""
        while True:
            size = int(self._until(b"\r\n").split(b";")[0], 16)
            whole += self._exactly(size)
            self._until(b"\r\n")
            if size == 0:
                return whole

    def _until(self, mark):
        while mark not in self.rest:
            self._more()
        found, _, self.rest = self.rest.partition(mark)
        return found

    def _exactly(self, length):
        while len(self.rest) < length:
            self._more()
        found, self.rest = self.rest[:length], self.rest[length:]
        return found

    def _more(self):
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionError("closed before the answer was whole")
        self.rest += received

    def hang_up(self):
        """Resets the connection, as a crashed client does."""
        if self.socket:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None
        self.rest = b""
