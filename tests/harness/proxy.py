"""A TCP proxy that can be told to misbehave: cut, drip, flip, or swallow what passes."""

import socket
import struct
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
            pair = Pair(client, server)
            number = self.connections
            for source, sink, hook in (
                (client, server, "on_request"),
                (server, client, "on_reply"),
            ):
                threading.Thread(
                    target=self._pass, args=(pair, source, sink, hook, number), daemon=True
                ).start()

    def _pass(self, pair, source, sink, hook, number):
        try:
            while not pair.is_reset:
                data = source.recv(65536)
                if not data:
                    if not pair.is_reset:
                        sink.shutdown(socket.SHUT_WR)
                    return
                change = getattr(self, hook)
                if change is not None:
                    data = change(data, number)
                    if data is None:
                        self.cuts += 1
                        return pair.reset()
                pair.send(sink, data)
                if isinstance(data, Cut):
                    self.cuts += 1
                    time.sleep(0.05)  # a reset overtakes what is still under way
                    return pair.reset()
        except OSError:
            pair.reset()
        finally:
            pair.leave()


class Pair:
    """The two connections that a proxy joins, and the two threads that pass their bytes on.

    The kernel ends a connection when it is closed and no thread is in a call on it any more, so the
    last thread to leave closes both.
    """

    def __init__(self, client, server):
        self.ends = (client, server)
        self.lock = threading.Lock()
        self.threads = 2
        self.is_reset = False
        for end in self.ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A sender looks now and then whether it is over.
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 50_000))

    def send(self, sink, data):
        rest = memoryview(data)
        while rest and not self.is_reset:
            try:
                rest = rest[sink.send(rest) :]
            except BlockingIOError:
                pass

    def reset(self):
        """Both end with RST and no FIN before it, as a crashed machine's kernel would end them."""
        self.is_reset = True
        for end in self.ends:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Wakes the thread that reads from it, and tells the other side nothing.
                end.shutdown(socket.SHUT_RD)
            except OSError:
                pass

    def leave(self):
        with self.lock:
            self.threads -= 1
            if self.threads > 0:
                return
        for end in self.ends:
            end.close()


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
