"""`cairn mount status`: what a mount tells of itself."""

import errno
import json
import os
import subprocess

from fuse import test_mount
from fuse.test_in_place import fallocate
from fuse.test_programs import needs
from harness import env
from harness.mount import read, write


class Status(test_mount.OnAMount):
    def status(self, *arguments):
        command = [env.program("cairn"), "mount", "status", *arguments]
        return self.helper.run(command, env=dict(os.environ))

    def asked(self, directory):
        result = self.status(directory, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def open_files(self):
        told = self.asked(self.mount.point)
        return told["open_files"], told["files_open_for_writing"]

    def test_what_is_open_and_what_was_done(self):
        there = self.directory()
        # The kernel tells of the last close of another test's file when it likes.
        self.eventually(lambda: self.open_files() == (0, 0), "no file is open yet")
        before = self.asked(self.mount.point)
        self.assertEqual(before["source"], self.cluster.uri + "/")
        write(there + "/f", b"x" * 100_000)
        read(there + "/f")
        self.assertFalse(os.path.exists(there + "/missing"))
        with open(there + "/f", "r+b", buffering=0) as changed, open(there + "/f", "rb"):
            os.pwrite(changed.fileno(), b"y", 10)
            during = self.asked(there)
            self.assertEqual((during["open_files"], during["files_open_for_writing"]), (1, 1))
            self.assertGreater(during["stage"]["used"], 0)
        self.eventually(lambda: self.open_files() == (0, 0), "all files are closed")
        after = self.asked(there)
        self.assertEqual(after["stage"]["used"], 0)
        for operation in ("create", "write", "open", "read", "flush", "lookup", "mkdir"):
            calls = after["operations"][operation]
            self.assertGreater(calls["calls"], 0, operation)
            self.assertEqual(sum(calls["buckets"]), calls["calls"], operation)
            self.assertGreater(calls["total_s"], 0, operation)
        known = before["errors"].get("ENOENT", 0)
        self.assertGreater(after["errors"]["ENOENT"], known)

    def test_every_error_is_counted(self):
        there = self.directory()
        write(there + "/f", b"x")

        def counted(number, call, *arguments):
            name = errno.errorcode[number]
            before = self.asked(there)["errors"].get(name, 0)
            self.assertErrno(number, call, *arguments)
            self.assertGreater(self.asked(there)["errors"].get(name, 0), before, name)

        counted(errno.ENOENT, os.stat, there + "/missing")
        counted(errno.ENAMETOOLONG, os.stat, there + "/" + "x" * 256)
        counted(errno.EILSEQ, os.stat, os.fsencode(there) + b"/\xff")
        counted(errno.EPERM, os.symlink, "f", there + "/link")
        counted(errno.EPERM, os.mkfifo, there + "/pipe")
        with open(there + "/f", "r+b") as file:
            most = self.asked(there)["stage"]["max"]
            counted(errno.ENOSPC, fallocate, file.fileno(), 0, 0, most + 4097)

    def test_people_and_prometheus_read_it_too(self):
        write(self.directory() + "/f", b"x")
        text = self.status(self.mount.point)
        self.assertEqual(text.returncode, 0, text.stderr)
        self.assertIn(b"open files: ", text.stdout)
        self.assertRegex(text.stdout, rb"\ncreate +\d+ ")
        metrics = self.status(self.mount.point, "--prometheus").stdout.decode()
        self.assertRegex(metrics, r'cairn_fuse_operation_seconds_count\{source="hdfs://[^"]+",operation="create"\} \d+\n')

    def test_what_is_no_mount_says_so(self):
        elsewhere = self.status(env.new_directory("elsewhere"))
        self.assertEqual(elsewhere.returncode, 1)
        self.assertIn(b"is no mount of cairn-fuse", elsewhere.stderr)
        missing = self.status("/no/such/directory")
        self.assertEqual(missing.returncode, 1)
        self.assertIn(b"No such file or directory", missing.stderr)
        self.assertEqual(self.status().returncode, 2)

    @needs("lsattr")
    def test_lsattr_is_refused_without_harm(self):
        """Other ioctls are not ours."""
        path = self.directory() + "/f"
        write(path, b"x")
        listed = subprocess.run(["lsattr", path], capture_output=True, check=False)
        self.assertNotEqual(listed.returncode, 0)
        self.assertEqual(read(path), b"x")
