"""Datanodes that are unequally full are brought together: by `cairn balancer`, or by the namenode
itself. Readers go on, no block ever has fewer replicas than its file wants, and whoever is killed
in the middle leaves everything whole."""

import json
import os
import re
import signal
import unittest

from harness import balance, disks, env
from harness.case import Case
from harness.cluster import MiniCluster, run

DISK = 64 << 20
FILES, FILE_BYTES = 12, 4 << 20
REPLICATION = 2


class BalancerCase(Case):
    limit_seconds = 300

    def disk(self, cluster, name):
        self.addCleanup(disks.SmallDisk(DISK, path=cluster.data(name)).close)

    def start(self, datanodes=3, **conf):
        """A cluster with a small disk for each datanode, half of which is taken by files."""
        self.need(disks.why_no_tmpfs())
        defaults = {
            "dfs.replication": str(REPLICATION),
            "dfs.blocksize": "1m",
            "dfs.heartbeat.interval": "1s",
            "dfs.namenode.startup.delay.block.deletion.sec": "0",
            "dfs.datanode.du.reserved": "0",
        }
        cluster = MiniCluster(datanodes, {**defaults, **conf}, start=False)
        for name in cluster.datanodes:
            self.disk(cluster, name)
        self.addCleanup(cluster.close)
        cluster.make()
        self.files = {}
        for number in range(FILES):
            self.files[f"/f{number}"] = os.urandom(FILE_BYTES)
            cluster.put(self.files[f"/f{number}"], f"/f{number}")
        return cluster

    def add_datanode(self, cluster):
        """One more, with an empty disk."""
        last = cluster.datanodes[-1]
        cluster.datanode_count += 1
        new = cluster.datanodes[-1]
        self.disk(cluster, new)
        command = [
            re.sub(r"(address=127\.0\.0\.1:)\d+", rf"\g<1>{env.free_port()}", word).replace(last, new)
            for word in cluster.command(last)
        ]
        cluster.spawn(new, command)
        self.eventually(
            lambda: cluster.live_datanodes() == cluster.datanode_count, "a new datanode registers"
        )
        # How full the others are the namenode hears by their heartbeats.
        self.eventually(lambda: self.furthest(cluster) > 20, "the datanodes are unequally full")

    def address(self, cluster, name):
        return f"127.0.0.1:{cluster.ports(name)['transfer']}"

    def newest_fill(self, cluster):
        return balance.fill(cluster)[self.address(cluster, cluster.datanodes[-1])]

    def furthest(self, cluster):
        return balance.furthest(cluster)

    def balancer(self, cluster, *arguments):
        return balance.start(self, cluster, *arguments)

    def until_blocks_move(self, cluster, process):
        def moving():
            if process.poll() is not None:
                out, err = process.communicate()
                self.fail(f"it ended: {process.returncode}\n{out.decode()}{err.decode()}")
            return self.newest_fill(cluster) > 2

        self.eventually(moving, "blocks move", 60)

    def admin(self, cluster, *arguments):
        return run(
            [env.program("cairn"), "dfsadmin", *arguments], env=cluster.environment()
        ).stdout.decode()

    def troubles(self, cluster):
        """Files with blocks that lack a replica or are badly spread."""
        return json.loads(cluster.cairn("fsck", "/", "--json").stdout)["files"]

    def check_bytes(self, cluster):
        for path, data in self.files.items():
            self.assertEqual(cluster.cat(path), data, path)

    def check_whole(self, cluster):
        """Every block has just what its file wants, and every byte is there."""

        def settled():
            totals = json.loads(cluster.cairn("top", "--once", "--interval", "0.1", "--json").stdout)
            blocks = totals["blocks"]
            return not any(
                blocks[kind]
                for kind in ("missing", "low_redundancy", "replicas_to_delete", "looking")
            )

        self.eventually(settled, "nothing is left to repair", 120)
        self.assertEqual(self.troubles(cluster), [])
        self.check_bytes(cluster)
        # A move that was under way when its balancer ended may arrive later, and takes its source along.
        wanted = REPLICATION * FILES * FILE_BYTES >> 20
        self.eventually(
            lambda: self.replicas(cluster) == wanted, "each block has just what its file wants", 120
        )

    def replicas(self, cluster):
        files = json.loads(cluster.cairn("fsck", "/", "-files", "-blocks", "--json").stdout)["files"]
        return sum(len(block["replicas"]) for file in files for block in file["blocks"])


class BalancerTest(BalancerCase):
    def test_an_empty_datanode_is_filled_while_readers_go_on(self):
        cluster = self.start()
        self.add_datanode(cluster)
        before = self.furthest(cluster)
        # Slow enough that all of what follows is seen.
        self.assertEqual(
            self.admin(cluster, "-setBalancerBandwidth", "2000000"),
            "Balancer bandwidth is set to 2000000\n",
        )
        address = f"127.0.0.1:{cluster.ports('datanode-1')['ipc']}"
        self.eventually(
            lambda: "2000000 bytes per second" in self.admin(cluster, "-getBalancerBandwidth", address),
            "the datanodes hear of their bandwidth",
        )
        process = self.balancer(cluster, "-threshold", "3")
        rounds, busy = 0, None
        while process.poll() is None:
            self.assertEqual(self.troubles(cluster), [])
            path = f"/f{rounds % FILES}"
            self.assertEqual(cluster.cat(path), self.files[path])
            rounds += 1
            if busy is None and self.newest_fill(cluster) > 1:
                busy = cluster.cairn("balancer")
        self.assertGreater(rounds, 3)
        self.assertEqual(busy.returncode, 255)
        self.assertIn(b"Another Balancer is running", busy.stdout)
        out, err = process.communicate()
        out = out.decode()
        self.assertEqual(process.returncode, 0, out + err.decode())
        lines = out.splitlines()
        self.assertRegex(
            lines[0],
            r"^Time Stamp +Iteration#  Bytes Already Moved  Bytes Left To Move  "
            r"Bytes Being Moved  NameNode$",
        )
        stamp = r"^[A-Z][a-z]{2} \d+, \d{4} \d+:\d\d:\d\d [AP]M +"
        size = r"(\d+ B|[\d.]+ [KMG]B)"
        self.assertRegex(lines[1], rf"{stamp}0 +{size} +{size} +{size}  {cluster.uri}$")
        self.assertEqual(lines[-2], "The cluster is balanced. Exiting...")
        self.assertRegex(lines[-3], rf"{stamp}\d+ +{size} +0 B +0 B  {cluster.uri}$")
        self.assertRegex(lines[-1], rf"{stamp}Balancing took [\d.]+ (seconds|minutes)$")
        self.assertLessEqual(self.furthest(cluster), 3)
        self.check_whole(cluster)
        again = cluster.cairn("balancer", "-threshold", "3", "--json")
        self.assertEqual(again.returncode, 0, again.stdout)
        told = [json.loads(line) for line in again.stdout.splitlines()]
        self.assertEqual(told[-1]["status"], "SUCCESS")
        self.assertEqual(told[-1]["bytes_already_moved"], 0)
        self.note(f"furthest from the average: {before:.0f} %, then {self.furthest(cluster):.1f} %")
        self.note(lines[1])

    def test_killed_in_the_middle_it_leaves_everything_whole(self):
        cluster = self.start()
        self.add_datanode(cluster)
        self.admin(cluster, "-setBalancerBandwidth", "2000000")
        process = self.balancer(cluster, "-threshold", "3")
        self.until_blocks_move(cluster, process)
        process.kill()
        process.communicate()
        self.assertEqual(self.troubles(cluster), [])
        self.check_whole(cluster)
        # The dead one's job ends soon.
        self.eventually(
            lambda: cluster.cairn("balancer", "-threshold", "3").returncode == 0,
            "another balancer runs",
            120,
        )
        self.assertLessEqual(self.furthest(cluster), 3)
        self.check_whole(cluster)

    def test_asked_to_stop_it_stops_in_order(self):
        cluster = self.start()
        self.add_datanode(cluster)
        self.admin(cluster, "-setBalancerBandwidth", "1000000")
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.balancer(cluster, "--json", "-threshold", "3")
            while json.loads(process.stdout.readline()).get("moves", 0) == 0:
                pass
            process.send_signal(number)
            out, _ = process.communicate()
            self.assertEqual(process.returncode, 250)
            self.assertEqual(json.loads(out.splitlines()[-1])["status"], "INTERRUPTED")
        self.check_whole(cluster)

    def test_a_namenode_and_a_datanode_die_in_the_middle(self):
        cluster = self.start(
            **{"cairn.namenode.stale.interval": "5s", "cairn.namenode.dead.interval": "15s"}
        )
        self.add_datanode(cluster)
        self.admin(cluster, "-setBalancerBandwidth", "2000000")
        process = self.balancer(cluster, "-threshold", "3", "-idleiterations", "-1")
        self.until_blocks_move(cluster, process)
        cluster.kill_now("namenode")
        cluster.start("namenode")
        self.assertIsNone(process.poll(), "it waits for the namenode and goes on")
        cluster.kill_now("datanode-1")
        self.check_bytes(cluster)  # there is another replica of each block
        self.eventually(lambda: self.troubles(cluster) == [], "all is repaired", 120)
        out, err = process.communicate()
        self.assertEqual(process.returncode, 0, out.decode() + err.decode())
        self.assertLessEqual(self.furthest(cluster), 3)
        cluster.start("datanode-1")
        self.check_whole(cluster)

    def test_the_namenode_keeps_balance_by_itself(self):
        cluster = self.start(
            **{
                "cairn.namenode.balance.enabled": "true",
                "cairn.namenode.balance.threshold": "3",
                "cairn.namenode.balance.interval": "1s",
            }
        )
        self.add_datanode(cluster)
        while self.furthest(cluster) > 3:
            self.assertEqual(self.troubles(cluster), [])
        self.check_whole(cluster)

    def test_hosts_that_are_left_out_stay_as_they_are(self):
        cluster = self.start()
        self.add_datanode(cluster)
        address = self.address(cluster, "datanode-4")
        result = cluster.cairn("balancer", "-threshold", "3", "-exclude", address)
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertLess(self.newest_fill(cluster), 1)
        hosts = os.path.join(env.new_directory("hosts"), "hosts")
        with open(hosts, "w") as file:
            file.write(f"# who\n{address}\n")
        result = cluster.cairn("balancer", "-threshold", "3", "-include", "-f", hosts)
        self.assertEqual(result.returncode, 0, result.stdout)
        result = cluster.cairn("balancer", "-threshold", "3", "-source", "nobody")
        self.assertEqual(result.returncode, 254, result.stdout)
        self.assertIn(b"No block can be moved. Exiting...", result.stdout)

    def test_bad_usage_and_no_cluster(self):
        cluster = self.start()
        for arguments in (
            ["-threshold", "0.5"],
            ["-policy", "fair"],
            ["-asService"],
            ["-include", "a", "-exclude", "b"],
            ["-nonsense"],
        ):
            result = cluster.cairn("balancer", *arguments)
            self.assertEqual(result.returncode, 251, arguments)
            self.assertIn(b"Usage: cairn balancer", result.stderr)
        result = cluster.cairn("balancer", env_more={"HADOOP_USER_NAME": "nobody"})
        self.assertEqual(result.returncode, 252, result.stdout)
        self.assertIn(b"Superuser privilege is required", result.stdout)
        cluster.stop("namenode")
        result = cluster.cairn("balancer", "-D", "cairn.client.rpc.retry=1s")
        self.assertEqual(result.returncode, 252, result.stdout)
        self.assertIn(b".  Exiting ...", result.stdout)


if __name__ == "__main__":
    unittest.main()
