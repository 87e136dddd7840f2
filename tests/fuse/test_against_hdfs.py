"""The mount of an Apache HDFS does what the mount of a Cairn does."""

import errno
import mmap
import os

from fuse import test_mount
from fuse.test_in_place import (
    FALLOC_KEEP_SIZE,
    FALLOC_PUNCH_HOLE,
    FALLOC_ZERO_RANGE,
    fallocate,
)
from harness import hadoop
from harness.mount import BLOCK, Mount, read, write


class AgainstApacheHdfs(
    hadoop.InPlaceOfCairn, test_mount.Trees, test_mount.Writing, test_mount.Names
):
    @classmethod
    def new_mount(cls, options=()):
        keys = {"dfs.blocksize": BLOCK, "dfs.replication": 1}
        more = [word for key, value in keys.items() for word in ("-D", f"{key}={value}")]
        return Mount(cls.cluster, options=options, more=more)

    def test_a_change_in_place_is_refused_and_does_no_harm(self):
        path = self.directory() + "/f"
        write(path, b"0123456789")
        with open(path, "r+b", buffering=0) as file:
            self.assertErrno(errno.EOPNOTSUPP, os.pwrite, file.fileno(), b"x", 3)
            self.assertErrno(errno.ENODEV, mmap.mmap, file.fileno(), 10)
            with mmap.mmap(file.fileno(), 10, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as view:
                self.assertEqual(view[:], b"0123456789")
        self.assertEqual(read(path), b"0123456789")

    def test_space_is_not_set_aside_so_that_programs_write_without(self):
        path = self.directory() + "/f"
        with open(path, "xb", buffering=0) as file:
            for mode in (0, FALLOC_ZERO_RANGE, FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE):
                self.assertErrno(errno.EOPNOTSUPP, fallocate, file.fileno(), mode, 0, 10_000)
            fallocate(file.fileno(), FALLOC_KEEP_SIZE, 0, 10_000)
            file.write(b"from the beginning")
        self.assertEqual(read(path), b"from the beginning")

    # HDFS does not say that a file is being written: docs/operations.md.
    test_a_file_that_another_mount_writes_has_its_true_length = None
    test_what_was_synced_is_seen_by_others_before_it_is_closed = None
