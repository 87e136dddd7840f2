"""Every block returns to the replication of its file, whatever happens to a datanode or a replica."""

import collections
import os
import re

from harness import env
from harness.case import Case
from harness.cluster import MiniCluster, run

# A datanode is given up after seconds, not minutes.
SOON = {
    "dfs.heartbeat.interval": "1s",
    "cairn.namenode.stale.interval": "3s",
    "cairn.namenode.dead.interval": "5s",
    "dfs.namenode.startup.delay.block.deletion.sec": "0",
    "dfs.blocksize": "1m",
}


def replicas(cluster, name):
    """The finalized replicas of a datanode: block id -> path of its data."""
    found = {}
    for directory, _, files in os.walk(cluster.data(name)):
        if "/finalized" not in directory:
            continue
        for file in files:
            if re.fullmatch(r"blk_\d+", file):
                found[int(file[4:])] = os.path.join(directory, file)
    return found


def copies(cluster, without=()):
    """How many of the datanodes have each block."""
    count = collections.Counter()
    for name in cluster.datanodes:
        if name not in without:
            count.update(replicas(cluster, name).keys())
    return count


def report(cluster, what):
    text = run(
        [env.program("cairn"), "dfsadmin", "-report"], env=cluster.environment()
    ).stdout.decode()
    return int(re.search(re.escape(what) + r": (-?\d+)", text).group(1))


class Healing(Case):
    def expect_equal_replicas(self, cluster):
        contents = {}
        for name in cluster.datanodes:
            for block, path in replicas(cluster, name).items():
                with open(path, "rb") as file:
                    data = file.read()
                self.assertTrue(contents.setdefault(block, data) == data, f"block {block}, {name}")

    def test_a_copy_that_cannot_be_made_is_told_with_its_reason(self):
        """Its target is gone, and the namenode does not know yet: the source tells. The time for a
        copy would be over much later, and nobody could say why."""
        conf = {**SOON, "cairn.namenode.stale.interval": "10m", "cairn.namenode.dead.interval": "11m"}
        with MiniCluster(datanodes=2, conf=conf) as cluster:
            cluster.put(b"x" * 1000, "/f", "-D", "dfs.replication=1")
            (holder,) = [name for name in cluster.datanodes if replicas(cluster, name)]
            (other,) = [name for name in cluster.datanodes if name != holder]
            cluster.kill_now(other)
            cluster.dfs("-setrep", "2", "/f")

            def why():
                return cluster.cairn("why", "/f").stdout.decode()

            ports = [cluster.ports(name)["transfer"] for name in (holder, other)]
            self.eventually(
                lambda: re.search(
                    rf"in the way: a copy from 127.0.0.1:{ports[0]} to 127.0.0.1:{ports[1]} failed: "
                    r".*refused.*; [1-9] tr(y has|ies have) failed\n",
                    why(),
                ),
                "the reason",
            )
            self.assertRegex(cluster.log("namenode"), r"blk_\d+: a copy from .* failed: .*refused")
            cluster.start(other)
            self.eventually(lambda: len(replicas(cluster, other)) == 1, "the copy", 90)
            self.eventually(lambda: why().startswith("Nothing is wrong"), "all is well", 30)

    def test_the_blocks_of_a_lost_datanode_are_copied_and_extra_ones_go_when_it_is_back(self):
        with MiniCluster(datanodes=4, conf=SOON) as cluster:
            data = {}
            cluster.dfs("-mkdir", "/three", "/two")
            for number in range(8):
                path = f"/three/f{number}"
                data[path] = os.urandom(1_500_000)
                cluster.put(data[path], path)
            three = set(copies(cluster))
            for number in range(4):
                path = f"/two/f{number}"
                data[path] = os.urandom(300_000)
                cluster.put(data[path], path, "-D", "dfs.replication=2")
            wanted = {block: 3 if block in three else 2 for block in copies(cluster)}
            self.assertEqual(len(wanted), 20)
            self.eventually(lambda: copies(cluster) == wanted, "all is written")

            lost = "datanode-2"
            self.assertGreater(len(replicas(cluster, lost)), 0)
            cluster.kill_now(lost)
            self.eventually(
                lambda: copies(cluster, without=[lost]) == wanted,
                "the other three have all replicas again",
                60,
            )
            self.eventually(lambda: report(cluster, "Under replicated blocks") == 0, "it is known")
            self.assertEqual(report(cluster, "Missing blocks"), 0)
            for path, content in data.items():
                self.assertTrue(cluster.cat(path) == content, path)

            cluster.start(lost)
            self.eventually(lambda: copies(cluster) == wanted, "the extra replicas are gone", 60)
            self.expect_equal_replicas(cluster)
            for path, content in data.items():
                self.assertTrue(cluster.cat(path) == content, path)

    def test_a_datanode_that_was_stopped_beyond_its_limit_costs_no_replica(self):
        with MiniCluster(datanodes=4, conf=SOON) as cluster:
            content = os.urandom(3_500_000)
            cluster.put(content, "/f")
            self.eventually(lambda: set(copies(cluster).values()) == {3}, "three replicas")
            stopped = next(name for name in cluster.datanodes if replicas(cluster, name))
            cluster.pause(stopped)
            self.eventually(
                lambda: set(copies(cluster, without=[stopped]).values()) == {3}, "repaired", 60
            )
            cluster.resume(stopped)
            self.eventually(lambda: set(copies(cluster).values()) == {3}, "no extra replica", 60)
            self.expect_equal_replicas(cluster)
            self.assertTrue(cluster.cat("/f") == content)

    def test_a_rotten_and_a_deleted_replica_are_replaced(self):
        with MiniCluster(datanodes=4, conf=SOON) as cluster:
            content = os.urandom(700_000)
            cluster.put(content, "/f")
            self.eventually(lambda: sum(copies(cluster).values()) == 3, "three replicas")
            (block,) = copies(cluster)
            holders = [name for name in cluster.datanodes if block in replicas(cluster, name)]

            path = replicas(cluster, holders[0])[block]
            with open(path, "r+b") as file:
                file.seek(123_456)
                byte = file.read(1)
                file.seek(123_456)
                file.write(bytes([byte[0] ^ 1]))

            def is_replaced():
                self.assertTrue(cluster.cat("/f") == content)
                good = 0
                for name in cluster.datanodes:
                    for copy in replicas(cluster, name).values():
                        with open(copy, "rb") as file:
                            good += file.read() == content
                return good == 3 and copies(cluster)[block] == 3

            # Readers take the replicas in random order: one of them meets the bad one.
            self.eventually(is_replaced, "the rotten replica is replaced, then deleted", 90)

            holder = next(name for name in cluster.datanodes if block in replicas(cluster, name))
            path = replicas(cluster, holder)[block]
            cluster.kill_now(holder)
            os.remove(path)
            cluster.start(holder)
            self.eventually(lambda: copies(cluster)[block] == 3, "the lost one is replaced", 60)
            self.assertTrue(cluster.cat("/f") == content)

    def test_replication_is_raised_and_lowered(self):
        with MiniCluster(datanodes=4, conf=SOON) as cluster:
            content = os.urandom(2_500_000)
            cluster.put(content, "/f")
            cluster.dfs("-setrep", "4", "/f")
            self.eventually(lambda: set(copies(cluster).values()) == {4}, "four replicas", 60)
            cluster.dfs("-setrep", "2", "/f")
            self.eventually(lambda: set(copies(cluster).values()) == {2}, "two replicas", 60)
            cluster.dfs("-setrep", "-w", "3", "/f")
            self.assertEqual(set(copies(cluster).values()), {3})
            self.assertTrue(cluster.cat("/f") == content)

    def test_a_write_with_too_few_datanodes_is_made_good_later(self):
        with MiniCluster(datanodes=3, conf=SOON) as cluster:
            cluster.kill_now("datanode-3")
            content = os.urandom(2_500_000)
            cluster.put(content, "/f")
            self.eventually(lambda: set(copies(cluster).values()) == {2}, "two replicas")
            self.eventually(lambda: report(cluster, "Under replicated blocks") == 3, "the debt")
            cluster.start("datanode-3")
            self.eventually(lambda: set(copies(cluster).values()) == {3}, "three replicas", 60)
            self.assertTrue(cluster.cat("/f") == content)

    def test_a_restarted_namenode_repairs_what_happened_while_it_was_away(self):
        with MiniCluster(
            datanodes=4, conf={**SOON, "cairn.namenode.safemode.longest": "3s"}
        ) as cluster:
            content = os.urandom(2_500_000)
            cluster.put(content, "/f")
            self.eventually(lambda: set(copies(cluster).values()) == {3}, "three replicas")
            cluster.kill_now("namenode")
            lost = next(name for name in cluster.datanodes if replicas(cluster, name))
            cluster.kill_now(lost)
            cluster.start("namenode")
            self.eventually(
                lambda: set(copies(cluster, without=[lost]).values()) == {3}, "three replicas", 60
            )
            self.assertTrue(cluster.cat("/f") == content)
