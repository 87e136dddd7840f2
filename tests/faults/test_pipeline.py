"""Writes of which a datanode is lost: at each stage, position and byte, by each means."""

import contextlib
import hashlib
import itertools
import json
import os
import subprocess
import time

from harness import env, hadoop, rpc
from harness.case import Case
from harness.cluster import MiniCluster
from harness.pipeline import PipelineProxies, Strike
from harness.replicas import digest, replicas_of, words

KINDS = ("killed", "stopped", "cut")
STAGES = ("set-up", "streaming", "close")
POSITIONS = (0, 1, 2)
NAMES = ("first", "middle", "last")
REPLICATION = 3
FILES_AT_A_TIME = 30  # whose replicas are looked at together, and that are deleted then


def wanted(short, long):
    return int(os.environ.get("CAIRN_TEST_COUNT", long if env.LONG else short))


class Losses(Case):
    """fault 14: each write completes with all its bytes, whatever becomes of one datanode, and soon
    has all its replicas: equal ones, and nothing else is left of it on any disk."""

    limit_seconds = 3 * 3600 if env.LONG else 300

    def setUp(self):
        self.draw = self.random()
        self.cluster = MiniCluster(
            datanodes=4,
            conf={
                "dfs.blocksize": "4m",  # of which every file here is one
                "dfs.replication": str(REPLICATION),
                "cairn.namenode.dead.interval": "1h",
                "dfs.namenode.startup.delay.block.deletion.sec": "0",
            },
        )
        self.addCleanup(self.cluster.close)
        self.proxies = PipelineProxies(self.cluster)
        self.addCleanup(self.proxies.close)
        self.slowest = {}
        self.worked = {}
        self.written = {}  # path -> digest of its bytes
        self.longest_repair = 0
        self.eventually(lambda: self.cluster.live_datanodes() == 4, "all datanodes")

    def combinations(self, count):
        """Each kind, stage and position as often as the others, in a random order."""
        cases = list(itertools.product(KINDS, STAGES, POSITIONS))
        chosen = []
        while len(chosen) < count:
            self.draw.shuffle(cases)
            chosen += cases
        return chosen[:count]

    def write_with_a_loss(self, number, case, write, append):
        kind, stage, position = case
        path = f"/f{number}"
        before = os.urandom(self.draw.randrange(1, 300_000)) if append else b""
        if append:
            self.cluster.put(before, path)
        data = os.urandom(self.draw.randrange(600_000, 3_000_000))
        strike = Strike(kind, stage, position, self.draw.random(), len(data) * 3 // 4)
        what = f"write {number}: {NAMES[position]} node {kind} in {stage}"
        self.proxies.arm(strike)
        began = time.monotonic()
        code, message = write(path, data)
        took = time.monotonic() - began
        self.proxies.arm(None)
        self.assertEqual(code, 0, f"{what} ({strike.victim}, {strike.where}): {message}")
        self.assertIsNotNone(strike.victim, what)
        key = f"{kind} {NAMES[position]}"
        self.slowest[key] = max(self.slowest.get(key, 0), took)
        self.worked[case] = self.worked.get(case, 0) + 1
        read = self.cluster.cat(path, timeout=60)
        self.assertTrue(read == before + data, f"{what}: {len(read)} bytes read back")
        if kind == "stopped":
            self.cluster.resume_now(strike.victim)
        elif kind == "killed":
            self.proxies.start(strike.victim)
        self.written[path] = hashlib.md5(before + data).hexdigest()
        if len(self.written) == FILES_AT_A_TIME:
            self.expect_back_at_target()

    def expect_back_at_target(self):
        """Of all files that were written: replication, bytes, and what is on the disks."""
        if not self.written:
            return
        began = time.monotonic()
        wrong = self.not_at_target()
        while wrong and time.monotonic() < began + 120 * env.SLOW:
            wrong = self.not_at_target()
        self.assertEqual(wrong, [], "replication is not back at target")
        self.longest_repair = max(self.longest_repair, time.monotonic() - began)
        self.cluster.dfs("-rm", "-skipTrash", *self.written)
        self.written.clear()
        self.eventually(lambda: not replicas_of(self.cluster), "all replicas are deleted", 60)

    def not_at_target(self):
        """What is wrong, by the namenode's word and by the disks; empty if nothing is."""
        report = json.loads(self.cluster.cairn("fsck", "/", "-files", "-blocks", "--json").stdout)
        blocks = {}  # id -> (path, what each replica has to be)
        wrong = []
        for file in report["files"]:
            if file["path"] not in self.written:
                continue
            if len(file["blocks"]) != 1:
                wrong.append(f"{file['path']} has {len(file['blocks'])} blocks")
            for block in file["blocks"]:
                standings = [replica["standing"] for replica in block["replicas"]]
                if standings != ["live"] * REPLICATION or block["need"] != "none":
                    wrong.append(f"{file['path']}: {block['need']}, {standings}")
                number = int(block["block"].removeprefix("blk_"))
                expected = (block["generation_stamp"], "finalized", block["length"])
                blocks[number] = file["path"], expected
        if set(self.written) != {path for path, _ in blocks.values()}:
            wrong.append("files are missing")
        on_disk = dict.fromkeys(blocks, 0)
        for replica in replicas_of(self.cluster):
            path, expected = blocks.get(replica.block, (None, None))
            found = replica.stamp, replica.state, replica.bytes
            if path is None or found != expected:
                wrong.append(f"{path}: {replica} is left over, {expected} is wanted")
                continue
            on_disk[replica.block] += 1
            try:
                same = digest(replica.path) == self.written[path]
            except FileNotFoundError:
                same = False
            if not same:
                wrong.append(f"{path}: other bytes than were written: {replica}")
        wrong += [
            f"{blocks[block][0]}: {count} replicas on the disks"
            for block, count in on_disk.items()
            if count != REPLICATION
        ]
        return wrong

    def tell(self):
        self.expect_back_at_target()
        self.note(f"{sum(self.worked.values())} writes, {len(self.worked)} combinations")
        self.note(f"back at target within {self.longest_repair:.1f} s of looking: all replicas, equal")
        self.note(
            "longest: " + ", ".join(f"{k} {v:.1f} s" for k, v in sorted(self.slowest.items()))
        )

    def test_with_our_client(self):
        for number, case in enumerate(self.combinations(wanted(12, 300))):
            append = case[1] != "close" and self.draw.random() < 0.3
            # With a small window, or after an append, the block cannot be written anew elsewhere.
            window = self.draw.choice(["128k", "8m"])

            def write(path, data, append=append, window=window):
                result = self.cluster.dfs(
                    *("-D", f"cairn.client.write.window={window}"),
                    *("-D", "cairn.client.write.packet.max=64k"),
                    *(("-appendToFile", "-", path) if append else ("-put", "-", path)),
                    input=data,
                    check=False,
                    timeout=100,
                )
                return result.returncode, result.stderr.decode(errors="replace")

            self.write_with_a_loss(number, case, write, append)
        self.tell()
        for key, seconds in self.slowest.items():
            limit = 10 if key.startswith("stopped") else 5
            self.assertLess(seconds, limit * env.SLOW * (2 if not env.LONG else 1), key)

    def test_with_hadoops_client(self):
        self.need(hadoop.why_not())
        # Nothing but its own patience ends its wait for a silent first node: 5 s and 5 for each.
        conf = {"dfs.blocksize": "4m", "dfs.client.socket-timeout": "5000"}
        shell = hadoop.Shell(self.cluster.uri, conf)
        self.addCleanup(shell.close)
        shell.run("-ls", "/")  # the JVM takes seconds to warm up
        source = os.path.join(env.new_directory("java"), "data")
        for number, case in enumerate(self.combinations(wanted(6, 300))):

            def write(path, data):
                with open(source, "wb") as file:
                    file.write(data)
                code, out, err = shell.run("-put", source, path, check=False)
                return code, out + err

            self.write_with_a_loss(number, case, write, append=False)
        self.tell()


class OneOfThreeIsLeft(Case):
    """fault 15: what was flushed before two datanodes died is read from the third."""

    def test_flushed_bytes_are_there_and_the_writer_goes_on(self):
        with MiniCluster(datanodes=3) as cluster:
            flusher = subprocess.Popen(
                [
                    env.program("cairn-flusher"),
                    *("--uri", cluster.uri, "--directory", "/w", "--files", "3", "--id", "7"),
                ],
                stdout=subprocess.PIPE,
                env=cluster.environment(),
                text=True,
            )
            self.addCleanup(flusher.stdout.close)
            self.addCleanup(flusher.wait)
            self.addCleanup(flusher.kill)
            acked = {}

            def follow(until):
                while not until():
                    what, number, rest = flusher.stdout.readline().split(" ", 2)
                    self.assertIn(what, ("sent", "acked"), rest)
                    if what == "acked":
                        acked[int(number)] = int(rest)

            follow(lambda: len(acked) == 3)
            for victim in cluster.datanodes[:2]:
                cluster.kill_now(victim)
                reached = dict(acked)
                began = time.monotonic()
                # Nobody stops: with one datanode left each file is flushed again.
                follow(lambda: all(acked[k] > reached[k] for k in reached))
                self.note(f"flushed again on all files in {time.monotonic() - began:.2f} s")
            for number, length in sorted(acked.items()):
                read = cluster.cat(f"/w/{number}")
                self.assertGreaterEqual(len(read), length)
                self.assertTrue(read == words(7 + number, len(read)))


class NoSpareNode(Case):
    """Hadoop's client as it comes, on three datanodes: it goes on with two, and with one."""

    def test_an_append_outlives_two_of_three_datanodes(self):
        self.need(hadoop.why_not())
        with MiniCluster(datanodes=3, conf={"dfs.blocksize": "64m"}) as cluster:
            conf = hadoop.write_conf(
                env.new_directory("java-conf"), core={"fs.defaultFS": cluster.uri}, hdfs={}
            )
            first = os.urandom(1 << 20)
            cluster.put(first, "/f")
            writer = subprocess.Popen(
                hadoop.java(conf, "org.apache.hadoop.fs.FsShell", "-appendToFile", "-", "/f"),
                stdin=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=cluster.environment(),
            )
            self.addCleanup(writer.stdin.close)
            more = b""
            for victim in (None, "datanode-1", "datanode-2"):
                if victim is not None:
                    cluster.kill_now(victim)
                piece = os.urandom(2 << 20)
                writer.stdin.write(piece)
                writer.stdin.flush()
                more += piece
                self.eventually(
                    lambda: max(
                        (r.bytes for r in replicas_of(cluster, "datanode-3")), default=0
                    ) > len(first) + len(more) - (1 << 20),
                    f"the bytes after the loss of {victim} are there",
                )
            writer.stdin.close()
            self.assertEqual(writer.wait(60 * env.SLOW), 0)
            self.assertTrue(cluster.cat("/f") == first + more)


class SlowNode(Case):
    """fault 42: a node that passes on 1 MB/s holds a write up only until it is noticed."""

    def put(self, cluster, data):
        began = time.monotonic()
        cluster.put(
            data,
            "/f",
            *("-D", "dfs.client.mark.slownode.as.badnode.threshold=3"),
            *("-D", "cairn.client.write.window=4m"),
        )
        return time.monotonic() - began

    def test_its_place_goes_to_another_node(self):
        with MiniCluster(datanodes=4, conf={"dfs.blocksize": "128m"}) as cluster:
            with contextlib.closing(PipelineProxies(cluster)) as proxies:
                self.eventually(lambda: cluster.live_datanodes() == 4, "all datanodes")
                data = os.urandom(60 << 20)
                for position in POSITIONS:
                    # Of the node that turns out to stand there, once the pipeline is set up.
                    strike = Strike("slow", "streaming", position, 0, 0)
                    proxies.arm(strike)
                    took = self.put(cluster, data)
                    proxies.slow.clear()
                    self.assertTrue(cluster.cat("/f") == data)
                    holders = {r.node for r in replicas_of(cluster) if r.bytes == len(data)}
                    self.note(f"{NAMES[position]} node slow: {took:.1f} s instead of 60")
                    self.assertNotIn(strike.victim, holders, "the slow node has the whole block")
                    self.assertEqual(len(holders), 3)
                    self.assertLess(took, 45 * env.SLOW)
                    cluster.dfs("-rm", "-skipTrash", "/f")
                    self.eventually(lambda: not replicas_of(cluster), "deleted")

    def test_it_stays_where_there_is_no_other(self):
        with MiniCluster(datanodes=3, conf={"dfs.blocksize": "128m"}) as cluster:
            with contextlib.closing(PipelineProxies(cluster)) as proxies:
                self.eventually(lambda: cluster.live_datanodes() == 3, "all datanodes")
                proxies.slow["datanode-2"] = 2e6
                data = os.urandom(16 << 20)
                self.put(cluster, data)
                self.assertTrue(cluster.cat("/f") == data)
                self.assertEqual([r.bytes for r in replicas_of(cluster)], [len(data)] * 3)


class Restarts(Case):
    """A datanode that says it restarts is waited for by the clients that have no other."""

    def restart_in_the_middle(self, writer, cluster, name="datanode-1", upgrade=True):
        data = os.urandom(6 << 20)
        process = writer()
        self.addCleanup(process.stdin.close)
        process.stdin.write(data[: len(data) // 2])
        process.stdin.flush()
        self.eventually(
            lambda: sum(r.bytes for r in replicas_of(cluster, name)) > 1 << 20, "bytes are there"
        )
        began = time.monotonic()
        if upgrade:
            shut_down(cluster, name)
        else:
            cluster.stop(name)
        self.eventually(lambda: not cluster.alive(name), "the datanode has ended")
        self.note(f"ended in {time.monotonic() - began:.1f} s")
        cluster.start(name)
        process.stdin.write(data[len(data) // 2 :])
        process.stdin.close()
        self.assertEqual(process.wait(60 * env.SLOW), 0, "the writer")
        self.note(f"the write ended {time.monotonic() - began:.1f} s after the notice")
        self.assertTrue(cluster.cat("/f") == data)

    def test_our_client_waits_for_the_only_datanode(self):
        for upgrade in (True, False):
            with MiniCluster(
                datanodes=1, conf={"cairn.datanode.drain.limit": "1s", "dfs.blocksize": "64m"}
            ) as cluster:
                self.restart_in_the_middle(
                    lambda: subprocess.Popen(
                        [
                            *(env.program("cairn"), "dfs", "-D", "cairn.client.write.window=1m"),
                            *("-put", "-", "/f"),
                        ],
                        stdin=subprocess.PIPE,
                        env=cluster.environment(),
                    ),
                    cluster,
                    upgrade=upgrade,
                )

    def test_hadoops_client_waits_for_the_only_datanode(self):
        self.need(hadoop.why_not())
        with MiniCluster(datanodes=1, conf={"dfs.blocksize": "64m"}) as cluster:
            conf = hadoop.write_conf(
                env.new_directory("java-conf"),
                core={"fs.defaultFS": cluster.uri},
                hdfs={"dfs.replication": "1", "dfs.blocksize": str(64 << 20)},
            )
            self.restart_in_the_middle(
                lambda: subprocess.Popen(
                    hadoop.java(conf, "org.apache.hadoop.fs.FsShell", "-put", "-", "/f"),
                    stdin=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=cluster.environment(),
                ),
                cluster,
            )


def shut_down(cluster, name):
    """`hdfs dfsadmin -shutdownDatanode HOST:PORT upgrade`."""
    protocol = "org.apache.hadoop.hdfs.protocol.ClientDatanodeProtocol"
    port = int(cluster.ports(name)["ipc"])
    user = os.environ.get("USER") or "root"
    with rpc.Connection(port, user=user, protocol=protocol) as connection:
        connection.call("shutdownDatanode", rpc.field(1, 1))

