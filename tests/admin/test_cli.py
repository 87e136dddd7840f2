"""The commands by which people run a cluster, against a cluster of real processes."""

import glob
import json

from harness import rpc
from harness.case import Case
from harness.cluster import MiniCluster

# Datanodes that are gone are given up within seconds.
IMPATIENT = {
    "cairn.namenode.stale.interval": "2s",
    "cairn.namenode.dead.interval": "4s",
    "dfs.heartbeat.interval": "1s",
}


def text(result):
    return result.stdout.decode(errors="replace")


class Fsck(Case):
    @classmethod
    def setUpClass(cls):
        cls.cluster = MiniCluster(datanodes=3, conf=IMPATIENT)
        cls.addClassCleanup(cls.cluster.close)

    def fsck(self, *arguments, **options):
        return self.cluster.cairn("fsck", *arguments, **options)

    def test_1_a_whole_file_system_is_healthy(self):
        self.cluster.dfs("-mkdir", "-p", "/whole/empty")
        self.cluster.put(b"0123456789", "/whole/f")
        result = self.fsck("/whole", "-files", "-blocks", "-locations")
        self.assertEqual(result.returncode, 0)
        out = text(result)
        self.assertIn(
            "/whole <dir>\n/whole/empty <dir>\n"
            "/whole/f 10 bytes, replicated: replication=3, 1 block(s):  OK\n",
            out,
        )
        self.assertEqual(out.count("DatanodeInfoWithStorage["), 3)
        self.assertIn(" Number of data-nodes:\t3\n", out)
        self.assertIn(" Total dirs:\t\t\t2\n", out)
        self.assertTrue(out.endswith("\n\n\nThe filesystem under path '/whole' is HEALTHY\n"))

    def test_2_what_does_not_exist_is_said(self):
        result = self.fsck("/nowhere")
        self.assertEqual(result.returncode, 0)  # as HDFS
        self.assertIn(b"inaccessible due to:\nFile does not exist: /nowhere", result.stderr)
        self.assertEqual(self.fsck("-bogus").returncode, 255)

    def test_3_what_a_user_may_not_read_he_cannot_check(self):
        self.cluster.put(b"secret", "/secret")
        self.cluster.dfs("-chmod", "600", "/secret")
        result = self.fsck("/secret", env_more={"HADOOP_USER_NAME": "nobody"})
        self.assertEqual(result.returncode, 255)
        self.assertTrue(text(result).endswith("Fsck on path '/secret' FAILED\n"))

    def test_4_for_programs_it_is_json(self):
        self.cluster.dfs("-mkdir", "/json")
        self.cluster.put(b"abc", "/json/f")
        report = json.loads(text(self.fsck("/json", "-files", "--json")))
        self.assertEqual(report["status"], "HEALTHY")
        self.assertEqual(report["totals"]["files"], 1)
        self.assertEqual(len(report["files"][0]["blocks"][0]["replicas"]), 3)

    def test_5_files_being_written_are_counted_and_checked_when_asked(self):
        self.cluster.dfs("-mkdir", "/open")
        with rpc.Connection(self.cluster.port) as connection:
            connection.call("create", rpc.create("/open/f"))
            self.assertIn("(Files currently being written: 1)", text(self.fsck("/open")))
            out = text(self.fsck("/open", "-openforwrite"))
            self.assertIn("/open/f 0 bytes, replicated: replication=1, 0 block(s), OPEN", out)

    def test_6_a_lost_datanode_shows_and_a_lost_block_is_corrupt(self):
        self.cluster.dfs("-mkdir", "/lost")
        self.cluster.put(b"three", "/lost/three")
        self.cluster.put(b"one", "/lost/one", "-D", "dfs.replication=1")
        (holder,) = self.holders("/lost/one")
        self.cluster.kill(holder)
        self.eventually(lambda: self.cluster.live_datanodes() == 2, "the datanode is given up")
        result = self.fsck("/lost")
        out = text(result)
        self.assertEqual(result.returncode, 1)
        self.assertIn("/lost/three:  Under replicated BP-", out)
        self.assertIn("Target Replicas is 3 but found 2 live replica(s)", out)
        self.assertIn("/lost/one: MISSING 1 blocks of total size 3 B.", out)
        self.assertIn("  CORRUPT FILES:\t1\n", out)
        self.assertTrue(out.endswith("The filesystem under path '/lost' is CORRUPT\n"))
        self.assertEqual(self.fsck("/lost/one", "-delete").returncode, 1)
        self.assertEqual(self.fsck("/lost").returncode, 0)
        self.cluster.start(holder)
        self.eventually(lambda: self.cluster.live_datanodes() == 3, "it is back")

    def test_7_move_saves_what_is_left(self):
        """Two blocks of one replica each; the datanode of the first one is lost."""
        data = b"a" * (1 << 20) + b"b"
        holders = ["", ""]
        while holders[0] == holders[1]:
            self.cluster.dfs("-rm", "-f", "-skipTrash", "/moved")
            self.cluster.put(data, "/moved", "-D", "dfs.blocksize=1m", "-D", "dfs.replication=1")
            holders = self.holders("/moved")
        self.cluster.kill(holders[0])
        self.eventually(lambda: self.cluster.live_datanodes() == 2, "the datanode is given up")
        self.assertEqual(self.fsck("/moved", "-move").returncode, 1)
        self.assertEqual(self.cluster.cat("/lost+found/moved/0"), b"b")
        self.cluster.start(holders[0])
        self.eventually(lambda: self.cluster.live_datanodes() == 3, "it is back")

    def holders(self, path):
        """The datanode of the first replica of each block."""
        report = json.loads(text(self.fsck(path, "-files", "--json")))
        names = {self.cluster.ports(name)["transfer"]: name for name in self.cluster.datanodes}
        return [
            names[block["replicas"][0]["datanode"].rsplit(":", 1)[1]]
            for block in report["files"][0]["blocks"]
        ]


class Datanodes(Case):
    def test_a_datanode_is_asked_and_steered(self):
        with MiniCluster(datanodes=2) as cluster:
            address = "127.0.0.1:" + cluster.ports("datanode-1")["ipc"]

            def admin(*arguments):
                return cluster.cairn("dfsadmin", *arguments)

            info = admin("-getDatanodeInfo", address)
            self.assertRegex(text(info), r"^Uptime: \d+, Software version: .*, Config version: ")
            self.assertIn("Active Volumes : 1\nDirectory", text(admin("-getVolumeReport", address)))
            self.assertRegex(
                text(admin("-getBalancerBandwidth", address)),
                r"^Balancer bandwidth is \d+ bytes per second.\n$",
            )
            self.assertEqual(
                text(admin("-triggerBlockReport", "-incremental", address)),
                f"Triggering an incremental block report on {address}.\n",
            )
            self.assertEqual(
                text(admin("-evictWriters", address)),
                f"Requested writer eviction to datanode {address}\n",
            )
            nobody = {"HADOOP_USER_NAME": "nobody"}
            denied = cluster.cairn("dfsadmin", "-shutdownDatanode", address, env_more=nobody)
            self.assertEqual(denied.returncode, 255)
            self.assertIn(b"Superuser privilege is required", denied.stderr)
            self.assertEqual(
                text(admin("-shutdownDatanode", address)),
                f"Submitted a shutdown request to datanode {address}\n",
            )
            self.eventually(lambda: not cluster.alive("datanode-1"), "it has ended")
            gone = admin("-getDatanodeInfo", address)
            self.assertEqual(gone.returncode, 255)
            self.assertIn(b"Datanode unreachable.", gone.stderr)

    def test_debug_checks_a_replica_on_disk(self):
        with MiniCluster(datanodes=1) as cluster:
            cluster.put(b"x" * 2000, "/f")
            data = cluster.data("datanode-1")
            (meta,) = glob.glob(data + "/**/finalized/**/*.meta", recursive=True)
            block = meta.rsplit("_", 1)[0]
            good = cluster.cairn("debug", "verifyMeta", "-meta", meta, "-block", block)
            self.assertEqual(good.returncode, 0, good.stderr)
            with open(block, "r+b") as file:
                file.seek(1500)
                file.write(b"y")
            bad = cluster.cairn("debug", "verifyMeta", "-meta", meta, "-block", block)
            self.assertEqual(bad.returncode, 1)
            self.assertIn(b"checksum error at offset 1024", bad.stderr)
            recovered = cluster.cairn("debug", "recoverLease", "-path", "/f")
            self.assertEqual(text(recovered), "recoverLease SUCCEEDED on /f\n")
