"""The journal in two directories: one may fail, be damaged, or be lost."""

import glob
import json
import os

from crash.test_checkpoints import make_directories
from faults.test_storage import JOURNAL_ONLY, daemon, flip, frames, journal_file
from harness import disks, env
from harness.case import Case
from harness.cluster import MiniCluster


def listed(cluster):
    return len(cluster.dfs("-ls", "-C", "/d").stdout.split())


class JournalCopies(Case):
    def cluster(self, second, **conf):
        cluster = MiniCluster(
            datanodes=0, conf={"dfs.namenode.edits.dir": second, **JOURNAL_ONLY, **conf}
        )
        self.addCleanup(cluster.close)
        return cluster

    def test_each_alone_has_every_acknowledged_edit(self):
        second = env.new_directory("edits")
        cluster = self.cluster(second)
        make_directories(cluster, range(50))
        cluster.kill("namenode")
        # The damaged one is written anew from the whole one, whichever that is.
        for path in (
            journal_file(cluster),
            sorted(glob.glob(os.path.join(second, "journal", "journal-*")))[-1],
        ):
            flip(path, frames(path)[10][0] + 30)
            cluster.start("namenode")
            self.assertEqual(listed(cluster), 50)
            self.assertIn("is written anew", cluster.log("namenode"))
            cluster.kill("namenode")
            self.assertTrue(glob.glob(os.path.join(os.path.dirname(path), "aside-*")))
        cluster.start("namenode")
        self.assertEqual(listed(cluster), 50)

    def test_a_full_disk_drops_its_copy_and_a_restart_brings_it_back(self):
        reason = disks.why_no_tmpfs()
        if reason:
            self.skipTest(reason)
        disk = disks.SmallDisk(80 << 20)
        self.addCleanup(disk.close)
        cluster = self.cluster(disk.path)
        make_directories(cluster, range(10))
        disk.fill()
        # A batch takes a block: until the prepared segments are used up.
        for start in range(1000, 40000, 1000):
            make_directories(cluster, range(start, start + 1000), parent="/fill")
            if "is not used any more" in cluster.log("namenode"):
                break
        self.assertIn(disk.path, cluster.log("namenode").split("is not used any more")[0][-300:])
        make_directories(cluster, range(10, 20))

        def journals():
            found = json.loads(cluster.cairn("doctor", "--json").stdout)["journals"]
            return {entry["directory"].startswith(disk.path): entry for entry in found}

        self.assertTrue(journals()[False]["in_use"])
        self.assertFalse(journals()[True]["in_use"])
        self.assertNotEqual(journals()[True]["dropped"], "")
        self.assertIn(
            f"error: journal: {journals()[True]['directory']} is not used any more, since edit ",
            cluster.cairn("doctor").stdout.decode(),
        )
        cluster.kill("namenode")
        disk.release()
        cluster.start("namenode")
        self.assertTrue(journals()[True]["in_use"])
        self.assertEqual(listed(cluster), 20)
        self.assertIn("brought up to date", cluster.log("namenode"))

    def test_a_lost_directory_stops_the_start_until_the_operator_says_so(self):
        second = env.new_directory("edits")
        cluster = self.cluster(second)
        make_directories(cluster, range(5))
        cluster.kill("namenode")
        os.rename(os.path.join(second, "journal"), os.path.join(second, "elsewhere"))
        code, text = daemon("--conf", cluster.conf_dir)
        self.assertEqual(code, 1)
        self.assertIn(second, text)
        self.assertIn("is empty", text)
        os.rename(os.path.join(second, "elsewhere"), os.path.join(second, "journal"))
        cluster.start("namenode")
        self.assertEqual(listed(cluster), 5)
