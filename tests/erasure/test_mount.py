"""The mount in a directory with an erasure coding policy."""

import errno
import mmap
import os

from erasure.test_files import CELL, DATA, GROUP, POLICY, content
from fuse.test_in_place import (
    FALLOC_KEEP_SIZE,
    FALLOC_PUNCH_HOLE,
    FALLOC_ZERO_RANGE,
    fallocate,
)
from harness import coded, mount


class Mounted(mount.MountCase):
    limit_seconds = 300

    def setUp(self):
        super().setUp()
        self.cluster = coded.start(self.addCleanup, 6, (POLICY,), conf={"dfs.blocksize": "2m"})
        self.cluster.dfs("-mkdir", "/cold")
        self.mount = mount.Mount(self.cluster)
        self.addCleanup(self.mount.close)

    def code(self, path):
        coded.set_policy(self.cluster, POLICY, path)

    def test_files_are_written_synced_and_read(self):
        self.code("/cold")
        for size in (0, 1, CELL + 1, DATA * CELL, GROUP + 5):
            path = self.mount / f"cold/size-{size}"
            with open(path, "wb") as file:
                file.write(content(size))
                file.flush()
                os.fsync(file.fileno())
                self.assertEqual(self.cluster.cat(f"/cold/size-{size}"), content(size))
            with open(path, "rb") as file:
                self.assertEqual(file.read(), content(size))

    def test_a_replicated_file_in_a_coded_directory_is_changed_in_place(self):
        data = bytearray(content(GROUP))
        path = self.mount / "cold/before"
        with open(path, "wb") as file:
            file.write(data)
        self.code("/cold")
        with open(path, "r+b") as file:
            file.seek(CELL + 3)
            file.write(b"changed")
            file.flush()
            os.fsync(file.fileno())
        data[CELL + 3 : CELL + 10] = b"changed"
        self.assertEqual(self.cluster.cat("/cold/before"), bytes(data))
        policy = self.cluster.cairn("ec", "-getPolicy", "-path", "/cold/before").stdout
        self.assertIn(b"unspecified", policy)

    def test_a_coded_file_is_not_changed_in_place_and_grows_at_its_end(self):
        self.code("/cold")
        path = self.mount / "cold/coded"
        with open(path, "wb") as file:
            file.write(content(GROUP))
        with self.assertRaises(OSError) as refused:
            with open(path, "r+b", buffering=0) as file:
                file.seek(10)
                file.write(b"changed")
                os.fsync(file.fileno())
        self.assertEqual(refused.exception.errno, errno.EOPNOTSUPP)
        self.assertEqual(self.cluster.cat("/cold/coded"), content(GROUP))
        with open(path, "ab", buffering=0) as file:
            file.write(b"appended")
            os.fsync(file.fileno())
        self.assertEqual(self.cluster.cat("/cold/coded"), content(GROUP) + b"appended")

    def test_a_coded_file_has_no_shared_mapping_that_is_written(self):
        """which could not be written back, and whose stores would be lost"""
        self.code("/cold")
        path = self.mount / "cold/coded"
        with open(path, "x+b") as file:
            file.write(content(GROUP))
            file.flush()
            self.assertErrno(errno.ENODEV, mmap.mmap, file.fileno(), GROUP)
        with open(self.mount / "cold/empty", "xb"):
            pass
        with open(self.mount / "cold/empty", "r+b") as file:
            file.truncate(CELL)
            self.assertErrno(errno.ENODEV, mmap.mmap, file.fileno(), CELL)
        with open(path, "r+b", buffering=0) as file:
            self.assertErrno(errno.ENODEV, mmap.mmap, file.fileno(), GROUP)
            with mmap.mmap(file.fileno(), GROUP, flags=mmap.MAP_PRIVATE) as view:
                view[10:17] = b"changed"
                self.assertEqual(view[CELL:], content(GROUP)[CELL:])
            # It still reads, and appends where the file ends.
            self.assertEqual(file.read(CELL), content(GROUP)[:CELL])
            self.assertEqual(os.pwrite(file.fileno(), b"appended", GROUP), 8)
        with open(path, "rb") as file:
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
                self.assertEqual(view[:], content(GROUP) + b"appended")
        self.assertEqual(self.cluster.cat("/cold/coded"), content(GROUP) + b"appended")

    def test_a_replicated_file_in_a_coded_directory_is_mapped_and_changed(self):
        data = bytearray(content(GROUP))
        with open(self.mount / "cold/before", "wb") as file:
            file.write(data)
        self.code("/cold")
        with open(self.mount / "cold/before", "r+b") as file:
            with mmap.mmap(file.fileno(), GROUP) as view:
                view[CELL : CELL + 7] = b"changed"
                view.flush()
        data[CELL : CELL + 7] = b"changed"
        self.assertEqual(self.cluster.cat("/cold/before"), bytes(data))

    def test_no_space_is_set_aside_in_a_coded_file(self):
        """since what is written there later would be refused"""
        self.code("/cold")
        path = self.mount / "cold/coded"
        with open(path, "xb", buffering=0) as file:
            self.assertErrno(errno.ENOSPC, os.posix_fallocate, file.fileno(), 0, GROUP)
            self.assertErrno(errno.ENOSPC, fallocate, file.fileno(), 0, 0, GROUP)
            fallocate(file.fileno(), FALLOC_KEEP_SIZE, 0, GROUP)
            self.assertEqual(os.fstat(file.fileno()).st_size, 0)
            file.write(content(CELL))
            for mode in (FALLOC_ZERO_RANGE, FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE):
                self.assertErrno(errno.EOPNOTSUPP, fallocate, file.fileno(), mode, 0, CELL)
            file.write(b"its end")
        self.assertEqual(self.cluster.cat("/cold/coded"), content(CELL) + b"its end")
