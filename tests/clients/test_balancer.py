"""`cairn balancer` beside Apache HDFS's, on clusters that are alike: text and exit code. What
differs is in docs/operations.md."""

import re

from faults.test_balancer import DISK, FILE_BYTES, FILES, BalancerCase
from harness import hadoop
from harness.cluster import run

BALANCER = "org.apache.hadoop.hdfs.server.balancer.Balancer"
SMALL_BLOCKS = ("-D", "dfs.balancer.getBlocks.min-block-size=1m")


def without_places(text):
    for pattern, word in (
        # Java's date depends on its version and the locale: a comma more, a space of another kind.
        (r"[A-Z][a-z]{2} \d+, \d{4},? \d+:\d\d:\d\d\s[AP]M *", "DATE "),
        (r"took [\d.]+ [a-z]+", "took A TIME"),
        (r"hdfs://(127\.0\.0\.1|localhost):\d+", "NAMENODE"),
    ):
        text = re.sub(pattern, word, text)
    return text


def shape(text):
    """Without numbers, and without how many iterations there were."""
    lines = []
    for line in without_places(text).splitlines():
        # HDFS 3.4 has one column more than its heading, the number of blocks.
        line = re.sub(r" *\d+( +[\d.]+ [KMG]?B){3}( +\d+)?  NAMENODE$", "ITERATION NAMENODE", line)
        if not lines or line != lines[-1]:
            lines.append(line)
    return lines


class BesideHdfs(BalancerCase):
    limit_seconds = 400

    def setUp(self):
        self.need(hadoop.why_not())

    def theirs(self, hdfs, *arguments, user="root"):
        result = run(
            hadoop.java(hdfs.conf_dir, BALANCER, *arguments),
            check=False,
            env={**hdfs.environment(), "HADOOP_USER_NAME": user},
        )
        return result.returncode, result.stdout.decode()

    def ours(self, cluster, *arguments, user="root"):
        result = cluster.cairn("balancer", *arguments, env_more={"HADOOP_USER_NAME": user})
        return result.returncode, result.stdout.decode()

    def test_the_same_is_said_of_the_same_cluster(self):
        cairn = self.start(datanodes=1, **{"dfs.replication": "1"})
        hdfs = hadoop.Hdfs(
            datanodes=1,
            conf={
                "dfs.blocksize": "1m",
                "dfs.heartbeat.interval": "1",
                "dfs.datanode.round-robin-volume-choosing-policy.additional-available-space": "0",
            },
            disk_bytes=DISK,
        )
        self.addCleanup(hdfs.close)
        for number in range(FILES):
            hdfs.dfs("-D", "dfs.blocksize=1m", "-put", "-", f"/f{number}", input=b"x" * FILE_BYTES)
        for arguments in ((), ("-policy", "BLOCKPOOL")):
            self.say_the_same(hdfs, cairn, *arguments)
        self.add_datanode(cairn)
        hdfs.launch_datanode()
        hdfs.await_datanodes(2)
        unequal = (*SMALL_BLOCKS, "-threshold", "5")
        self.say_the_same(hdfs, cairn, *unequal, "-source", "nobody")
        # HDFS 3.4.2's balancer ends with an exception of its metrics in the second iteration.
        _, theirs = self.theirs(hdfs, *unequal)
        code, ours = self.ours(cairn, *unequal)
        self.assertEqual(shape(ours)[:2], shape(theirs)[:2])
        self.assertEqual(code, 0)
        self.assertLessEqual(self.furthest(cairn), 5)

    def say_the_same(self, hdfs, cairn, *arguments):
        code, text = self.theirs(hdfs, *arguments)
        our_code, our_text = self.ours(cairn, *arguments)
        self.assertEqual((our_code, shape(our_text)), (code, shape(text)), arguments)

    def test_what_ends_it_at_once(self):
        cairn = self.start(datanodes=1, **{"dfs.replication": "1"})
        hdfs = hadoop.Hdfs(datanodes=1)
        self.addCleanup(hdfs.close)
        for arguments, code, ours in (
            (("-help",), 0, 0),
            (("-idleiterations", "0", "-runDuringUpgrade", "-sortTopNodes"), 0, 0),
            (("-exclude", ","), 0, 251),
            (("-threshold", "0.5"), 255, 251),
            (("-policy", "fair"), 255, 251),
            (("-include", "a", "-exclude", "b"), 255, 251),
            (("-nonsense",), 255, 251),
        ):
            self.assertEqual(self.theirs(hdfs, *arguments)[0], code, arguments)
            self.assertEqual(self.ours(cairn, *arguments)[0], ours, arguments)
        self.end_with_252(self.theirs(hdfs, user="nobody"), self.ours(cairn, user="nobody"))
        hdfs.processes[0].kill()
        hdfs.processes[0].wait()
        cairn.kill("namenode")
        self.end_with_252(
            self.theirs(hdfs), self.ours(cairn, "-D", "cairn.client.rpc.retry=1s")
        )

    def end_with_252(self, theirs, ours):
        for code, text in (theirs, ours):
            lines = without_places(text).splitlines()
            self.assertEqual(code, 252, text)
            self.assertIn("NameNode", lines[0])
            self.assertTrue(lines[-2].endswith(".  Exiting ..."), text)
            self.assertEqual(lines[-1], "DATE Balancing took A TIME")
