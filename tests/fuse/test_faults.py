"""Mounts, datanodes and namenodes that die under programs, and clusters that refuse."""

import errno
import os
import subprocess
import threading
import time

from harness import env, mount
from harness.cluster import MiniCluster, run
from harness.helper import Helper
from harness.mount import BLOCK, Mount, MountCase, OwnMountCase, read, write


class Faults(OwnMountCase):
    """faults 54, 55: what fsync acknowledged is there, what failed is never shown as saved"""

    def test_a_killed_mount_says_so_and_is_mounted_again_in_its_place(self):
        cluster = self.new_cluster(datanodes=1)
        there = self.new_mount(cluster)
        data = self.random().randbytes(BLOCK + 1234)
        fd = os.open(there / "f", os.O_WRONLY | os.O_CREAT)
        os.write(fd, data)
        os.fsync(fd)
        os.write(fd, b"unsynced")
        there.kill()
        self.assertErrno(errno.ENOTCONN, os.write, fd, b"x")
        self.assertErrno(errno.ENOTCONN, os.fsync, fd)
        self.assertErrno(errno.ENOTCONN, os.stat, there / "f")
        self.assertErrno(errno.ENOTCONN, os.close, fd)
        there.start()
        self.assertTrue(read(there / "f").startswith(data))
        # The writer's lease is still held; a file of its own is written at once.
        write(there / "g", b"again")
        self.assertEqual(cluster.cat("/g"), b"again")

    def test_sigterm_unmounts_and_completes_what_is_written(self):
        cluster = self.new_cluster(datanodes=1)
        there = self.new_mount(cluster)
        fd = os.open(there / "f", os.O_WRONLY | os.O_CREAT)
        os.write(fd, b"written")
        self.assertEqual(there.terminate(), 0)
        self.assertErrno(errno.ENOTCONN, os.close, fd)
        self.assertFalse(mount.is_mounted(there.point))
        self.assertEqual(cluster.cat("/f"), b"written")
        cluster.append(b" and more", "/f")  # nobody holds the lease

    def test_unmounting_ends_the_program(self):
        cluster = self.new_cluster(datanodes=1)
        there = self.new_mount(cluster)
        run(["fusermount3", "-u", there.point])
        self.assertEqual(there.ended(), 0)

    def test_in_the_background_it_returns_when_it_is_mounted(self):
        cluster = self.new_cluster(datanodes=1)
        cluster.dfs("-mkdir", "/dir")
        cluster.put(b"x", "/dir/f")
        there = Mount(cluster, path="/dir", start=False)
        self.addCleanup(there.close)
        run(there.command(), env=cluster.environment())
        self.assertEqual(os.listdir(there.point), ["f"])
        run(["fusermount3", "-u", there.point])

    def test_mounted_by_a_line_of_fstab(self):
        """as mount(8) calls its helper /sbin/mount.fuse.cairn, a link to cairn-fuse"""
        cluster = self.new_cluster(datanodes=1)
        cluster.dfs("-mkdir", "/dir")
        there = Mount(cluster, path="/dir", start=False)
        self.addCleanup(there.close)
        helper = os.path.join(env.new_directory("sbin"), "mount.fuse.cairn")
        os.symlink(env.program("cairn-fuse"), helper)
        options = f"rw,_netdev,noauto,conf={cluster.conf_dir}"
        words = [helper, cluster.uri + "/dir", there.point, "-n", "-t", "fuse.cairn", "-o", options]
        run([*words, "-f"])
        self.assertFalse(mount.is_mounted(there.point))
        run(words)
        write(there / "f", b"x")
        self.assertEqual(cluster.cat("/dir/f"), b"x")
        run(["fusermount3", "-u", there.point])

    def test_what_cannot_be_mounted_says_why(self):
        cluster = self.new_cluster(datanodes=1)
        cluster.put(b"x", "/file")
        for path, word in (("/missing", b"does not exist"), ("/file", b"not a directory")):
            for flags in ((), ("-f",)):
                there = Mount(cluster, path=path, start=False)
                result = run(there.command(*flags), check=False, env=cluster.environment())
                self.assertEqual(result.returncode, 1)
                self.assertIn(word, result.stderr)
        there = Mount(cluster, start=False)
        os.rmdir(there.point)
        result = run(there.command(), check=False, env=cluster.environment())
        self.assertEqual(result.returncode, 1)
        self.assertIn(there.point.encode(), result.stderr)

    def test_datanodes_killed_under_a_writer_cost_nothing_that_was_synced(self):
        cluster = self.new_cluster(datanodes=3)
        there = self.new_mount(cluster)
        helper = Helper()
        self.addCleanup(helper.close)
        cat = [env.program("cairn"), "dfs", "-cat", "/f"]
        draw = self.random()
        data = b""
        with open(there / "f", "wb", buffering=0) as out:
            for step in range(12):
                piece = draw.randbytes(draw.randrange(1, BLOCK))
                data += piece
                out.write(piece)
                if step in (3, 7):
                    cluster.kill_now(f"datanode-{step // 4 + 1}")
                os.fsync(out.fileno())
                # Everything that was acknowledged, by a client that shares nothing with the writer.
                seen = helper.check(cat, env=cluster.environment())
                self.assertTrue(seen == data, f"after step {step}")
        self.assertTrue(read(there / "f") == data)
        cluster.start("datanode-1", "datanode-2")
        cluster.kill_now("datanode-3")
        there.kill()
        there.start()
        self.eventually(lambda: cluster.live_datanodes() >= 2, "two datanodes")

    def test_what_could_not_be_written_is_not_shown_as_saved(self):
        cluster = self.new_cluster(datanodes=1)
        there = self.new_mount(cluster)
        with open(there / "f", "wb", buffering=0) as out:
            out.write(b"synced")
            os.fsync(out.fileno())
            cluster.kill_now("datanode-1")

            def fails():
                out.write(b"lost" * 100_000)
                os.fsync(out.fileno())

            self.assertErrno(errno.EIO, fails)
            # For good: a second fsync must not succeed because there is nothing left to write.
            self.assertErrno(errno.EIO, os.fsync, out.fileno())
            self.assertErrno(errno.EIO, out.write, b"x")
            cluster.start("datanode-1")
            self.assertErrno(errno.EIO, os.fsync, out.fileno())
            fd = os.dup(out.fileno())
            self.assertErrno(errno.EIO, os.close, fd)
            self.assertErrno(errno.EIO, out.close)

        def recovered():
            try:
                return read(there / "f")
            except OSError:
                return None

        self.assertEqual(self.eventually(recovered, "the file can be read", 60), b"synced")
        self.assertEqual(os.stat(there / "f").st_size, 6)

        def appended():
            try:
                with open(there / "f", "ab", buffering=0) as out:
                    out.write(b", then more")
                return True
            except OSError:
                return False

        self.eventually(appended, "the file can be written again", 60)
        self.assertEqual(read(there / "f"), b"synced, then more")

    def test_what_the_kernel_has_read_stays_from_open_to_open(self):
        cluster = self.new_cluster(datanodes=1)
        there = self.new_mount(cluster)
        data = self.random().randbytes(100_000)
        write(there / "f", data)
        self.assertTrue(read(there / "f") == data)
        cluster.kill_now("datanode-1")
        self.assertTrue(read(there / "f") == data)

    def test_a_full_cluster_is_enospc(self):
        cluster = self.new_cluster(datanodes=1, **{"dfs.datanode.du.reserved": "1000t"})
        there = self.new_mount(cluster)

        def fill():
            with open(there / "f", "wb", buffering=0) as out:
                out.write(b"x" * 100)
                os.fsync(out.fileno())

        self.assertErrno(errno.ENOSPC, fill)
        self.assertEqual(os.stat(there / "f").st_size, 0)

    def test_safe_mode_is_a_read_only_file_system(self):
        cluster = self.new_cluster(datanodes=1)
        there = self.new_mount(cluster)
        write(there / "f", b"before")
        cluster.cairn("dfsadmin", "-safemode", "enter")
        self.assertErrno(errno.EROFS, write, there / "g", b"")
        self.assertErrno(errno.EROFS, os.mkdir, there / "d")
        self.assertErrno(errno.EROFS, os.unlink, there / "f")
        self.assertErrno(errno.EROFS, os.rename, there / "f", there / "g")
        self.assertErrno(errno.EROFS, os.chmod, there / "f", 0o600)
        self.assertEqual(read(there / "f"), b"before")
        cluster.cairn("dfsadmin", "-safemode", "leave")
        write(there / "g", b"after")

    def test_a_namenode_that_restarts_is_waited_for(self):
        cluster = self.new_cluster(datanodes=1)
        there = self.new_mount(cluster)
        helper = Helper()
        self.addCleanup(helper.close)
        mini = [env.program("cairn"), "mini", "--dir", cluster.directory]
        sizes = []
        with open(there / "f", "wb", buffering=0) as out:
            out.write(b"one ")
            cluster.kill_now("namenode")
            waiting = threading.Thread(target=lambda: sizes.append(os.stat(there / "f").st_size))
            waiting.start()
            helper.check([*mini, "start", "namenode"])
            waiting.join(timeout=60 * env.SLOW)
            self.assertEqual(sizes, [4])
            out.write(b"two")
        self.assertEqual(read(there / "f"), b"one two")

    def test_a_namenode_that_stays_away_is_eio_after_the_stated_time(self):
        cluster = self.new_cluster(datanodes=1)
        there = self.new_mount(cluster, more=["-D", "cairn.client.rpc.retry=1s"])
        write(there / "f", b"x")
        cluster.kill("namenode")
        self.assertErrno(errno.EIO, os.stat, there / "f")
        self.assertErrno(errno.EIO, write, there / "g", b"")
        cluster.start("namenode")
        self.assertEqual(self.eventually(lambda: read(there / "f"), "it is back"), b"x")

    def test_a_file_that_another_client_writes_is_busy(self):
        cluster = self.new_cluster(datanodes=1)
        first, second = self.new_mount(cluster), self.new_mount(cluster)
        with open(first / "f", "wb", buffering=0) as out:
            out.write(b"first")
            os.fsync(out.fileno())
            with open(second / "f", "ab", buffering=0) as other:
                self.assertErrno(errno.EBUSY, other.write, b"second")
            out.write(b", still first")
        with open(second / "f", "ab", buffering=0) as other:
            other.write(b", then second")
        self.assertEqual(read(first / "f"), b"first, still first, then second")

    def test_what_an_unlinked_file_was_called_is_removed_after_a_kill(self):
        cluster = self.new_cluster(datanodes=1)
        there = self.new_mount(cluster)
        write(there / "f", b"x")
        reader = open(there / "f", "rb")
        os.unlink(there / "f")
        left = [name for name in os.listdir(there.point) if name.startswith(".fuse_hidden")]
        self.assertEqual(len(left), 1)
        there.kill()
        reader.close()
        there.start()
        # Stated in docs/operations.md: it stays, and whoever finds it may remove it.
        os.unlink(there / left[0])
        self.assertEqual(os.listdir(there.point), [])


class Memory(MountCase):
    """Nothing is kept of inodes that the kernel knows."""

    limit_seconds = 3600 if env.LONG else 120

    def test_many_known_inodes_cost_no_memory(self):
        self.need(env.SLOW > 1 and "sanitizers have a memory of their own")
        from harness.cluster import resident_bytes

        cluster = MiniCluster(datanodes=1)
        self.addCleanup(cluster.close)
        there = Mount(cluster, options=["attr_timeout=600", "entry_timeout=600"])
        self.addCleanup(there.close)
        count = 50_000 if env.LONG else 2000
        names = [str(i) for i in range(count)]
        makers = [
            subprocess.Popen(
                ["xargs", "-n", "2000", env.program("cairn"), "dfs", "-mkdir", "-p"],
                stdin=subprocess.PIPE,
                env=cluster.environment(),
            )
            for _ in range(4)
        ]
        for d, maker in enumerate(makers):
            maker.stdin.write("".join(f"/d{d}/{name}\n" for name in names).encode())
            maker.stdin.close()
        for maker in makers:
            self.assertEqual(maker.wait(), 0)

        def stat_all(directory):
            with os.scandir(there / directory) as entries:
                return sum(1 for entry in entries if entry.stat())

        self.assertEqual(stat_all("d0"), count)
        before = resident_bytes(there.process.pid)
        began = time.monotonic()
        self.assertEqual(sum(stat_all(f"d{d}") for d in (1, 2, 3)), 3 * count)
        self.note(f"{3 * count} stats in {time.monotonic() - began:.1f} s")
        grown = resident_bytes(there.process.pid) - before
        self.note(f"{3 * count} inodes more: {grown} bytes")
        # A thread more, or the allocator's slack, is some megabytes.
        self.assertLess(grown, (8 << 20) + 3 * count * 100)
