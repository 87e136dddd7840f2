"""What strangers send: garbage, floods, slow drips, thousands of connections. Every port, every time
with another client at work that must not notice."""

import contextlib
import os
import resource
import socket
import struct
import subprocess
import threading
import time

from harness import env, rpc
from harness.case import Case
from harness.cluster import MiniCluster, descriptor_count, resident_bytes, thread_count
from harness.pids import NoMoreThreads
from harness.proxy import drip

MOST_GROWTH = 96 << 20  # of a daemon's memory, whatever is sent to it
HEADER_SECONDS = 30  # the longest that a port waits for the whole beginning of what is said to it
DESCRIPTORS = 160
# The store takes another log after some hundred changes.
SMALL_STORE = {
    "cairn.namenode.store.tail": "64k",
    "cairn.namenode.store.tail.age": "1s",
    "cairn.namenode.store.write.buffer": "64k",
}

# What a program says that got none: in its last words, or in an answer.
# The last one is AddressSanitizer's word for it.
OUT_OF_MEMORY = (
    "(?i)bad_alloc|cannot allocate|out of memory|failed to allocate|temporarily unavail|failed to mmap"
)


class Hostile(Case):
    @classmethod
    def setUpClass(cls):
        cls.cluster = MiniCluster(datanodes=1)
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.put(b"precious" * 1000, "/precious")

    def ports(self):
        """{name: (daemon, port)} of everything that listens."""
        found = {}
        for name in self.cluster.names:
            for key, value in self.cluster.ports(name).items():
                if value.isdigit() and int(value) > 0:
                    found[f"{name} {key}"] = (name, int(value))
        return found

    def setUp(self):
        self.pids = {name: self.cluster.pid(name) for name in self.cluster.names}
        self.before = {name: resident_bytes(pid) for name, pid in self.pids.items()}

    def tearDown(self):
        for name, pid in self.pids.items():
            self.assertTrue(self.cluster.alive(name), f"{name} died:\n{self.cluster.tail(name)}")
            self.assertEqual(self.cluster.pid(name), pid)
            grown = resident_bytes(pid) - self.before[name]
            self.assertLess(grown, MOST_GROWTH * env.SLOW, f"{name} grew by {grown >> 20} MiB")
        self.assertEqual(self.cluster.cat("/precious"), b"precious" * 1000)

    def work(self):
        """What another client does meanwhile; returns the seconds of the slowest of its steps."""
        slowest = 0
        for number in range(3):
            began = time.monotonic()
            self.cluster.put(b"work", f"/work{number}")
            assert self.cluster.cat(f"/work{number}") == b"work"
            slowest = max(slowest, time.monotonic() - began)
        return slowest


class Garbage(Hostile):
    def send(self, port, data, wait=2):
        """Sends and returns all that comes back until the end or `wait` seconds."""
        answer = b""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while True:
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    answer += piece
        except OSError:
            pass
        return answer

    def test_random_bytes_on_every_port(self):
        random = self.random()
        sent = 0
        for _, port in self.ports().values():
            for _ in range(60 if not env.LONG else 2000):
                data = random.randbytes(random.choice([1, 4, 7, 8, 60, 500, 5000]))
                prefix = random.choice([b"", rpc.PREAMBLE, b"\x00\x1c\x50", b"\x00\x1c\x51", b"GET /"])
                self.send(port, prefix + data)
                sent += 1
        self.note(f"{sent} messages on {len(self.ports())} ports")

    def test_foreign_protocols_on_every_port(self):
        hello = bytes.fromhex("1603010200010001fc0303") + os.urandom(500)
        for name, (_, port) in self.ports().items():
            for data in (
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                b"POST /x HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                hello,
                b"\x00" * 10000,
                b"\xff" * 10000,
            ):
                with self.subTest(port=name, data=data[:10]):
                    self.send(port, data)

    def rpc_ports(self):
        """Each port with a protocol that it serves."""
        protocols = {
            "rpc": [rpc.CLIENT_PROTOCOL],
            "ipc": [rpc.CLIENT_DATANODE_PROTOCOL, rpc.INTER_DATANODE_PROTOCOL],
        }
        return [
            (port, protocol)
            for name, (_, port) in self.ports().items()
            for protocol in protocols.get(name.split()[-1], [])
        ]

    def test_lengths_that_lie(self):
        """Announced bytes reserve nothing; too many end the connection."""
        for port, protocol in self.rpc_ports():
            most = 64 << 20 if protocol == rpc.CLIENT_PROTOCOL else 64 << 10
            for length in (0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, most + 1):
                with rpc.Connection(port, protocol=protocol) as connection:
                    connection.socket.sendall(struct.pack(">I", length) + b"x" * 100)
                    connection.socket.settimeout(5)
                    with self.assertRaises((ConnectionError, rpc.RemoteError)):
                        connection.receive()
            held = []
            for _ in range(50):  # within the limit, and never sent
                connection = rpc.Connection(port, protocol=protocol)
                connection.socket.sendall(struct.pack(">I", most - 4096) + b"x" * 1000)
                held.append(connection)
            self.work()
            for connection in held:
                connection.close()

    def test_damaged_messages_within_whole_frames(self):
        """Wrong varints, deep nesting, unknown enums, missing fields: an error or the end."""
        nested = b""
        for _ in range(20000):
            nested = rpc.field(2, nested) if len(nested) < 60000 else nested
        endless = b"\xff" * 11
        for port, protocol in self.rpc_ports():
            methods = ("create", "mkdirs", "getFileInfo", "no-such-method", "")
            if protocol == rpc.CLIENT_DATANODE_PROTOCOL:
                methods = ("getReplicaVisibleLength", "getDatanodeInfo", "no-such-method", "")
            elif protocol == rpc.INTER_DATANODE_PROTOCOL:
                methods = ("initReplicaRecovery", "updateReplicaUnderRecovery", "no-such-method")
            for message in (
                endless,
                nested,
                b"\x0a\xff\xff\xff\xff\x0f",
                rpc.field(1, "/x") + rpc.field(4, 1 << 40),
                b"\x0b" * 5000,  # groups that never end
                os.urandom(3000),
            ):
                for method in methods:
                    try:
                        with rpc.Connection(port, protocol=protocol) as connection:
                            connection.socket.settimeout(5)
                            connection.call(method, message)
                    except rpc.RemoteError as error:
                        self.assertNotEqual(error.kind, "RpcNoSuchProtocolException")
                    except (OSError, IndexError):
                        pass

    def test_empty_messages_without_number(self):
        """A block with as many empty locations as a request may hold: two bytes each, and hundreds
        once it is parsed. tearDown looks at the memory."""
        port = int(self.cluster.ports("datanode-1")["ipc"])
        for size in (60 << 10, 63 << 20):
            located = rpc.field(3, b"") * (size // 2)
            message = rpc.field(1, rpc.field(1, 7) + rpc.field(2, located))
            with rpc.Connection(port, protocol=rpc.INTER_DATANODE_PROTOCOL) as connection:
                with self.assertRaises((OSError, rpc.RemoteError)) as caught:
                    connection.call("initReplicaRecovery", message)
                self.assertEqual(isinstance(caught.exception, rpc.RemoteError), size < 64 << 10)

    def test_a_call_that_waits_keeps_little(self):
        """complete() waits for a replica. With it wait the client id and the path; tearDown looks at
        the memory."""
        with rpc.Connection(self.cluster.port) as writer:
            created = writer.call("create", rpc.create("/waits"))
            file_id = rpc.parse(created[1][0])[13][0]
            located = writer.call("addBlock", rpc.add_block("/waits"))
            block = rpc.parse(located[1][0])[1][0]
            waits = rpc.complete("/waits", last=block)
            for size in (15, 17, 36, 60 << 10, 1 << 20, 16 << 20):
                with self.subTest(client_id=size), rpc.Connection(self.cluster.port) as connection:
                    connection.client_id = os.urandom(size)
                    connection.send("complete", waits)
                    with self.assertRaisesRegex(rpc.RemoteError, "RpcServerException"):
                        connection.receive()
            path = "/" + "p" * 1_000_000
            with rpc.Connection(self.cluster.port) as connection:
                for _ in range(200):
                    connection.send("complete", rpc.complete(path, file_id=file_id, last=block))
                    with self.assertRaisesRegex(rpc.RemoteError, "InvalidPathException"):
                        connection.receive()
            self.assertEqual(writer.call("delete", rpc.delete("/waits")), {1: [1]})

    def test_long_headers_end_the_connection(self):
        extras = {
            "its signature": rpc.field(7, rpc.field(1, b"") + rpc.field(2, b"s" * 70_000)),
            "an unknown field": rpc.field(15, b"?" * 70_000),
        }
        for port, protocol in self.rpc_ports():
            which = rpc.field(1, "any") + rpc.field(2, protocol) + rpc.field(3, 1)
            for name, extra in extras.items():
                with self.subTest(protocol=protocol, extra=name):
                    with rpc.Connection(port, protocol=protocol) as connection:
                        header = connection.header(0, 0) + extra
                        # A frame over a datanode's limit gets no answer.
                        with self.assertRaisesRegex(
                            (rpc.RemoteError, OSError), "RpcServerException|closed|reset|[Bb]roken"
                        ):
                            connection.socket.sendall(connection.frame(header, which, b""))
                            connection.receive()

    def test_long_caller_contexts_are_cut(self):
        extra = rpc.field(7, rpc.field(1, b"c" * 5000))
        for port, protocol in self.rpc_ports():
            which = rpc.field(1, "any") + rpc.field(2, protocol) + rpc.field(3, 1)
            with self.subTest(protocol=protocol):
                with rpc.Connection(port, protocol=protocol) as connection:
                    for call in range(2):  # the connection goes on
                        header = connection.header(call) + extra
                        connection.socket.sendall(connection.frame(header, which, b""))
                        with self.assertRaisesRegex(rpc.RemoteError, "NoSuchMethod"):
                            connection.receive()

    def test_bad_messages_fill_no_log(self):
        """However many they are, the log has few lines of them."""
        before = {name: len(self.cluster.log(name).splitlines()) for name in self.cluster.names}
        transfer = int(self.cluster.ports("datanode-1")["transfer"])
        no_utf8 = rpc.field(1, b"\xff\xfe")
        bad_block = no_utf8 + rpc.field(2, 1) + rpc.field(3, 1)
        bad_read = rpc.field(1, rpc.field(1, rpc.field(1, bad_block)) + rpc.field(2, b"\xff"))
        for _ in range(300):
            for operation in (b"\x50", b"\x51", b"\x55", b"\x5a"):  # fields are missing
                self.send(transfer, b"\x00\x1c" + operation + rpc.delimited(b""))
            self.send(transfer, b"\x00\x1c\x51" + rpc.delimited(bad_read))
        for port, protocol in self.rpc_ports():
            with rpc.Connection(port, protocol=protocol) as connection:
                for _ in range(300):
                    for method, message in (
                        ("create", no_utf8),
                        ("getReplicaVisibleLength", b""),
                        ("getReplicaVisibleLength", rpc.field(1, bad_block)),
                        ("initReplicaRecovery", b""),
                    ):
                        with self.assertRaises(rpc.RemoteError):
                            connection.call(method, message)
        for name, lines in before.items():
            more = self.cluster.log(name).splitlines()[lines:]
            self.assertLess(len(more), 100 * env.SLOW, "\n".join([name] + more[:20]))

    def test_frames_of_http2_between_the_nodes(self):
        """The namenode lives, keeps nothing of it, and hears its datanode all the while."""

        def frame(kind, flags=0, stream=0, payload=b"", length=None):
            length = len(payload) if length is None else length
            return struct.pack(">I", length)[1:] + struct.pack(">BBI", kind, flags, stream) + payload

        def literal(text):
            return bytes([len(text)]) + text

        data, headers, reset, settings, ping, window, continuation = 0, 1, 3, 4, 6, 8, 9
        whole = 4  # END_HEADERS
        call = (
            b"\x83\x86"  # POST, http
            + b"\x04" + literal(b"/cairn.internal.DatanodeService/AwaitOrders")
            + b"\x0f\x10" + literal(b"application/grpc")
            + b"\x00" + literal(b"te") + literal(b"trailers")
        )
        streams = range(1, 20001, 2)
        random = self.random()
        beginning = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings)
        floods = {
            "settings": frame(settings) * 20000,
            "pings": frame(ping, payload=bytes(8)) * 20000,
            "windows that overflow": frame(window, payload=struct.pack(">I", 0x7FFFFFFF)) * 10,
            "a length that lies": frame(data, stream=1, payload=b"x" * 1000, length=0xFFFFFF),
            "headers without an end": frame(headers, 0, 1, call)
            + frame(continuation, 0, 1, (b"\x00" + literal(b"n") + literal(b"v")) * 3000) * 250,
            "headers that do not parse": frame(headers, whole, 1, random.randbytes(1000)),
            "calls without a message": b"".join(frame(headers, whole, n, call) for n in streams),
            "calls that are taken back": b"".join(
                frame(headers, whole, n, call) + frame(reset, 0, n, bytes(4)) for n in streams
            ),
            "a message that is too long": frame(headers, whole, 1, call)
            + frame(data, 0, 1, b"\x00\xff\xff\xff\xff" + b"m" * 16000),
            "frames at random": b"".join(
                frame(random.randrange(12), random.randrange(256), random.randrange(8), random.randbytes(30))
                for _ in range(1000)
            ),
        }
        port = int(self.cluster.ports("namenode")["internal"])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(beginning + frame(ping, payload=b"an echo!"))
            answer = b""
            while frame(ping, 1, payload=b"an echo!") not in answer:  # ACK: these are real frames
                answer += connection.recv(65536) or self.fail(f"only {answer}")

        def send_all():
            for name, flood in floods.items():
                with self.subTest(flood=name):
                    for _ in range(2):
                        self.send(port, beginning + flood, wait=2)
                    self.assertEqual(self.cluster.live_datanodes(), 1)

        # gRPC 1.51 looks at its limit for headers when it has parsed them all, and keeps answers to
        # pings that nobody reads: some 30 bytes for each that was sent. It gives them back.
        sent = sum(map(len, floods.values()))
        pid = self.pids["namenode"]
        send_all()
        self.assertLess(resident_bytes(pid) - self.before["namenode"], 40 * sent * env.SLOW)
        self.before["namenode"] = resident_bytes(pid)
        send_all()
        self.work()
        self.note(f"{sent >> 10} KiB of frames in a round")

    def test_calls_in_the_wrong_order(self):
        port = self.cluster.port
        with rpc.Connection(port, greet=False) as connection:  # a call before the context
            connection.socket.sendall(
                rpc.PREAMBLE + connection.request("mkdirs", rpc.mkdirs("/evil"), 0)
            )
            connection.socket.settimeout(5)
            with self.assertRaises((ConnectionError, rpc.RemoteError)):
                connection.receive()
        with rpc.Connection(port) as connection:  # a second context
            connection.socket.sendall(connection.context("somebody"))
            connection.socket.settimeout(5)
            with self.assertRaises((ConnectionError, rpc.RemoteError)):
                connection.receive()
                connection.receive()
        self.assertEqual(self.cluster.dfs("-test", "-e", "/evil", check=False).returncode, 1)

    def test_every_method_with_every_field_damaged(self):
        """A valid call with one byte changed, and cut at each length."""
        random = self.random()
        block = rpc.field(1, "BP-1") + rpc.field(2, 1 << 62) + rpc.field(3, 1) + rpc.field(4, 1 << 61)
        calls = {
            "create": rpc.create("/evil/a"),
            "addBlock": rpc.add_block("/evil/a", previous=block),
            "complete": rpc.complete("/evil/a", last=block),
            "getBlockLocations": rpc.field(1, "/precious") + rpc.field(2, 1 << 63) + rpc.field(3, 1 << 63),
            "getListing": rpc.field(1, "/") + rpc.field(2, b"\xff\xfe") + rpc.field(3, 0),
            "rename2": rpc.rename2("/work0", "/evil/b"),
            "updateBlockForPipeline": rpc.field(1, block) + rpc.field(2, "x"),
            "setTimes": rpc.field(1, "/evil") + rpc.field(2, 1 << 63) + rpc.field(3, 1 << 63),
            "truncate": rpc.field(1, "/work1") + rpc.field(2, 1 << 63) + rpc.field(3, "x"),
            "setReplication": rpc.field(1, "/work1") + rpc.field(2, 1 << 31),
        }
        answered = closed = 0
        for method, message in calls.items():
            variants = [message[:cut] for cut in range(len(message))]
            for _ in range(40):
                changed = bytearray(message)
                changed[random.randrange(len(changed))] = random.randrange(256)
                variants.append(bytes(changed))
            connection = None
            for variant in variants:
                try:
                    connection = connection or rpc.Connection(self.cluster.port)
                    connection.socket.settimeout(20)
                    connection.call(method, variant)
                    answered += 1
                except rpc.RemoteError:
                    answered += 1
                except OSError as error:
                    self.assertNotIsInstance(error, TimeoutError, method)
                    connection.close()
                    connection = None
                    closed += 1
            if connection:
                connection.close()
        self.note(f"{answered} answered, {closed} ended the connection")

    def test_wrong_blocks_at_the_datanodes_port(self):
        """READ_BLOCK and WRITE_BLOCK of blocks, stamps and lengths that do not exist."""
        port = int(self.cluster.ports("datanode-1")["transfer"])
        for pool in ("BP-nobody", "", "../../../../etc"):
            for identifier in (0, 1, 1073741825, 1 << 63):
                for length in (0, 1 << 40, 1 << 63):
                    block = (
                        rpc.field(1, pool)
                        + rpc.field(2, identifier)
                        + rpc.field(3, 1001)
                        + rpc.field(4, length)
                    )
                    header = rpc.field(1, rpc.field(1, block)) + rpc.field(2, "evil")
                    read = rpc.field(1, header) + rpc.field(2, 1 << 62) + rpc.field(3, length)
                    answer = self.send(port, b"\x00\x1c\x51" + rpc.delimited(read), wait=5)
                    size, at = rpc.read_varint(answer, 0)
                    self.assertNotEqual(rpc.parse(answer[at : at + size])[1], [0], "read of nothing")
                    write = rpc.field(1, header) + rpc.field(4, 6) + rpc.field(5, 1)
                    self.send(port, b"\x00\x1c\x50" + rpc.delimited(write), wait=5)
        self.assertFalse(os.path.exists("/etc/blk_1"))


class Floods(Hostile):
    def test_a_thousand_half_open_connections_on_every_port(self):
        """fault 41: they cost neither threads nor much memory, and nobody else waits"""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit[1], 8192), limit[1]))
        calm = self.work()
        threads = {name: thread_count(pid) for name, pid in self.pids.items()}
        held = []
        for _, port in self.ports().values():
            for number in range(1000):
                try:
                    connection = socket.create_connection(("127.0.0.1", port), timeout=2)
                    connection.sendall([b"", b"h", rpc.PREAMBLE, b"\x00\x1c\x50", b"PRI"][number % 5])
                    held.append(connection)
                except OSError:
                    pass  # refused is a good answer, too
        busy = self.work()
        for name, pid in self.pids.items():
            self.assertLess(thread_count(pid), threads[name] + 40, f"threads of {name}")
        self.note(f"{len(held)} connections; work took {busy:.2f} s, without them {calm:.2f} s")
        self.assertLess(busy, (calm * 5 + 2) * env.SLOW)
        for connection in held:
            connection.close()

    def test_packets_that_are_announced_and_do_not_come(self):
        """fault 41: what a datanode is about to be sent costs it nothing before it comes"""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit[1], 8192), limit[1]))
        port = int(self.cluster.ports("datanode-1")["transfer"])
        with rpc.Connection(self.cluster.port) as connection:
            connection.call("create", rpc.create("/announced", client="evil"))
            located = connection.call("addBlock", rpc.field(1, "/announced") + rpc.field(2, "evil"))
            pool = rpc.parse(rpc.parse(located[1][0])[1][0])[1][0]
            connection.call("delete", rpc.delete("/announced"))
        held = []
        for number in range(600):
            block = (
                rpc.field(1, pool)
                + rpc.field(2, 1000 + number)
                + rpc.field(3, 1001)
                + rpc.field(4, 0)
            )
            operation = (
                rpc.field(1, rpc.field(1, rpc.field(1, block)) + rpc.field(2, "evil"))
                + rpc.field(4, 6)  # PIPELINE_SETUP_CREATE
                + rpc.field(5, 1)
                + rpc.field(6, 0)
                + rpc.field(7, 0)
                + rpc.field(8, 1001)
                + rpc.field(9, rpc.field(1, 2) + rpc.field(2, 64))  # a CRC32C for each 64 bytes
            )
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            held.append(connection)
            connection.sendall(b"\x00\x1c\x50" + rpc.delimited(operation))
            # Without packets behind it, so that the answer is about the set-up.
            self.assertTrue(connection.recv(100), "no answer to a set-up")
            # As much as a packet may have, and as much as needs no buffer of the pool.
            data = 15 << 20 if number % 2 == 0 else 256 << 10
            checksums = data // 64 * 4
            header = struct.pack("<Bq Bq BB Bi", 0x09, 0, 0x11, 0, 0x18, 0, 0x25, data)
            connection.sendall(struct.pack(">IH", 4 + checksums + data, len(header)) + header + b"c" * 100)
        slowest = self.work()
        grown = resident_bytes(self.pids["datanode-1"]) - self.before["datanode-1"]
        self.note(f"the datanode grew by {grown >> 20} MiB; work took {slowest:.2f} s")
        self.assertLess(grown, MOST_GROWTH * env.SLOW)
        for connection in held:
            connection.close()

    def test_a_byte_a_second(self):
        """fault 41: a slow sender is cut off, and nobody else waits meanwhile"""
        with rpc.Connection(self.cluster.port, greet=False) as example:
            whole = (
                rpc.PREAMBLE
                + example.context("root")
                + example.request("mkdirs", rpc.mkdirs("/slow"), 1)
            )
        beginnings = {
            "call": whole,
            "operation": b"\x00\x1c\x51" + rpc.varint(5000) + b"\x0a" * 200,
            "garbage": b"\x00\x1c\x51" + b"\xff" * 200,
            "HTTP/2": b"PRI * HTTP/2.0\r\n\r\n" + b"\x00" * 200,
        }
        calm = self.work()
        stop = threading.Event()
        began = time.monotonic()
        ends = []  # (port, what was sent, bytes of it taken, seconds)

        def send(name, port, kind):
            taken = drip(port, beginnings[kind], 0.5, stop)
            ends.append((name, kind, taken, time.monotonic() - began))

        threads = [
            threading.Thread(target=send, args=(name, port, kind), daemon=True)
            for name, (_, port) in self.ports().items()
            for kind in beginnings
            for _ in range(20)
        ]
        try:
            for thread in threads:
                thread.start()
            time.sleep(1)
            # Before the work, which may outlast the time that a beginning has.
            alive = sum(thread.is_alive() for thread in threads)
            busy = self.work()
            until = began + HEADER_SECONDS * 1.5 * env.SLOW
            for thread in threads:
                thread.join(max(0, until - time.monotonic()))
        finally:
            cut = list(ends)
            stop.set()
            for thread in threads:
                thread.join(10)
        self.assertGreater(alive, 40, "the drips were over before anybody worked beside them")
        self.assertLess(busy, (calm * 5 + 2) * env.SLOW)
        late = [end for end in ends if end not in cut]
        self.assertEqual(late, [], f"not cut within {HEADER_SECONDS * 1.5} s")
        whole_ones = [end for end in cut if end[2] == len(beginnings[end[1]])]
        self.assertEqual(whole_ones, [], "taken to the last byte")
        for name, kind in (("namenode rpc", "call"), ("datanode-1 transfer", "operation")):
            taken = [end[2] for end in cut if end[:2] == (name, kind)]
            self.assertEqual(len(taken), 20)
            self.assertGreater(min(taken), 10, f"{name} has not even listened to a {kind}")
        self.note(
            f"{len(cut)} of {len(threads)} drips were cut, the last after "
            f"{max(end[3] for end in cut):.0f} s; work took {busy:.2f} s, without them {calm:.2f} s"
        )

    def test_connections_leave_descriptors_for_the_rest(self):
        """fault 43: of a limit that a daemon finds at its start, clients have a share"""
        limit = 512
        with MiniCluster(datanodes=1, conf=SMALL_STORE) as cluster:
            commands = {name: cluster.command(name) for name in cluster.names}

            def few():
                resource.setrlimit(resource.RLIMIT_NOFILE, (100, limit))  # soft: raised

            for name, command in commands.items():
                cluster.spawn(name, command, preexec_fn=few)
            self.eventually(lambda: cluster.live_datanodes() == 1, "the datanode")
            self.assertRegex(cluster.log("namenode"), "at most 256 connections of clients instead of")
            self.assertRegex(cluster.log("datanode-1"), "at most .* transfers .* instead of 4096")
            cluster.dfs("-mkdir", "/before")  # waits for the end of the start-up
            old = rpc.Connection(cluster.port)
            old.call("mkdirs", rpc.mkdirs("/old"))
            held = []
            for _ in range(limit + 100):
                try:
                    held.append(rpc.Connection(cluster.port))
                except OSError:
                    pass  # the server was quicker than the greeting
            pid = cluster.pid("namenode")
            self.eventually(lambda: descriptor_count(pid) > 256, "as many connections as may be")
            for number in range(3000):
                old.call("mkdirs", rpc.mkdirs(f"/many/{number}" + "x" * 150))
            registrations = cluster.log("namenode").count(" registered: ")
            cluster.kill_now("datanode-1")
            cluster.spawn("datanode-1", commands["datanode-1"], preexec_fn=few)
            self.eventually(
                lambda: cluster.log("namenode").count(" registered: ") > registrations,
                "the datanode registers while clients have all they may have",
            )
            self.assertLess(descriptor_count(pid), limit - 64)
            for connection in [*held, old]:
                connection.close()
            self.eventually(
                lambda: cluster.dfs("-put", "-f", "-", "/after", input=b"y", check=False).returncode == 0,
                "writes after the flood",
                60,
            )

    def test_no_descriptors_left(self):
        """fault 43: new connections wait or are refused, old ones are served, and it recovers"""
        with MiniCluster(datanodes=1, conf=SMALL_STORE) as cluster:
            cluster.put(b"x" * 100000, "/x")
            # Only now: what the daemons make of the limit that they find is another matter.
            for name in cluster.names:
                resource.prlimit(
                    cluster.pid(name), resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)
                )
            old = rpc.Connection(cluster.port)
            greeting = (
                rpc.PREAMBLE + old.context("root") + old.request("mkdirs", rpc.mkdirs("/late"), 0)
            )

            def newcomer_served():
                try:
                    with socket.create_connection(("127.0.0.1", cluster.port), timeout=1) as late:
                        late.sendall(greeting)
                        return len(late.recv(1)) == 1
                except OSError:
                    return False

            made = 1  # with /many itself

            def make(most):
                """Directories, until one is refused; returns with what words."""
                nonlocal made
                for _ in range(most):
                    try:
                        old.call("mkdirs", rpc.mkdirs(f"/many/{made}" + "x" * 150))
                        made += 1
                    except rpc.RemoteError as error:
                        return str(error)
                return ""

            self.assertTrue(newcomer_served())
            held = []
            for name in cluster.names:
                before = len(held)
                for port in cluster.ports(name).values():
                    if not port.isdigit():
                        continue
                    for _ in range(300):
                        try:
                            held.append(socket.create_connection(("127.0.0.1", int(port)), timeout=1))
                        except OSError:
                            break
                self.assertGreater(len(held) - before, DESCRIPTORS, f"connections to {name}")
                self.eventually(
                    lambda: descriptor_count(cluster.pid(name)) == DESCRIPTORS,
                    f"{name} has no descriptor left",
                    5,
                )
                if name == "namenode":
                    self.assertFalse(newcomer_served(), "a descriptor was left, after all")
                    self.assertIn(1, old.call("getFileInfo", rpc.get_file_info("/x")))
                    # Its tail is old by now, so it may have noticed already.
                    self.assertRegex(make(20000), "no file descriptors", "the store has not noticed")
            self.assertRegex(cluster.log("datanode-1"), "accept on .*: Too many open files")
            internal = cluster.ports("namenode")["internal"]
            self.assertIn(f"accept on port {internal}: Too many open files", cluster.log("namenode"))
            command = cluster.command("datanode-1")
            cluster.kill_now("datanode-1")
            cluster.spawn("datanode-1", command)  # has to register anew, and cannot yet
            for connection in held:
                connection.close()
            self.eventually(newcomer_served, "calls of new clients after the flood", 60)
            self.eventually(
                lambda: cluster.dfs("-cat", "/x", check=False).stdout == b"x" * 100000,
                "reads after the flood",
                60,
            )
            self.eventually(
                lambda: cluster.dfs("-put", "-f", "-", "/after", input=b"y", check=False).returncode == 0,
                "writes to the datanode that came back in the flood",
                60,
            )
            self.eventually(lambda: make(1) == "", "changes after the flood", 60)
            self.assertEqual(make(2000), "")
            old.close()
            cluster.kill_now("namenode")
            cluster.start("namenode")
            counted = cluster.dfs("-count", "/many").stdout.split()
            self.assertEqual(int(counted[0]), made, "directories after a restart")
            for name in cluster.names:
                self.assertTrue(cluster.alive(name), cluster.tail(name))
            self.note(f"{len(held)} connections against {DESCRIPTORS} descriptors each")


class Threads(Case):
    def test_no_threads_left(self):
        """fault 43: daemons that get no more threads, nor processes, serve with those they have"""
        script = os.path.join(env.new_directory("racks"), "racks.sh")
        with open(script, "w") as file:
            file.write('#!/bin/sh\nfor a; do echo "/hall/r-${a##*.}"; done\n')
        os.chmod(script, 0o755)
        conf = {
            **SMALL_STORE,
            "net.topology.script.file.name": script,
            "net.topology.node.switch.mapping.impl": "org.apache.hadoop.net.ScriptBasedMapping",
        }
        with MiniCluster(datanodes=2, racks=["/not/asked"] * 2, conf=conf) as cluster:
            cluster.put(b"x" * 100000, "/x")
            self.assertEqual(cluster.cat("/x"), b"x" * 100000)
            pids = {name: cluster.pid(name) for name in cluster.names}
            with contextlib.ExitStack() as stack:
                limits = {name: stack.enter_context(NoMoreThreads(pid)) for name, pid in pids.items()}
                self.assertEqual(cluster.cairn("dfsadmin", "-refreshNodes").returncode, 0)
                self.eventually(
                    lambda: "temporarily unavailable" in cluster.log("namenode"),
                    "a rack script for which there is no process",
                )
                self.assertGreater(limits["namenode"].refused(), 0)
                with rpc.Connection(cluster.port) as connection:
                    for number in range(3000):  # LevelDB compacts
                        connection.call("mkdirs", rpc.mkdirs(f"/many/{number}" + "x" * 150))
                for number in range(10):
                    cluster.put(b"y" * 100000, f"/during{number}")
                    self.assertEqual(cluster.cat(f"/during{number}"), b"y" * 100000)
                self.assertEqual(cluster.live_datanodes(), 2)
            for name, pid in pids.items():
                self.assertTrue(cluster.alive(name), f"{name} died:\n{cluster.tail(name)}")
                self.assertEqual(cluster.pid(name), pid)
            self.assertEqual(cluster.cat("/x"), b"x" * 100000)
            cluster.put(b"z", "/after")
            self.assertEqual(cluster.cat("/after"), b"z")


class Memory(Case):
    MOST_OPERATIONS = 300_000  # several times of what there is memory for

    def status_bytes(self, pid, key):
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith(key + ":"))

    def test_the_namenode_runs_out_of_memory(self):
        """fault 12: whatever it does then, nothing is half done and a restart has every ack"""
        with MiniCluster(datanodes=0) as cluster:
            child = cluster.spawn("namenode")
            pid = child.pid
            for limit, key in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
                most = self.status_bytes(pid, key) + (24 << 20)
                resource.prlimit(pid, limit, (most, most))
            acknowledged = []
            failure = None
            try:
                with rpc.Connection(cluster.port) as connection:
                    connection.socket.settimeout(20)
                    for number in range(self.MOST_OPERATIONS):
                        connection.call("mkdirs", rpc.mkdirs(f"/d/{number // 1000}/{number}" + "x" * 150))
                        acknowledged.append(number)
            except (OSError, rpc.RemoteError) as error:
                failure = error
                self.note(f"after {len(acknowledged)} operations: {type(error).__name__}")
            self.assertIsNotNone(failure, "memory has not run out")
            self.assertGreater(len(acknowledged), 1000, "it ran out before there was any load")
            try:
                child.wait(10 * env.SLOW)
            except subprocess.TimeoutExpired:
                pass  # it goes on, and has said no
            self.assertRegex(f"{failure}\n{cluster.log('namenode')}", OUT_OF_MEMORY)
            cluster.kill_now("namenode")
            child.wait()
            cluster.start("namenode")
            found = set()
            listing = cluster.dfs("-ls", "-R", "-C", "/d").stdout.decode().split()
            for path in listing:
                leaf = path.rsplit("/", 1)[1]
                if leaf.endswith("x"):
                    found.add(int(leaf.rstrip("x")))
            self.assertEqual([n for n in acknowledged if n not in found], [])
            self.assertLessEqual(len(found), len(acknowledged) + 1)
            self.note(f"exit status {child.returncode}; all {len(acknowledged)} operations are there")
