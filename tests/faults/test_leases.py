"""Files whose writer was killed: closed at what it had flushed, at once, with equal replicas."""

import os
import re
import subprocess
import time
import unittest

from harness import env, rpc
from harness.case import Case
from harness.cluster import MiniCluster

REPLICA = re.compile(r"blk_(\d+)_(\d+)\.meta$")


class Writer:
    """cairn-hold: files that are open, flushed (or synced) up to `self.held[path]`. `more`: further
    options of it."""

    def __init__(self, cluster, files, size=100_000, sync=False, more=()):
        self.process = subprocess.Popen(
            [
                *(env.program("cairn-hold"), "--uri", cluster.uri),
                *("--files", str(files), "--bytes", str(size), *(["--sync"] if sync else [])),
                *more,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=cluster.environment(),
            text=True,
        )
        self.held = {}
        for line in self.process.stdout:
            if line == "ready\n":
                return
            _, path, length = line.split()
            self.held[path] = int(length)
        raise AssertionError(f"cairn-hold ended: {self.process.wait()}")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def content(path, length):
    start = 7 * int(path.rsplit("/", 1)[1])
    pattern = bytes((start + i) % 251 for i in range(251))
    return (pattern * (length // 251 + 1))[:length]


def replicas(cluster, names):
    """For each block, (datanode, stamp, bytes) of every replica on these datanodes."""
    found = {}
    for name in names:
        for folder, _, files in os.walk(cluster.data(name)):
            for file in files:
                match = REPLICA.match(file)
                if match:
                    block, stamp = match.groups()
                    try:
                        size = os.path.getsize(os.path.join(folder, f"blk_{block}"))
                    except OSError:
                        size = None  # being moved, or deleted
                    found.setdefault(block, []).append((name, stamp, size))
    return found


class DeadWriters(Case):
    def recover(self, cluster, paths, seconds=60):
        """Asks for all leases until all files are closed; the seconds until each was."""
        took = {}
        begin = time.monotonic()
        with rpc.Connection(cluster.port) as connection:

            def all_closed():
                for path in paths:
                    if path in took:
                        continue
                    message = rpc.field(1, path) + rpc.field(2, "somebody")
                    if connection.call("recoverLease", message)[1] == [1]:
                        took[path] = time.monotonic() - begin
                return len(took) == len(paths)

            self.eventually(all_closed, "all files closed", seconds)
            for path in paths:
                closed = connection.call("isFileClosed", rpc.field(1, path))[1] == [1]
                self.assertTrue(closed, f"{path} is not closed")
        times = sorted(took.values())
        middle, worst = times[len(times) // 2], times[-1]
        self.note(f"{len(times)} files closed: half after {middle:.2f} s, all after {worst:.2f} s")

    def check(self, cluster, writer, names, copies):
        for path, flushed in writer.held.items():
            data = cluster.cat(path)
            self.assertGreaterEqual(len(data), flushed, path)
            self.assertLessEqual(len(data), 2 * flushed, path)
            self.assertEqual(data, content(path, len(data)), path)

        def all_equal():
            found = replicas(cluster, names)
            return len(found) == len(writer.held) and all(
                len(of_block) == copies and len({(stamp, size) for _, stamp, size in of_block}) == 1
                for of_block in found.values()
            )

        self.eventually(all_equal, "all replicas equal in length and stamp")

    def test_their_files_close_without_waiting_for_a_heartbeat(self):
        """Heartbeats come once an hour: only an order that leaves at once closes a file."""
        conf = {
            "dfs.heartbeat.interval": "1h",
            "cairn.namenode.stale.interval": "10h",
            "cairn.namenode.dead.interval": "20h",
        }
        with MiniCluster(datanodes=3, conf=conf) as cluster:
            for _ in range(2):  # the second time by the datanodes' next wait
                writer = Writer(cluster, files=1)
                writer.kill()
                self.recover(cluster, writer.held)
                self.check(cluster, writer, cluster.datanodes, 3)
                cluster.dfs("-rm", "-skipTrash", "/held/0")
                self.eventually(
                    lambda: not replicas(cluster, cluster.datanodes), "the deletion reached all"
                )

    def test_many_at_once(self):
        with MiniCluster(datanodes=3) as cluster:
            writer = Writer(cluster, files=60)
            writer.kill()
            self.recover(cluster, writer.held)
            self.check(cluster, writer, cluster.datanodes, 3)
            recovered = sum(cluster.log(name).count("recovered: ") for name in cluster.datanodes)
            self.assertEqual(recovered, 60, "each block was recovered once")

    def test_a_datanode_of_the_pipeline_is_dead_as_well(self):
        with MiniCluster(datanodes=3) as cluster:
            writer = Writer(cluster, files=9)
            writer.kill()
            cluster.kill_now("datanode-2")
            self.recover(cluster, writer.held)
            self.check(cluster, writer, ["datanode-1", "datanode-3"], 2)

    def test_a_datanode_is_stopped_and_some_of_the_orders_go_to_it(self):
        """Its connection stays open, so it looks as if it waited for orders."""
        with MiniCluster(datanodes=3) as cluster:
            writer = Writer(cluster, files=9)
            writer.kill()
            cluster.pause("datanode-2")
            self.recover(cluster, writer.held, 120)
            self.check(cluster, writer, ["datanode-1", "datanode-3"], 2)
            cluster.resume("datanode-2")


if __name__ == "__main__":
    unittest.main()
