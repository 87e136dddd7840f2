"""/.cairn at the root of a mount with -o virtual_files: what the mount says of itself."""

import errno
import json
import os
import stat

from fuse import test_mount
from fuse.test_mount import shell
from harness import env
from harness.mount import read, write

FILES = ["metrics", "status", "status.json", "version"]


class VirtualFiles(test_mount.OnAMount):
    mount_options = ("virtual_files",)

    def setUp(self):
        super().setUp()
        self.own = self.mount / ".cairn"

    def asked(self, *arguments):
        command = [env.program("cairn"), "mount", "status", self.mount.point, *arguments]
        return self.helper.check(command, env=dict(os.environ)).decode()

    def file(self, name):
        return read(f"{self.own}/{name}").decode()

    def test_they_say_what_cairn_mount_status_says(self):
        write(self.directory() + "/f", b"x")
        told = json.loads(self.file("status.json"))
        self.assertEqual(told["source"], self.cluster.uri + "/")
        self.assertEqual(told.keys(), json.loads(self.asked("--json")).keys())
        self.assertGreater(told["operations"]["create"]["calls"], 0)
        self.assertIn(self.cluster.uri + "/\nmounted for ", self.file("status"))
        self.assertRegex(self.file("status"), r"\ncreate +\d+ ")

        def names(metrics):
            return {line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE")}

        self.assertEqual(names(self.file("metrics")), names(self.asked("--prometheus")))
        self.assertTrue(self.file("metrics").endswith("\n"))
        version = self.helper.check([env.program("cairn-fuse"), "--version"]).decode()
        self.assertEqual(self.file("version"), version)

    def test_they_are_listed_and_read_as_files_are(self):
        self.assertIn(".cairn", os.listdir(self.mount.point))
        self.assertEqual(os.listdir(self.mount.point).count(".cairn"), 1)
        self.assertEqual(sorted(os.listdir(self.own)), FILES)
        inodes = set()
        for name in FILES:
            status = os.stat(f"{self.own}/{name}")
            self.assertTrue(stat.S_ISREG(status.st_mode))
            self.assertEqual(stat.S_IMODE(status.st_mode), 0o444)
            inodes.add(status.st_ino)
            self.assertEqual(os.listxattr(f"{self.own}/{name}"), [])
        self.assertEqual(len(inodes), len(FILES))
        self.assertEqual(stat.S_IMODE(os.stat(self.own).st_mode), 0o555)
        self.assertErrno(errno.ENOENT, os.stat, self.own + "/missing")
        self.assertErrno(errno.ENOTDIR, os.stat, self.own + "/status/missing")
        shell('cd "$1"; ls -la; find . -type f | xargs cat; grep -q open status', self.own)
        # It fails if a file changes while it is read.
        shell('tar -C "$1" -cf "$2/tar" .', self.own, env.new_directory("packed"))

    def test_who_has_one_open_reads_the_text_of_that_moment(self):
        there = self.directory()
        with open(f"{self.own}/status.json", "rb", buffering=0) as file:
            first = file.read(10)
            write(there + "/f", b"x")  # counted by now
            rest = file.read()
            os.fsync(file.fileno())
            self.assertEqual(os.pread(file.fileno(), 1 << 20, 0), first + rest)
            self.assertEqual(os.pread(file.fileno(), 10, 1 << 40), b"")
        before = json.loads(first + rest)["operations"].get("create", {"calls": 0})
        after = json.loads(self.file("status.json"))["operations"]["create"]
        self.assertGreater(after["calls"], before["calls"])

    def test_nobody_changes_them(self):
        status, other = self.own + "/status", self.directory() + "/f"
        write(other, b"x")
        refused = [
            (os.open, status, os.O_WRONLY),
            (os.open, status, os.O_RDWR),
            (os.open, status, os.O_RDONLY | os.O_TRUNC),
            (os.open, self.own + "/new", os.O_WRONLY | os.O_CREAT),
            (os.unlink, status),
            (os.mkdir, self.own + "/new"),
            (os.rmdir, self.own),
            (os.chmod, status, 0o666),
            (os.truncate, status, 0),
            (os.utime, status, (1, 1)),
            (os.rename, status, self.own + "/moved"),
            (os.rename, status, other),
            (os.rename, other, status),
            (os.rename, other, self.own + "/new"),
            (os.rename, self.own, self.mount / "elsewhere"),
            (os.setxattr, status, "user.x", b"y"),
        ]
        for call, *arguments in refused:
            with self.subTest(call=call.__name__, arguments=arguments):
                self.assertErrno(errno.EROFS, call, *arguments)
        self.assertFalse(os.access(status, os.W_OK))
        self.assertTrue(os.access(status, os.R_OK))
        self.assertErrno(errno.EPERM, os.symlink, "x", self.own + "/link")
        self.assertErrno(errno.EPERM, os.link, status, other + ".link")
        self.assertEqual(sorted(os.listdir(self.own)), FILES)
        self.assertEqual(read(other), b"x")

    def test_too_many_at_a_time_are_refused(self):
        another = self.mounts(1, "virtual_files")[0]
        path = another / ".cairn/version"
        opened = []
        try:
            with self.assertRaises(OSError) as caught:
                for _ in range(257):
                    opened.append(os.open(path, os.O_RDONLY))
        finally:
            for fd in opened:
                os.close(fd)
        self.assertEqual(caught.exception.errno, errno.ENFILE)
        self.assertEqual(len(opened), 256)

        def is_free_again():  # the kernel tells of a close when it likes
            try:
                return read(path)
            except OSError:
                return None

        self.eventually(is_free_again, "the mount hears that they are closed")

    def test_without_the_option_the_name_is_anybodys(self):
        plain = self.mounts(1)[0]
        self.assertNotIn(".cairn", os.listdir(plain.point))
        self.assertErrno(errno.ENOENT, os.stat, plain / ".cairn")
        os.mkdir(plain / ".cairn")
        self.addCleanup(lambda: shell('rm -r "$1"', plain / ".cairn"))
        write(plain / ".cairn" + "/mine", b"theirs")
        self.assertEqual(read(plain / ".cairn" + "/mine"), b"theirs")
        # The mount's own are in front of it where they are asked for, and do it no harm.
        self.assertEqual(sorted(os.listdir(self.own)), FILES)
        self.assertEqual(os.listdir(self.mount.point).count(".cairn"), 1)
        self.assertErrno(errno.EROFS, os.rmdir, self.own)
        self.assertEqual(os.listdir(plain / ".cairn"), ["mine"])

    def test_elsewhere_the_name_is_anybodys_too(self):
        there = self.directory()
        os.mkdir(there + "/.cairn")
        write(there + "/.cairn/status", b"mine")
        self.assertEqual(read(there + "/.cairn/status"), b"mine")
        self.assertEqual(os.listdir(there), [".cairn"])
