"""What an open, and its descriptor, may; looked at by processes that share no descriptor with it."""

import errno
import os
import stat
import sys
import time

from fuse import test_mount
from harness import env
from harness.cluster import run
from harness.helper import Helper
from harness.mount import read, write

DAEMON = ("setpriv", "--reuid=1", "--regid=1", "--clear-groups")


class Opening(test_mount.OnAMount):
    def test_a_reader_that_creates_a_file_leaves_it_closed(self):
        path = self.directory() + "/lock"  # as flock(1) does
        fd = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
        self.addCleanup(os.close, fd)
        (other,) = self.mounts(1)
        with open(other.point + self.in_cluster(path), "ab", buffering=0) as out:
            out.write(b"by another client")
        self.assertEqual(os.pread(fd, 100, 0), b"by another client")

    def test_a_directory_whose_last_open_file_has_just_been_closed_is_empty(self):
        """The kernel does not wait for the last close, which removes the file's hidden name."""
        there = self.directory()
        for i in range(200):
            os.mkdir(there + "/d")
            fds = []
            for name in "abc"[: 1 + i % 3]:
                fds.append(os.open(f"{there}/d/{name}", os.O_CREAT | os.O_RDONLY))
                os.unlink(f"{there}/d/{name}")
            for fd in fds:
                os.close(fd)
            os.rmdir(there + "/d")
        self.assertEqual([name for name in os.listdir(there) if name == "d"], [])

    def test_a_listing_brings_nothing_back_that_was_changed_since(self):
        """The kernel would believe it for a minute."""
        (slow,) = self.mounts(1, "attr_timeout=60", "entry_timeout=60")
        there = slow.point + self.in_cluster(self.directory())
        for name in ("gone", "longer", "mode"):
            write(f"{there}/{name}", b"x")
        time.sleep(0.5)  # the kernel does not wait for the last close
        fd = os.open(there, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, fd)
        os.unlink(there + "/gone")
        with open(there + "/longer", "ab") as out:
            out.write(b"yz")
        os.chmod(there + "/mode", 0o600)
        time.sleep(0.5)
        os.listdir(fd)
        self.assertFalse(os.path.exists(there + "/gone"))
        self.assertEqual(os.stat(there + "/longer").st_size, 3)
        self.assertEqual(os.stat(there + "/mode").st_mode & 0o777, 0o600)
        self.assertEqual(sorted(os.listdir(there)), ["longer", "mode"])

    def test_a_name_that_another_client_is_writing_is_there(self):
        """although the kernel believes that it is not"""
        (late,) = self.mounts(1, "negative_timeout=60")
        path = self.directory() + "/f"
        there = late.point + self.in_cluster(path)
        self.assertFalse(os.path.exists(there))
        with open(path, "xb", buffering=0) as out:
            out.write(b"begun")
            os.fsync(out.fileno())
            for flags in (os.O_WRONLY, os.O_RDONLY, os.O_RDWR):
                self.assertErrno(errno.EEXIST, os.open, there, os.O_CREAT | os.O_EXCL | flags)
            self.assertErrno(errno.EEXIST, os.mknod, there, stat.S_IFREG | 0o644)
            fd = os.open(there, os.O_CREAT | os.O_RDONLY)
            self.addCleanup(os.close, fd)
            self.assertEqual(os.pread(fd, 100, 0), b"begun")
            out.write(b", and ended")
        self.assertEqual(self.cat(path), b"begun, and ended")

    def test_a_descriptor_reads_what_it_wrote(self):
        path = self.directory() + "/f"
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        self.addCleanup(os.close, fd)
        for count in range(1, 5):
            os.write(fd, b"x" * 100)
            self.assertEqual(len(os.pread(fd, 4096, 0)), 100 * count)

    def test_what_the_kernel_took_for_something_else_is_not_removed(self):
        (stale,) = self.mounts(1, "entry_timeout=600", "attr_timeout=600")
        there = self.directory()
        base = stale.point + self.in_cluster(there)
        os.mkdir(there + "/was-directory")
        write(there + "/was-file", b"")
        self.assertTrue(stat.S_ISDIR(os.stat(base + "/was-directory").st_mode))
        self.assertTrue(stat.S_ISREG(os.stat(base + "/was-file").st_mode))
        os.rmdir(there + "/was-directory")
        write(there + "/was-directory", b"kept")
        os.unlink(there + "/was-file")
        os.mkdir(there + "/was-file")
        self.assertErrno(errno.ENOTDIR, os.rmdir, base + "/was-directory")
        self.assertErrno(errno.EISDIR, os.unlink, base + "/was-file")
        self.assertEqual(read(there + "/was-directory"), b"kept")
        self.assertTrue(os.path.isdir(there + "/was-file"))


    def test_a_file_written_anew_with_its_old_time_is_read_anew(self):
        path = self.directory() + "/f"
        (other,) = self.mounts(1)
        for text in (b"first", b"other", b"third"):
            with open(other.point + self.in_cluster(path), "r+b" if text != b"first" else "wb") as f:
                f.truncate(0)
                f.write(text)
            os.utime(other.point + self.in_cluster(path), (1_500_000_000, 1_500_000_000))
            for _ in range(2):
                self.assertEqual(read(path), text)


class OthersFiles(test_mount.OnAMount):
    mount_options = ("allow_other",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        env.let_others_in()
        cls.daemon = Helper(DAEMON)
        cls.addClassCleanup(cls.daemon.close)
        cls.daemon.check(["ls", cls.mount.point])

    def refused(self, script, path):
        result = self.daemon.run(["sh", "-c", script, "sh", path])
        self.assertNotEqual(result.returncode, 0, script)
        self.assertRegex(result.stderr, b"Permission denied|Operation not permitted", script)

    def test_an_open_that_is_refused_does_not_cut(self):
        path = self.directory() + "/f"
        write(path, b"kept")
        os.chmod(path, 0o602)  # others may write it, and not read it
        cut = 'python3 -c "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_TRUNC)" "$1"'
        self.refused(cut, path)
        self.assertEqual(read(path), b"kept")

    def test_who_may_not_write_changes_nothing_of_a_file_that_is_being_written(self):
        path = self.directory() + "/f"
        (other,) = self.mounts(1)
        with open(path, "wb", buffering=0) as out:
            out.write(b"by its owner")
            self.refused('truncate -s 100 "$1"', path)
            self.refused('truncate -s 0 "$1"', path)
            self.refused('touch -d 2001-01-01 "$1"', path)
            self.assertEqual(os.stat(path).st_size, 12)
            # Nor was it completed under its writer.
            with open(other.point + self.in_cluster(path), "ab", buffering=0) as appender:
                self.assertErrno(errno.EBUSY, appender.write, b"x")
        self.assertEqual(self.cat(path), b"by its owner")


    def test_the_owner_of_a_read_only_file_sets_its_times(self):
        """As cp -p, tar and rsync do."""
        there = self.directory()
        os.chmod(there, 0o777)
        source = env.new_directory("source")
        os.chmod(source, 0o755)
        write(source + "/f", b"read only")
        os.chmod(source + "/f", 0o444)
        os.utime(source + "/f", (10**9, 10**9))
        copied = self.daemon.run(["cp", "-p", source + "/f", there + "/f"])
        self.assertEqual((copied.returncode, copied.stderr), (0, b""))
        found = os.stat(there + "/f")
        self.assertEqual((found.st_mtime, found.st_mode & 0o777, found.st_uid), (10**9, 0o444, 1))
        self.assertEqual(read(there + "/f"), b"read only")
        write(there + "/mine", b"not his")
        self.refused('touch -d 2001-01-01 "$1"', there + "/mine")

    def test_a_descriptor_is_enough_to_read(self):
        there = self.directory()
        os.chmod(there, 0o700)
        write(there + "/f", b"for who has it open")
        program = (
            "import os, sys; fd = os.open(sys.argv[1], os.O_RDONLY); os.seteuid(1);"
            "print(os.read(fd, 100).decode())"
        )
        self.assertEqual(
            run([sys.executable, "-c", program, there + "/f"]).stdout, b"for who has it open\n"
        )


class OthersFilesWithKernelChecks(OthersFiles):
    mount_options = ("allow_other", "default_permissions")

    def test_the_cluster_is_asked_who_may_write_although_the_kernel_was(self):
        (stale,) = self.mounts(1, "entry_timeout=600", "attr_timeout=600", *self.mount_options)
        there = self.directory()
        path = stale.point + self.in_cluster(there) + "/f"
        write(there + "/f", b"begun")
        os.chmod(there + "/f", 0o666)
        with open(path, "ab", buffering=0) as out:
            out.write(b", written on")
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o666)
            os.chmod(there + "/f", 0o600)  # the other mount's kernel goes on believing in 666
            self.refused('echo by another >>"$1"', path)
        self.assertEqual(read(there + "/f"), b"begun, written on")
