"""Directories of earlier releases, kept in tests/golden: today's programs open them."""

import os
import subprocess

from faults.test_storage import daemon
from harness import env
from harness.case import Case
from harness.cluster import Failed, MiniCluster, run


class Layouts(Case):
    def test_layout_1_is_read(self):
        """fault 45: a namenode and a datanode as the first release left them, after a kill"""
        conf = {"dfs.replication": "1", "dfs.namenode.fs-limits.min-block-size": "512"}
        cluster = MiniCluster(datanodes=1, conf=conf, start=False)
        self.addCleanup(cluster.close)
        golden = os.path.join(env.SOURCE, "tests", "golden", "layout1", "cluster.tar.gz")
        os.makedirs(cluster.directory, exist_ok=True)
        subprocess.run(["tar", "-C", cluster.directory, "-xzf", golden], check=True)
        cluster.make()
        paths = cluster.dfs("-ls", "-R", "-C", "/").stdout.decode().split()
        self.assertEqual(paths, ["/dir", "/dir/blocks", "/dir/empty", "/dir/sub", "/renamed"])
        blocks = "".join(f"{number:08}" for number in range(500)).encode()
        self.assertEqual(cluster.cat("/dir/blocks"), blocks)
        self.assertEqual(cluster.cat("/renamed"), b"golden 1\ngolden 2\ngolden 3\n")
        self.assertIn(b"-rw-r-----", cluster.dfs("-ls", "/renamed").stdout)
        # It is written on, and read again.
        cluster.append(b"and more", "/renamed")
        cluster.put(b"new", "/new")
        cluster.kill()
        cluster.start()
        self.assertEqual(cluster.cat("/renamed"), b"golden 1\ngolden 2\ngolden 3\nand more")
        self.assertEqual(cluster.cat("/new"), b"new")

    def upgraded(self, cluster, **variables):
        """Starts the namenode with -upgrade; None if it ended by itself."""
        cluster.start("namenode")
        command = cluster.command("namenode") + ["-upgrade"]
        try:
            return cluster.spawn("namenode", command, env={**os.environ, **variables})
        except Failed:
            return None

    def test_an_upgrade_can_be_rolled_back_until_it_is_final(self):
        """fault 45: rollback; the state before is kept with its VERSION"""
        with MiniCluster(datanodes=0) as cluster:
            previous = os.path.join(cluster.data("namenode"), "previous")
            cluster.dfs("-mkdir", "/before")
            self.assertTrue(self.upgraded(cluster))
            self.assertTrue(os.path.exists(os.path.join(previous, "VERSION")))
            cluster.dfs("-mkdir", "/after")
            cluster.kill("namenode")
            # A later layout than this program knows is refused, and names the way back.
            version = os.path.join(cluster.data("namenode"), "VERSION")
            with open(version) as file:
                text = file.read()
            with open(version, "w") as file:
                file.write(text.replace("layoutVersion=1", "layoutVersion=2"))
            code, said = daemon("--conf", cluster.conf_dir)
            self.assertEqual(code, 1)
            self.assertIn("layout 2", said)
            self.assertIn("-rollback", said)

            code, said = daemon("--conf", cluster.conf_dir, "-rollback", "--yes")
            self.assertEqual(code, 0, said)
            self.assertFalse(os.path.exists(previous))
            with open(version) as file:
                self.assertEqual(file.read(), text)
            cluster.start("namenode")
            self.assertEqual(cluster.dfs("-ls", "-C", "/").stdout, b"/before\n")

            self.assertTrue(self.upgraded(cluster))

            def upgrade(word):
                return cluster.cairn("dfsadmin", "-upgrade", word).stdout

            self.assertEqual(upgrade("query"), b"Upgrade not finalized\n")
            run(
                [env.program("cairn-namenode"), "-finalize"],
                env=cluster.environment(),
            )
            self.eventually(lambda: not os.path.exists(previous), "previous goes", 30)
            self.assertEqual(upgrade("query"), b"Upgrade finalized\n")
            self.assertTrue(self.upgraded(cluster))
            self.assertEqual(upgrade("query"), b"Upgrade not finalized\n")
            self.assertEqual(upgrade("finalize"), b"Finalize upgrade successful\n")
            self.eventually(lambda: not os.path.exists(previous), "previous goes", 30)
            cluster.kill("namenode")
            code, said = daemon("--conf", cluster.conf_dir, "-rollback", "--yes")
            self.assertEqual(code, 1)
            self.assertIn("nothing to go back to", said)

    def rolled_back(self, cluster, **variables):
        """Exit status of a rollback, negative if it was killed."""
        return run(
            [env.program("cairn-namenode"), "--conf", cluster.conf_dir, "-rollback", "--yes"],
            check=False,
            env={**os.environ, **variables},
        ).returncode

    def names(self, cluster):
        return cluster.dfs("-ls", "-C", "/").stdout.decode().split()

    def test_killed_during_an_upgrade(self):
        """fault 46: the next start with -upgrade completes it, and it can be rolled back"""
        points = (
            "upgrade_previous_begun",
            "upgrade_store_copied",
            "upgrade_previous_copied",
            "upgrade_previous_kept",
            "upgrade_version_raised",
        )
        for point in points:
            with self.subTest(point), MiniCluster(datanodes=0) as cluster:
                previous = os.path.join(cluster.data("namenode"), "previous")
                cluster.dfs("-mkdir", "/before")
                command = cluster.command("namenode") + ["-upgrade"]
                cluster.kill("namenode")
                with self.assertRaises(Failed):
                    cluster.spawn(
                        "namenode", command, env={**os.environ, "CAIRN_CRASH_POINT": point}
                    )
                kept = point in ("upgrade_previous_kept", "upgrade_version_raised")
                self.assertEqual(os.path.exists(previous), kept)
                cluster.spawn("namenode", command)
                self.assertTrue(os.path.exists(previous))
                self.assertFalse(os.path.exists(previous + ".tmp"))
                self.assertEqual(self.names(cluster), ["/before"])
                cluster.dfs("-mkdir", "/after")
                cluster.kill("namenode")
                self.assertEqual(self.rolled_back(cluster), 0)
                cluster.start("namenode")
                self.assertEqual(self.names(cluster), ["/before"])

    def test_killed_during_a_rollback(self):
        """fault 46: once it is decided every start completes it"""
        for point in ("restore_decided", "restore_old_aside:4", "restore_exchanged"):
            with self.subTest(point), MiniCluster(datanodes=0) as cluster:
                cluster.dfs("-mkdir", "/before")
                self.assertTrue(self.upgraded(cluster))
                cluster.dfs("-mkdir", "/after")
                cluster.kill("namenode")
                self.assertEqual(self.rolled_back(cluster, CAIRN_CRASH_POINT=point), -9)
                cluster.start("namenode")
                self.assertEqual(self.names(cluster), ["/before"])
                directory = cluster.data("namenode")
                for left in ("previous", "restore.tmp", "RESTORE"):
                    self.assertFalse(os.path.exists(os.path.join(directory, left)), left)

    def test_killed_while_an_upgrade_is_made_final(self):
        """fault 46: what was kept is gone, and the next start removes the rest of it"""
        with MiniCluster(datanodes=0) as cluster:
            previous = os.path.join(cluster.data("namenode"), "previous")
            self.assertTrue(self.upgraded(cluster, CAIRN_CRASH_POINT="upgrade_previous_dropped"))
            cluster.cairn("dfsadmin", "-finalizeUpgrade")
            self.eventually(lambda: os.path.exists(previous + ".tmp"), "previous goes", 30)
            cluster.start("namenode")
            self.assertFalse(os.path.exists(previous))
            self.assertFalse(os.path.exists(previous + ".tmp"))
            said = cluster.cairn("dfsadmin", "-upgrade", "query").stdout
            self.assertEqual(said, b"Upgrade finalized\n")
