"""What `dfsadmin -report` says of erasure-coded block groups, from Hadoop's client and ours."""

import re

from erasure.test_files import CELL, DATA, GROUP, POLICY, content, flip
from harness import coded, hadoop, replicas
from harness.case import Case
from harness.cluster import MiniCluster

LOW = "Low redundancy block groups"
CORRUPT = "Block groups with corrupt internal blocks"
MISSING = "Missing block groups"
HIGHEST = "Low redundancy blocks with highest priority to recover"


class Reports(Case):
    limit_seconds = 400

    def setUp(self):
        super().setUp()
        self.need(hadoop.why_not())
        # As many as a group has units: what is lost cannot be put anywhere.
        self.cluster = MiniCluster(
            datanodes=5,
            conf={
                **coded.SWITCH,
                "cairn.namenode.stale.interval": "2s",
                "cairn.namenode.dead.interval": "4s",
                "dfs.heartbeat.interval": "1s",
                "dfs.blocksize": "2m",
                "dfs.replication": "2",
            },
        )
        self.addCleanup(self.cluster.close)
        self.shell = hadoop.Shell(self.cluster.uri)
        self.addCleanup(self.shell.close)
        self.cluster.cairn("ec", "-enablePolicy", "-policy", POLICY)
        self.cluster.dfs("-mkdir", "/cold")
        self.cluster.cairn("ec", "-setPolicy", "-path", "/cold", "-policy", POLICY)
        self.cluster.put(content(2 * GROUP), "/cold/two-groups")
        self.cluster.put(content(CELL), "/cold/one-cell")
        self.eventually(lambda: self.units() == 2 * 5 + 3, "all units are there")

    def units(self):
        there = replicas.replicas_of(self.cluster)
        return sum(replica.block < 0 and replica.state == "finalized" for replica in there)

    def counts(self):
        """The lines of the section on groups; both clients say the same."""
        texts = (
            self.cluster.cairn("dfsadmin", "-report").stdout.decode(),
            self.shell.run("@org.apache.hadoop.hdfs.tools.DFSAdmin", "-report")[1],
        )
        found = []
        for text in texts:
            section = text.split("Erasure Coded Block Groups:")[1].split("\n\n")[0]
            found.append({n: int(v) for n, v in re.findall(r"\t([^:\n]+): (-?\d+)", section)})
        return found[0] if found[0] == found[1] else None

    def await_counts(self, low, corrupt, missing, highest):
        expected = {LOW: low, CORRUPT: corrupt, MISSING: missing, HIGHEST: highest}

        def as_expected():
            told = self.counts()
            return told is not None and expected.items() <= told.items()

        self.eventually(as_expected, f"{expected}", 90)

    def test_groups_are_counted_as_they_lose_units_and_get_them_back(self):
        self.await_counts(0, 0, 0, 0)
        groups = {}
        for replica in replicas.replicas_of(self.cluster):
            if replica.block < 0:
                groups.setdefault(replica.block & ~15, {})[replica.block & 15] = replica
        small = next(units for units in groups.values() if len(units) == 3)
        outside = [n for n in self.cluster.datanodes if n not in {u.node for u in small.values()}]
        # Two datanodes on which the small group has nothing: the others can lose no more unit.
        self.cluster.kill(*outside)
        self.await_counts(low=2, corrupt=0, missing=0, highest=2)
        third = small[0].node
        self.cluster.kill(third)
        self.await_counts(low=1, corrupt=0, missing=2, highest=0)
        self.cluster.start(*outside, third)
        self.await_counts(0, 0, 0, 0)

    def test_a_group_with_corrupt_units_counts_once(self):
        """More of them than there is parity: nobody can compute them anew."""
        group = min(r.block & ~15 for r in replicas.replicas_of(self.cluster) if r.block < 0)
        for replica in replicas.replicas_of(self.cluster):
            if replica.block & ~15 == group and replica.block & 15 < DATA:
                flip(replica.path, CELL // 2)
        # The datanodes look at what a reader complains of.
        self.cluster.dfs_error("-cat", "/cold/two-groups")
        self.await_counts(low=0, corrupt=1, missing=1, highest=0)
