"""Changes in place by those who may not, on stages that are full, under kills and beside others."""

import errno
import mmap
import os
import pwd
import signal
import threading

from fuse import test_mount
from fuse.test_in_place import PIECE, Bytes
from harness import env
from harness.helper import Helper
from harness.mount import BLOCK, Mount, OwnMountCase, read, write


class OthersFiles(test_mount.OnAMount):
    mount_options = ("allow_other",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        env.let_others_in()
        cls.daemon = Helper(("setpriv", "--reuid=1", "--regid=1", "--clear-groups"))
        cls.addClassCleanup(cls.daemon.close)
        cls.dfs_as_root = [env.program("cairn"), "dfs", "-fs", cls.cluster.uri]
        for words in (("-mkdir", "-p", "/user/daemon"), ("-chown", "daemon", "/user/daemon")):
            cls.helper.check([*cls.dfs_as_root, *words], env=cls.cluster.environment())

    def change(self, path):
        script = 'printf changed | dd of="$1" bs=1 seek=3 conv=notrunc status=none'
        return self.daemon.run(["sh", "-c", script, "sh", path])

    def test_who_may_write_a_file_may_change_it_wherever_it_is(self):
        there = self.directory()
        write(there + "/f", b"0123456789abc")
        os.chmod(there + "/f", 0o666)
        # He may make nothing beside it: the temporary file is in his home.
        self.assertEqual(self.change(there + "/f").returncode, 0)
        self.assertEqual(self.cat(there + "/f"), b"012changedabc")
        self.assertEqual(os.listdir(self.mount / "user/daemon"), [])
        self.assertEqual(os.stat(there + "/f").st_uid, os.getuid())

    def test_the_maker_of_a_read_only_file_changes_it_by_the_descriptor_he_made_it_with(self):
        """As git makes its packs."""
        script = (
            "import os, sys; fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o444); "
            "os.write(fd, b'0123456789'); os.pwrite(fd, b'X', 0); os.fsync(fd); os.close(fd)"
        )
        path = str(self.mount / "user/daemon/pack")
        made = self.daemon.run(["python3", "-c", script, path])
        self.assertEqual((made.returncode, made.stderr), (0, b""))
        self.assertEqual(self.cat(path), b"X123456789")
        os.unlink(path)

    def test_who_may_not_changes_nothing(self):
        there = self.directory()
        write(there + "/f", b"0123456789abc")
        for mode in (0o644, 0o602):
            os.chmod(there + "/f", mode)
            self.assertNotEqual(self.change(there + "/f").returncode, 0, oct(mode))
            self.assertEqual(read(there + "/f"), b"0123456789abc")


class Faults(OwnMountCase):
    """faults 54, 55 of a file that is being changed: it is the old one or the new one"""

    def test_a_mount_killed_before_a_sync_leaves_the_old_file(self):
        cluster = self.new_cluster()
        there = self.new_mount(cluster)
        old = self.random().randbytes(2 * BLOCK + 99)
        write(there / "f", old)
        fd = os.open(there / "f", os.O_RDWR)
        os.pwrite(fd, b"lost", 5)
        os.pwrite(fd, b"lost", BLOCK + 5)
        there.kill()
        self.assertErrno(errno.ENOTCONN, os.close, fd)
        there.start()
        self.assertTrue(read(there / "f") == old)
        with open(there / "f", "r+b", buffering=0) as file:
            file.write(b"kept")
        self.assertTrue(cluster.cat("/f") == b"kept" + old[4:])
        self.assertEqual(os.listdir(there.point), ["f"])

    def test_a_mount_killed_while_it_writes_back_leaves_the_old_file_and_no_other(self):
        cluster = self.new_cluster()
        there = self.new_mount(cluster)
        helper = Helper()
        self.addCleanup(helper.close)
        listing = [env.program("cairn"), "dfs", "-ls", "/"]
        old = self.random().randbytes(BLOCK + 99)
        write(there / "f", old)
        fd = os.open(there / "f", os.O_RDWR)
        os.pwrite(fd, b"lost", 5)
        cluster.pause_now("datanode-1")
        # Its bytes cannot reach a datanode: the sync waits in the middle of it.
        found = []

        def sync():
            try:
                os.fsync(fd)
            except OSError as error:
                found.append(error.errno)

        syncer = threading.Thread(target=sync)
        syncer.start()
        self.eventually(
            lambda: b".cairn_stage" in helper.check(listing, env=cluster.environment()),
            "the temporary file",
        )
        there.kill()
        cluster.resume_now("datanode-1")
        syncer.join()
        self.assertIn(found, ([errno.ENOTCONN], [errno.ECONNABORTED]))
        self.assertErrno(errno.ENOTCONN, os.close, fd)
        there.start()
        self.assertEqual(os.listdir(there.point), ["f"])
        self.assertTrue(read(there / "f") == old)

    def test_a_note_of_another_namespace_costs_nobody_his_file(self):
        cluster = self.new_cluster()
        there = self.new_mount(cluster)
        write(there / "precious", b"of somebody else")
        found = os.stat(there / "precious")
        owner = pwd.getpwuid(found.st_uid).pw_name
        self.assertEqual(there.terminate(), 0)
        # The ids are those of a namespace that was at this address before.
        by_id = f"/.reserved/.inodes/{found.st_ino}"
        by_name = f"{by_id}/../.cairn_stage{found.st_ino:016x}_{1:016x}"
        for number, path in enumerate((by_id, by_name)):
            with open(f"{there.stage}/session.1.{number}", "w") as notes:
                notes.write(f"{cluster.uri.removeprefix('hdfs://')}\t{owner}\t{path}\n")
        there.start()
        self.assertEqual(read(there / "precious"), b"of somebody else")
        self.assertIn("left by an earlier version", there.log_text())
        self.assertIn("session.1.0", os.listdir(there.stage))
        self.assertNotIn("session.1.1", os.listdir(there.stage))

    def test_killed_at_any_moment_it_is_the_old_file_or_the_new_one(self):
        cluster = self.new_cluster()
        there = self.new_mount(cluster)
        draw = self.random()
        size = 2 * BLOCK + 5000
        stamp = lambda n: n.to_bytes(4, "big") * (size // 4)  # noqa: E731
        write(there / "f", stamp(0))
        acknowledged = 0
        for _ in range(30 if env.LONG else 6):
            fd = os.open(there / "f", os.O_RDWR)
            killer = threading.Timer(draw.uniform(0, 0.3 * env.SLOW), there.kill)
            killer.start()
            tried = acknowledged
            try:
                while True:
                    tried += 1
                    os.pwrite(fd, stamp(tried), 0)
                    os.fsync(fd)
                    acknowledged = tried
            except OSError as error:
                # EIO: it was just reading the request.
                killed = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)
                self.assertIn(error.errno, killed, there.log_text())
            killer.join()
            self.assertNotIn("writing failed", there.log_text())
            self.assertErrno(errno.ENOTCONN, os.close, fd)
            there.start()
            found = read(there / "f")
            number = int.from_bytes(found[:4], "big")
            self.assertTrue(found == stamp(number), "mixed")
            self.assertIn(number, (acknowledged, tried))
            self.assertEqual(os.listdir(there.point), ["f"])
            acknowledged = number
        self.note(f"{acknowledged} changes")

    def test_a_full_stage_is_enospc_and_costs_nothing_that_was_taken(self):
        cluster = self.new_cluster()
        there = self.new_mount(cluster, options=[f"stage_bytes={4 * PIECE}"])
        data = Bytes(self.random().randbytes(BLOCK))
        write(there / "f", data)
        with open(there / "f", "r+b", buffering=0) as file:
            for i in range(4):
                os.pwrite(file.fileno(), b"taken", i * PIECE)
                data.put(i * PIECE, b"taken")
            self.assertErrno(errno.ENOSPC, os.pwrite, file.fileno(), b"x", 5 * PIECE)
            self.assertTrue(os.pread(file.fileno(), BLOCK, 0) == data)
            os.fsync(file.fileno())
            os.pwrite(file.fileno(), b"room again", 5 * PIECE)
            data.put(5 * PIECE, b"room again")
        self.assertTrue(cluster.cat("/f") == data)

    def test_a_page_of_a_mapping_that_finds_no_room_is_an_error_and_forgotten(self):
        cluster = self.new_cluster()
        there = self.new_mount(cluster, options=[f"stage_bytes={PIECE}"])
        old = self.random().randbytes(4 * PIECE)
        write(there / "f", old)
        with open(there / "f", "r+b", buffering=0) as file:
            view = mmap.mmap(file.fileno(), 0)
            view[0:4] = view[2 * PIECE : 2 * PIECE + 4] = b"lost"
            self.assertErrno(errno.ENOSPC, view.flush)
            self.assertErrno(errno.ENOSPC, os.fsync, file.fileno())
            self.eventually(lambda: os.pread(file.fileno(), len(old), 0) == old, "it is as saved")
            view.close()
            self.assertErrno(errno.ENOSPC, file.close)
        self.assertTrue(read(there / "f") == old)
        with open(there / "f", "r+b", buffering=0) as file:
            file.write(b"kept")
        self.assertTrue(cluster.cat("/f") == b"kept" + old[4:])

    def test_a_lost_race_is_an_error_and_changes_nothing(self):
        cluster = self.new_cluster()
        there = self.new_mount(cluster)
        write(there / "f", b"0123456789")
        helper = Helper()
        self.addCleanup(helper.close)
        append = [env.program("cairn"), "dfs", "-appendToFile", "-", "/f"]
        script = 'printf " by another" | "$@"'
        fd = os.open(there / "f", os.O_RDWR)
        os.pwrite(fd, b"X", 3)
        helper.check(["sh", "-c", script, "sh", *append], env=cluster.environment())
        self.assertErrno(errno.ESTALE, os.fsync, fd)
        self.assertErrno(errno.ESTALE, os.fsync, fd)
        self.assertErrno(errno.ESTALE, os.pwrite, fd, b"Y", 3)
        self.assertErrno(errno.ESTALE, os.close, fd)
        self.assertEqual(read(there / "f"), b"0123456789 by another")
        self.assertEqual(os.listdir(there.point), ["f"])
        with open(there / "f", "r+b", buffering=0) as file:
            file.write(b"anew")
        self.assertEqual(cluster.cat("/f"), b"anew456789 by another")

    def test_one_of_two_mounts_that_change_a_file_wins(self):
        cluster = self.new_cluster()
        first, second = self.new_mount(cluster), self.new_mount(cluster)
        write(first / "f", b"0123456789")
        with open(first / "f", "r+b", buffering=0) as one:
            other = os.open(second / "f", os.O_RDWR)
            os.pwrite(one.fileno(), b"A", 0)
            os.pwrite(other, b"B", 9)
            os.fsync(one.fileno())
            self.assertErrno(errno.ESTALE, os.close, other)
        for there in (first, second):
            self.assertEqual(read(there / "f"), b"A123456789")

    def test_a_file_that_another_client_writes_is_busy(self):
        cluster = self.new_cluster()
        first, second = self.new_mount(cluster), self.new_mount(cluster)
        write(first / "f", b"0123456789")
        with open(first / "f", "ab", buffering=0) as out:
            out.write(b"more")
            with open(second / "f", "r+b", buffering=0) as file:
                self.assertErrno(errno.EBUSY, os.pwrite, file.fileno(), b"X", 3)
        with open(second / "f", "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"X", 3)
        self.assertEqual(cluster.cat("/f"), b"012X456789more")

    def test_a_change_that_fails_takes_no_lease_from_another_client(self):
        cluster = self.new_cluster()
        first, second = self.new_mount(cluster), self.new_mount(cluster)
        write(first / "f", b"0123456789")
        changing = os.open(second / "f", os.O_RDWR)
        os.pwrite(changing, b"X", 3)
        with open(first / "f", "ab", buffering=0) as out:
            out.write(b"more")
            with self.assertRaises(OSError):
                os.fsync(changing)
            with self.assertRaises(OSError):
                os.close(changing)
            out.write(b" and more")
            os.fsync(out.fileno())
        self.assertEqual(cluster.cat("/f"), b"0123456789more and more")

    def test_a_cut_to_nothing_that_fails_does_not_look_as_if_it_were_saved(self):
        cluster = self.new_cluster()
        there = self.new_mount(cluster)
        write(there / "f", b"0123456789")
        helper = Helper()
        self.addCleanup(helper.close)
        safe_mode = [env.program("cairn"), "dfsadmin", "-safemode"]
        fd = os.open(there / "f", os.O_RDWR)
        os.pwrite(fd, b"lost", 3)
        helper.check([*safe_mode, "enter"], env=cluster.environment())
        self.assertErrno(errno.EROFS, os.ftruncate, fd, 0)
        helper.check([*safe_mode, "leave"], env=cluster.environment())
        self.assertErrno(errno.EROFS, os.fsync, fd)
        self.assertErrno(errno.EROFS, os.close, fd)
        self.assertEqual(cluster.cat("/f"), b"0123456789")
        self.assertEqual(read(there / "f"), b"0123456789")

    def test_what_could_not_be_written_back_is_not_shown_as_saved(self):
        cluster = self.new_cluster()
        there = self.new_mount(cluster)
        old = self.random().randbytes(100_000)
        write(there / "f", old)
        fd = os.open(there / "f", os.O_RDWR)
        os.pwrite(fd, b"lost", 3)
        cluster.kill_now("datanode-1")
        with self.assertRaises(OSError) as caught:
            os.fsync(fd)
        # Of a cluster without a datanode: where its bytes were, or where new ones could go.
        self.assertIn(caught.exception.errno, (errno.EIO, errno.ENOSPC))
        for call in ((os.fsync, fd), (os.pwrite, fd, b"x", 3)):
            self.assertErrno(caught.exception.errno, *call)
        cluster.start("datanode-1")
        self.assertErrno(caught.exception.errno, os.close, fd)

        def found():
            try:
                return read(there / "f")
            except OSError:
                return None

        self.assertTrue(self.eventually(found, "the file can be read", 60) == old)

    def test_a_namenode_that_restarts_under_a_sync_is_waited_for(self):
        cluster = self.new_cluster()
        there = self.new_mount(cluster)
        helper = Helper()
        self.addCleanup(helper.close)
        start = [env.program("cairn"), "mini", "--dir", cluster.directory, "start", "namenode"]
        data = Bytes(self.random().randbytes(BLOCK + 99))
        write(there / "f", data)
        fd = os.open(there / "f", os.O_RDWR)
        for turn in range(3):
            os.pwrite(fd, b"turn %d" % turn, turn * PIECE)
            data.put(turn * PIECE, b"turn %d" % turn)
            killer = threading.Timer(0.01 * turn, lambda: cluster.kill_now("namenode"))
            killer.start()
            syncer = threading.Thread(target=os.fsync, args=(fd,))
            syncer.start()
            killer.join()
            helper.check(start)
            syncer.join()
        os.close(fd)
        self.assertTrue(cluster.cat("/f") == data)
        self.assertEqual(os.listdir(there.point), ["f"])

    def test_sigterm_writes_back_what_is_staged(self):
        cluster = self.new_cluster()
        there = self.new_mount(cluster)
        write(there / "f", b"0123456789")
        fd = os.open(there / "f", os.O_RDWR)
        os.pwrite(fd, b"X", 3)
        there.process.send_signal(signal.SIGTERM)
        self.assertEqual(there.ended(), 0, there.log_text())
        self.assertErrno(errno.ENOTCONN, os.close, fd)
        self.assertEqual(cluster.cat("/f"), b"012X456789")
        self.assertEqual(os.listdir(there.stage), [])

    def test_a_stage_that_is_no_good_is_told(self):
        cluster = self.new_cluster()
        there = Mount(cluster, start=False)
        self.addCleanup(there.close)
        os.mkdir(there.stage, 0o755)
        result = test_mount.run(there.command("-f"), check=False, env=cluster.environment())
        self.assertEqual(result.returncode, 1)
        self.assertIn(there.stage.encode(), result.stderr)
