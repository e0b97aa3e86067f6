"""A TCP proxy on loopback that harms connections: the network between a worker and its store on a bad day."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

KINDS = ("clean", "refuse", "reset", "cut", "hang", "drip", "busy")
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Fault:
    """What happens to one connection: ``kind`` strikes after ``after`` bytes, upwards (to the store) or downwards."""

    kind: str
    after: int = 0
    upwards: bool = False

    @classmethod
    def drawn(cls, dice: random.Random, most: int) -> Fault:
        """A random fault that strikes within ``most`` bytes, more often early: heads are short and matter."""
        return cls(dice.choice(KINDS[1:]), int(most * dice.random() ** 3), dice.random() < 0.5)


class Proxy:
    """Forwards connections to ``port``; ``plan(number)`` says what happens to each. A context manager."""

    def __init__(self, port: int, plan: Callable[[int], Fault]) -> None:
        self._target = port
        self.plan = plan
        self.count = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.closed = threading.Event()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self, plan: Callable[[int], Fault]) -> None:
        """A new round: drops all connections and counts anew."""
        self.closed.set()
        self.closed = threading.Event()
        sockets, self._sockets = self._sockets, []
        _close(*sockets)
        self.plan, self.count = plan, 0

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            fault = self.plan(self.count)
            self.count += 1
            threading.Thread(target=self._serve, args=(client, fault), daemon=True).start()

    def _serve(self, client: socket.socket, fault: Fault) -> None:
        if fault.kind == "refuse":
            return _reset(client)
        if fault.kind == "busy":
            client.recv(65536)
            client.sendall(BUSY)
            return client.close()
        server = socket.create_connection(("127.0.0.1", self._target))
        self._sockets += [client, server]
        up = fault if fault.upwards else Fault("clean")
        down = Fault("clean") if fault.upwards else fault
        threading.Thread(target=self._pump, args=(client, server, up), daemon=True).start()
        self._pump(server, client, down)
        return None

    def _pump(self, source: socket.socket, sink: socket.socket, fault: Fault) -> None:
        left = fault.after
        try:
            while data := source.recv(65536):
                if fault.kind == "clean" or len(data) <= left:
                    sink.sendall(data)
                    left -= len(data)
                    continue
                sink.sendall(data[:left])
                self._strike(fault.kind, source, sink, data[left:])
                return
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            _close(source, sink)

    def _strike(self, kind: str, source: socket.socket, sink: socket.socket, rest: bytes) -> None:
        closed = self.closed
        if kind == "reset":
            _reset(source)
            _reset(sink)
        elif kind == "cut":
            _close(source, sink)
        elif kind == "hang":
            closed.wait(30)
            _close(source, sink)
        elif kind == "drip":
            for byte in rest:
                sink.sendall(bytes([byte]))
                if closed.wait(0.05):
                    break
            _close(source, sink)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self._listener.close()
        _close(*self._sockets)


def _reset(sock: socket.socket) -> None:
    """Closes with RST instead of FIN."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        time.sleep(0)  # closed already
    sock.close()


def _close(*sockets: socket.socket) -> None:
    for sock in sockets:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            sock.close()
            continue
        sock.close()
