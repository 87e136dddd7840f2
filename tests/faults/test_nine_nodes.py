"""Nine datanodes in three racks, each machine in a network namespace of its own behind its rack's
switch: where replicas are put, how nodes leave, rest and are filled, and a rack that is cut off."""

import json
import os
import time
import unittest

from harness import balance, disks, env, netns
from harness.beside import Beside, in_words
from harness.cluster import Failed, run
from harness.topology import JSON_HOSTS, TopologyCase

REPLICATION = 3
THREE_RACKS = [1, 1, 1, 2, 2, 2, 3, 3, 3]


class NineNodes(TopologyCase):
    limit_seconds = 240

    CONF = {
        "dfs.replication": str(REPLICATION),
        "dfs.blocksize": "256k",
        "dfs.namenode.fs-limits.min-block-size": "512",
        "dfs.namenode.startup.delay.block.deletion.sec": "0",
        "cairn.datanode.sync.on.finalize": "false",
        "cairn.namenode.stale.interval": "3s",
        "cairn.namenode.dead.interval": "8s",
        **JSON_HOSTS,
    }

    def setUp(self):
        self.need(netns.why_not())
        self.files = {}

    def start(self, *names, racks=THREE_RACKS, disk_bytes=0, **conf):
        self.hosts = self.hosts_file("[]")
        cluster = netns.NetworkCluster(racks, {**self.CONF, "dfs.hosts": self.hosts, **conf})
        self.addCleanup(cluster.close)
        for name in cluster.datanodes if disk_bytes else []:
            self.addCleanup(disks.SmallDisk(disk_bytes, path=cluster.data(name)).close)
        return cluster.make(*names)

    def write(self, cluster, count, size):
        for number in range(count):
            path = f"/f{number}"
            self.files[path] = os.urandom(size)
            cluster.put(self.files[path], path)

    def read(self, cluster, path):
        if cluster.cat(path, timeout=60) != self.files[path]:
            raise Failed(f"{path}: wrong bytes")

    def read_all(self, cluster):
        for path in self.files:
            self.read(cluster, path)

    def reader(self, cluster):
        paths = list(self.files)
        return Beside(self, lambda n: self.read(cluster, paths[n % len(paths)]))

    def blocks(self, cluster, path="/"):
        """As fsck tells them, those of open files left out."""
        answer = cluster.cairn("fsck", path, "-files", "-blocks", "--json")
        return [b for file in json.loads(answer.stdout)["files"] for b in file["blocks"]]

    def expect_safe(self, cluster, holds=("live",)):
        """No block has fewer replicas than its file wants, or all in one rack. Returns in how many
        racks how many blocks are."""
        spread = {}
        for block in self.blocks(cluster):
            racks = [r["rack"] for r in block["replicas"] if r["standing"] in holds]
            self.assertGreaterEqual(len(racks), block["wanted"], block)
            self.assertGreaterEqual(len(set(racks)), 2, block)
            spread[len(set(racks))] = spread.get(len(set(racks)), 0) + 1
        return spread

    def settled(self, cluster):
        """Every block has just the replicas that its file wants, and nothing is left to be done."""
        for block in self.blocks(cluster):
            standings = [replica["standing"] for replica in block["replicas"]]
            if standings != ["live"] * block["wanted"] or block["need"] != "none":
                return False
        return self.total(cluster) == sum(block["wanted"] for block in self.blocks(cluster))

    def test_each_block_is_in_just_two_racks(self):
        cluster = self.start()
        self.write(cluster, 20, 2 << 20)
        blocks = self.blocks(cluster)
        self.assertEqual(self.expect_safe(cluster), {2: 20 * 8})
        per_node = dict.fromkeys(cluster.datanodes, 0)
        for block in blocks:
            for replica in block["replicas"]:
                per_node[replica["host"]] += 1
                rack = cluster.rack_of[replica["host"]]
                self.assertEqual(replica["rack"], f"/rack{rack}")
        self.assertGreater(min(per_node.values()), 0)
        # A writer on a datanode has one replica there, and the two others are in one other rack.
        data = os.urandom(4 << 20)
        run(
            [*cluster.on("datanode-5"), env.program("cairn"), "dfs", "-put", "-", "/local"],
            env=cluster.environment(),
            input=data,
        )
        for block in self.blocks(cluster, "/local"):
            hosts = [replica["host"] for replica in block["replicas"]]
            self.assertIn("datanode-5", hosts)
            hosts.remove("datanode-5")
            (rack,) = {cluster.rack_of[host] for host in hosts}
            self.assertNotEqual(rack, 2)
        cluster.put(data, "/two", "-D", "dfs.replication=2")
        for block in self.blocks(cluster, "/two"):
            self.assertEqual(len({replica["rack"] for replica in block["replicas"]}), 2)
        self.read_all(cluster)
        self.note(
            f"{len(blocks)} blocks, each in two racks; replicas on a node: "
            f"{min(per_node.values())} to {max(per_node.values())}"
        )

    def test_a_node_is_decommissioned_in_the_time_that_is_foretold(self):
        # The limit on repair decides how long it takes, not the machine.
        cluster = self.start(**{"cairn.namenode.repair.bandwidth": "512k"})
        self.write(cluster, 18, 2 << 20)
        # The one with the most to lose: of few blocks each would be a large share of the time.
        leaver = max(cluster.datanodes, key=lambda name: self.replicas(cluster, name))
        held = self.replicas(cluster, leaver)
        told = []

        def each():
            self.expect_safe(cluster, holds=("live", "decommissioning"))
            why = json.loads(cluster.cairn("why", self.address(cluster, leaver), "--json").stdout)
            told.extend(f"{t['doing']}; ends {t['ends']}" for t in why["troubles"])

        self.want(cluster, self.hosts, **{leaver.replace("-", "_"): "DECOMMISSIONED"})
        seconds, foretold = self.watch_it_go(cluster, leaver, each)
        self.assertTrue(told, "cairn why had nothing to say")
        spread = self.expect_safe(cluster)  # without what the leaver has
        self.assertEqual(self.replicas(cluster, leaver), held, "its own replicas stay")
        cluster.kill_now(leaver)
        self.read_all(cluster)
        left, first = foretold[0]
        off = max(abs(expected - end) / end for end, expected in foretold)
        self.note(
            f"{held} blocks in {seconds:.0f} s; foretold {first:.0f} s before the end, with "
            f"{left:.0f} s left; at most {100 * off:.0f} % off in {len(foretold)} looks"
        )
        self.note(f"racks of the blocks afterwards: {spread}")
        self.note(f"told meanwhile: {told[len(told) // 2]}")

    def test_a_node_in_maintenance_costs_no_copy_until_its_time_is_over(self):
        cluster = self.start()
        self.write(cluster, 12, 1 << 20)
        blocks = len(self.blocks(cluster))
        rests = "datanode-5"
        until = time.time() + 18 * env.SLOW
        self.want(cluster, self.hosts, datanode_5=("IN_MAINTENANCE", until))
        self.eventually(lambda: self.state(cluster, rests) == "In Maintenance", "maintenance")
        held = self.replicas(cluster, rests)
        cluster.kill_now(rests)
        reader = self.reader(cluster)
        while time.time() < until - 2:
            self.assertEqual(self.total(cluster), REPLICATION * blocks, "away, and nothing is copied")
        self.assertLess(cluster.live_datanodes(), 9, "it is known to be dead")
        self.eventually(
            lambda: self.total(cluster) == REPLICATION * blocks + held, "copies of what it held", 60
        )
        copied = time.time() - until
        self.expect_safe(cluster)
        cluster.start(rests)
        began = time.monotonic()
        while not self.settled(cluster):
            self.assertLess(time.monotonic() - began, 60 * env.SLOW, "extra replicas are left")
            self.expect_safe(cluster)
        self.note(
            f"{held} blocks of a node away: none copied until the end of its maintenance, all "
            f"{copied:.1f} s after it; its return: {time.monotonic() - began:.1f} s to {REPLICATION} each"
        )
        self.note(f"reads: {in_words(reader.so_far())}")

    def test_two_empty_nodes_are_filled_while_readers_go_on(self):
        self.need(disks.why_no_tmpfs())
        first = [f"datanode-{number}" for number in range(1, 8)]
        cluster = self.start(
            *first,
            racks=[1, 1, 1, 2, 2, 3, 3, 2, 3],
            disk_bytes=48 << 20,
            **{"dfs.blocksize": "1m"},
        )
        self.write(cluster, 10, 4 << 20)
        reader = self.reader(cluster)
        cluster.start("datanode-8", "datanode-9")
        self.eventually(lambda: balance.furthest(cluster) > 20, "it is known how full each one is")
        before = balance.fill(cluster)
        quiet = reader.so_far()
        # Slow enough that it can be watched.
        self.admin(cluster, "-setBalancerBandwidth", "2000000")
        began = time.monotonic()
        process = balance.start(self, cluster, "-threshold", "3")
        while process.poll() is None:
            self.expect_safe(cluster)
        out, err = process.communicate()
        took = time.monotonic() - began
        self.assertEqual(process.returncode, 0, out.decode() + err.decode())
        busy = reader.so_far()
        after = balance.fill(cluster)
        average = sum(after.values()) / len(after)
        for node, used in after.items():
            self.assertLessEqual(abs(used - average), 3, f"{node} of {after}")
        self.eventually(lambda: self.settled(cluster), "nothing is left to be done", 60)
        self.expect_safe(cluster)
        self.read_all(cluster)

        def span(fill):
            return f"{min(fill.values()):.0f} to {max(fill.values()):.0f} %"

        self.note(f"fill {span(before)}, then {span(after)}, in {took:.0f} s")
        self.note(f"reads before: {in_words(quiet)}; meanwhile: {in_words(busy)}")

    def test_a_rack_is_cut_off_and_comes_back(self):
        cluster = self.start()
        self.write(cluster, 12, 1 << 20)
        reader = self.reader(cluster)
        written = {}

        def put(number):
            data = os.urandom(300_000)
            cluster.put(data, f"/during{number}")
            written[f"/during{number}"] = data

        writer = Beside(self, put)
        self.eventually(lambda: writer.done > 2 and reader.done > 2, "clients at work")
        self.assertTrue(cluster.network.reaches("datanode-4", "datanode-1", 9866))
        reader.so_far(), writer.so_far()
        cluster.network.cut(2)
        cut = time.monotonic()
        done = reader.done, writer.done
        self.assertTrue(cluster.network.reaches("datanode-4", "datanode-5", 9866))
        self.assertFalse(cluster.network.reaches("datanode-4", "datanode-1", 9866))
        self.assertFalse(cluster.network.reaches("namenode", "datanode-4", 9866))
        self.eventually(lambda: cluster.live_datanodes() == 6, "the rack is given up")
        lost = time.monotonic() - cut

        def repaired():
            return all(
                sum(replica["standing"] == "live" for replica in block["replicas"]) >= block["wanted"]
                and len({r["rack"] for r in block["replicas"] if r["standing"] == "live"}) >= 2
                for block in self.blocks(cluster)
            )

        self.eventually(repaired, "the other racks have all replicas", 60)
        healed = time.monotonic() - cut
        # The one that was under way may have had all that it wanted from the rack before.
        self.eventually(
            lambda: reader.done > done[0] + 1 and writer.done > done[1] + 1, "clients go on", 90
        )
        reads, writes = reader.so_far(), writer.so_far()
        writer.end()
        self.files.update(written)
        cluster.network.mend(2)
        mended = time.monotonic()
        self.eventually(lambda: cluster.live_datanodes() == 9, "the rack is back")
        back = time.monotonic() - mended
        most = self.total(cluster)
        while not self.settled(cluster):
            self.assertLess(time.monotonic() - mended, 90 * env.SLOW, "extra replicas are left")
            self.expect_safe(cluster)
            most = max(most, self.total(cluster))
        done = time.monotonic() - mended
        spread = self.expect_safe(cluster)
        self.read_all(cluster)
        self.note(
            f"given up after {lost:.1f} s, repaired after {healed:.1f} s; back {back:.1f} s after the "
            f"link, {most - self.total(cluster)} extra replicas gone after {done:.1f} s; racks: {spread}"
        )
        self.note(f"while it was away, reads: {in_words(reads)}; writes: {in_words(writes)}")


if __name__ == "__main__":
    unittest.main()
