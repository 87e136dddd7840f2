"""The operators' commands beside Apache HDFS's, on the same state: text and exit code, what differs
from place to place (ports, ids, times) taken out. And HDFS's own tools against Cairn."""

import os
import re

from harness import env, hadoop, rpc
from harness.case import Case
from harness.cluster import MiniCluster, run

FSCK = "@org.apache.hadoop.hdfs.tools.DFSck"
DFSADMIN = "@org.apache.hadoop.hdfs.tools.DFSAdmin"

_PLACES = [
    (r"BP-[0-9.\-]+", "BP"),
    (r"blk_\d+(_\d+)?", "blk"),
    (r"DS-[0-9a-f\-]+", "DS"),
    (r"127\.0\.0\.1:\d+( \(\S+\))?", "NODE"),
    (r"from \S+", "from HERE"),
    (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} \d{2} [\d:]{8} \w+ \d{4}", "DATE"),
    (r"\d+ milliseconds", "N milliseconds"),
    (r"rack: \S+/default-rack", "rack: HOST/default-rack"),
    # HDFS counts a block as queued or not as its monitor happens to have looked at it.
    (r"Blocks queued for replication:\t\d+", "Blocks queued for replication:\tSOME"),
]


def without_places(text):
    for pattern, word in _PLACES:
        text = re.sub(pattern, word, text)
    return text


class AdminCommands(Case):
    limit_seconds = 200

    @classmethod
    def setUpClass(cls):
        cls.reason = hadoop.why_not()
        if cls.reason is not None:
            return
        cls.hdfs = hadoop.Hdfs(datanodes=2)
        cls.addClassCleanup(cls.hdfs.close)
        cls.cairn = MiniCluster(datanodes=2)
        cls.addClassCleanup(cls.cairn.close)
        cls.java = hadoop.Shell(
            cls.hdfs.uri, conf={"dfs.namenode.http-address": cls.hdfs.http_address}
        )
        cls.addClassCleanup(cls.java.close)
        for dfs in (cls.hdfs.dfs, cls.cairn.dfs):
            dfs("-mkdir", "-p", "/a/b")
            dfs("-D", "dfs.replication=2", "-put", "-", "/a/two", input=b"0123456789")
            dfs("-D", "dfs.replication=1", "-put", "-", "/a/one", input=b"x" * 1500)
            dfs("-put", "-", "/short", input=b"0123456789")
            dfs("-setrep", "3", "/short")

    def setUp(self):
        if self.reason:
            self.skipTest(self.reason)

    def theirs(self, tool, *arguments):
        """Hadoop's tool on HDFS."""
        code, out, _ = self.java.run(tool, *arguments, check=False)
        return code & 255, without_places(out)

    def ours(self, *arguments, on=None):
        uri = (on or self.cairn).uri
        command = [env.program("cairn"), arguments[0], "-fs", uri, *arguments[1:]]
        result = run(command, check=False, env=self.cairn.environment())
        return result.returncode, without_places(result.stdout.decode())

    def test_fsck_says_the_same(self):
        for arguments in (
            ("/",),
            ("/a", "-files"),
            ("/a", "-files", "-blocks"),
            ("/a", "-files", "-blocks", "-locations"),
            ("/short", "-files", "-blocks", "-racks"),
            ("/a/one", "-files", "-blocks", "-replicaDetails"),
            ("/a/two", "-storagepolicies"),
            ("/nowhere",),
            ("/", "-bogus"),
            ("-blockId", "nonsense"),
        ):
            with self.subTest(arguments):
                theirs = self.theirs(FSCK, *arguments)
                self.assertEqual(self.ours("fsck", *arguments), theirs)
                self.assertEqual(self.ours("fsck", *arguments, on=self.hdfs), theirs)

    def test_dfsadmin_says_the_same(self):
        for arguments in (
            ("-safemode", "get"),
            ("-safemode", "enter"),
            ("-safemode", "leave"),
            ("-triggerBlockReport",),
            ("-nosuch",),
            ("-upgrade", "query"),
            ("-upgrade", "start"),
            ("-upgrade", "finalize"),
            ("-finalizeUpgrade",),
        ):
            with self.subTest(arguments):
                theirs = self.theirs(DFSADMIN, *arguments)
                self.assertEqual(self.ours("dfsadmin", *arguments), theirs)

    def test_where_cairn_does_otherwise_on_purpose(self):
        """The reasons are in docs/operations.md."""
        for cluster in (self.hdfs, self.cairn):
            cluster.dfs("-mkdir", "-p", "/other")
            cluster.dfs("-put", "-", "/other/self", input=b"here")
            cluster.dfs("-put", "-", "/other/x\nThe filesystem", input=b"1")
        with self.subTest("a file copied onto itself in place"):
            # HDFS goes on reading blocks that it has given up for deletion: these few bytes survive.
            self.assertEqual(self.java.run("-cp", "-f", "-d", "/other/self", "/other/self")[0], 0)
            code, _ = self.ours("dfs", "-cp", "-f", "-d", "/other/self", "/other/self")
            self.assertEqual(code, 1)
            self.assertEqual(self.cairn.dfs("-cat", "/other/self").stdout, b"here")
        with self.subTest("a name with a newline"):
            _, theirs = self.theirs(FSCK, "/other", "-files")
            self.assertIn("\nThe filesystem 1 bytes", theirs)
            _, ours = self.ours("fsck", "/other", "-files")
            self.assertIn("/other/x\\nThe filesystem 1 bytes", ours)
        with self.subTest("lost blocks in safe mode"):
            for cluster in (self.hdfs, self.cairn):
                self.ours("dfsadmin", "-safemode", "enter", on=cluster)
            try:
                none = (0, "The filesystem under path '/' has 0 CORRUPT blocks\n")
                self.assertEqual(self.theirs(FSCK, "/", "-list-corruptfileblocks"), none)
                code, ours = self.ours("fsck", "/", "-list-corruptfileblocks")
                self.assertEqual(code, 255)
                self.assertIn("There may be more CORRUPT blocks", ours)
            finally:
                for cluster in (self.hdfs, self.cairn):
                    self.ours("dfsadmin", "-safemode", "leave", on=cluster)
        for cluster in (self.hdfs, self.cairn):
            cluster.dfs("-rm", "-r", "-skipTrash", "/other")

    def test_open_files_are_listed_alike(self):
        """By our tool and Hadoop's, of Cairn and of HDFS."""
        listings = (
            (),
            ("-path", "/open"),
            ("-path", "/open/a"),
            ("-path", "/a"),
            ("-blockingDecommission",),
        )
        writers = [rpc.Connection(port) for port in (self.hdfs.port, self.cairn.port)]
        try:
            for writer in writers:
                writer.call("mkdirs", rpc.mkdirs("/open"))
                for name in ("b", "a"):
                    writer.call("create", rpc.create(f"/open/{name}", client=f"client-{name}"))
            for arguments in listings:
                with self.subTest(arguments):
                    theirs = self.theirs(DFSADMIN, "-listOpenFiles", *arguments)
                    for cluster in (self.cairn, self.hdfs):
                        ours = self.ours("dfsadmin", "-listOpenFiles", *arguments, on=cluster)
                        self.assertEqual(ours, theirs)
                    code, out, _ = self.java.run(
                        DFSADMIN, "-fs", self.cairn.uri, "-listOpenFiles", *arguments, check=False
                    )
                    self.assertEqual((code, without_places(out)), theirs)
        finally:
            for writer in writers:
                writer.call("delete", rpc.delete("/open"))
                writer.close()

    def test_the_report_has_the_same_lines(self):
        def lines(outcome):
            code, out = outcome
            return code, [re.sub(r":\s.*", ":", line) for line in out.splitlines()]

        theirs = lines(self.theirs(DFSADMIN, "-report"))
        self.assertEqual(lines(self.ours("dfsadmin", "-report", on=self.hdfs)), theirs)
        ours = lines(self.ours("dfsadmin", "-report"))
        # Not counted by the namenode.
        without = [x for x in theirs[1] if "with highest priority" not in x]
        self.assertEqual([x for x in ours[1] if "with highest priority" not in x], without)

    def test_hdfs_own_tools_steer_cairn(self):
        def admin(*arguments):
            code, out, err = self.java.run(
                DFSADMIN, "-fs", self.cairn.uri, *arguments, check=False
            )
            self.assertEqual(code, 0, err)
            return out

        datanode = "127.0.0.1:" + self.cairn.ports("datanode-1")["ipc"]
        self.assertIn("Live datanodes (2):", admin("-report"))
        self.assertEqual(admin("-safemode", "get"), "Safe mode is OFF\n")
        self.assertEqual(admin("-upgrade", "query"), "Upgrade finalized\n")
        self.assertEqual(admin("-finalizeUpgrade"), "Finalize upgrade successful\n")
        self.assertIn("Uptime: ", admin("-getDatanodeInfo", datanode))
        self.assertIn("Active Volumes : 1", admin("-getVolumeReport", datanode))
        self.assertIn("a full block report on", admin("-triggerBlockReport", datanode))
        self.assertIn("Requested writer eviction", admin("-evictWriters", datanode))
        self.assertIn("successful", admin("-refreshUserToGroupsMappings"))
        self.assertEqual(
            admin("-metasave", "state.txt"),
            "Created metasave file state.txt in the log directory of namenode "
            f"{self.cairn.uri}\n",
        )
        with open(self.cairn.data("namenode") + "/log/state.txt") as file:
            ours = file.read()
        self.assertIn("/short: ", ours)  # three replicas on two datanodes
        self.theirs(DFSADMIN, "-metasave", "theirs.txt")
        with open(os.path.join(env.scratch_root(), "theirs.txt")) as file:
            theirs = file.read()

        def headings(text):
            return [
                line
                for line in without_places(text).splitlines()
                if line.startswith(("Live", "Dead", "Metasave", "Mis-", "Corrupt"))
            ]

        self.assertEqual(headings(ours), headings(theirs))
