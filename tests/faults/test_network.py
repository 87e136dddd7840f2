"""Replies lost, connections cut, daemons away while clients stream: retries do nothing twice."""

import itertools
import os
import socket
import subprocess
import threading
import time

from harness import env, hadoop, rpc
from harness.case import Case
from harness.cluster import MiniCluster, resident_bytes
from harness.pipeline import PipelineProxies
from harness.proxy import Cut, Proxy


# A client of the same machine would read the datanodes' files by itself.
OVER_TCP = ("-D", "dfs.client.read.shortcircuit=false")


class LostReplies(Case):
    """fault 38: the answer was lost after the effect; the retry gets that answer."""

    def setUp(self):
        self.cluster = MiniCluster(datanodes=1)
        self.addCleanup(self.cluster.close)

    def lose_and_retry(self, method, message, restart, client_id=None):
        """Sends a call and, as a client whose answer was lost would, the same call again on a new
        connection, after kill -9 of the namenode if `restart`. The first answer is read: so it is
        sure that the call took effect, and known what the retry has to be answered. Returns what the
        retry is answered, and the answer of the first attempt."""
        client_id = client_id or os.urandom(16)
        first = rpc.Connection(self.cluster.port, client_id=client_id)
        answer = first.call(method, message, call_id=7)
        first.close()
        if restart:
            self.cluster.kill_now("namenode")
            self.cluster.start("namenode")
            self.eventually(lambda: self.cluster.live_datanodes() == 1, "the datanode", 20)
        with rpc.Connection(self.cluster.port, client_id=client_id) as second:
            return second.call(method, message, call_id=7, retry=1), answer

    def check(self, restart):
        cluster = self.cluster
        cluster.dfs("-mkdir", "-p", "/d/full")
        for name in ("a", "b", "c", "t", "u", "k1", "k2"):
            cluster.put(b"x" * 1000, f"/d/{name}", "-D", "dfs.replication=1")
        for method, message in (
            ("create", rpc.create("/d/new")),
            ("mkdirs", rpc.mkdirs("/d/dir")),
            ("rename", rpc.rename("/d/a", "/d/a2")),
            ("rename2", rpc.rename2("/d/b", "/d/b2")),
            ("delete", rpc.delete("/d/c")),
            ("append", rpc.append("/d/t")),
            ("truncate", rpc.truncate("/d/u", 300)),
            ("concat", rpc.concat("/d/k1", "/d/k2")),
        ):
            with self.subTest(method=method, restart=restart):
                retried, first = self.lose_and_retry(method, message, restart)
                self.assertEqual(retried.get(1), first.get(1))
        # The calls that the retry cache does not serve are idempotent by what they say.
        with rpc.Connection(cluster.port) as connection:
            status = rpc.parse(connection.call("create", rpc.create("/d/blocks", client="w"))[1][0])
        block = rpc.add_block("/d/blocks", client="w", file_id=status[13][0])
        with self.subTest(method="addBlock", restart=restart):
            retried, first = self.lose_and_retry("addBlock", block, restart)
            identity = [rpc.parse(rpc.parse(answer[1][0])[1][0]) for answer in (retried, first)]
            self.assertEqual(identity[0][2], identity[1][2], "another block was allocated")
        with rpc.Connection(cluster.port) as connection:
            empty = rpc.parse(connection.call("create", rpc.create("/d/empty", client="w"))[1][0])
        done = rpc.complete("/d/empty", client="w", file_id=empty[13][0])
        with self.subTest(method="complete", restart=restart):
            retried, first = self.lose_and_retry("complete", done, restart)
            self.assertEqual((retried, first), ({1: [1]}, {1: [1]}))
        self.assertEqual(cluster.cat("/d/k1"), b"x" * 2000)
        self.assertEqual(cluster.cat("/d/u"), b"x" * 300)
        names = {"a2", "b2", "blocks", "dir", "empty", "full", "k1", "new", "t", "u"}
        listing = cluster.dfs("-ls", "-C", "/d").stdout.decode().split()
        self.assertEqual({path.rsplit("/", 1)[1] for path in listing}, names)

    def test_the_retry_is_answered_as_the_first_attempt(self):
        self.check(restart=False)

    def test_also_when_the_namenode_was_killed_in_between(self):
        self.check(restart=True)

    def test_a_truncation_that_is_still_under_way(self):
        """The file is open in the name of the very client that asks again."""
        cluster = self.cluster
        cluster.put(b"x" * 1000, "/f", "-D", "dfs.replication=1")
        cluster.pause("datanode-1")
        client_id = os.urandom(16)
        first = rpc.Connection(cluster.port, client_id=client_id)
        first.send("truncate", rpc.truncate("/f", 300), call_id=7)
        with rpc.Connection(cluster.port) as other:
            self.eventually(lambda: other.call("isFileClosed", rpc.field(1, "/f"))[1] == [0], "open")
        first.close()
        with rpc.Connection(cluster.port, client_id=client_id) as second:
            second.send("truncate", rpc.truncate("/f", 300), call_id=7, retry=1)
            time.sleep(0.2)  # it waits for the datanode, as the first one did
            cluster.resume("datanode-1")
            self.assertIn(second.receive(), ({1: [0]}, {1: [1]}))
        self.eventually(lambda: cluster.cat("/f") == b"x" * 300, "cut")

    def test_a_call_of_another_client_is_not_a_retry(self):
        first = rpc.Connection(self.cluster.port)
        first.call("create", rpc.create("/f", client="one"), call_id=7)
        with rpc.Connection(self.cluster.port) as second:
            with self.assertRaises(rpc.RemoteError) as refused:
                second.call("create", rpc.create("/f", client="two"), call_id=7, retry=1)
        self.assertEqual(refused.exception.kind, "AlreadyBeingCreatedException")


class CutConnections(Case):
    """faults 37 and 38 for whole clients: every nth reply, or half of it, is lost with a reset."""

    def run_through(self, hook):
        with MiniCluster(datanodes=1) as cluster:
            pieces = itertools.count(1)
            lock = threading.Lock()

            def disturb(data, _connection):
                with lock:
                    number = next(pieces)
                return hook(data, number)

            proxy = Proxy(cluster.port, **{self.side: disturb})
            self.addCleanup(proxy.close)
            uri = f"hdfs://127.0.0.1:{proxy.port}"
            data = os.urandom(2_500_000)

            def dfs(*words, **options):
                return cluster.dfs(
                    *("-fs", uri, "-D", "dfs.blocksize=1m", "-D", "dfs.replication=1", *words),
                    **options,
                ).stdout

            for round_number in range(4):
                base = f"/r{round_number}"
                dfs("-mkdir", base)  # without -p: a second effect would be an error
                dfs("-put", "-", base + "/a", input=data)
                dfs("-mv", base + "/a", base + "/b")
                dfs("-appendToFile", "-", base + "/b", input=b"tail")
                dfs("-mkdir", base + "/dir")
                self.assertEqual(dfs("-cat", base + "/b"), data + b"tail")
                dfs("-touchz", base + "/gone")
                dfs("-rm", base + "/gone")
                dfs("-rmdir", base + "/dir")
                listing = dfs("-ls", "-C", base).decode().split()
                self.assertEqual(listing, [base + "/b"])
            self.note(f"{proxy.cuts} cuts in {proxy.connections} connections")
            self.assertGreater(proxy.cuts, 10)

    def test_replies_lost(self):
        self.side = "on_reply"
        self.run_through(lambda data, number: None if number % 3 == 0 else data)

    def test_requests_lost(self):
        self.side = "on_request"
        self.run_through(lambda data, number: None if number % 4 == 0 else data)

    def test_replies_cut_in_half(self):
        """The second half of every fourth reply is a reset."""
        with MiniCluster(datanodes=0) as cluster:
            pieces = itertools.count(1)
            with Proxy(cluster.port) as proxy:

                def cut(data, _connection):
                    if next(pieces) % 4:
                        return data
                    return Cut(data[: len(data) // 2])

                proxy.on_reply = cut
                for number in range(12):
                    cluster.dfs("-fs", f"hdfs://127.0.0.1:{proxy.port}", "-mkdir", f"/m{number}")
                self.assertGreater(proxy.cuts, 3)
            self.assertEqual(len(cluster.dfs("-ls", "-C", "/").stdout.split()), 12)


    def test_a_cut_is_a_reset(self):
        """What the other tests here rely on: both ends hear RST, and no FIN before it, while the
        proxy's own threads wait for bytes of either side."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with Proxy(listener.getsockname()[1]) as proxy:
                for side in ("on_request", "on_reply"):
                    client = socket.create_connection(("127.0.0.1", proxy.port), timeout=30)
                    server, _ = listener.accept()
                    server.settimeout(30)
                    with client, server:
                        for sender, receiver in ((client, server), (server, client)):
                            sender.sendall(b"through")
                            self.assertEqual(receiver.recv(100), b"through")
                        setattr(proxy, side, lambda data, _connection: None)
                        (client if side == "on_request" else server).sendall(b"lost")
                        for end in (client, server):
                            with self.assertRaises(ConnectionResetError):
                                end.recv(100)
                    setattr(proxy, side, None)

    def test_data_connections_are_reset(self):
        """fault 37: of writers, of readers, and between datanodes; in the middle of a packet, of an
        acknowledgement, or of the answer to the set-up"""
        with MiniCluster(datanodes=4, conf={"dfs.blocksize": "1m"}) as cluster:
            proxies = PipelineProxies(cluster)
            self.addCleanup(proxies.close)
            self.eventually(lambda: cluster.live_datanodes() == 4, "all datanodes")
            data = os.urandom(2_500_000)
            cluster.put(data, "/read")

            def write(path):
                cluster.put(data, path)
                return cluster.cat(path)

            def read(path):
                return cluster.dfs(*OVER_TCP, "-cat", path).stdout

            # Of so many pieces of that many bytes or more, the nth is cut in half.
            cases = [("on_request", 1000, number, write) for number in (1, 7, 50)]
            cases += [("on_reply", 1, number, write) for number in (1, 4, 12)]
            cases += [("on_reply", 1000, number, read) for number in (1, 7, 20)]
            for side, least, number, act in cases:
                with self.subTest(side=side, number=number, act=act.__name__):
                    pieces = itertools.count(1)

                    def cut(piece, _connection):
                        if len(piece) < least or next(pieces) != number:
                            return piece
                        return Cut(piece[: len(piece) // 2])

                    all_proxies = proxies.proxies.values()
                    before = sum(proxy.cuts for proxy in all_proxies)
                    for proxy in all_proxies:
                        setattr(proxy, side, cut)
                    try:
                        path = "/read" if act is read else f"/{side}-{number}"
                        self.assertTrue(act(path) == data)
                    finally:
                        for proxy in all_proxies:
                            setattr(proxy, side, None)
                    self.assertEqual(sum(proxy.cuts for proxy in all_proxies) - before, 1)


class Streaming(Case):
    def test_the_namenode_is_killed_while_clients_stream(self):
        """fault 31: they go on, and finish when it is back; memory stays bounded"""
        with MiniCluster(datanodes=2) as cluster:
            data = os.urandom(1 << 20)
            writers = [
                subprocess.Popen(
                    [
                        *(env.program("cairn"), "dfs", "-D", "dfs.blocksize=2m"),
                        *("-D", "cairn.client.rpc.retry=60s", "-put", "-", f"/stream{number}"),
                    ],
                    stdin=subprocess.PIPE,
                    env=cluster.environment(),
                )
                for number in range(3)
            ]
            memory = 0
            for piece in range(16):
                for writer in writers:
                    writer.stdin.write(data)
                    writer.stdin.flush()
                if piece in (4, 9):
                    cluster.kill_now("namenode")
                    time.sleep(1)
                    cluster.start("namenode")
                memory = max([memory] + [resident_bytes(writer.pid) for writer in writers])
            for number, writer in enumerate(writers):
                writer.stdin.close()
                self.assertEqual(writer.wait(60 * env.SLOW), 0)
                self.assertEqual(cluster.cat(f"/stream{number}"), data * 16)
            self.note(f"a client took {memory >> 20} MiB at most")
            self.assertLess(memory, (200 << 20) * env.SLOW)

    def test_a_datanode_is_killed_while_clients_read_and_write(self):
        """faults 14, 23, 37: connections end by a reset in the middle of a packet"""
        with MiniCluster(datanodes=4) as cluster:
            data = os.urandom(24 << 20)
            cluster.put(data, "/read", "-D", "dfs.blocksize=4m")
            for victim in cluster.datanodes:
                reader = subprocess.Popen(
                    [env.program("cairn"), "dfs", *OVER_TCP, "-cat", "/read"],
                    stdout=subprocess.PIPE,
                    env=cluster.environment(),
                )
                writer = subprocess.Popen(
                    [
                        *(env.program("cairn"), "dfs", "-D", "dfs.blocksize=4m"),
                        *("-put", "-f", "-", "/write"),
                    ],
                    stdin=subprocess.PIPE,
                    env=cluster.environment(),
                )
                seen = reader.stdout.read(1 << 20)
                writer.stdin.write(data[: 6 << 20])
                writer.stdin.flush()
                cluster.kill_now(victim)
                seen += reader.stdout.read()
                reader.stdout.close()
                writer.stdin.write(data[6 << 20 :])
                writer.stdin.close()
                self.assertEqual(reader.wait(60), 0)
                self.assertEqual(writer.wait(120), 0, f"writer, {victim} killed")
                self.assertTrue(seen == data, f"reader, {victim} killed")
                self.assertTrue(cluster.cat("/write") == data)
                cluster.start(victim)
                self.eventually(lambda: cluster.live_datanodes() == 4, "all datanodes")

    def test_datanodes_are_stopped_while_a_client_reads(self):
        """fault 20: the one that sends falls silent, and the reader goes on with another at the same
        byte, long before the time-out that counts where there is no other"""
        patience = {
            "cairn.client.read.silence.limit": "1s",
            "dfs.client.socket-timeout": "3600s",
        }
        with MiniCluster(datanodes=3, conf=patience) as cluster:
            data = os.urandom(48 << 20)
            cluster.put(data, "/read")
            reader = subprocess.Popen(
                [env.program("cairn"), "dfs", *OVER_TCP, "-cat", "/read"],
                stdout=subprocess.PIPE,
                env=cluster.environment(),
            )
            seen = reader.stdout.read(1 << 20)
            # Whichever it reads from, it is among them; a pipe and a socket hold less than is read.
            for victim in cluster.datanodes:
                cluster.pause(victim)
                seen += reader.stdout.read(14 << 20)
                cluster.resume(victim)
            seen += reader.stdout.read()
            reader.stdout.close()
            self.assertEqual(reader.wait(60 * env.SLOW), 0)
            self.assertTrue(seen == data)

    def put_while_one_stops(self, cluster, command, victim):
        """fault 20: connections stay open and nothing moves; the node before the stopped one, which
        loses its patience first, names it, and the write ends on the two others"""
        size = 12 << 20
        data = os.urandom(size)
        writer = subprocess.Popen(
            [*command, "-put", "-", "/write"], stdin=subprocess.PIPE, env=cluster.environment()
        )
        writer.stdin.write(data[: size // 2])
        writer.stdin.flush()
        self.eventually(lambda: self.holds(cluster, victim, "rbw", size // 3), "bytes on " + victim)
        cluster.pause(victim)
        began = time.monotonic()
        writer.stdin.write(data[size // 2 :])
        writer.stdin.close()
        self.assertEqual(writer.wait(60 * env.SLOW), 0, f"{victim} stopped")
        self.note(f"{victim} stopped: {time.monotonic() - began:.1f} s")
        for other in cluster.datanodes:
            if other != victim:
                self.assertTrue(self.holds(cluster, other, "finalized", size), other)
        self.assertTrue(cluster.cat("/write") == data)
        cluster.resume(victim)
        self.assertTrue(cluster.cat("/write") == data)
        cluster.dfs("-rm", "-skipTrash", "/write")
        self.eventually(lambda: cluster.live_datanodes() == 3, "all datanodes")

    @staticmethod
    def holds(cluster, name, state, size):
        """Whether datanode `name` has a replica of `size` bytes in directory `state`."""
        for directory, _, files in os.walk(os.path.join(cluster.data(name))):
            for file in files:
                if f"/{state}" in directory and not file.endswith((".meta", ".tail")):
                    try:
                        if os.path.getsize(os.path.join(directory, file)) >= size:
                            return True
                    except FileNotFoundError:
                        pass  # moved on
        return False

    def test_a_datanode_is_stopped_while_a_client_writes(self):
        conf = {
            "dfs.client.socket-timeout": "3000",
            "dfs.datanode.socket.write.timeout": "3000",
            "dfs.blocksize": str(64 << 20),
        }
        with MiniCluster(datanodes=3, conf=conf) as cluster:
            for victim in cluster.datanodes:  # each at its place in the pipeline
                self.put_while_one_stops(cluster, [env.program("cairn"), "dfs"], victim)

    def test_a_datanode_is_stopped_while_hadoops_client_writes(self):
        self.need(hadoop.why_not())
        conf = {
            "dfs.client.socket-timeout": "3000",
            "dfs.datanode.socket.write.timeout": "3000",
            "dfs.blocksize": str(64 << 20),
        }
        with MiniCluster(datanodes=3, conf=conf) as cluster:
            java_conf = hadoop.write_conf(
                env.new_directory("java-conf"), core={"fs.defaultFS": cluster.uri}, hdfs=conf
            )
            command = hadoop.java(java_conf, "org.apache.hadoop.fs.FsShell")
            for victim in cluster.datanodes:
                self.put_while_one_stops(cluster, command, victim)

    def test_a_restarted_namenode_deletes_nothing_it_does_not_know_yet(self):
        """fault 32: killed right after the bytes arrived, before or after they were reported"""
        with MiniCluster(datanodes=3) as cluster:
            expected = {}
            for number in range(6):
                data = os.urandom(300_000)
                cluster.put(data, f"/f{number}")
                expected[f"/f{number}"] = data
                cluster.kill_now("namenode")
                cluster.start("namenode")
            self.eventually(lambda: cluster.live_datanodes() == 3, "all datanodes", 20)
            time.sleep(3)  # three heartbeats: time for an order to delete, were there one
            for path, data in expected.items():
                self.assertEqual(cluster.cat(path), data)
            blocks = sum(
                len([f for f in files if f.startswith("blk_") and not f.endswith(".meta")])
                for name in cluster.datanodes
                for _, _, files in os.walk(cluster.data(name))
            )
            self.assertEqual(blocks, 3 * len(expected))
