"""The commands by which people run a cluster, against a cluster of real processes."""

import glob
import json
import os
import pty
import re
import signal
import subprocess
import termios
import threading

from harness import env, rpc
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

    def test_5_files_being_written_are_listed_with_their_writers(self):
        self.cluster.dfs("-mkdir", "-p", "/writing/here", "/writing/there")
        with rpc.Connection(self.cluster.port) as connection:
            for name in ("here/a", "there/b"):
                connection.call("create", rpc.create(f"/writing/{name}", client="pen"))
            listed = self.cluster.cairn(
                "dfsadmin", "-listOpenFiles", "-path", "/writing/there", "--json"
            )
            (file,) = json.loads(text(listed))["open_files"]
            self.assertEqual(
                (file["path"], file["client"], file["host"]),
                ("/writing/there/b", "pen", "127.0.0.1"),
            )
            out = text(self.cluster.cairn("dfsadmin", "-listOpenFiles", "-path", "/writing"))
            self.assertEqual(len(out.splitlines()), 3)
            nobody = {"HADOOP_USER_NAME": "nobody"}
            denied = self.cluster.cairn("dfsadmin", "-listOpenFiles", env_more=nobody)
            self.assertEqual(denied.returncode, 255)
            self.assertIn(b"Superuser privilege is required", denied.stderr)

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
        # There are remains already: nothing was saved now, and so nothing is deleted.
        refused = self.fsck("/moved", "-move", "-delete")
        self.assertEqual(refused.returncode, 255)
        self.assertIn(b"fsck: /moved is not deleted", refused.stderr)
        self.assertIn("MISSING 1 blocks", text(self.fsck("/moved")))
        self.cluster.dfs("-rm", "-r", "-skipTrash", "/lost+found")
        self.assertEqual(self.fsck("/moved", "-move", "-delete").returncode, 1)
        self.assertEqual(self.cluster.cat("/lost+found/moved/0"), b"b")
        self.assertNotIn("MISSING", text(self.fsck("/moved")))
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


    def test_8_safe_mode_is_told_with_its_reason(self):
        def safe_mode(word):
            return text(self.cluster.cairn("dfsadmin", "-safemode", word))

        self.assertEqual(safe_mode("get"), "Safe mode is OFF\n")
        self.assertEqual(safe_mode("enter"), "Safe mode is ON\n")
        try:
            lines = safe_mode("get").splitlines()
            self.assertEqual(len(lines), 2)
            self.assertEqual(lines[0], "Safe mode is ON")
            self.assertIn("It was turned on manually.", lines[1])
            # What is lost now nobody has looked for.
            lost = self.fsck("/", "-list-corruptfileblocks")
            self.assertEqual(lost.returncode, 255)
            self.assertIn("There may be more CORRUPT blocks", text(lost))
            self.assertIn("It was turned on manually.", text(lost))
            self.assertFalse(
                json.loads(text(self.fsck("/", "-list-corruptfileblocks", "--json")))["complete"]
            )
        finally:
            self.assertEqual(safe_mode("leave"), "Safe mode is OFF\n")
        self.eventually(
            lambda: text(self.fsck("/", "-list-corruptfileblocks")).endswith(" CORRUPT blocks\n"),
            "all has been looked at",
        )

    def test_9_names_forge_no_lines(self):
        """Names of files and clients are chosen by anybody."""
        with rpc.Connection(self.cluster.port) as connection:
            forged = "/forged/x\nblk_7\t/f\x1b[2J\nThe filesystem under path '/' is HEALTHY"
            connection.call("mkdirs", rpc.mkdirs("/forged/d\n/f"))
            connection.call("create", rpc.create(forged, client="a\nb"))
            outputs = [
                text(self.cluster.cairn(*command))
                for command in (
                    ("fsck", "/forged", "-files", "-blocks", "-openforwrite"),
                    ("fsck", forged, "-openforwrite"),
                    ("dfsadmin", "-listOpenFiles", "-path", "/forged"),
                    ("why", "/forged"),
                    ("why", forged),
                )
            ]
            connection.call("delete", rpc.delete("/forged"))
        for out in outputs:
            self.assertNotIn("\x1b", out)
            for line in out.splitlines():
                self.assertFalse(line.startswith(("blk_7", "The filesystem under path '/' ")), out)
        self.assertIn("/forged/d\\n <dir>\n", outputs[0])
        self.assertIn("/forged/x\\nblk_7\\t/f\\x1b[2J\\nThe filesystem", outputs[0])
        self.assertIn("\ta\\nb ", outputs[2])


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


class Output(Case):
    """What a program reads is whole, or the exit code says that it is not; a terminal stays one."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = MiniCluster(datanodes=1)
        cls.addClassCleanup(cls.cluster.close)

    def test_what_could_not_be_written_is_no_success(self):
        for command, code in (
            (("fsck", "/", "--json"), 255),
            (("fsck", "-help"), 255),
            (("dfsadmin", "-report"), 255),
            (("why", "/"), 2),
            (("doctor", "--json"), 1),
            (("top", "--once", "--interval", "0.1"), 1),
            (("balancer", "-help"), 252),
            (("debug",), 1),
            (("dfs", "-df", "/"), 1),
            (("help",), 1),
        ):
            with open("/dev/full", "wb") as full:
                result = self.cluster.cairn(*command, stdout=full)
            self.assertEqual(result.returncode, code, command)
            self.assertIn(b"Unable to write to output stream.", result.stderr, command)

    def test_an_interrupted_top_leaves_the_terminal_as_it_was(self):
        keyboard, terminal = pty.openpty()
        self.addCleanup(os.close, keyboard)
        self.addCleanup(os.close, terminal)
        before = termios.tcgetattr(terminal)
        for number in (signal.SIGINT, signal.SIGTERM):
            top = subprocess.Popen(
                [env.program("cairn"), "top", "--interval", "0.1"],
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                env=self.cluster.environment(),
                # Whoever runs the tests in the background ignores it, and so would all children.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
            self.addCleanup(top.kill)
            shown = b""
            while b"ops/s" not in shown:
                shown += os.read(keyboard, 65536)
            self.assertFalse(termios.tcgetattr(terminal)[3] & termios.ECHO)
            top.send_signal(number)
            self.assertEqual(top.wait(timeout=30 * env.SLOW), -number)
            self.assertEqual(termios.tcgetattr(terminal), before)


class Explained(Case):
    """`cairn why`, `doctor` and `top` before, while and after a datanode is away."""

    @classmethod
    def setUpClass(cls):
        # Nothing is deleted for a while because of who is just back.
        conf = {**IMPATIENT, "dfs.namenode.startup.delay.block.deletion.sec": "5"}
        cls.cluster = MiniCluster(datanodes=4, conf=conf, racks=["/a", "/a", "/b", "/b"])
        cls.addClassCleanup(cls.cluster.close)

    def why(self, what, *flags):
        result = self.cluster.cairn("why", what, *flags)
        return result.returncode, text(result)

    def findings(self):
        return json.loads(text(self.cluster.cairn("doctor", "--json")))["findings"]

    def test_1_nothing_is_wrong(self):
        self.cluster.dfs("-mkdir", "-p", "/w")
        self.cluster.put(b"0123456789", "/w/f")
        self.assertEqual(
            self.why("/w/f"), (0, "Nothing is wrong with /w/f: its 1 block has all replicas.\n")
        )
        self.assertEqual(self.why("/w")[0], 0)
        self.assertEqual(self.why("/nowhere")[0], 2)
        self.assertEqual(self.why("blk_1")[0], 2)
        report = json.loads(text(self.cluster.cairn("fsck", "/w", "-files", "--json")))
        block = report["files"][0]["blocks"][0]
        self.assertEqual({r["standing"] for r in block["replicas"]}, {"live"})
        self.assertTrue(report["complete_knowledge"])
        code, out = self.why(block["block"])
        self.assertEqual(code, 0)
        self.assertIn("of /w/f: it has 3 good replicas, and 3 are wanted", out)
        code, out = self.why(block["replicas"][0]["datanode"])
        self.assertEqual(code, 0)
        self.assertIn("its last heartbeat came", out)

    def test_2_doctor_finds_nothing(self):
        self.eventually(lambda: self.findings() == [], "all blocks have been looked at")
        result = self.cluster.cairn("doctor")
        self.assertEqual((result.returncode, self.findings()), (0, []), text(result))

    def test_3_doctor_finds_a_key_that_nobody_knows(self):
        result = self.cluster.cairn("doctor", "-D", "cairn.client.rpc.retyr=5s")
        self.assertEqual(result.returncode, 1)
        self.assertIn("error: configuration: clients:", text(result))
        path = os.path.join(self.cluster.conf_dir, "hdfs-site.xml")
        with open(path) as file:
            good = file.read()
        bad = "<property><name>cairn.namenode.nosuch</name><value>1</value></property>"
        with open(path, "w") as file:
            file.write(good.replace("</configuration>", bad + "</configuration>"))
        self.addCleanup(lambda: open(path, "w").write(good))
        self.assertIn("cairn-namenode", text(self.cluster.cairn("doctor")))

    def test_4_top_shows_operations_and_users(self):
        stop = threading.Event()

        def work():
            while not stop.is_set():
                self.cluster.dfs("-ls", "/")

        worker = threading.Thread(target=work)
        worker.start()
        try:
            top = json.loads(text(self.cluster.cairn("top", "--json", "--interval", "0.5")))
        finally:
            stop.set()
            worker.join()
        self.assertIn("getFileInfo", [rate["name"] for rate in top["operations"]])
        self.assertIn("root", [rate["name"] for rate in top["users"]])
        self.assertEqual(len(top["datanodes"]), 4)
        self.assertIn("ops/s", text(self.cluster.cairn("top", "--once", "--interval", "0.1")))

    def test_6_a_silent_then_dead_datanode_and_a_lost_block_are_explained(self):
        self.cluster.put(b"alone", "/w/alone", "-D", "dfs.replication=1")
        report = json.loads(text(self.cluster.cairn("fsck", "/w/alone", "-files", "--json")))
        node = report["files"][0]["blocks"][0]["replicas"][0]["datanode"]
        names = {self.cluster.ports(n)["transfer"]: n for n in self.cluster.datanodes}
        name = names[node.rsplit(":", 1)[1]]
        self.cluster.kill(name)
        self.eventually(lambda: "it is stale" in self.why(node)[1], "silent, and said so")
        self.eventually(lambda: "it is dead" in self.why(node)[1], "dead, and said so")
        self.eventually(lambda: self.why("/w/alone")[0] == 1, "the block is missed")
        code, out = self.why("/w/alone")
        self.assertIn("no replica can be read now", out)
        self.assertIn("when one of the datanodes that held it is back", out)
        self.eventually(
            lambda: {"datanodes", "blocks"} <= {f["check"] for f in self.findings()},
            "doctor sees both",
        )
        self.eventually(
            lambda: "has 1 CORRUPT blocks"
            in text(self.cluster.cairn("fsck", "/", "-list-corruptfileblocks")),
            "all blocks have been looked at",
        )
        lost = self.cluster.cairn("fsck", "/", "-list-corruptfileblocks")
        self.assertEqual(lost.returncode, 255)
        self.assertRegex(text(lost), r"blk_\d+\t/w/alone\n")
        block = re.search(r"blk_\d+", text(lost)).group(0)
        by_id = self.cluster.cairn("fsck", "-blockId", block)
        self.assertIn("Block belongs to: /w/alone\n", text(by_id))
        saved = self.cluster.cairn("dfsadmin", "-metasave", "state")
        self.assertEqual(saved.returncode, 0, saved.stderr)
        with open(self.cluster.data("namenode") + "/log/state") as file:
            state = file.read()
        self.assertIn("Dead Datanodes: 1\n", state)
        self.assertRegex(state, r"currently missing: 1\n/w/alone: blk_\d+_\d+ MISSING .*\(dead\)")
        refused = self.cluster.cairn("dfsadmin", "-metasave", "../state")
        self.assertEqual(refused.returncode, 255)
        self.assertIn(b"not the plain name of a file", refused.stderr)
        # The blocks of three replicas are copied to the fourth datanode.
        self.eventually(lambda: self.why("/w/f")[0] == 0, "repaired", seconds=60)
        self.cluster.start(name)
        self.eventually(lambda: self.why("/w")[0] == 0, "all is well again", seconds=60)
        self.assertEqual(self.cluster.cairn("fsck", "/").returncode, 0)

    def test_7_a_block_whose_only_replica_is_rotten_is_corrupt_and_kept(self):
        self.cluster.put(b"r" * 5000, "/w/rotten", "-D", "dfs.replication=1")
        report = json.loads(text(self.cluster.cairn("fsck", "/w/rotten", "-files", "--json")))
        name = report["files"][0]["blocks"][0]["block"]
        (path,) = [
            path
            for node in self.cluster.datanodes
            for path in glob.glob(f"{self.cluster.data(node)}/**/finalized/**/{name}", recursive=True)
        ]
        with open(path, "r+b") as file:
            file.seek(2000)
            file.write(b"x")
        self.assertIn("checksum", self.cluster.dfs_error("-cat", "/w/rotten").lower())
        self.eventually(lambda: self.why("/w/rotten")[0] == 1, "the reader has told the namenode")
        self.assertIn("every replica that is left is bad", self.why("/w/rotten")[1])
        result = self.cluster.cairn("fsck", "/w/rotten", "-files", "-blocks", "-replicaDetails")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/w/rotten: CORRUPT blockpool", text(result))
        self.assertIn("(CORRUPT)]", text(result))
        lost = self.cluster.cairn("fsck", "/", "-list-corruptfileblocks")
        self.assertIn(f"{name}\t/w/rotten\n", text(lost))
        self.assertTrue(os.path.exists(path), "it is kept for whoever wants to save what is left")
