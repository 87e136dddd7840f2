"""Disks that fill up under the writers of erasure-coded files (tmpfs)."""

import os
import subprocess

from faults.test_lost_writers import Flusher, is_closed
from harness import coded, disks, env, replicas, rpc
from harness.case import Case
from harness.cluster import MiniCluster

DISK = 128 << 20
BLOCK = 4 << 20
GROUP = coded.DATA * BLOCK
FILES = 4


class FullDisks(Case):
    """fault 21 of coded files. Each of the five datanodes has a unit of each group."""

    limit_seconds = 400

    def setUp(self):
        reason = disks.why_no_tmpfs()
        if reason:
            self.skipTest(reason)
        self.cluster = MiniCluster(
            datanodes=coded.UNITS,
            conf={
                **coded.CONF,
                "dfs.blocksize": str(BLOCK),
                "dfs.heartbeat.interval": "1s",
                "dfs.datanode.du.reserved": "0",
            },
            start=False,
        )
        self.addCleanup(self.cluster.close)
        self.disks = {}
        for name in self.cluster.datanodes:
            self.disks[name] = disks.SmallDisk(DISK, path=self.cluster.data(name))
            self.addCleanup(self.disks[name].close)
        self.cluster.make()
        coded.make(self.cluster, "/cold")
        self.random_ = self.random()

    def fill(self, count):
        full = self.random_.sample(self.cluster.datanodes, count)
        self.note(f"full: {' '.join(full)}")
        for name in full:
            self.disks[name].fill()
        return full

    def release(self, full):
        for name in full:
            self.disks[name].release()

    def put_and_fill(self, data, path, count):
        """The disks fill up in the second group of the file. What became of it, and of whom."""
        writer = subprocess.Popen(
            [env.program("cairn"), "dfs", "-put", "-", path],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.cluster.environment(),
        )
        self.addCleanup(writer.kill)
        writer.stdin.write(data[: GROUP + GROUP // 2])
        writer.stdin.flush()
        full = self.fill(count)
        try:
            writer.stdin.write(data[GROUP + GROUP // 2 :])
        except BrokenPipeError:
            pass  # it has given up
        _, message = writer.communicate(timeout=120 * env.SLOW)
        return writer.returncode, message.decode(), full

    def flush_and_fill(self, count):
        """Writers of several files that flush now and then, while disks fill up under them."""
        flusher = Flusher(self.cluster, "--directory", "/cold", "--files", str(FILES), "--id", "7")
        self.addCleanup(flusher.process.kill)
        self.eventually(lambda: len(flusher.acked) == FILES, "all have flushed", 60)
        return flusher, self.fill(count)

    def check_flushed(self, flusher):
        """The files of a dead writer: closed, with all that was acknowledged and nothing strange."""
        with rpc.Connection(self.cluster.port) as connection:
            for k in range(FILES):
                path = f"/cold/{k}"
                message = rpc.field(1, path) + rpc.field(2, "somebody")
                self.eventually(
                    lambda m=message: connection.call("recoverLease", m)[1] == [1],
                    f"{path} is closed",
                    120,
                )
                self.assertTrue(is_closed(connection, path))
        self.check_bytes(flusher)

    def check_bytes(self, flusher):
        for k in range(FILES):
            data = self.cluster.cat(f"/cold/{k}")
            self.assertGreaterEqual(len(data), flusher.acked[k], "flushed bytes are lost")
            self.assertLessEqual(len(data), flusher.sent[k], "bytes that nobody sent")
            self.assertTrue(data == replicas.words(7 + k, len(data)), f"/cold/{k}")

    def check_whole(self):
        """With space again all is repaired, and what is on the disks fits together."""
        count = replicas.when_whole(self.cluster, copies=1, seconds=120)
        self.note(f"{count} units fit each other")

    def test_a_writer_goes_on_without_as_many_disks_as_there_is_parity(self):
        data = self.random_.randbytes(3 * GROUP + 12345)
        for count in (1, coded.PARITY):
            path = f"/cold/{count}"
            status, message, full = self.put_and_fill(data, path, count)
            self.assertEqual(status, 0, message)
            self.assertTrue(self.cluster.cat(path) == data)
            for name in full:
                self.assertIn("No space left on device", self.cluster.log(name))
            # Nothing of it is needed from those whose disk was full.
            self.cluster.kill(*full)
            self.assertTrue(self.cluster.cat(path) == data)
            self.release(full)
            self.cluster.start(*full)
            self.eventually(
                lambda: self.cluster.live_datanodes() == coded.UNITS, "all are back", 60
            )
            self.check_whole()
            self.cluster.dfs("-rm", "-skipTrash", path)

    def test_a_writer_with_more_full_disks_than_parity_is_told(self):
        before = self.random_.randbytes(GROUP + 1)
        self.cluster.put(before, "/cold/before")
        status, message, full = self.put_and_fill(
            self.random_.randbytes(3 * GROUP), "/cold/big", coded.PARITY + 1
        )
        self.assertNotEqual(status, 0)
        # Why a unit is lost is in its datanode's log: acknowledgements have no words.
        self.assertRegex(message, "has lost 3 of its 5 units, and can do without 2")
        for name in full:
            self.assertIn("No space left on device", self.cluster.log(name))
        self.note(message.strip().splitlines()[-1][:300])
        self.assertTrue(self.cluster.cat("/cold/before") == before)
        listed = self.cluster.dfs("-ls", "-C", "/cold").stdout.decode().split()
        self.assertEqual([path for path in listed if "_COPYING_" not in path], ["/cold/before"])
        for name in self.cluster.datanodes:
            self.assertTrue(self.cluster.alive(name), name)
        # It heals without a restart.
        self.release(full)
        self.cluster.dfs("-rm", "-f", "-skipTrash", "/cold/big._COPYING_")

        def heals():
            put = ("-put", "-f", "-", "/cold/after")
            return self.cluster.dfs(*put, input=before, check=False).returncode == 0

        self.eventually(heals, "writes after space came back", 60)
        self.assertTrue(self.cluster.cat("/cold/after") == before)
        self.check_whole()

    def test_flushes_go_on_without_as_many_disks_as_there_is_parity(self):
        flusher, full = self.flush_and_fill(coded.PARITY)
        at_fill = dict(flusher.acked)
        self.eventually(
            lambda: all(flusher.acked[k] > at_fill[k] + 500_000 for k in range(FILES)),
            "flushes on four datanodes less",
            120,
        )
        flusher.kill()
        self.assertEqual(flusher.failed, {})
        self.cluster.kill(*full)
        self.check_flushed(flusher)
        self.release(full)
        self.cluster.start(*full)
        self.check_whole()

    def test_what_was_flushed_is_read_when_more_disks_are_full_than_there_is_parity(self):
        flusher, full = self.flush_and_fill(coded.PARITY + 1)
        flusher.end(timeout=120)
        self.assertEqual(sorted(flusher.failed), list(range(FILES)))
        self.note(f"it was told: {flusher.failed[0][:300]}")
        # A group that is begun on full disks is begun nowhere: such a file stays open until there is
        # space.
        self.check_bytes(flusher)
        self.release(full)
        self.check_flushed(flusher)
        self.check_whole()
        self.check_bytes(flusher)
