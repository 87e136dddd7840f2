"""Proxies before the data ports of a cluster: they see each packet of a write, and strike in time.

Every datanode advertises the port of its proxy, so that clients and other datanodes come through it.
"""

import threading
import time

from harness import rpc
from harness.proxy import Cut, Proxy

WRITE_BLOCK = 80
CREATE, APPEND, STREAMING_RECOVERY = 6, 0, 3


class Strike:
    """What is to happen to the node at `position` of the next pipeline of a client.

    kind: "killed", "stopped", "cut", "slow", or "flipped", which spoils a bit on the way to it; stage: "set-up", "streaming" or "close". `fraction` says at
    which byte of the operation, of the first `span` bytes of packets, or of the last packet.
    """

    def __init__(self, kind, stage, position, fraction, span):
        self.kind = kind
        self.stage = stage
        self.position = position
        self.fraction = fraction
        self.span = span
        self.victim = None  # the name of the datanode, once it was struck
        self.where = ""


class Stream:
    """The packets of one connection, followed byte by byte."""

    def __init__(self, victim):
        self.victim = victim
        self.passed = 0  # bytes behind the operation
        self.head = b""  # of the packet under way
        self.skip = 0  # bytes of it that are still to come

    def find_last(self, data):
        """The offset in `data` at which the last packet of the block begins; None: not in there."""
        at = 0
        while at < len(data):
            if self.skip:
                step = min(self.skip, len(data) - at)
                self.skip -= step
                at += step
                continue
            begin = at - len(self.head)
            wanted = 6
            if len(self.head) >= 6:
                wanted = 6 + int.from_bytes(self.head[4:6], "big")
            step = min(wanted - len(self.head), len(data) - at)
            self.head += data[at : at + step]
            at += step
            if len(self.head) < 6 or len(self.head) < 6 + int.from_bytes(self.head[4:6], "big"):
                continue
            header_bytes = int.from_bytes(self.head[4:6], "big")
            payload = int.from_bytes(self.head[:4], "big") - 4
            header = self.head[6:]
            self.head = b""
            if header_bytes >= 20 and header[18:20] == b"\x18\x01":  # lastPacketInBlock
                return max(begin, 0)
            self.skip = payload
        return None


class PipelineProxies:
    def __init__(self, cluster):
        self.cluster = cluster
        self.lock = threading.Lock()
        self.strike = None
        self.slow = {}  # name -> bytes per second that its proxy passes on, of each connection
        self.streams = {}  # (name, connection) -> Stream
        self.proxies = {}
        self.commands = {}
        # A live datanode's address does not change: one that forgets the old ones is needed.
        cluster.stop("namenode")
        for name in cluster.datanodes:
            target = int(cluster.ports(name)["transfer"])
            proxy = Proxy(target)
            proxy.on_request = lambda data, number, name=name: self._see(name, data, number)
            self.proxies[name] = proxy
            self.commands[name] = [
                *cluster.command(name),
                *("-D", f"cairn.datanode.advertised.port={proxy.port}"),
            ]
            self.start(name)
        cluster.start("namenode")

    def start(self, name):
        self.cluster.spawn(name, self.commands[name])

    def close(self):
        for proxy in self.proxies.values():
            proxy.close()

    def arm(self, strike):
        with self.lock:
            self.strike = strike
            self.streams.clear()

    def _see(self, name, data, number):
        if name in self.slow:
            time.sleep(len(data) / self.slow[name])
        with self.lock:
            strike = self.strike
            if strike is None:
                return data
            stream = self.streams.get((name, number))
            if stream is None:
                op = self._operation(data)
                if op is None or strike.victim is not None:
                    return data
                body, op_bytes = op
                stage = body[4][0]
                if stage not in (CREATE, APPEND) or not rpc.parse(body[1][0]).get(2, [b""])[0]:
                    return data
                if len(body.get(2, [])) != 2 - strike.position:
                    return data
                if strike.stage == "set-up":
                    return self._hit(name, data, int(strike.fraction * op_bytes))
                stream = self.streams[(name, number)] = Stream(name)
                head, data = data[:op_bytes], data[op_bytes:]
                passed = self._follow(name, stream, data) if data else data
                return None if passed is None else type(passed)(head + passed)
            return self._follow(name, stream, data)

    def _follow(self, name, stream, data):
        strike = self.strike
        if strike.victim is not None:
            return data
        if strike.stage == "close":
            at = stream.find_last(data)
            if at is not None:
                return self._hit(name, data, at + int(strike.fraction * 31))
            return data
        target = int(strike.fraction * strike.span)
        at = target - stream.passed
        stream.passed += len(data)
        if at < len(data):
            return self._hit(name, data, max(at, 0))
        return data

    def _hit(self, name, data, at):
        strike = self.strike
        strike.victim = name
        at = min(at, len(data))
        strike.where = f"after {at} of {len(data)} bytes"
        if strike.kind == "slow":
            self.slow[name] = 1e6
            return data
        if strike.kind == "flipped":
            at = min(at, len(data) - 1)
            bit = int(strike.fraction * 8e6) % 8
            strike.where = f"bit {bit} of byte {at} of {len(data)}"
            return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
        if strike.kind == "stopped":
            self.cluster.pause_now(name)
            return data
        if strike.kind == "killed":
            self.cluster.kill_now(name)
            return None
        return Cut(data[:at]) if at else None

    @staticmethod
    def _operation(data):
        """The fields of a WRITE_BLOCK and its length; None if it is something else."""
        if len(data) < 4 or data[:2] != b"\x00\x1c" or data[2] != WRITE_BLOCK:
            return None
        size, at = rpc.read_varint(data, 3)
        if at + size > len(data):
            return None
        return rpc.parse(data[at : at + size]), at + size
