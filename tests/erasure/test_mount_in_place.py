"""Erasure-coded files that are changed where they are, through the mount."""

import errno
import mmap
import os
import sqlite3
import threading

from erasure.test_files import content
from fuse import test_mount
from fuse.test_in_place import (
    FALLOC_KEEP_SIZE,
    FALLOC_PUNCH_HOLE,
    FALLOC_ZERO_RANGE,
    PIECE,
    Bytes,
    change_at_random,
    fallocate,
)
from harness import coded, env, replicas
from harness.cluster import MiniCluster
from harness.helper import Helper
from harness.mount import BLOCK, Mount, MountCase, read, write

POLICY = coded.POLICY
CELL = coded.CELL
STRIPE = coded.DATA * CELL
GROUP = coded.DATA * BLOCK
SIZE = 3 * GROUP + STRIPE + 12_345  # four groups
CONF = {**coded.CONF, "dfs.blocksize": str(BLOCK)}


class InPlace(test_mount.OnAMount):
    """In a cluster whose files are all coded."""

    limit_seconds = 400

    @classmethod
    def new_cluster(cls):
        return MiniCluster(datanodes=coded.UNITS, conf=CONF)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        coded.make(cls.cluster, "/")

    def new_file(self, size):
        """Its path, and what it holds."""
        path = self.directory() + "/f"
        write(path, content(size))
        return path, Bytes(content(size))

    def groups(self, path):
        """Of a file that nobody here has open: its groups, in their order."""
        return [group["block"] for group in coded.groups(self.cluster, self.in_cluster(path))]

    def check(self, path, data, what=""):
        """By another client, and through the mount."""
        self.assertTrue(self.cat(path) == data, what)
        self.assertTrue(read(path) == data, what)

    def test_in_the_first_the_middle_and_the_last_group_and_over_their_borders(self):
        path, data = self.new_file(SIZE)
        draw = self.random()
        places = (
            (10, 7),
            (GROUP + CELL - 3, 6),
            (SIZE - 5, 5),
            (GROUP - 4, 8),
            (2 * GROUP - 1, GROUP + 2),
            (3 * GROUP, 1),
            (3 * GROUP + STRIPE - 1, 2),
        )
        with open(path, "r+b", buffering=0) as file:
            for offset, size in places:
                piece = draw.randbytes(size)
                what = f"{size} bytes at {offset}"
                self.assertEqual(os.pwrite(file.fileno(), piece, offset), size)
                data.put(offset, piece)
                self.assertTrue(os.pread(file.fileno(), SIZE + 1, 0) == data, what)
                os.fsync(file.fileno())
                self.check(path, data, what)
        self.assertEqual(os.listdir(os.path.dirname(path)), ["f"])

    def test_groups_without_a_changed_byte_stay(self):
        path, data = self.new_file(SIZE)
        inode = os.stat(path).st_ino
        before = self.groups(path)
        self.assertEqual(len(before), 4)
        with open(path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"changed", GROUP + 77)
            data.put(GROUP + 77, b"changed")
        self.check(path, data)
        after = self.groups(path)
        self.assertEqual([a == b for a, b in zip(after, before)], [True, False, True, True])
        self.assertEqual(len(after), 4)
        self.assertEqual(os.stat(path).st_ino, inode)
        policy = self.cluster.cairn("ec", "-getPolicy", "-path", self.in_cluster(path)).stdout
        self.assertIn(POLICY.encode(), policy)
        # The old group's units go, and those of the new one have the parity of their data.
        replicas.when_whole(self.cluster, copies=1, seconds=60)

    def test_a_short_last_group_is_written_anew_with_what_follows_it(self):
        path, data = self.new_file(GROUP + 100)
        before = self.groups(path)
        with open(path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"begins a change", GROUP + 3)
            data.put(GROUP + 3, b"begins a change")
            # Past the end, with a gap that is zeros.
            os.pwrite(file.fileno(), b"end", 2 * GROUP + CELL + 5)
            data.put(2 * GROUP + CELL + 5, b"end")
            self.assertEqual(os.fstat(file.fileno()).st_size, len(data))
            self.assertTrue(os.pread(file.fileno(), len(data) + 1, 0) == data)
        self.check(path, data)
        after = self.groups(path)
        self.assertEqual(len(after), 3)
        self.assertEqual(after[0], before[0])
        self.assertNotIn(before[1], after)

    def test_a_write_past_the_end_of_a_file_that_nobody_changes_is_a_stream(self):
        path, data = self.new_file(CELL + 9)
        before = self.groups(path)
        with open(path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"end", STRIPE + 5)
            data.put(STRIPE + 5, b"end")
        self.check(path, data)
        self.assertEqual(self.groups(path)[: len(before)], before)

    def test_cut_and_made_longer_while_it_is_changed(self):
        path, data = self.new_file(2 * GROUP + 1000)
        with open(path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"staged", GROUP)
            data.put(GROUP, b"staged")
            for length in (GROUP + 3, GROUP + 500, 3 * GROUP + 1, 17, 2 * CELL + 1):
                os.ftruncate(file.fileno(), length)
                data.cut(length)
                self.assertEqual(os.fstat(file.fileno()).st_size, length)
                self.assertTrue(os.pread(file.fileno(), length + 1, 0) == data, f"cut to {length}")
            os.fsync(file.fileno())
            self.check(path, data)
            # Not while it is changed: what stays of the group is written anew by a datanode.
            os.ftruncate(file.fileno(), CELL + 7)
            data.cut(CELL + 7)
            os.pwrite(file.fileno(), b"and changed", 3)
            data.put(3, b"and changed")
            os.ftruncate(file.fileno(), GROUP)
            data.cut(GROUP)
        self.check(path, data)

    def test_shared_mappings(self):
        path, data = self.new_file(GROUP + 12_345)
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
            for offset in (10, GROUP - 3, CELL - 1):
                view[offset : offset + 6] = b"stored"
                data.put(offset, b"stored")
            view.flush()
            self.check(path, data)
            view[-4:] = b"tail"
            data.put(len(data) - 4, b"tail")
        # No msync: munmap and close write what is dirty.
        self.eventually(lambda: self.cat(path) == data, "the mapping's last bytes are there")
        with open(path + ".new", "x+b") as file:
            file.truncate(2 * CELL)
            with mmap.mmap(file.fileno(), 2 * CELL) as view:
                view[CELL : CELL + 3] = b"new"
                view.flush()
        expected = Bytes(2 * CELL)
        expected.put(CELL, b"new")
        self.check(path + ".new", expected)

    def test_space_is_set_aside_and_holes_are_punched(self):
        path, data = self.new_file(GROUP + 5000)
        with open(path, "r+b", buffering=0) as file:
            fallocate(file.fileno(), 0, GROUP, 9000)
            data.cut(GROUP + 9000)
            fallocate(file.fileno(), FALLOC_KEEP_SIZE, 0, 3 * GROUP)
            self.assertTrue(read(path) == data)
            fallocate(file.fileno(), FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, 100, 2 * CELL)
            data.put(100, bytes(2 * CELL))
            fallocate(file.fileno(), FALLOC_ZERO_RANGE, len(data) - 20, 1020)
            data.put(len(data) - 20, bytes(1020))
            self.assertTrue(read(path) == data)
        self.check(path, data)
        with open(path + ".new", "xb", buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, GROUP + 1)
            os.pwrite(file.fileno(), b"middle", STRIPE)
        expected = Bytes(GROUP + 1)
        expected.put(STRIPE, b"middle")
        self.check(path + ".new", expected)

    def test_those_that_append_meet_no_stage(self):
        path, data = self.new_file(STRIPE)
        before = self.groups(path)
        with open(path, "ab", buffering=0) as file:
            file.write(b"appended")
            self.assertEqual(os.listdir(os.path.dirname(path)), ["f"])
            os.fsync(file.fileno())
            data.put(len(data), b"appended")
            self.check(path, data)
        self.assertEqual(self.groups(path)[: len(before)], before)

    def test_sqlite(self):
        there = self.directory()
        for journal in ("DELETE", "WAL"):
            path = f"{there}/{journal}.db"
            database = sqlite3.connect(path)
            mode = database.execute(f"PRAGMA journal_mode={journal}").fetchone()[0]
            self.assertEqual(mode.upper(), journal)
            database.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)")
            for first in (0, 50):
                with database:
                    database.executemany(
                        "INSERT INTO t VALUES (?, ?)",
                        [(i, "x" * (i % 300)) for i in range(first, first + 50)],
                    )
            with database:
                database.execute("UPDATE t SET text = 'changed' WHERE n % 3 = 0")
            database.close()
            local = env.new_directory("db") + "/copy.db"
            write(local, self.cat(path))
            for copy in (path, local):
                with self.subTest(journal=journal, copy=copy):
                    database = sqlite3.connect(copy)
                    found = database.execute("PRAGMA integrity_check").fetchall()
                    total = database.execute("SELECT count(*), sum(n) FROM t").fetchone()
                    database.close()
                    self.assertEqual(found, [("ok",)])
                    self.assertEqual(total, (100, sum(range(100))))

    def test_random_changes(self):
        """against a model, read back by all ways"""
        draw = self.random()
        path = self.directory() + "/f"
        model = change_at_random(
            self, path, draw, 300 if env.LONG else 60, most=GROUP + STRIPE + 3 * PIECE, large=STRIPE
        )
        self.check(path, model)
        self.assertEqual(os.listdir(os.path.dirname(path)), ["f"])


class Faults(MountCase):
    """Each test has a cluster and a mount of its own."""

    limit_seconds = 400

    def setUp(self):
        super().setUp()
        self.cluster = MiniCluster(datanodes=coded.UNITS, conf=CONF)
        self.addCleanup(self.cluster.close)
        coded.make(self.cluster, "/cold")
        self.mount = Mount(self.cluster)
        self.addCleanup(self.mount.close)
        self.helper = Helper()
        self.addCleanup(self.helper.close)
        self.path = self.mount / "cold/f"

    def ec(self, command):
        """By nobody who has a file of the mount open."""
        words = [env.program("cairn"), "ec", command, "-policy", POLICY]
        self.helper.check(words, env=self.cluster.environment())

    def cat(self):
        words = [env.program("cairn"), "dfs", "-cat", "/cold/f"]
        return self.helper.check(words, env=self.cluster.environment())

    def check(self, data):
        self.assertTrue(self.cat() == data)
        self.assertTrue(read(self.path) == data)
        self.assertEqual(os.listdir(self.mount / "cold"), ["f"])

    def test_what_was_changed_is_read_without_two_units_of_each_group(self):
        data = Bytes(content(SIZE))
        write(self.path, data)
        with open(self.path, "r+b", buffering=0) as file:
            for offset in (5, 2 * GROUP - 3, SIZE - 10):
                os.pwrite(file.fileno(), b"changed", offset)
                data.put(offset, b"changed")
            os.fsync(file.fileno())
        lost = self.random().sample(self.cluster.datanodes, coded.PARITY)
        self.note(f"lost: {lost}")
        self.cluster.kill(*lost)
        self.check(data)
        for replica in replicas.replicas_of(self.cluster, *lost):
            if replica.block < 0 and replica.state == "finalized":
                os.remove(replica.path)
                os.remove(replicas.meta_path(replica))
        self.cluster.start(*lost)
        self.check(data)
        # They are computed again.
        replicas.when_whole(self.cluster, copies=1, seconds=120)
        self.check(data)

    def test_a_killed_mount_keeps_what_fsync_has_acknowledged(self):
        """fault 54"""
        data = Bytes(content(2 * GROUP + 99))
        write(self.path, data)
        fd = os.open(self.path, os.O_RDWR)
        for offset in (5, GROUP + 5):
            os.pwrite(fd, b"kept", offset)
            data.put(offset, b"kept")
        os.fsync(fd)
        os.pwrite(fd, b"lost", 100)
        os.pwrite(fd, b"lost", 2 * GROUP)
        self.mount.kill()
        self.assertErrno(errno.ENOTCONN, os.close, fd)
        self.assertTrue(self.cat() == data)
        self.mount.start()
        self.check(data)

    def test_killed_at_any_moment_it_is_the_old_file_or_the_new_one(self):
        """fault 54"""
        draw = self.random()
        size = GROUP + 5000
        stamp = lambda n: n.to_bytes(4, "big") * (size // 4)  # noqa: E731
        write(self.path, stamp(0))
        acknowledged = 0
        for _ in range(20 if env.LONG else 4):
            fd = os.open(self.path, os.O_RDWR)
            killer = threading.Timer(draw.uniform(0, 0.5 * env.SLOW), self.mount.kill)
            killer.start()
            tried = acknowledged
            try:
                while True:
                    tried += 1
                    os.pwrite(fd, stamp(tried), 0)
                    os.fsync(fd)
                    acknowledged = tried
            except OSError as error:
                # EIO: it was just reading the request.
                killed = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)
                self.assertIn(error.errno, killed, self.mount.log_text())
            killer.join()
            self.assertNotIn("writing failed", self.mount.log_text())
            self.assertErrno(errno.ENOTCONN, os.close, fd)
            self.mount.start()
            found = read(self.path)
            number = int.from_bytes(found[:4], "big")
            self.assertTrue(found == stamp(number), "mixed")
            self.assertIn(number, (acknowledged, tried))
            self.assertEqual(os.listdir(self.mount / "cold"), ["f"])
            acknowledged = number
        self.note(f"{acknowledged} changes")

    def test_where_the_policy_is_disabled_no_byte_is_taken_that_could_not_be_kept(self):
        data = Bytes(content(GROUP))
        write(self.path, data)
        self.ec("-disablePolicy")
        with open(self.path, "r+b", buffering=0) as file:
            self.assertErrno(errno.EOPNOTSUPP, os.pwrite, file.fileno(), b"changed", 10)
            self.assertErrno(errno.ENODEV, mmap.mmap, file.fileno(), GROUP)
            self.assertErrno(errno.ENOSPC, fallocate, file.fileno(), 0, 0, 2 * GROUP)
            self.assertErrno(errno.ENOSPC, os.posix_fallocate, file.fileno(), 0, 2 * GROUP)
            for mode in (FALLOC_ZERO_RANGE, FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE):
                self.assertErrno(errno.EOPNOTSUPP, fallocate, file.fileno(), mode, 0, CELL)
            with mmap.mmap(file.fileno(), GROUP, flags=mmap.MAP_PRIVATE) as view:
                view[10:17] = b"changed"
                self.assertTrue(view[CELL:] == data[CELL:])
            # It still reads, grows where it ends, and is cut.
            self.assertTrue(os.pread(file.fileno(), GROUP, 0) == data)
            self.assertEqual(os.pwrite(file.fileno(), b"appended", GROUP), 8)
            data.put(GROUP, b"appended")
            os.fsync(file.fileno())
            self.assertTrue(self.cat() == data)
            os.ftruncate(file.fileno(), GROUP)
            data.cut(GROUP)
        self.check(data)
        # As are new files where it is set.
        with open(self.path + ".new", "x+b") as file:
            file.truncate(CELL)
            self.assertErrno(errno.ENODEV, mmap.mmap, file.fileno(), CELL)
        os.unlink(self.path + ".new")
        self.ec("-enablePolicy")
        with open(self.path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"changed", 10)
            data.put(10, b"changed")
            with mmap.mmap(file.fileno(), GROUP) as view:
                view[CELL : CELL + 6] = b"stored"
                data.put(CELL, b"stored")
                view.flush()
        self.check(data)

    def test_a_policy_disabled_under_a_change_leaves_the_old_file_and_says_so(self):
        data = content(GROUP + 100)
        write(self.path, data)
        fd = os.open(self.path, os.O_RDWR)
        os.pwrite(fd, b"lost", 3)
        self.ec("-disablePolicy")
        for call in ((os.fsync, fd), (os.fsync, fd), (os.pwrite, fd, b"x", 3), (os.close, fd)):
            self.assertErrno(errno.EOPNOTSUPP, *call)
        self.check(data)

    def test_a_policy_disabled_under_a_mapping_is_an_error_and_its_pages_are_forgotten(self):
        data = content(GROUP)
        write(self.path, data)
        fd = os.open(self.path, os.O_RDWR)
        view = mmap.mmap(fd, GROUP)
        self.assertTrue(view[:] == data)
        self.ec("-disablePolicy")
        view[3:7] = b"lost"
        with self.assertRaises(OSError):
            view.flush()
        self.eventually(lambda: os.pread(fd, GROUP, 0) == data, "it is as saved")
        view.close()
        with self.assertRaises(OSError):
            os.close(fd)
        self.check(data)

    def test_a_lost_race_is_an_error_and_changes_nothing(self):
        data = Bytes(content(STRIPE))
        write(self.path, data)
        other = Mount(self.cluster)
        self.addCleanup(other.close)
        fd = os.open(self.path, os.O_RDWR)
        os.pwrite(fd, b"lost", 3)
        with open(other / "cold/f", "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"faster", 50)
            data.put(50, b"faster")
        self.assertErrno(errno.ESTALE, os.fsync, fd)
        self.assertErrno(errno.ESTALE, os.close, fd)
        self.check(data)

    def test_a_file_that_is_converted_under_a_change_is_as_the_converter_left_it(self):
        data = content(GROUP + 5)
        write(self.path, data)
        fd = os.open(self.path, os.O_RDWR)
        os.pwrite(fd, b"lost", 3)
        words = [env.program("cairn"), "ec", "-convert", "-replicate", "/cold/f"]
        self.helper.check(words, env=self.cluster.environment())
        self.assertErrno(errno.ESTALE, os.fsync, fd)
        self.assertErrno(errno.ESTALE, os.close, fd)
        self.check(data)
        # The next change is of the file in its new form.
        with open(self.path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"changed", 3)
        self.check(data[:3] + b"changed" + data[10:])
