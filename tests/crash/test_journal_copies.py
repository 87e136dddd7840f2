"""The journal in two directories: one may fail, be damaged, or be lost."""

import glob
import json
import os
import shutil

from crash.test_checkpoints import make_directories
from faults.test_storage import JOURNAL_ONLY, daemon, flip, frames, journal_file
from harness import disks, env
from harness.case import Case
from harness.cluster import MiniCluster, run


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

    def test_killed_while_one_is_written_anew(self):
        """At the last moment before the new one is there, and before anybody knows of it."""
        second = env.new_directory("edits")
        cluster = self.cluster(second)
        make_directories(cluster, range(50))
        cluster.kill("namenode")

        def newest():
            return [
                journal_file(cluster),
                sorted(glob.glob(os.path.join(second, "journal", "journal-*")))[-1],
            ]

        for number, point in enumerate(("journal_before_format_rename", "journal_copy_brought_up")):
            damaged = newest()[number]
            flip(damaged, frames(damaged)[10][0] + 30)
            died = run(
                [env.program("cairn-namenode"), "--conf", cluster.conf_dir],
                check=False,
                env={**cluster.environment(), "CAIRN_CRASH_POINT": point},
            )
            self.assertEqual(died.returncode, -9, (point, died.stderr))
            cluster.start("namenode")
            self.assertEqual(listed(cluster), 50, point)
            cluster.kill("namenode")
            # Both have all of it: the one that was whole may be damaged now.
            other = newest()[1 - number]
            flip(other, frames(other)[10][0] + 30)
            cluster.start("namenode")
            self.assertEqual(listed(cluster), 50, point)
            cluster.kill("namenode")

    def test_another_namenode_is_kept_out_of_the_second_directory(self):
        """one that was given a copy of the first, and one that is to be formatted"""
        second = env.new_directory("edits")
        cluster = self.cluster(second)
        make_directories(cluster, range(50))
        copied, fresh = (os.path.join(env.new_directory("other"), "namenode") for _ in range(2))
        shutil.copytree(os.path.join(cluster.directory, "namenode"), copied)
        for program, arguments in (
            ("cairn-namenode", ["-D", f"dfs.namenode.name.dir={copied}"]),
            ("cairn-namenode", ["-format", "-force", "-D", f"dfs.namenode.name.dir={fresh}"]),
        ):
            refused = run(
                [env.program(program), "--conf", cluster.conf_dir, *arguments],
                check=False, timeout=60, env=cluster.environment(),
            )
            self.assertNotEqual(refused.returncode, 0, arguments)
            text = (refused.stdout + refused.stderr).decode()
            self.assertIn(os.path.join(second, "in_use.lock"), text)
            self.assertIn("held by another process", text)
        make_directories(cluster, range(50, 60))
        cluster.kill("namenode")
        # The second directory alone has everything.
        path = journal_file(cluster)
        flip(path, frames(path)[10][0] + 30)
        cluster.start("namenode")
        self.assertEqual(listed(cluster), 60)

    def test_killed_while_it_is_formatted(self):
        """Nothing counts as formatted then, and another format makes it whole."""
        cluster = self.cluster(env.new_directory("edits"))
        cluster.kill("namenode")

        def command(*arguments, point=""):
            crash = {"CAIRN_CRASH_POINT": point} if point else {}
            return run(
                [env.program("cairn-namenode"), "--conf", cluster.conf_dir, *arguments],
                check=False,
                env={**cluster.environment(), **crash},
            )

        # Of the first directory, and of the second one.
        points = ("journal_before_format_rename:1", "journal_before_format_rename:2")
        # VERSION is there for the first of them only.
        for point in ("format_version_taken", *points):
            self.assertEqual(command("-format", "-force", point=point).returncode, -9, point)
            refused = command()
            self.assertEqual(refused.returncode, 1, point)
            self.assertIn(b"is not formatted", refused.stdout + refused.stderr, point)
        self.assertEqual(command("-format", "-force").returncode, 0)
        cluster.start("namenode")
        make_directories(cluster, range(3))
        self.assertEqual(listed(cluster), 3)

    def test_a_full_disk_drops_its_copy_and_a_restart_brings_it_back(self):
        self.need(disks.why_no_tmpfs())
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
