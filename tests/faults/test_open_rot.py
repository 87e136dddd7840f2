"""What is being written rots, and the datanode restarts before anybody recovers the lease."""

import glob
import os
import re
import unittest

from faults.test_leases import Writer, content
from harness import rpc
from harness.case import Case
from harness.cluster import MiniCluster


def rewrite(path, change):
    with open(path, "rb") as file:
        content_before = file.read()
    with open(path, "wb") as file:
        file.write(change(content_before))


def flip(path, offset):
    rewrite(path, lambda b: b[:offset] + bytes([b[offset] ^ 0x10]) + b[offset + 1 :])


# What is done to a replica's data, meta and tail file. Its first 65,536 bytes (a multiple of all
# sizes of chunks, packets and pages) or 100,000 (of none) had been synced.
SPOILT = {
    "data flipped": lambda d, m, t: flip(d, 40_000),
    "data flipped at the end": lambda d, m, t: flip(d, 65_535),
    "data cut": lambda d, m, t: os.truncate(d, 30_000),
    "data emptied": lambda d, m, t: os.truncate(d, 0),
    "data zeroed": lambda d, m, t: rewrite(d, lambda b: bytes(len(b))),
    "header flipped": lambda d, m, t: flip(m, 1),
    "checksum flipped": lambda d, m, t: flip(m, 200),
    "meta cut": lambda d, m, t: os.truncate(m, 300),
    "meta emptied": lambda d, m, t: os.truncate(m, 0),
    "meta zeroed": lambda d, m, t: rewrite(m, lambda b: bytes(len(b))),
    "meta missing": lambda d, m, t: os.remove(m),
}
# Data and checksums say all, as long as both are there.
HARMLESS = {
    "tail flipped": lambda d, m, t: flip(t, 4096 + 20),
    "tail zeroed": lambda d, m, t: rewrite(t, lambda b: bytes(len(b))),
    "tail missing": lambda d, m, t: os.remove(t),
}


class OpenRot(Case):
    limit_seconds = 300

    def setUp(self):
        # A recovery that fails is tried again every 10 s, by another node if there is one.
        self.conf = {"dfs.heartbeat.interval": "1s"}

    def hold(self, cluster, count, length):
        """Files synced up to `length`, whose writer is dead."""
        writer = Writer(cluster, files=count, size=length, sync=True)
        writer.kill()
        return list(writer.held)

    def files_of(self, cluster, node, path, length):
        """(block, data, meta, tail) of the replica on `node` that holds this file."""
        for data in glob.glob(cluster.data(node) + "/current/rbw/blk_*[0-9]"):
            with open(data, "rb") as file:
                if file.read(length) == content(path, length):
                    (meta,) = glob.glob(data + "_*.meta")
                    return data.rsplit("_", 1)[1], data, meta, data + ".tail"
        return self.fail(f"{node} has no replica of {path}")

    def damage(self, cluster, node, kinds, paths, length):
        """Stops the node, does one thing to each of its replicas, and starts it: blocks by path."""
        cluster.kill_now(node)
        files = {path: self.files_of(cluster, node, path, length) for path in paths}
        for path, act in zip(paths, kinds.values()):
            act(*files[path][1:])
        cluster.start(node)
        return files

    def ask(self, cluster, path):
        """Has the lease recovered; whether the file is closed."""
        with rpc.Connection(cluster.port) as connection:
            message = rpc.field(1, path) + rpc.field(2, "somebody")
            return connection.call("recoverLease", message)[1] == [1]

    def check_whole(self, cluster, path, length):
        data = cluster.cat(path)
        self.assertGreaterEqual(len(data), length, path)
        self.assertEqual(data, content(path, len(data)), path)

    def corrupt(self, cluster):
        """How many blocks the namenode knows to have a corrupt replica."""
        report = cluster.cairn("dfsadmin", "-report").stdout.decode()
        found = re.search(r"Blocks with corrupt replicas: (\d+)", report)
        return int(found.group(1)) if found else 0

    def test_the_only_replica_has_rotted(self):
        """faults 24 to 26: the file is not closed without what was synced, and it is said why"""
        for length in (65_536, 100_000):
            with self.subTest(synced=length), MiniCluster(datanodes=1, conf=self.conf) as cluster:
                kinds = {**SPOILT, **HARMLESS}
                paths = self.hold(cluster, len(kinds), length)
                files = self.damage(cluster, "datanode-1", kinds, paths, length)
                sizes = {path: os.path.getsize(data) for path, (_, data, _, _) in files.items()}
                spoilt, harmless = paths[: len(SPOILT)], paths[len(SPOILT) :]
                for path in spoilt:
                    block = files[path][0]
                    self.assertRegex(
                        cluster.log("datanode-1"), rf" E .*block {block} .*kept aside as corrupt"
                    )
                self.ask_all(cluster, spoilt, harmless)
                # One that has just started knows of no byte of these blocks but by this report.
                cluster.kill_now("namenode")
                cluster.start("namenode")
                self.ask_all(cluster, spoilt, harmless)
                for path in harmless:
                    self.check_whole(cluster, path, length)
                for path in spoilt:
                    self.assertEqual(os.path.getsize(files[path][1]), sizes[path], "kept as it was")
                    self.check_told(cluster, path, files[path][0])

    def check_told(self, cluster, path, block):
        why = cluster.cairn("why", path)
        self.assertEqual(why.returncode, 1)
        self.assertIn("no replica of it can be read now (bad on 127.0.0.1:", why.stdout.decode())
        fsck = cluster.cairn("fsck", path, "-files", "-blocks", "-openforwrite")
        self.assertEqual(fsck.returncode, 1)
        self.assertRegex(fsck.stdout.decode(), rf"{block}_\d+ len=\d+ MISSING!")
        self.assertIn("is CORRUPT", fsck.stdout.decode())

    def ask_all(self, cluster, spoilt, harmless):
        """Those that can be closed are, and the others only then looked at: they had their turn."""
        self.eventually(
            lambda: self.corrupt(cluster) == len(spoilt), "the bad replicas are reported", 60
        )
        closed = [path for path in spoilt if self.ask(cluster, path)]
        for path in harmless:
            self.eventually(lambda: self.ask(cluster, path), f"{path} closed", 60)
        closed += [path for path in spoilt if self.ask(cluster, path)]
        self.assertEqual(closed, [])

    def test_a_good_replica_elsewhere_wins(self):
        with MiniCluster(datanodes=2, conf=self.conf) as cluster:
            length = 65_536
            kinds = {**SPOILT, "data missing": lambda d, m, t: os.remove(d), **HARMLESS}
            paths = self.hold(cluster, len(kinds), length)
            files = self.damage(cluster, "datanode-1", kinds, paths, length)
            self.eventually(lambda: cluster.live_datanodes() == 2, "two datanodes")
            for path in paths:
                self.ask(cluster, path)
            for path, kind in zip(paths, kinds):
                with self.subTest(kind):
                    self.eventually(lambda: self.ask(cluster, path), f"{path} closed", 60)
                    self.check_whole(cluster, path, length)
            for path, kind in zip(paths, kinds):
                with self.subTest(kind):
                    block = files[path][0]
                    self.eventually(
                        lambda: self.copies(cluster, block) == 2, f"two good replicas of {path}", 60
                    )

    def copies(self, cluster, block):
        found = {}
        for node in cluster.datanodes:
            pattern = f"/current/finalized/*/*/blk_{block}"
            for data in glob.glob(cluster.data(node) + pattern):
                with open(data, "rb") as file:
                    found[node] = file.read()
        return len(found) if len(set(found.values())) == 1 else 0


if __name__ == "__main__":
    unittest.main()
