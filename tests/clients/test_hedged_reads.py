"""Hedged reads: another replica is asked for what a datanode has not sent for a while."""

import random

from clients.test_local_reads import BLOCK, SOURCE, Reader
from harness import libhdfs
from harness.case import Case
from harness.cluster import MiniCluster

BLOCKS = 3
HEDGED = "dfs.client.hedged.read.threadpool.size=8"


class HedgedReads(Case):
    limit_seconds = 300

    @classmethod
    def setUpClass(cls):
        cls.need(libhdfs.why_not())
        cls.program = libhdfs.compile_c(SOURCE)
        cls.cluster = MiniCluster(datanodes=3, conf={"dfs.blocksize": str(BLOCK)})
        cls.addClassCleanup(cls.cluster.close)

    def put(self, data, path):
        """On return the namenode names all replicas: with one alone nothing can be hedged."""
        self.cluster.put(data, path)

        def locations():
            listed = self.cluster.cairn("fsck", path, "-files", "-blocks", "-locations")
            return listed.stdout.count(b"DatanodeInfoWithStorage[")

        self.eventually(lambda: locations() == 3 * BLOCKS, "all replicas have been reported")

    def reader(self, path, *conf):
        reader = Reader(self.program, self.cluster, path, HEDGED, *conf)
        self.addCleanup(reader.close)
        return reader

    def test_what_a_stopped_datanode_does_not_send_another_one_does(self):
        """fault 20: its connections come about and stay open, and nothing moves"""
        data = random.randbytes(BLOCKS * BLOCK)
        self.put(data, "/hedged")
        reader = self.reader(
            "/hedged",
            "dfs.client.hedged.read.threshold.millis=200",
            # Nothing else ends the wait for a datanode that is stopped.
            "cairn.client.read.silence.limit=0",
            "dfs.client.socket-timeout=3600s",
            "dfs.client.read.shortcircuit=false",
        )
        # Whichever a block is read from first, it is among them.
        for victim in self.cluster.datanodes:
            self.cluster.pause_now(victim)
            try:
                read, _ = reader.read(0, len(data))
            finally:
                self.cluster.resume_now(victim)
            self.assertTrue(read == data, f"{victim} stopped")
        ops, wins, _ = reader.hedges()
        self.note(f"{ops} hedged, {wins} won")
        self.assertGreaterEqual(wins, BLOCKS)
        self.assertGreaterEqual(ops, wins)

    def test_files_of_this_machine_are_read_as_ever(self):
        data = random.randbytes(BLOCKS * BLOCK)
        self.put(data, "/local")
        reader = self.reader("/local", "dfs.client.hedged.read.threshold.millis=3600000")
        self.assertEqual(reader.read(100, len(data)), (data[100:], len(data) - 100))
        self.assertEqual(reader.hedges(), [0, 0, 0])
