"""`cairn mini`: a whole cluster of real processes under one directory."""

import os
import re
import signal
import subprocess

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

    def foreground(self, cluster, *arguments):
        """Runs `cairn mini` until it says it is ready: the process, and what it said."""
        small = "cairn.namenode.journal.segment.size=17m"
        child = subprocess.Popen(
            [env.program("cairn"), "mini", "--dir", cluster.directory, "-D", small, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child, child.stdout.readline()

    def statuses(self, cluster):
        lines = cluster.mini("status").stdout.decode().splitlines()
        return lines[0], [re.sub(r" pid \d+$", "", line) for line in lines[1:]]

    def test_in_the_foreground_it_runs_until_a_signal(self):
        running = ["namenode running", "datanode-1 running", "datanode-2 running"]
        with MiniCluster(datanodes=2, start=False) as cluster:
            for end in (signal.SIGINT, signal.SIGTERM):
                child, said = self.foreground(cluster, "--datanodes", "2", "--port", "0")
                ready = re.fullmatch(r"ready (hdfs://127\.0\.0\.1:(\d+))\n", said)
                self.assertTrue(ready, said)
                self.assertNotEqual(ready.group(2), "0")
                self.assertEqual(self.statuses(cluster), (f"uri {ready.group(1)}", running))
                cluster.dfs("-mkdir", f"/{end.name}")
                self.assertIsNone(child.poll())
                child.send_signal(end)
                out, err = child.communicate(timeout=60 * env.SLOW)
                self.assertEqual((child.returncode, out, err), (0, "", "stopping\n"))
                stopped = [line.replace("running", "stopped") for line in running]
                self.assertEqual(self.statuses(cluster), (f"uri {ready.group(1)}", stopped))
            # A free port, and the same one again: what was made before the first end is there.
            child, said = self.foreground(cluster)
            self.assertEqual(said, ready.group(0))
            self.assertEqual(cluster.dfs("-ls", "-C", "/").stdout, b"/SIGINT\n/SIGTERM\n")
            child.send_signal(signal.SIGINT)
            child.communicate(timeout=60 * env.SLOW)
            self.assertEqual(child.returncode, 0)

    def test_status_needs_a_cluster(self):
        with MiniCluster(datanodes=0, start=False) as cluster:
            result = cluster.mini("status", check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn(b"holds no mini cluster", result.stderr)

    def test_a_cluster_is_started_again_as_it_was_made(self):
        with MiniCluster(datanodes=2, racks=["a", "b"]) as cluster:
            before = tree_hash(cluster.conf_dir)
            for arguments, there in (
                (["--datanodes", "3"], "--datanodes 2"),
                (["--port", str(cluster.port + 1)], f"--port {cluster.port}"),
                (["--racks", "a"], "--racks /a,/b"),
                (["--racks", "b,a"], "--racks /a,/b"),
            ):
                arguments += ["-D", "dfs.replication=1", "--detach"]
                result = cluster.mini(*arguments, check=False)
                self.assertEqual(result.returncode, 2, result.stdout)
                self.assertIn(f"{cluster.directory} was made with {there}", result.stderr.decode())
            self.assertEqual(tree_hash(cluster.conf_dir), before)
            for arguments in (
                [],
                ["--port", "0"],
                ["--datanodes", "2", "--port", str(cluster.port), "--racks", "a,/b,c"],
            ):
                result = cluster.mini(*arguments, "--detach")
                self.assertEqual(result.stdout.decode(), f"ready {cluster.uri}\n")
        with MiniCluster(datanodes=1) as cluster:
            result = cluster.mini("--racks", "a", "--detach", check=False)
            self.assertEqual(result.returncode, 2)
            self.assertIn(b"no --racks", result.stderr)

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
