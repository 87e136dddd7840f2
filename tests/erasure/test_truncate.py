"""Erasure-coded files truncated inside block groups: by every client, without some units, and while
programs are killed."""

import os
import subprocess
import sys

from erasure.test_files import content
from harness import coded, env, hadoop, libhdfs, mount, replicas, rpc
from harness.case import Case
from harness.cluster import MiniCluster, run

BLOCK = 1 << 20
GROUP = coded.DATA * BLOCK
STRIPE = coded.DATA * coded.CELL
SIZE = 2 * GROUP + STRIPE + 12_345
# In a cell, at its end, at a stripe's, at a group's; each below the one before.
LENGTHS = (
    SIZE - 1,
    2 * GROUP + STRIPE,
    2 * GROUP + 7,
    2 * GROUP,
    GROUP + 3 * STRIPE + coded.CELL + 1,
    GROUP + 1,
    GROUP - 1,
    STRIPE + 2 * coded.CELL,
    coded.CELL + 1,
    coded.CELL - 1,
    1,
)
MIDDLE = GROUP + 3 * STRIPE + coded.CELL + 1

CUTTER = """
import importlib.util, sys
module_path, port, path, length = sys.argv[1:]
spec = importlib.util.spec_from_file_location("cairn_libhdfs", module_path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.Cluster("127.0.0.1", int(port), "root").truncate(path, int(length))
"""


class Truncate(Case):
    limit_seconds = 600

    def setUp(self):
        super().setUp()
        self.cluster = MiniCluster(
            datanodes=coded.UNITS,
            conf={
                **coded.CONF,
                "dfs.blocksize": str(BLOCK),
                "cairn.namenode.stale.interval": "2s",
                "cairn.namenode.dead.interval": "5s",
                "dfs.heartbeat.interval": "1s",
            },
        )
        self.addCleanup(self.cluster.close)
        coded.make(self.cluster, "/cold")

    # ---- what is asked

    def new_shell(self):
        shell = hadoop.Shell(self.cluster.uri, {"dfs.blocksize": str(BLOCK)})
        self.addCleanup(shell.close)
        return shell

    def got_by(self, shell, path):
        local = os.path.join(env.new_directory("get"), "data")
        shell.run("-get", path, local)
        with open(local, "rb") as file:
            return file.read()

    def is_closed(self, path):
        with rpc.Connection(self.cluster.port) as connection:
            return connection.call("isFileClosed", rpc.field(1, path))[1] == [1]

    def groups(self):
        """{group id: {unit number, ...}} of what is finalized."""
        groups = {}
        for replica in replicas.replicas_of(self.cluster):
            if replica.block < 0 and replica.state == "finalized":
                groups.setdefault(replica.block & ~15, set()).add(replica.block & 15)
        return groups

    def check_whole(self, lengths):
        """Of files so long there are all units, with the parity of their data, and nothing else."""
        groups = sum((length + GROUP - 1) // GROUP for length in lengths)
        self.eventually(lambda: len(self.groups()) == groups, f"there are {groups} groups", 60)
        replicas.when_whole(self.cluster, copies=1, seconds=60)

    def lose(self, names):
        for name in names:
            self.cluster.kill_now(name)
        left = len(self.cluster.datanodes) - len(names)
        self.eventually(lambda: self.cluster.live_datanodes() == left, f"{names} are dead")

    def bring_back(self, names):
        self.cluster.start(*names)
        everybody = len(self.cluster.datanodes)
        self.eventually(lambda: self.cluster.live_datanodes() == everybody, f"{names} are back")

    # ---- tests

    def test_hadoop_cuts_at_every_length_reads_and_appends(self):
        self.need(hadoop.why_not())
        shell = self.new_shell()
        data = content(SIZE)
        self.cluster.put(data, "/cold/f")
        for length in LENGTHS:
            with self.subTest(length=length):
                shell.run("-truncate", "-w", str(length), "/cold/f")
                self.assertTrue(self.got_by(shell, "/cold/f") == data[:length])
                self.check_whole([length])
        more = content(STRIPE + 5)
        self.cluster.append(more, "/cold/f")
        self.assertTrue(self.got_by(shell, "/cold/f") == data[:1] + more)

    def test_hadoop_reads_what_is_left_without_two_datanodes(self):
        self.need(hadoop.why_not())
        data = content(SIZE)
        self.cluster.put(data, "/cold/f")
        shell = self.new_shell()
        shell.run("-truncate", "-w", str(MIDDLE), "/cold/f")
        lost = self.random().sample(self.cluster.datanodes, coded.PARITY)
        self.note(f"lost: {lost}")
        self.lose(lost)
        self.assertTrue(self.got_by(shell, "/cold/f") == data[:MIDDLE])

    def test_cairn_dfs_cuts(self):
        data = content(SIZE)
        self.cluster.put(data, "/cold/f")
        for length in LENGTHS:
            self.cluster.dfs("-truncate", "-w", str(length), "/cold/f")
            self.assertTrue(self.cluster.cat("/cold/f") == data[:length], length)
        self.check_whole([1])

    def test_the_mount_cuts(self):
        self.need(mount.why_not())
        data = content(SIZE)
        mounted = mount.Mount(self.cluster)
        self.addCleanup(mounted.close)
        path = mounted / "cold/f"
        with open(path, "wb") as file:
            file.write(data)
        os.truncate(path, MIDDLE)
        self.assertEqual(os.stat(path).st_size, MIDDLE)
        with open(path, "r+b") as file:
            os.ftruncate(file.fileno(), 7)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), data[:7])
        self.assertEqual(self.cluster.cat("/cold/f"), data[:7])

    def test_libhdfs_cuts(self):
        self.need(libhdfs.why_not())
        if libhdfs.sanitizers():
            self.skipTest("Python does not load libraries with sanitizers")
        self.cluster.put(data := content(SIZE), "/cold/f")
        module = os.path.join(env.SOURCE, "python", "cairn", "libhdfs.py")
        run(
            [sys.executable, "-c", CUTTER, module, str(self.cluster.port), "/cold/f", str(MIDDLE)],
            env=self.cluster.environment(CAIRN_LIBHDFS=libhdfs.library()),
        )
        self.eventually(lambda: self.is_closed("/cold/f"), "it is truncated", 60)
        self.assertTrue(self.cluster.cat("/cold/f") == data[:MIDDLE])

    def test_two_dead_datanodes_do_not_hinder_it(self):
        data = content(SIZE)
        self.cluster.put(data, "/cold/f")
        lost = self.random().sample(self.cluster.datanodes, coded.PARITY)
        self.note(f"lost: {lost}")
        self.lose(lost)
        self.cluster.dfs("-truncate", "-w", str(MIDDLE), "/cold/f")
        self.assertTrue(self.cluster.cat("/cold/f") == data[:MIDDLE])
        self.bring_back(lost)
        self.check_whole([MIDDLE])
        others = [name for name in self.cluster.datanodes if name not in lost]
        self.lose(others[: coded.PARITY])
        self.assertTrue(self.cluster.cat("/cold/f") == data[:MIDDLE])

    def test_with_three_dead_it_is_refused_and_the_file_is_what_it_was(self):
        data = content(SIZE)
        self.cluster.put(data, "/cold/f")
        lost = self.random().sample(self.cluster.datanodes, coded.PARITY + 1)
        self.lose(lost)
        self.assertIn(
            "units can be read", self.cluster.dfs_error("-truncate", "-w", str(MIDDLE), "/cold/f")
        )
        self.assertTrue(self.is_closed("/cold/f"))
        self.bring_back(lost)
        again = ("-truncate", "-w", str(MIDDLE), "/cold/f")
        self.eventually(
            lambda: self.cluster.dfs(*again, check=False).returncode == 0, "it can be truncated"
        )
        self.assertTrue(self.cluster.cat("/cold/f") == data[:MIDDLE])

    def test_whoever_is_killed_meanwhile_it_ends_with_the_right_bytes(self):
        """faults 1, 14: the namenode, one more datanode, or the caller"""
        random = self.random()
        data = content(SIZE)
        lengths = {}
        for number, victim in enumerate(["namenode", "datanode", "caller", "namenode"]):
            path = f"/cold/{number}"
            self.cluster.put(data, path)
            # No unit is empty, so all datanodes get one: without this one it cannot end before it is
            # dead.
            lengths[path] = length = random.choice((MIDDLE, GROUP - 1, STRIPE + 2 * coded.CELL))
            stopped, killed = random.sample(self.cluster.datanodes, 2)
            self.cluster.pause_now(stopped)
            caller = subprocess.Popen(
                [env.program("cairn"), "dfs", "-truncate", str(length), path],
                env=self.cluster.environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.addCleanup(caller.kill)
            self.eventually(lambda p=path: not self.is_closed(p), f"{path} is being truncated")
            if victim == "caller":
                caller.kill()
            else:
                name = killed if victim == "datanode" else victim
                self.cluster.kill_now(name)
                self.cluster.resume_now(stopped)  # a start waits for all datanodes
                self.cluster.start(name)
            self.cluster.resume_now(stopped)
            self.eventually(lambda p=path: self.is_closed(p), f"{path} is truncated", 120)
            self.assertTrue(self.cluster.cat(path) == data[:length], f"{path}, {victim}")
            caller.wait(60 * env.SLOW)
        self.check_whole(lengths.values())
        for path, length in lengths.items():
            self.assertTrue(self.cluster.cat(path) == data[:length], path)
