"""A directory of the cluster as a disk: what programs do with files."""

import errno
import hashlib
import mmap
import os
import subprocess
import threading
import time

from harness import env, mount
from harness.cluster import MiniCluster, run
from harness.helper import Helper
from harness.mount import BLOCK, Mount, MountCase, read, write

CHUNK = 512
# Around the edges of chunks, packets, kernel requests and blocks.
SIZES = [
    *(0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 4095, 4096, 4097, 65_535, 65_536, 65_537),
    *(128 * 1024 - 1, 128 * 1024 + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17, 9 * BLOCK),
]
NAMES = ["plain", "with space", "ümläut", "日本語", "new\nline", "-dash", "quote'\"", "x" * 255]


def shell(script, *arguments, **options):
    return run(["sh", "-ec", script, "sh", *arguments], **options)


class OnAMount(MountCase):
    """One cluster and one mount for all tests of the class."""

    mount_options = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = cls.new_cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.mount = cls.new_mount(cls.mount_options)
        cls.addClassCleanup(cls.mount.close)
        cls.helper = Helper()
        cls.addClassCleanup(cls.helper.close)

    @classmethod
    def new_cluster(cls):
        return MiniCluster(datanodes=3)

    @classmethod
    def new_mount(cls, options=()):
        return Mount(cls.cluster, options=options, more=["-D", f"dfs.blocksize={BLOCK}"])

    def mounts(self, count, *options):
        made = [self.new_mount(options) for _ in range(count)]
        for one in made:
            self.addCleanup(one.close)
        return made

    def cat(self, path):
        """What another client reads; `path` lies in the mount."""
        return self.dfs("-cat", self.in_cluster(path))

    def dfs(self, *arguments):
        """What `cairn dfs` prints, run by nobody who has a file of the mount open."""
        command = [env.program("cairn"), "dfs", "-fs", self.cluster.uri, *arguments]
        return self.helper.check(command, env=self.cluster.environment())

    def directory(self):
        path = self.mount / self.id().rsplit(".", 1)[1]
        os.mkdir(path)
        return path

    def in_cluster(self, path):
        return path[len(self.mount.point):]



class Trees(OnAMount):
    def make_tree(self):
        draw = self.random()
        root = env.new_directory("tree")
        for size in SIZES:
            path = os.path.join(root, f"sizes/{size}")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write(path, draw.randbytes(size))
        for name in NAMES:
            os.makedirs(os.path.join(root, "names", name))
            write(os.path.join(root, "names", name, name), name.encode())
        os.makedirs(os.path.join(root, "deep/" + "/".join("abcdefgh"), "empty"))
        for i, mode in enumerate((0o400, 0o644, 0o755, 0o600, 0o777)):
            path = os.path.join(root, f"mode{i}")
            write(path, b"m")
            os.chmod(path, mode)
            os.utime(path, (1_500_000_000 + i, 1_400_000_000 + i))
        return root

    def sums(self, root):
        found = {}
        for where, _, files in os.walk(os.fsencode(root)):
            for name in files:
                path = os.path.join(where, name)
                inside = os.path.relpath(path, os.fsencode(root))
                found[inside] = hashlib.sha256(read(path)).hexdigest()
        return found

    def test_cp_brings_a_tree_in_and_out_with_modes_and_times(self):
        root, there = self.make_tree(), self.directory()
        shell('cp -a "$1" "$2/copy"', root, there)
        # First the times: Apache HDFS notes when a file is read.
        for i, mode in enumerate((0o400, 0o644, 0o755, 0o600, 0o777)):
            status = os.stat(f"{there}/copy/mode{i}")
            self.assertEqual(status.st_mode & 0o7777, mode)
            self.assertEqual(int(status.st_mtime), 1_400_000_000 + i)
            self.assertEqual(int(status.st_atime), 1_500_000_000 + i)
        self.assertEqual(self.sums(root), self.sums(there + "/copy"))
        shell('diff -r "$1" "$2/copy"', root, there)
        # What the mount wrote is what every other client reads.
        for size in SIZES:
            data = self.cat(f"{there}/copy/sizes/{size}")
            self.assertEqual(data, read(f"{root}/sizes/{size}"))
        back = env.new_directory("back")
        shell('cp -a "$1/copy/." "$2"', there, back)
        self.assertEqual(self.sums(root), self.sums(back))
        shell('rm -rf "$1/copy"', there)
        self.assertEqual(os.listdir(there), [])

    def test_tar_brings_a_tree_in_and_out(self):
        root, there = self.make_tree(), self.directory()
        shell('tar -C "$1" -cf - . | tar -C "$2" -xf -', root, there)
        self.assertEqual(self.sums(root), self.sums(there))
        back = env.new_directory("back")
        shell('tar -C "$1" -cf "$1.tar" . && tar -C "$2" -xf "$1.tar"', there, back)
        self.assertEqual(self.sums(root), self.sums(back))

    def test_ten_thousand_entries_are_listed_once_each(self):
        there = self.directory()
        names = [f"entry-{i:05}" for i in range(10_000)]
        at = self.in_cluster(there)
        # Ten at a time share the namenode's commits.
        makers = [
            subprocess.Popen(
                [env.program("cairn"), "dfs", "-fs", self.cluster.uri, "-touchz"]
                + [f"{at}/{name}" for name in names[i::10]],
                env=self.cluster.environment(),
            )
            for i in range(10)
        ]
        for maker in makers:
            self.assertEqual(maker.wait(), 0)
        listed = shell('ls -f "$1"', there).stdout.decode().split()
        self.assertEqual(sorted(listed), sorted([".", "..", *names]))
        with os.scandir(there) as entries:
            self.assertEqual(sorted(e.name for e in entries if e.is_file()), names)
        counted = shell('ls -l "$1" | wc -l', there).stdout
        self.assertEqual(int(counted), len(names) + 1)
        # Rewinding begins anew and sees what has come.
        fd = os.open(there, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.assertEqual(len(os.listdir(fd)), len(names))
            write(there + "/late", b"")
            os.lseek(fd, 0, os.SEEK_SET)
            self.assertEqual(len(os.listdir(fd)), len(names) + 1)
        finally:
            os.close(fd)
        began = time.monotonic()
        shell('rm -r "$1"', there)
        self.note(f"10001 entries removed in {time.monotonic() - began:.1f} s")
        self.assertFalse(os.path.exists(there))


class Writing(OnAMount):
    def test_the_shell_appends(self):
        path = self.directory() + "/log"
        shell('for i in 1 2 3 4 5; do echo "line $i" >>"$1"; done', path)
        shell('{ echo a; /bin/echo b; echo c; } >>"$1"', path)
        self.assertEqual(read(path), b"line 1\nline 2\nline 3\nline 4\nline 5\na\nb\nc\n")
        self.assertEqual(self.cat(path), read(path))

    def test_descriptors_that_append_take_turns(self):
        path = self.directory() + "/log"
        fds = [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for _ in range(2)]
        for i in range(20):
            os.write(fds[i % 2], f"{i}\n".encode())
        for fd in fds:
            os.close(fd)
        self.assertEqual(read(path).split(), [str(i).encode() for i in range(20)])

    def test_a_copy_of_a_descriptor_writes_on_after_the_other_was_closed(self):
        path = self.directory() + "/f"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT)
        other = os.dup(fd)
        os.write(fd, b"one ")
        os.close(fd)
        self.assertEqual(self.cat(path), b"one ")
        os.write(other, b"two")
        os.close(other)
        self.assertEqual(self.cat(path), b"one two")

    def test_what_is_being_written_is_seen_at_once_on_the_same_mount(self):
        path = self.directory() + "/f"
        draw = self.random()
        data = b""
        with open(path, "wb", buffering=0) as out, open(path, "rb") as reader:
            for size in (10, 5000, 1, BLOCK, 333_333, BLOCK * 2):
                piece = draw.randbytes(size)
                data += piece
                out.write(piece)
                self.assertEqual(os.stat(path).st_size, len(data))
                self.assertEqual(os.fstat(reader.fileno()).st_size, len(data))
                reader.seek(0)
                self.assertTrue(reader.read() == data, f"after {len(data)} bytes")
                self.assertTrue(read(path) == data, f"after {len(data)} bytes")

    def test_what_was_synced_is_seen_by_others_before_it_is_closed(self):
        path = self.directory() + "/f"
        (other,) = self.mounts(1)
        there = other.point + self.in_cluster(path)
        with open(path, "wb", buffering=0) as out:
            for count in range(1, 6):
                out.write(b"x" * 100_000)
                os.fsync(out.fileno())
                self.assertEqual(len(self.cat(path)), count * 100_000)
                self.assertEqual(len(read(there)), count * 100_000)
        self.assertEqual(os.stat(there).st_size, 500_000)

    def test_a_file_that_another_mount_writes_has_its_true_length(self):
        path = self.directory() + "/f"
        (other,) = self.mounts(1)
        there = other.point + self.in_cluster(path)
        with open(path, "wb", buffering=0) as out:
            # No program is started in here: it would close a copy of `out`, which completes the file.
            for count in range(1, 6):
                out.write(b"x" * 100_000)
                os.fsync(out.fileno())
                self.assertEqual(os.stat(there).st_size, count * 100_000)
                self.assertEqual(len(read(there)), count * 100_000)
                with os.scandir(os.path.dirname(there)) as entries:
                    self.assertEqual([e.stat().st_size for e in entries], [count * 100_000])

    def test_what_was_closed_is_seen_by_whoever_opens_next(self):
        # With the kernel's caches: it must not believe them after an open.
        mounts = self.mounts(2, "attr_timeout=60", "entry_timeout=60")
        base = self.in_cluster(self.directory())
        data = b""
        for i in range(12):
            writer, reader = mounts[i % 2], mounts[(i + 1) % 2]
            with open(writer.point + base + "/f", "ab") as out:
                out.write(f"{i},".encode())
            data += f"{i},".encode()
            self.assertEqual(read(reader.point + base + "/f"), data)
            self.assertEqual(read(writer.point + base + "/f"), data)

    def test_a_replaced_file_is_opened_anew(self):
        mounts = self.mounts(2, "attr_timeout=60", "entry_timeout=60")
        base = self.in_cluster(self.directory())
        for i in range(4):
            temporary = mounts[0].point + base + f"/t{i}"
            write(temporary, b"v%d" % i)
            os.rename(temporary, mounts[0].point + base + "/f")
            self.assertEqual(read(mounts[1].point + base + "/f"), b"v%d" % i)

    def test_truncating(self):
        path = self.directory() + "/f"
        data = self.random().randbytes(3 * BLOCK + 1000)
        write(path, data)
        for length in (3 * BLOCK, 2 * BLOCK + 777, BLOCK, 100, 0):
            os.truncate(path, length)
            self.assertEqual(os.stat(path).st_size, length)
            self.assertTrue(read(path) == data[:length], f"cut to {length}")
        write(path, b"0123456789")
        os.truncate(path, 15)
        self.assertEqual(read(path), b"0123456789" + bytes(5))
        with open(path, "r+b", buffering=0) as file:
            os.ftruncate(file.fileno(), 4)
            file.seek(0, os.SEEK_END)
            file.write(b"xy")
            os.ftruncate(file.fileno(), 5)
            file.seek(0)
            self.assertEqual(file.read(), b"0123x")
        write(path, b"new")  # O_TRUNC
        self.assertEqual(read(path), b"new")
        self.assertEqual(self.cat(path), b"new")

    def test_a_gap_is_filled_with_zeros(self):
        there = self.directory()
        shell('printf abc >"$1/f"; printf xyz | dd of="$1/f" bs=1 seek=5000 conv=notrunc', there)
        self.assertEqual(read(there + "/f"), b"abc" + bytes(4997) + b"xyz")
        source = env.new_directory("sparse") + "/f"
        shell('truncate -s 3000000 "$1"; printf end >>"$1"; cp "$1" "$2/g"', source, there)
        self.assertTrue(read(there + "/g") == read(source))

    def test_what_hdfs_has_not_is_refused_and_does_no_harm(self):
        path = self.directory() + "/f"
        write(path, b"0123456789")
        self.assertErrno(errno.EPERM, os.symlink, "f", path + ".symlink")
        self.assertErrno(errno.EPERM, os.link, path, path + ".link")
        self.assertErrno(errno.EPERM, os.mkfifo, path + ".fifo")
        self.assertEqual(read(path), b"0123456789")
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 10, prot=mmap.PROT_READ) as view:
            self.assertEqual(view[2:5], b"234")

    def test_programs_run_from_the_mount(self):
        there = self.directory()
        shell('cp /bin/ls "$1/ls"; "$1/ls" "$1"', there)
        shell('printf "#!/bin/sh\necho ran" >"$1/s"; chmod +x "$1/s"', there)
        self.assertEqual(shell('"$1/s"', there).stdout, b"ran\n")

    def test_threads_read_everywhere_at_once(self):
        path = self.directory() + "/f"
        draw = self.random()
        data = draw.randbytes(5 * BLOCK + 99)
        write(path, data)
        ranges = [
            (draw.randrange(len(data)), draw.choice([1, 100, 4096, 70_000, BLOCK]))
            for _ in range(200)
        ]
        wrong = []
        fd = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, fd)

        def reader(mine):
            for offset, size in mine:
                if os.pread(fd, size, offset) != data[offset : offset + size]:
                    wrong.append((offset, size))

        threads = [threading.Thread(target=reader, args=(ranges[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_copy_file_range_copies(self):
        """cp(1) does so within a file system"""
        path = self.directory() + "/f"
        data = self.random().randbytes(300_000)
        write(path, data)
        with open(path, "rb") as source, open(path + ".copy", "wb", buffering=0) as target:
            copied = 0
            while count := os.copy_file_range(source.fileno(), target.fileno(), len(data)):
                copied += count
        self.assertEqual(copied, len(data))
        self.assertTrue(read(path + ".copy") == data)

    def test_lseek_finds_the_end_and_no_holes(self):
        path = self.directory() + "/f"
        write(path, b"x" * 1000)
        with open(path, "rb") as file:
            fd = file.fileno()
            self.assertEqual(os.lseek(fd, 0, os.SEEK_END), 1000)
            self.assertEqual(os.lseek(fd, 10, os.SEEK_DATA), 10)
            self.assertEqual(os.lseek(fd, 10, os.SEEK_HOLE), 1000)
            self.assertErrno(errno.ENXIO, os.lseek, fd, 1000, os.SEEK_DATA)


class Names(OnAMount):
    def test_moving_over_a_file_and_not_over_it(self):
        there = self.directory()
        write(there + "/a", b"a")
        write(there + "/b", b"b")
        self.assertErrno(
            errno.EEXIST, mount.renameat2, there + "/a", there + "/b", mount.RENAME_NOREPLACE
        )
        self.assertErrno(
            errno.EINVAL, mount.renameat2, there + "/a", there + "/b", mount.RENAME_EXCHANGE
        )
        self.assertEqual(read(there + "/b"), b"b")
        shell('mv "$1/a" "$1/b"', there)
        self.assertEqual(read(there + "/b"), b"a")
        mount.renameat2(there + "/b", there + "/c", mount.RENAME_NOREPLACE)
        self.assertEqual(os.listdir(there), ["c"])

    def test_moving_directories(self):
        there = self.directory()
        os.makedirs(there + "/d/e")
        os.makedirs(there + "/full/x")
        os.mkdir(there + "/empty")
        write(there + "/d/f", b"f")
        self.assertErrno(errno.ENOTEMPTY, os.rename, there + "/d", there + "/full")
        self.assertErrno(errno.EINVAL, os.rename, there + "/d", there + "/d/e/under")
        self.assertErrno(errno.EISDIR, os.rename, there + "/d/f", there + "/empty")
        self.assertErrno(errno.ENOTDIR, os.rename, there + "/d", there + "/d/f/g")
        os.rename(there + "/d", there + "/empty")
        self.assertEqual(read(there + "/empty/f"), b"f")
        self.assertErrno(errno.ENOTEMPTY, os.rmdir, there + "/empty")
        self.assertErrno(errno.ENOENT, os.rmdir, there + "/d")
        self.assertErrno(errno.ENOTDIR, os.rmdir, there + "/empty/f")
        self.assertErrno(errno.EISDIR, os.unlink, there + "/empty")
        self.assertErrno(errno.EEXIST, os.mkdir, there + "/empty")

    def test_a_file_is_written_on_when_it_is_renamed_by_others(self):
        there = self.directory()
        at = self.in_cluster(there)
        with open(there + "/a", "wb", buffering=0) as out:
            out.write(b"one ")
            os.fsync(out.fileno())
            self.dfs("-mkdir", at + "/elsewhere")
            self.dfs("-mv", at + "/a", at + "/elsewhere/b")
            write(there + "/a", b"another")
            out.write(b"two")
        self.assertEqual(read(there + "/elsewhere/b"), b"one two")
        self.assertEqual(read(there + "/a"), b"another")

    def test_an_unlinked_file_lives_until_it_is_closed(self):
        there = self.directory()
        path = there + "/f"
        data = self.random().randbytes(2 * BLOCK)
        write(path, data)
        with open(path, "rb", buffering=0) as reader, open(path, "ab", buffering=0) as writer:
            os.unlink(path)
            self.assertFalse(os.path.exists(path))
            self.assertTrue(os.pread(reader.fileno(), len(data), 0) == data)
            writer.write(b"more")
            self.assertEqual(os.fstat(reader.fileno()).st_size, len(data) + 4)
            self.assertEqual(os.pread(reader.fileno(), 100, len(data)), b"more")
            write(path, b"another")
            self.assertEqual(os.pread(reader.fileno(), 5, 0), data[:5])
        self.eventually(lambda: os.listdir(there) == ["f"], "the unlinked file is gone")
        self.assertEqual(read(path), b"another")

    def test_a_tree_is_removed_while_a_file_in_it_is_open(self):
        there = self.directory()
        os.makedirs(there + "/a/b")
        write(there + "/a/b/f", b"kept")
        with open(there + "/a/b/f", "rb", buffering=0) as reader:
            shell('rm -r "$1/a"', there)
            self.assertFalse(os.path.exists(there + "/a"))
            self.assertEqual(reader.read(), b"kept")
        self.eventually(lambda: os.listdir(there) == [], "nothing is left")

    def test_names_that_hdfs_cannot_have(self):
        there = self.directory()
        self.assertErrno(errno.ENOENT, os.stat, there + "/a:b")
        self.assertErrno(errno.EINVAL, write, there + "/a:b", b"")
        self.assertErrno(errno.ENAMETOOLONG, write, there + "/" + "x" * 256, b"")
        self.assertErrno(errno.EILSEQ, write, os.fsencode(there) + b"/\xff", b"")
        self.assertEqual(os.listdir(there), [])

    def test_exclusive_creation(self):
        path = self.directory() + "/lock"
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        self.assertErrno(errno.EEXIST, os.open, path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        self.assertErrno(errno.EEXIST, os.mknod, path)
        os.mknod(path + "2", 0o640)
        self.assertEqual(os.stat(path + "2").st_mode & 0o777, 0o640)

    def test_modes_owners_and_times(self):
        path = self.directory() + "/f"
        write(path, b"x")
        os.chmod(path, 0o751)
        os.chown(path, 1, -1)  # daemon, on every Debian
        os.utime(path, ns=(1_600_000_000_123_000_000, 1_500_000_000_456_000_000))
        status = os.stat(path)
        self.assertEqual(status.st_mode & 0o7777, 0o751)
        self.assertEqual(status.st_uid, 1)
        self.assertEqual(status.st_mtime_ns, 1_500_000_000_456_000_000)
        self.assertEqual(status.st_atime_ns, 1_600_000_000_123_000_000)
        listed = self.cluster.dfs("-ls", self.in_cluster(path)).stdout.decode()
        self.assertIn("-rwxr-x--x", listed)
        self.assertIn(" daemon ", listed)
        os.chown(path, 4711, 4712)  # nobody here has that number
        self.assertEqual((os.stat(path).st_uid, os.stat(path).st_gid), (4711, 4712))
        before = os.umask(0o027)
        try:
            write(path + "2", b"")
            os.mkdir(path + "3")
        finally:
            os.umask(before)
        self.assertEqual(os.stat(path + "2").st_mode & 0o777, 0o640)
        self.assertEqual(os.stat(path + "3").st_mode & 0o777, 0o750)

    def test_a_directory_changes_its_time_at_once(self):
        there = self.directory()
        os.utime(there, (1, 1))
        write(there + "/f", b"")
        self.assertGreater(os.stat(there).st_mtime, 1)
        os.utime(there, (1, 1))
        os.unlink(there + "/f")
        self.assertGreater(os.stat(there).st_mtime, 1)

    def test_statfs_tells_of_the_cluster(self):
        stats = os.statvfs(self.mount.point)
        self.assertGreater(stats.f_blocks, 0)
        self.assertGreaterEqual(stats.f_blocks, stats.f_bavail)
        self.assertEqual(stats.f_namemax, 255)


class Users(OnAMount):
    mount_options = ("allow_other",)

    def as_daemon(self, script, *arguments):
        return run(
            ["setpriv", "--reuid=1", "--regid=1", "--clear-groups"]
            + ["sh", "-c", script, "sh", *arguments],
            check=False,
        )

    def test_each_caller_is_a_user_of_his_own(self):
        env.let_others_in()
        there = self.directory()
        os.chmod(there, 0o777)
        write(there + "/roots", b"secret")
        os.chmod(there + "/roots", 0o600)
        made = self.as_daemon('echo mine >"$1/mine" && cat "$1/mine"', there)
        self.assertEqual((made.returncode, made.stdout), (0, b"mine\n"), made.stderr)
        self.assertEqual(os.stat(there + "/mine").st_uid, 1)
        for script in ('cat "$1/roots"', 'echo x >>"$1/roots"', 'test -r "$1/roots"'):
            self.assertNotEqual(self.as_daemon(script, there).returncode, 0, script)
        refused = self.as_daemon('chmod 666 "$1/roots"', there)
        self.assertIn(b"Operation not permitted", refused.stderr)
        os.chmod(there, 0o1777)
        refused = self.as_daemon('rm -f "$1/roots"', there)
        self.assertRegex(refused.stderr, b"Permission denied|Operation not permitted")
        self.assertEqual(read(there + "/roots"), b"secret")


class KernelChecks(Users):
    mount_options = ("allow_other", "default_permissions")
