"""`cairn mini`: a whole cluster of real processes under one directory."""

import os

from faults.test_storage import tree_hash
from harness import env
from harness.case import Case
from harness.cluster import Failed, MiniCluster, run


class Mini(Case):
    def test_a_namenode_directory_elsewhere_is_found_again(self):
        elsewhere = os.path.join(env.new_directory("names"), "namenode")
        with MiniCluster(datanodes=1, conf={"dfs.namenode.name.dir": elsewhere}) as cluster:
            cluster.put(b"kept", "/kept")
            cluster.mini("stop")
            cluster.mini("start")
            self.assertEqual(cluster.cat("/kept"), b"kept")
            # The whole cluster again, as after a reboot: what is there is not formatted.
            cluster.mini("stop")
            cluster.make()
            self.assertEqual(cluster.cat("/kept"), b"kept")

    def test_a_daemon_that_ends_at_its_start_is_shown_with_its_reason(self):
        with MiniCluster(datanodes=0) as cluster:
            cluster.kill("namenode")
            os.remove(os.path.join(cluster.data("namenode"), "store", "CURRENT"))
            with self.assertRaises(Failed) as failed:
                cluster.mini("start", "namenode")
            self.assertIn("namenode ended while starting", str(failed.exception))
            self.assertIn("CURRENT", str(failed.exception))

    def test_a_namespace_whose_version_was_lost_is_not_formatted(self):
        with MiniCluster(datanodes=1) as cluster:
            cluster.dfs("-mkdir", "/kept")
            cluster.stop()
            directory = cluster.data("namenode")
            version = os.path.join(directory, "VERSION")
            os.rename(version, cluster.directory + "/VERSION.away")
            before = tree_hash(directory)
            with self.assertRaises(Failed) as failed:
                cluster.make()
            self.assertIn(f"{directory} is not empty", str(failed.exception))
            self.assertIn("no VERSION", str(failed.exception))
            self.assertEqual(tree_hash(directory), before)
            os.rename(cluster.directory + "/VERSION.away", version)
            cluster.make()
            self.assertEqual(cluster.dfs("-ls", "-C", "/").stdout, b"/kept\n")

    def test_a_directory_with_something_else_in_it_is_not_formatted(self):
        elsewhere = env.new_directory("names")
        os.makedirs(os.path.join(elsewhere, "store"))
        with open(os.path.join(elsewhere, "store", "precious"), "w") as file:
            file.write("kept")
        before = tree_hash(elsewhere)
        conf = {"dfs.namenode.name.dir": elsewhere}
        with MiniCluster(datanodes=0, conf=conf, start=False) as cluster:
            with self.assertRaises(Failed) as failed:
                cluster.make()
            self.assertIn(f"{elsewhere} is not empty", str(failed.exception))
            self.assertEqual(tree_hash(elsewhere), before)

    def test_a_format_that_was_killed_is_done_again(self):
        for point in ("journal_before_format_rename", "checkpoint_renamed"):
            with MiniCluster(datanodes=0, start=False) as cluster:
                died = run(
                    [
                        env.program("cairn"), "mini", "--dir", cluster.directory, "--detach",
                        "--datanodes", "0", "--port", str(cluster.port),
                    ],
                    check=False,
                    env={**os.environ, "CAIRN_CRASH_POINT": point},
                )  # fmt: skip
                self.assertEqual(died.returncode, 1, (point, died.stderr))
                self.assertFalse(os.path.exists(os.path.join(cluster.data("namenode"), "VERSION")))
                cluster.make()
                cluster.dfs("-mkdir", "/there")
                left = os.listdir(cluster.data("namenode"))
                self.assertIn("VERSION", left)
                self.assertNotIn("VERSION.format", left)
