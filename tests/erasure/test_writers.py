"""Writers of erasure-coded files that die, and datanodes that die under them."""

import json
import os
import subprocess
import time

from erasure.test_files import CELL, DATA, GROUP, POLICY, SIZES, content
from faults.test_lost_writers import Flusher, is_closed
from harness import coded, env, hadoop, rpc
from harness.case import Case
from harness.replicas import words


class Writers(Case):
    limit_seconds = 400

    def setUp(self):
        super().setUp()
        self.cluster = coded.start(
            self.addCleanup,
            6,
            (POLICY,),
            "/",
            conf={"dfs.namenode.lease-hard-limit-sec": "4", "dfs.blocksize": "2m"},
        )

    def test_cairn_writes_and_reads_every_size(self):
        for size in SIZES:
            with self.subTest(size=size):
                self.cluster.put(content(size), f"/size-{size}")
                self.assertEqual(self.cluster.cat(f"/size-{size}"), content(size))
        # Any two datanodes may go.
        for lost in (("datanode-1", "datanode-2"), ("datanode-4", "datanode-6")):
            self.cluster.kill(*lost)
            try:
                for size in SIZES:
                    self.assertEqual(self.cluster.cat(f"/size-{size}"), content(size), (size, lost))
            finally:
                self.cluster.start(*lost)

    def test_hadoop_reads_what_cairn_wrote(self):
        self.need(hadoop.why_not())
        shell = hadoop.Shell(self.cluster.uri)
        self.addCleanup(shell.close)
        for size in SIZES:
            with self.subTest(size=size):
                self.cluster.put(content(size), f"/for-hadoop-{size}")
                local = os.path.join(env.new_directory("get"), "data")
                shell.run("-get", f"/for-hadoop-{size}", local)
                with open(local, "rb") as file:
                    self.assertEqual(file.read(), content(size))

    def test_a_datanode_that_dies_while_it_is_written_costs_no_byte(self):
        data = content(6 * GROUP)
        local = os.path.join(env.new_directory("put"), "data")
        with open(local, "wb") as file:
            file.write(data)
        random = self.random()
        for round_ in range(20 if env.LONG else 4):
            victims = random.sample(self.cluster.datanodes, 1 + round_ % 2)
            status = self.put_and_kill(local, f"/hurt-{round_}", random.uniform(0, 0.4), victims)
            self.assertEqual(status, 0, f"round {round_}: killed {victims}")
            self.assertEqual(self.cluster.cat(f"/hurt-{round_}"), data, f"round {round_}")
            self.cluster.start(*victims)
            self.eventually(
                lambda: self.cluster.live_datanodes() == len(self.cluster.datanodes), "all are back"
            )

    def put_and_kill(self, local, path, delay, victims):
        process = subprocess.Popen(
            [env.program("cairn"), "dfs", "-put", local, path],
            env=self.cluster.environment(),
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        for name in victims:
            self.cluster.kill_now(name)
        return process.wait(120 * env.SLOW)

    def test_killed_writers_keep_what_a_flush_has_acknowledged(self):
        files = 6
        flusher = Flusher(self.cluster, "--directory", "/w", "--files", str(files), "--id", "7")
        self.addCleanup(flusher.process.kill)
        self.eventually(lambda: len(flusher.acked) == files, "all have flushed", 60)
        flusher.kill()
        self.assertEqual(flusher.failed, {})
        # Any two of the six datanodes that hold five units may be gone as well.
        self.cluster.kill("datanode-2", "datanode-5")
        with rpc.Connection(self.cluster.port) as connection:
            for k in range(files):
                self.eventually(lambda k=k: is_closed(connection, f"/w/{k}"), f"/w/{k} closed", 120)
        for k in range(files):
            data = self.cluster.cat(f"/w/{k}")
            self.assertGreaterEqual(len(data), flusher.acked[k], "flushed bytes are lost")
            self.assertLessEqual(len(data), flusher.sent[k], "bytes that nobody sent")
            self.assertEqual(data, words(7 + k, len(data)), f"/w/{k}")

    def test_append_begins_a_group(self):
        self.cluster.put(content(CELL + 7), "/appended")
        self.cluster.append(content(DATA * CELL + 1), "/appended")
        self.assertEqual(self.cluster.cat("/appended"), content(CELL + 7) + content(DATA * CELL + 1))


class RollingRestarts(Case):
    """fault 44: a writer goes on while each datanode is restarted in its turn, though the cluster
    has no more datanodes than a group has units."""

    limit_seconds = 400

    def setUp(self):
        super().setUp()
        self.cluster = coded.start(
            self.addCleanup,
            5,
            (POLICY,),
            "/",
            conf={"cairn.datanode.drain.limit": "1s", "dfs.blocksize": "64m"},
        )
        self.eventually(lambda: self.cluster.live_datanodes() == 5, "all datanodes")

    def open_writer(self, path):
        process = subprocess.Popen(
            [env.program("cairn"), "dfs", "-put", "-d", "-", path],
            stdin=subprocess.PIPE,
            env=self.cluster.environment(),
        )
        self.addCleanup(process.stdin.close)
        return process

    def restart(self, name, stop):
        stop(name)
        self.eventually(lambda: not self.cluster.alive(name), f"{name} has ended")
        self.cluster.start(name)
        self.eventually(lambda: self.cluster.live_datanodes() == 5, "all are back")

    def close_and_compare(self, process, path, data):
        process.stdin.close()
        self.assertEqual(process.wait(120 * env.SLOW), 0, "the writer")
        self.assertTrue(self.cluster.cat(path) == data)

    def groups(self, path):
        found = json.loads(
            self.cluster.cairn("fsck", path, "-openforwrite", "-files", "-blocks", "--json").stdout
        )
        return sum(len(file["blocks"]) for file in found["files"])

    # Each is announced to the writer, which waits for units that it cannot do without.
    def test_announced(self):
        piece = DATA * CELL + 12345  # more than a stripe
        order = self.cluster.datanodes[:4]
        data = content(piece * (len(order) + 1))
        process = self.open_writer("/announced")
        for number, name in enumerate(order):
            process.stdin.write(data[number * piece : (number + 1) * piece])
            process.stdin.flush()
            self.restart(name, self.cluster.stop)
        process.stdin.write(data[len(order) * piece :])
        self.close_and_compare(process, "/announced", data)

    # Between two of them the writer has time to go on in a group that is whole: three datanodes that
    # die at once are more than RS-3-2 bears.
    def test_by_kill_9(self):
        piece = DATA * CELL
        most = content(64 * piece)
        written = 0
        process = self.open_writer("/killed")

        def goes_on(groups):
            nonlocal written
            process.stdin.write(most[written : written + piece])
            process.stdin.flush()
            written += piece
            self.assertLess(written, len(most), "no group was ended early")
            return self.groups("/killed") > groups

        self.eventually(lambda: goes_on(0), "the first group is begun")
        for name in self.cluster.datanodes:
            before = self.groups("/killed")
            self.restart(name, self.cluster.kill_now)
            self.eventually(lambda before=before: goes_on(before), "the next group is begun")
        self.close_and_compare(process, "/killed", most[:written])
