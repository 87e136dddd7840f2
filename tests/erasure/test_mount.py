"""The mount in a directory with an erasure coding policy."""

import mmap
import os

from erasure.test_files import CELL, DATA, GROUP, POLICY, content
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
