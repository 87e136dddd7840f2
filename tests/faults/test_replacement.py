"""A block that is being written gets another datanode for one that was lost."""

import os
import re
import subprocess

from harness import env
from harness.case import Case
from harness.cluster import MiniCluster


def replica_bytes(cluster, name):
    """The length of the one replica of a datanode; None if it has none."""
    for directory, _, files in os.walk(cluster.data(name)):
        for file in files:
            if re.fullmatch(r"blk_\d+", file):
                return os.path.getsize(os.path.join(directory, file))
    return None


class Replacement(Case):
    def test_an_append_has_three_replicas_again_while_it_goes_on(self):
        with MiniCluster(datanodes=4) as cluster:
            first = os.urandom(300_000)
            cluster.put(first, "/f")
            holders = [n for n in cluster.datanodes if replica_bytes(cluster, n) is not None]
            self.assertEqual(len(holders), 3)
            (spare,) = set(cluster.datanodes) - set(holders)
            writer = subprocess.Popen(
                [env.program("cairn"), "dfs", "-appendToFile", "-", "/f"],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=cluster.environment(),
            )
            self.addCleanup(writer.stderr.close)
            more = b""

            def write():
                nonlocal more
                piece = os.urandom(100_000)
                writer.stdin.write(piece)
                writer.stdin.flush()
                more += piece
                return True

            write()
            self.eventually(
                lambda: all(replica_bytes(cluster, n) > len(first) for n in holders),
                "the append has begun",
            )
            lost = holders[1]
            cluster.kill_now(lost)
            # The file is open: the namenode does not copy its block, so the writer does.
            self.eventually(
                lambda: write() and replica_bytes(cluster, spare) is not None,
                "the fourth datanode has taken the place of the lost one",
            )
            writer.stdin.close()
            self.assertEqual(writer.wait(60), 0, writer.stderr.read())
            self.assertTrue(cluster.cat("/f") == first + more)
            for name in set(cluster.datanodes) - {lost}:
                self.assertEqual(replica_bytes(cluster, name), len(first) + len(more), name)
