"""Extended attributes: what the cluster tells of a file by name, and what a server keeps."""

import errno
import json
import os
import re

from fuse import test_mount
from fuse.test_mount import shell
from fuse.test_programs import needs
from harness import coded, env, hadoop
from harness.cluster import MiniCluster
from harness.mount import BLOCK, Mount, read, write

TOLD_OF_ALL = ["user.cairn.inode", "user.cairn.policy"]
TOLD_OF_FILES = ["user.cairn.health", "user.cairn.locations"]
POLICY = "XOR-2-1-1024k"
COPIES = {
    "cp": 'cp -a "$1" "$2/copy"',
    "rsync": 'mkdir "$2/copy"; rsync -aX "$1/" "$2/copy/"',
    "tar": 'mkdir "$2/copy"; tar --xattrs -C "$1" -cf - . | tar --xattrs -C "$2/copy" -xf -',
}


def told(path, name):
    return os.getxattr(path, "user.cairn." + name).decode()


class Told(test_mount.OnAMount):
    """user.cairn.*"""

    @classmethod
    def new_cluster(cls):
        return MiniCluster(datanodes=3, conf=coded.SWITCH)

    def file(self, size=3 * BLOCK + 17):
        path = self.directory() + "/f"
        write(path, self.random().randbytes(size))
        return path

    def becomes_healthy(self, path):
        """The datanodes tell of what they have within a moment."""
        self.eventually(lambda: told(path, "health") == "healthy", f"{path} is healthy")

    def lines(self, path, nodes):
        """Where its blocks are, once the first of them is known to be in so many places."""

        def known():
            lines = told(path, "locations").split("\n")
            return lines if lines[0].count(":") == nodes else None

        return self.eventually(known, f"the blocks of {path} have {nodes} places each")

    def assertNone(self, path, *names):
        for name in names:
            self.assertErrno(errno.ENODATA, os.getxattr, path, name)

    def test_what_a_file_is_and_how_it_is_kept(self):
        path = self.file()
        self.assertEqual(int(told(path, "inode")), os.stat(path).st_ino)
        self.assertEqual(told(path, "policy"), "replicated 3")
        self.becomes_healthy(path)
        _, algorithm, value = self.dfs("-checksum", self.in_cluster(path)).decode().split()
        self.assertEqual(told(path, "checksum"), f"{algorithm} {value}")

    def test_where_its_blocks_are(self):
        path = self.file()
        lines = self.lines(path, nodes=3)
        expected = [(i * BLOCK, BLOCK) for i in range(3)] + [(3 * BLOCK, 17)]
        self.assertEqual([tuple(map(int, line.split()[:2])) for line in lines], expected)
        for line in lines:
            self.assertRegex(line, r"^\d+ \d+ blk_\d+ (127\.0\.0\.1:\d+(,|$))+")
        self.assertEqual(len(set(lines[0].split()[3].split(","))), 3)
        self.assertEqual(len({line.split()[2] for line in lines}), 4)

    def test_blocks_with_too_few_replicas_are_counted(self):
        path = self.file()
        self.dfs("-setrep", "4", self.in_cluster(path))  # of three datanodes
        self.assertEqual(told(path, "policy"), "replicated 4")
        self.eventually(
            lambda: told(path, "health") == "low-redundancy 4 of 4 blocks", "a replica is wanted"
        )

    def test_an_erasure_coded_file(self):
        there = self.directory()
        write(there + "/before", b"x")
        for words in (("-enablePolicy",), ("-setPolicy", "-path", self.in_cluster(there))):
            done = self.cluster.cairn("ec", *words, "-policy", POLICY)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(told(there, "policy"), f"erasure-coded {POLICY}")
        self.assertRegex(told(there + "/before", "policy"), r"^replicated \d$")
        path = there + "/f"
        write(path, bytes(2 * BLOCK + 5))
        self.assertEqual(told(path, "policy"), f"erasure-coded {POLICY}")
        self.becomes_healthy(path)
        lines = self.lines(path, nodes=3)
        units = re.sub(r"=127\.0\.0\.1:\d+", "", lines[0].split()[3]).split(",")
        self.assertEqual(sorted(units), ["0", "1", "2"], lines)
        for line in lines:
            self.assertRegex(line, r"^\d+ \d+ blk_-\d+ ")

    def test_an_empty_file_and_a_directory(self):
        path = self.file(size=0)
        self.assertEqual(told(path, "locations"), "")
        self.assertEqual(told(path, "health"), "healthy")
        there = os.path.dirname(path)
        self.assertEqual(int(told(there, "inode")), os.stat(there).st_ino)
        self.assertEqual(told(there, "policy"), "replicated")
        self.assertEqual(int(told(self.mount.point, "inode")), os.stat(self.mount.point).st_ino)
        self.assertNone(there, *TOLD_OF_FILES, "user.cairn.checksum")

    def test_only_who_may_read_a_file_is_told_of_its_blocks(self):
        path = self.file(size=100)
        os.chmod(path, 0o600)
        stranger = self.mounts(1, "hdfs_user=stranger")[0]
        theirs = stranger.point + self.in_cluster(path)
        for name in ("locations", "health", "checksum"):
            self.assertErrno(errno.EACCES, told, theirs, name)
        self.assertEqual(told(theirs, "inode"), told(path, "inode"))

    def test_a_file_that_is_being_written(self):
        path = self.directory() + "/f"
        with open(path, "wb", buffering=0) as file:
            file.write(bytes(BLOCK + 5))
            os.fsync(file.fileno())
            self.eventually(lambda: told(path, "health") == "healthy", "its first block is well")
            self.assertEqual(told(path, "locations").split()[:2], ["0", str(BLOCK)])
        self.becomes_healthy(path)

    def test_nobody_sets_them(self):
        path = self.file(size=1)
        for name in ("user.cairn.health", "user.cairn.mine"):
            self.assertErrno(errno.EPERM, os.setxattr, path, name, b"x")
            self.assertErrno(errno.EPERM, os.removexattr, path, name)
        self.assertNone(path, "user.cairn.mine", "user.cairn.")

    def test_what_the_kernel_and_ls_ask_of_every_file_is_counted_as_no_error(self):
        def errors():
            command = [env.program("cairn"), "mount", "status", self.mount.point, "--json"]
            return json.loads(self.helper.check(command, env=dict(os.environ)))["errors"]

        path = self.file(size=1)
        before = errors()
        for name in ("security.capability", "system.posix_acl_access", "other"):
            self.assertErrno(errno.EOPNOTSUPP, os.getxattr, path, name)
        self.assertNone(path, "user.cairn.mine", "user.mine")
        self.assertErrno(errno.EOPNOTSUPP, os.setxattr, path, "other", b"x")
        with open(path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"y", 0)
        for command in ('ls -l "$1"', 'cp -p "$1/f" "$1/copy"'):
            self.assertEqual(shell(command, os.path.dirname(path)).stderr, b"")
        after = errors()
        for name in ("ENODATA", "EOPNOTSUPP", "ERANGE"):
            self.assertEqual(after.get(name, 0), before.get(name, 0), name)
        self.assertErrno(errno.EOPNOTSUPP, os.setxattr, path, "user.mine", b"x")
        self.assertGreater(errors()["EOPNOTSUPP"], after.get("EOPNOTSUPP", 0))

    def test_a_cairn_keeps_no_others(self):
        path = self.file(size=1)
        self.assertErrno(errno.EOPNOTSUPP, os.setxattr, path, "user.x", b"y")
        self.assertNone(path, "user.x")
        self.assertErrno(errno.EOPNOTSUPP, os.removexattr, path, "user.x")
        self.assertEqual(os.listxattr(path), [])

    def test_they_are_listed_only_if_the_mount_is_asked_to(self):
        path = self.file(size=1)
        there = os.path.dirname(path)
        for each in (path, there):
            self.assertEqual(os.listxattr(each), [])
        listing = self.mounts(1, "list_xattrs")[0]
        path = listing.point + self.in_cluster(path)
        self.assertEqual(sorted(os.listxattr(path)), sorted(TOLD_OF_ALL + TOLD_OF_FILES))
        self.assertEqual(sorted(os.listxattr(os.path.dirname(path))), TOLD_OF_ALL)
        for name in os.listxattr(path):
            os.getxattr(path, name)

    def test_a_mount_without_any(self):
        path = self.file(size=1)
        without = self.mounts(1, "no_xattrs")[0]
        path = without.point + self.in_cluster(path)
        self.assertErrno(errno.EOPNOTSUPP, os.getxattr, path, "user.cairn.inode")
        self.assertErrno(errno.EOPNOTSUPP, os.setxattr, path, "user.x", b"y")
        self.assertEqual(len(read(path)), 1)

    def copies(self, program):
        """A tree into the mount and out of it: nothing is complained of, or left out."""
        source, there = env.new_directory("source"), self.directory()
        draw = self.random()
        for i in range(3):
            os.makedirs(f"{source}/d{i}")
            write(f"{source}/d{i}/f", draw.randbytes(draw.randrange(1, 200_000)))
        back = env.new_directory("back")
        for left, right in ((source, there), (there + "/copy", back)):
            done = shell(COPIES[program], left, right)
            self.assertEqual(done.stderr, b"")
            shell('diff -r "$1" "$2/copy"', left, right)
            for directory, _, files in os.walk(right + "/copy"):
                for path in (directory, *(f"{directory}/{name}" for name in files)):
                    self.assertEqual(
                        [name for name in os.listxattr(path) if name.startswith("user.")], []
                    )

    def test_cp_keeps_attributes_without_trouble(self):
        self.copies("cp")

    @needs("rsync")
    def test_rsync_keeps_attributes_without_trouble(self):
        self.copies("rsync")

    def test_tar_keeps_attributes_without_trouble(self):
        self.copies("tar")

    @needs("getfattr")
    def test_getfattr_shows_them(self):
        path = self.file()
        def shown(name):
            return shell('getfattr --only-values -n "user.cairn.$2" "$1"', path, name).stdout

        for name in ("inode", "policy", "checksum"):
            self.assertEqual(shown(name).decode(), told(path, name))
        # Datanodes that are equally near come in any order.
        self.assertTrue(shown("locations").startswith(b"0 "))
        self.assertEqual(shell('getfattr -d "$1"', path).stdout, b"")


class KeptByApacheHdfs(hadoop.InPlaceOfCairn, test_mount.OnAMount):
    """What others than the mount set."""

    @classmethod
    def new_mount(cls, options=()):
        more = ["-D", f"dfs.blocksize={BLOCK}", "-D", "dfs.replication=1"]
        return Mount(cls.cluster, options=options, more=more)

    def file(self):
        path = self.directory() + "/f"
        write(path, b"0123456789")
        return path

    def test_what_is_set_is_there_until_it_is_removed(self):
        path = self.file()
        for each in (path, os.path.dirname(path)):
            os.setxattr(each, "user.a", b"one\0two")
            os.setxattr(each, "user.empty", b"")
            self.assertEqual(os.getxattr(each, "user.a"), b"one\0two")
            self.assertEqual(os.getxattr(each, "user.empty"), b"")
            self.assertEqual(sorted(os.listxattr(each)), ["user.a", "user.empty"])
            os.setxattr(each, "user.a", b"three")
            self.assertEqual(os.getxattr(each, "user.a"), b"three")
            os.removexattr(each, "user.a")
            self.assertErrno(errno.ENODATA, os.getxattr, each, "user.a")
            self.assertEqual(os.listxattr(each), ["user.empty"])

    def test_others_see_them(self):
        path = self.file()
        os.setxattr(path, "user.mount", b"hello")
        shown = self.dfs("-getfattr", "-n", "user.mount", self.in_cluster(path))
        self.assertIn(b'user.mount="hello"', shown)
        self.dfs("-setfattr", "-n", "user.cli", "-v", "there", self.in_cluster(path))
        self.assertEqual(os.getxattr(path, "user.cli"), b"there")

    def test_what_cannot_be_says_why(self):
        path = self.file()
        os.setxattr(path, "user.a", b"1", os.XATTR_CREATE)
        self.assertErrno(errno.EEXIST, os.setxattr, path, "user.a", b"2", os.XATTR_CREATE)
        os.setxattr(path, "user.a", b"3", os.XATTR_REPLACE)
        self.assertEqual(os.getxattr(path, "user.a"), b"3")
        self.assertErrno(errno.ENODATA, os.setxattr, path, "user.b", b"1", os.XATTR_REPLACE)
        self.assertErrno(errno.ENODATA, os.removexattr, path, "user.b")
        self.assertErrno(errno.E2BIG, os.setxattr, path, "user.b", bytes(20_000))
        for i in range(31):  # HDFS's limit is 32
            os.setxattr(path, f"user.n{i}", b"1")
        self.assertErrno(errno.ENOSPC, os.setxattr, path, "user.more", b"1")

    def test_who_may_not_read_a_file_sees_none(self):
        path = self.file()
        os.setxattr(path, "user.a", b"1")
        os.chmod(path, 0o600)
        stranger = self.mounts(1, "hdfs_user=stranger")[0]
        theirs = stranger.point + self.in_cluster(path)
        self.assertEqual(os.listxattr(theirs), [])
        self.assertErrno(errno.EACCES, os.getxattr, theirs, "user.a")

    def copies(self, program):
        there = self.directory()
        os.makedirs(there + "/source/d")
        write(there + "/source/d/f", b"x")
        os.setxattr(there + "/source/d/f", "user.a", b"1")
        os.setxattr(there + "/source/d", "user.b", b"2")
        done = shell(COPIES[program], there + "/source", there)
        self.assertEqual(done.stderr, b"")
        self.assertEqual(os.getxattr(there + "/copy/d/f", "user.a"), b"1")
        self.assertEqual(os.getxattr(there + "/copy/d", "user.b"), b"2")

    def test_cp_keeps_them(self):
        self.copies("cp")

    @needs("rsync")
    def test_rsync_keeps_them(self):
        self.copies("rsync")

    def test_tar_keeps_them(self):
        self.copies("tar")

    def test_the_mounts_own_are_told_as_well(self):
        path = self.file()
        self.assertEqual(int(told(path, "inode")), os.stat(path).st_ino)
        self.assertEqual(told(path, "policy"), "replicated 1")
        self.eventually(lambda: told(path, "health") == "healthy", "its replica is known")
        self.assertRegex(told(path, "locations"), r"^0 10 blk_\d+ 127\.0\.0\.1:\d+$")
        _, algorithm, value = self.dfs("-checksum", self.in_cluster(path)).decode().split()
        self.assertEqual(told(path, "checksum"), f"{algorithm} {value}")
        self.assertEqual(told(os.path.dirname(path), "policy"), "replicated")
