"""The mount in a directory with an erasure coding policy."""

import errno
import os

from erasure.test_files import CELL, DATA, GROUP, POLICY, content
from harness import coded, mount
from harness.case import Case


class Mounted(Case):
    limit_seconds = 300

    def setUp(self):
        super().setUp()
        self.need(mount.why_not())
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
