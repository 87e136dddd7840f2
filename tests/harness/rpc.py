"""Hadoop RPC by hand: for calls with a chosen call id, and for messages that no client would send."""

import os
import socket
import struct

CLIENT_PROTOCOL = "org.apache.hadoop.hdfs.protocol.ClientProtocol"
CLIENT_DATANODE_PROTOCOL = "org.apache.hadoop.hdfs.protocol.ClientDatanodeProtocol"
INTER_DATANODE_PROTOCOL = "org.apache.hadoop.hdfs.server.protocol.InterDatanodeProtocol"
PREAMBLE = b"hrpc\x09\x00\x00"


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value):
    return varint((value << 1) ^ (value >> 63))


def field(number, value):
    """One protobuf field: int as varint, bytes or str length-delimited."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def delimited(message):
    return varint(len(message)) + message


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def parse(data):
    """{field number: [values]} of a message; length-delimited values stay bytes."""
    fields = {}
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 2:
            size, at = read_varint(data, at)
            value = data[at : at + size]
            at += size
        elif kind == 1:
            value = data[at : at + 8]
            at += 8
        elif kind == 5:
            value = data[at : at + 4]
            at += 4
        else:
            raise ValueError(f"wire type {kind}")
        fields.setdefault(key >> 3, []).append(value)
    return fields


class RemoteError(Exception):
    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind = kind.rsplit(".", 1)[-1]


class Connection:
    """One connection to a port that speaks Hadoop RPC. Calls are answered in turn."""

    def __init__(self, port, user="root", client_id=None, protocol=CLIENT_PROTOCOL, greet=True):
        self.client_id = client_id or os.urandom(16)
        self.protocol = protocol
        self.next_call = 0
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if greet:
            self.socket.sendall(PREAMBLE + self.context(user))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def header(self, call_id, retry=-1):
        return (
            field(1, 2)
            + field(2, 0)
            + varint(3 << 3)
            + zigzag(call_id)
            + field(4, self.client_id)
            + varint(5 << 3)
            + zigzag(retry)
        )

    def frame(self, *parts):
        body = b"".join(delimited(part) for part in parts)
        return struct.pack(">I", len(body)) + body

    def context(self, user):
        return self.frame(self.header(-3), field(2, field(1, user)) + field(3, self.protocol))

    def request(self, method, message, call_id, retry=0):
        """The bytes of a call."""
        which = field(1, method) + field(2, self.protocol) + field(3, 1)
        return self.frame(self.header(call_id, retry), which, message)

    def send(self, method, message, call_id=None, retry=0):
        if call_id is None:
            call_id = self.next_call
            self.next_call += 1
        self.socket.sendall(self.request(method, message, call_id, retry))
        return call_id

    def call(self, method, message, call_id=None, retry=0):
        """The fields of the answer. RemoteError: the server said no."""
        self.send(method, message, call_id, retry)
        return self.receive()

    def receive(self):
        size = struct.unpack(">I", self.read(4))[0]
        body = self.read(size)
        length, at = read_varint(body, 0)
        header = parse(body[at : at + length])
        rest = body[at + length :]
        if header[2][0] != 0:
            raise RemoteError(
                header.get(4, [b"?"])[0].decode(), header.get(5, [b""])[0].decode(errors="replace")
            )
        length, at = read_varint(rest, 0)
        return parse(rest[at : at + length])

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("the server closed the connection")
            data += piece
        return data


# ---- Arguments of ClientProtocol's methods ----


def permission(mode):
    return field(1, mode)


def mkdirs(path, mode=0o755, parents=True):
    return field(1, path) + field(2, permission(mode)) + field(3, int(parents))


def create(path, client="test", flag=1, replication=1, block_size=1 << 20, parents=True):
    return (
        field(1, path)
        + field(2, permission(0o644))
        + field(3, client)
        + field(4, flag)
        + field(5, int(parents))
        + field(6, replication)
        + field(7, block_size)
    )


def set_times(path, mtime_ms, atime_ms):
    return field(1, path) + field(2, mtime_ms) + field(3, atime_ms)


def get_file_info(path):
    return field(1, path)


def delete(path, recursive=True):
    return field(1, path) + field(2, int(recursive))


def rename(source, target):
    return field(1, source) + field(2, target)


def rename2(source, target, overwrite=False):
    return field(1, source) + field(2, target) + field(3, int(overwrite))


def truncate(path, length, client="test"):
    return field(1, path) + field(2, length) + field(3, client)


def concat(target, *sources):
    return field(1, target) + b"".join(field(2, source) for source in sources)


def append(path, client="test"):
    return field(1, path) + field(2, client)


def add_block(path, client="test", file_id=0, previous=None):
    message = field(1, path) + field(2, client)
    if previous is not None:
        message += field(3, previous)
    return message + (field(5, file_id) if file_id else b"")


def get_block_locations(path, offset=0, length=1 << 40):
    return field(1, path) + field(2, offset) + field(3, length)


def complete(path, client="test", file_id=0, last=None):
    message = field(1, path) + field(2, client)
    if last is not None:
        message += field(3, last)
    return message + (field(4, file_id) if file_id else b"")
