"""Checkpoints of a running namenode: under load, killed at every step, and by the commands."""

import glob
import os
import re
import threading

from harness import env, rpc
from harness.case import Case
from harness.cluster import MiniCluster, run

POINTS = [
    "checkpoint_directory_made",
    "checkpoint_before_listing",
    "checkpoint_tables_linked",
    "checkpoint_logs_copied",
    "checkpoint_store_copied",
    "checkpoint_described",
    "checkpoint_renamed",
    "checkpoint_made",
    "checkpoint_being_removed",
]


def checkpoints(cluster):
    """txids of those that are there, oldest first."""
    found = glob.glob(os.path.join(cluster.data("namenode"), "checkpoints", "checkpoint-*"))
    return sorted(int(path.rsplit("-", 1)[1]) for path in found)


def admin(cluster, *arguments, check=True):
    return run(
        [env.program("cairn"), "dfsadmin", "-D", "cairn.client.rpc.retry=1s", *arguments],
        check=check,
        env=cluster.environment(),
    )


def make_directories(cluster, numbers, parent="/d"):
    with rpc.Connection(cluster.port) as connection:
        for number in numbers:
            connection.call("mkdirs", rpc.mkdirs(f"{parent}/{number:06}"))


class Checkpoints(Case):
    def test_by_command_while_clients_write(self):
        """the namenode goes on serving, keeps two, and the journal back to the older one"""
        with MiniCluster(datanodes=0) as cluster:
            self.assertEqual(checkpoints(cluster), [0])  # of the format
            stop = threading.Event()
            made = []

            def write():
                with rpc.Connection(cluster.port) as connection:
                    while not stop.is_set():
                        connection.call("mkdirs", rpc.mkdirs(f"/d/{len(made):06}"))
                        made.append(None)

            writer = threading.Thread(target=write)
            writer.start()
            try:
                for _ in range(3):
                    out = admin(cluster, "-saveNamespace").stdout.decode()
                    self.assertEqual(out, "Save namespace successful\n")
                run(
                    [env.program("cairn"), "namenode", "-checkpoint"], env=cluster.environment()
                )
            finally:
                stop.set()
                writer.join()
            kept = checkpoints(cluster)
            self.assertEqual(len(kept), 2)
            self.assertGreater(kept[1], kept[0])
            recent = admin(cluster, "-saveNamespace", "-beforeShutdown").stdout.decode()
            self.assertIn("recent", recent)
            self.assertEqual(checkpoints(cluster), kept)
            self.note(f"{len(made)} edits meanwhile, checkpoints at {kept}")

    def test_rolling_begins_a_segment_at_the_txid_told(self):
        with MiniCluster(datanodes=0) as cluster:
            make_directories(cluster, range(3))
            out = admin(cluster, "-rollEdits").stdout.decode()
            txid = int(re.search(r"New segment starts at txid (\d+)", out).group(1))
            make_directories(cluster, range(3, 5))
            journal = os.path.join(cluster.data("namenode"), "journal")
            name = f"journal-{txid:020}"  # given by a thread of its own, soon after
            self.eventually(lambda: name in os.listdir(journal), f"{name} is there")
            cluster.kill("namenode")
            cluster.start("namenode")
            self.assertEqual(len(cluster.dfs("-ls", "-C", "/d").stdout.split()), 5)

    def test_only_the_superuser_may(self):
        with MiniCluster(datanodes=0) as cluster:
            for flag in ("-saveNamespace", "-rollEdits"):
                result = run(
                    [env.program("cairn"), "dfsadmin", flag],
                    check=False,
                    env=cluster.environment(HADOOP_USER_NAME="mallory"),
                )
                self.assertEqual(result.returncode, 255)
                self.assertIn(b"Superuser privilege is required", result.stderr)

    def test_killed_at_every_step(self):
        """fault 8: a whole checkpoint is always there; what was begun is cleaned away"""
        with MiniCluster(datanodes=0) as cluster:
            cluster.stop("namenode")
            command = None
            number = 0
            for point in POINTS:
                cluster.start("namenode")
                command = cluster.command("namenode")
                cluster.spawn(
                    "namenode", command, env={**os.environ, "CAIRN_CRASH_POINT": point}
                )
                make_directories(cluster, range(number, number + 3))
                number += 3
                # Removing comes only when there are more than are kept.
                for _ in range(3):
                    if admin(cluster, "-saveNamespace", check=False).returncode != 0:
                        break
                    make_directories(cluster, [number])
                    number += 1
                child = cluster.children["namenode"]
                self.assertEqual(child.wait(timeout=60 * env.SLOW), -9, point)
                before = checkpoints(cluster)
                self.assertTrue(before, point)
                cluster.start("namenode")
                self.assertEqual(len(cluster.dfs("-ls", "-C", "/d").stdout.split()), number, point)
                admin(cluster, "-saveNamespace")
                left = os.listdir(os.path.join(cluster.data("namenode"), "checkpoints"))
                self.assertNotIn("making", left)
                self.assertNotIn("removing", left)
                self.assertLessEqual(len(left), 2)
                cluster.stop("namenode")
