"""A TCP proxy that can be told to misbehave: cut, drip, flip, or swallow what passes."""

import socket
import threading
import time


class Cut(bytes):
    """What a hook returns to have these bytes passed on, and the connection cut behind them."""


class Proxy:
    """Listens on `port` and passes everything to 127.0.0.1:target, both ways.

    on_reply(data, connection) and on_request(data, connection) see each piece that passes, and return
    what is passed on in its place; None cuts the connection with a reset, both ways.
    """

    def __init__(self, target, on_request=None, on_reply=None, port=0):
        self.target = target
        self.on_request = on_request
        self.on_reply = on_reply
        self.connections = 0
        self.cuts = 0
        self.open = True
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.open = False
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def _accept(self):
        while self.open:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = self.connections
            for source, sink, hook in (
                (client, server, "on_request"),
                (server, client, "on_reply"),
            ):
                threading.Thread(
                    target=self._pass, args=(source, sink, hook, number), daemon=True
                ).start()

    def _pass(self, source, sink, hook, number):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                change = getattr(self, hook)
                if change is not None:
                    data = change(data, number)
                    if data is None:
                        self.cuts += 1
                        return reset(source, sink)
                sink.sendall(data)
                if isinstance(data, Cut):
                    self.cuts += 1
                    time.sleep(0.05)  # a reset overtakes what is still under way
                    return reset(source, sink)
        except OSError:
            reset(source, sink)


def reset(*sockets):
    """Ends connections with RST, as a crashed machine's kernel would."""
    for end in sockets:
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        try:
            end.close()
        except OSError:
            pass


def drip(port, data, seconds_between, stop):
    """Sends `data` to `port` a byte at a time until done, refused, or `stop` is set. Returns the
    number of bytes that were taken."""
    sent = 0
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            for byte in data:
                if stop.is_set():
                    break
                connection.sendall(bytes([byte]))
                sent += 1
                time.sleep(seconds_between)
    except OSError:
        pass
    return sent
