"""`cairn dfs` in the cases that its unit tests, on local files, cannot make."""

import errno
import os
import pty
import re
import subprocess
import threading
import time

from harness import env, hadoop, rpc
from harness.case import Case
from harness.cluster import MiniCluster


class ShellOnACluster(Case):
    @classmethod
    def setUpClass(cls):
        cls.cluster = MiniCluster(datanodes=1, conf={"fs.trash.interval": "60"})
        cls.addClassCleanup(cls.cluster.close)

    def text(self, *words):
        return self.cluster.dfs(*words).stdout.decode()

    def test_the_trash_takes_what_lies_below_a_file_deleted_earlier(self):
        self.cluster.dfs("-touchz", "/ta")
        self.cluster.dfs("-rm", "/ta")
        self.cluster.dfs("-mkdir", "-p", "/ta/deep")
        self.cluster.put(b"b", "/ta/b")
        self.cluster.put(b"c", "/ta/deep/c")
        self.cluster.dfs("-rm", "/ta/b")
        self.cluster.dfs("-rm", "/ta/deep/c")
        found = self.text("-ls", "-R", "-C", "/user/root/.Trash/Current").splitlines()
        trash = "/user/root/.Trash/Current"
        self.assertIn(f"{trash}/ta", found)
        self.assertTrue(any(re.fullmatch(trash + r"/ta\d{13}/b", name) for name in found), found)
        self.assertTrue(
            any(re.fullmatch(trash + r"/ta\d{13}/deep/c", name) for name in found), found
        )

    def test_a_destination_that_ends_with_a_slash_must_be_there(self):
        self.cluster.put(b"x", "/slash")
        for command in (["-put", __file__], ["-cp", "/slash"], ["-mv", "/slash"], ["-touchz"]):
            error = self.cluster.dfs_error(*command, "/nodir/")
            self.assertIn("`/nodir/': No such file or directory", error)
        self.cluster.dfs_error("-test", "-e", "/nodir")

    def test_paths_above_home_stay_relative(self):
        self.cluster.dfs("-mkdir", "-p", "/user/root/sub", "/user/bob/k")
        self.assertIn("../root\n", self.text("-ls", "-C", ".."))
        self.assertEqual(self.text("-ls", "-C", "../bob"), "../bob/k\n")
        self.assertEqual(self.text("-ls", "-C", "-d", "../bo*"), "../bob\n")
        self.assertEqual(self.text("-ls", "-C", "-d", "/user/root/sub/.."), "/user/root\n")
        self.assertIn("sub\n", self.text("-ls", "-C"))

    def test_what_names_no_cluster_is_refused(self):
        for name in ("/x", "hdfs:", "hdfs:///", "&a;", "nn:port"):
            wanted = f'"{name}" names no cluster: expected hdfs://host:port'
            self.assertIn(f"-fs {wanted}", self.cluster.dfs_error("-fs", name, "-ls", "/"))
            error = self.cluster.dfs_error("-D", f"fs.defaultFS={name}", "-ls", "/")
            self.assertIn("fs.defaultFS", error)
            self.assertIn(wanted, error)
        self.assertEqual(self.text("-fs", self.cluster.address, "-ls", "-d", "-C", "/"), "/\n")

    def test_names_that_are_no_utf8_are_refused_in_one_line(self):
        for arguments in (["-mkdir", b"/bad\xff"], ["-touchz", b"/bad\xff"], ["-rm", b"/bad\xff"]):
            result = self.cluster.dfs(*arguments, check=False)
            self.assertEqual(result.returncode, 1)
            error = result.stderr.decode()
            self.assertEqual(len(error.splitlines()), 1, error)
            self.assertIn("not UTF-8", error)
        result = self.cluster.dfs("-ls", "/", check=False, env_more={"HADOOP_USER_NAME": b"b\xff"})
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("the user's name is not UTF-8: b?", result.stderr.decode())

    def test_an_append_may_begin_a_new_block(self):
        local = os.path.join(env.new_directory("append"), "more")
        with open(local, "wb") as file:
            file.write(b"more")
        self.cluster.put(b"first ", "/blocks")
        self.cluster.dfs("-appendToFile", "-n", local, "/blocks")
        self.cluster.dfs("-appendToFile", local, "/blocks")
        self.assertEqual(self.cluster.cat("/blocks"), b"first moremore")

    def test_copies_keep_what_is_asked_for(self):
        self.cluster.put(b"x", "/kept")
        self.cluster.dfs("-cp", "-ptopax", "/kept", "/copy")
        self.assertEqual(self.cluster.cat("/copy"), b"x")

    def test_a_file_is_never_missing_while_it_is_replaced(self):
        """Readers see the old one or the new one, and the trash is not asked."""
        texts = [b"old" * 1000, b"newer" * 1000]
        self.cluster.put(texts[0], "/replaced")
        self.cluster.put(texts[1], "/source")
        done = threading.Event()
        looks, wrong = [], []

        def look():
            with rpc.Connection(self.cluster.port) as connection:
                while not done.is_set():
                    answer = connection.call("getFileInfo", rpc.get_file_info("/replaced"))
                    (looks if answer else wrong).append(answer)

        reader = threading.Thread(target=look)
        reader.start()
        try:
            for number in range(6):
                self.cluster.put(texts[number % 2], "/replaced")
                self.assertEqual(self.cluster.cat("/replaced"), texts[number % 2])
                self.cluster.dfs("-cp", "-f", "/source", "/replaced")
                self.assertEqual(self.cluster.cat("/replaced"), texts[1])
        finally:
            done.set()
            reader.join()
        self.assertGreater(len(looks), 10)
        self.assertEqual(wrong, [])
        self.assertNotIn("_COPYING_", self.text("-ls", "-C", "/"))

    def test_quotas_by_storage_type_have_columns_of_their_own(self):
        self.cluster.dfs("-mkdir", "/quotas")
        self.assertEqual(
            self.text("-count", "-q", "-v", "-t", "DISK", "/quotas"),
            "    DISK_QUOTA     REM_DISK_QUOTA PATHNAME\n"
            "          none                inf /quotas\n",
        )
        self.assertEqual(len(self.text("-count", "-u", "-t", "/quotas").split()), 11)
        error = self.cluster.dfs_error("-count", "-q", "-t", "BAD", "/")
        self.assertIn("No storage type BAD", error)
        self.assertEqual(self.text("-count", "-t", "/quotas"), self.text("-count", "/quotas"))

    def test_old_names_work_with_a_warning(self):
        self.cluster.dfs("-mkdir", "-p", "/olden/sub")
        self.cluster.put(b"x" * 7, "/olden/sub/file")
        for old, option, new in (("-lsr", "-R", "ls -R"), ("-dus", "-s", "du -s")):
            result = self.cluster.dfs(old, "/olden")
            self.assertEqual(
                result.stderr.decode(), f"{old[1:]}: DEPRECATED: Please use '{new}' instead.\n"
            )
            self.assertEqual(result.stdout.decode(), self.text(old[:3], option, "/olden"))
        result = self.cluster.dfs("-rmr", "-skipTrash", "/olden")
        self.assertEqual(result.stderr, b"rmr: DEPRECATED: Please use '-rm -r' instead.\n")
        self.cluster.dfs_error("-test", "-e", "/olden")

    def test_what_the_namenode_does_not_have_is_said(self):
        self.cluster.put(b"x", "/plain")
        for words in (
            ["-getfattr", "-d", "/plain"],
            ["-setfattr", "-n", "user.a", "-v", "x", "/plain"],
            ["-setfattr", "-x", "user.a", "/plain"],
            ["-createSnapshot", "/", "s"],
        ):
            self.assertIn(f"{words[0][1:]}: not supported yet", self.cluster.dfs_error(*words))

    def test_coding_policies_have_a_column_where_there_are_some(self):
        self.cluster.dfs("-mkdir", "-p", "/coded/sub")
        self.assertEqual(self.text("-ls", "-e", "/coded"), self.text("-ls", "/coded"))
        self.cluster.put(b"x", "/coded/file")
        self.assertIn(" Replicated          1 ", self.text("-ls", "-e", "/coded"))


class Progress(Case):
    """The line on the terminal that tells how far a long copy is."""

    NAME = "odd\x1bname"

    def setUp(self):
        self.cluster = MiniCluster(datanodes=1)
        self.addCleanup(self.cluster.close)
        self.directory = env.new_directory("long")

    def put(self, size, stderr, paused=False):
        """Puts a file of `size` bytes. `paused`: the datanode is, until more than the two seconds are
        over in which a copy is silent."""
        with open(os.path.join(self.directory, self.NAME), "wb") as file:
            file.truncate(size)
        if paused:
            self.cluster.pause("datanode-1")
        put = subprocess.Popen(
            [env.program("cairn"), "dfs", "-put", "-f", self.NAME, "/copy"],
            stderr=stderr,
            cwd=self.directory,
            env=self.cluster.environment(),
        )
        self.addCleanup(put.kill)
        if paused:
            time.sleep(2.5)  # by the clock of the program under test
            self.cluster.resume("datanode-1")
        output = put.communicate(timeout=60 * env.SLOW)[1]
        self.assertEqual(put.returncode, 0)
        return output

    def put_on_terminal(self, *arguments, **options):
        """All that the terminal gets of it."""
        screen, terminal = pty.openpty()
        try:
            self.put(*arguments, stderr=terminal, **options)
        finally:
            os.close(terminal)
        shown = b""
        try:
            while piece := os.read(screen, 65536):
                shown += piece
        except OSError as error:  # so ends a terminal that nobody has open
            self.assertEqual(error.errno, errno.EIO)
        finally:
            os.close(screen)
        return shown.decode()

    def test_a_long_copy_on_a_terminal(self):
        shown = self.put_on_terminal(64 << 20, paused=True)
        wipe = "\r\x1b[K"
        lines = shown.split(wipe)
        self.assertEqual((lines[0], lines[-1]), ("", ""), "each begins by wiping the one before it")
        self.assertGreater(len(lines), 2, "no line was shown")
        for line in lines[1:-1]:
            # The name cannot do anything to the terminal.
            match = re.fullmatch(r"odd\?name  [\d.]+ [KM]?B of 64 MB \((\d+)%\)  [\d.]+ [KMG]?B/s", line)
            self.assertTrue(match, repr(line))
            self.assertLessEqual(int(match.group(1)), 100)

    def test_a_short_copy_on_a_terminal(self):
        self.assertEqual(self.put_on_terminal(1000), "")

    def test_a_long_copy_without_a_terminal(self):
        self.assertEqual(self.put(64 << 20, stderr=subprocess.PIPE, paused=True), b"")


class AccessTimes(Case):
    def test_reading_a_file_moves_its_access_time_and_no_other(self):
        cluster = MiniCluster(datanodes=1, conf={"dfs.namenode.accesstime.precision": "1"})
        self.addCleanup(cluster.close)

        def times(path):
            """When it was read and changed, in milliseconds, and the former in words."""
            fields = cluster.dfs("-stat", "%X,%Y,%x", path).stdout.decode().strip().split(",")
            return int(fields[0]), int(fields[1]), fields[2]

        for path in ("/read", "/left"):
            cluster.put(b"x" * 1000, path)
        before = {path: times(path) for path in ("/read", "/left")}
        self.assertEqual(cluster.cat("/read"), b"x" * 1000)
        self.eventually(lambda: times("/read")[0] > before["/read"][0], "the access is recorded")
        after = times("/read")
        self.assertEqual(after[1], before["/read"][1])
        cluster.dfs("-ls", "-u", "/")
        cluster.kill_now("namenode")
        cluster.start("namenode")
        self.assertGreaterEqual(times("/read")[0], after[0], "a restart keeps it")
        self.assertEqual(times("/left"), before["/left"])


class ShellOnApacheHdfs(Case):
    """What only a server of Apache's has: lists turned off, attributes."""

    limit_seconds = 300

    def test_lists_and_attributes(self):
        self.need(hadoop.why_not())
        hdfs = hadoop.Hdfs()
        self.addCleanup(hdfs.close)
        shell = hadoop.Shell(hdfs.uri)
        self.addCleanup(shell.close)
        from clients import matrix

        cairn = matrix.CairnDfs(hdfs.uri)
        shell.run("-touchz", "/a")
        shell.run("-setfacl", "-m", "user:bob:rwx", "/a")
        shell.run("-setfattr", "-n", "user.k", "-v", "value", "/a")
        cairn.run("-cp", "-ptopax", "/a", "/copy")
        for words in (["-getfacl"], ["-getfattr", "-d"]):
            expected = shell.run(*words, "/a")[1].replace("/a", "/copy")
            self.assertEqual(shell.run(*words, "/copy")[1], expected)
        for path in ("/", "/a"):
            self.assertEqual(cairn.run("-getfacl", path).decode(), shell.run("-getfacl", path)[1])
        for words in (["-d"], ["-n", "user.k"], ["-d", "-e", "hex"], ["-R", "-d", "-e", "base64"]):
            expected = shell.run("-getfattr", *words, "/a")[1]
            self.assertEqual(cairn.run("-getfattr", *words, "/a").decode(), expected)
        before = shell.run("-getfattr", "-d", "/a")[1]
        cairn.run("-setfattr", "-n", "user.hex", "-v", "0x6869", "/a")
        self.assertEqual(
            shell.run("-getfattr", "-n", "user.hex", "/a")[1], '# file: /a\nuser.hex="hi"\n'
        )
        cairn.run("-setfattr", "-x", "user.hex", "/a")
        self.assertEqual(shell.run("-getfattr", "-d", "/a")[1], before)
        cairn.run("-appendToFile", "-n", __file__, "/a")
        cairn.run("-appendToFile", "-n", __file__, "/a")
        self.assertEqual(cairn.get("/a"), matrix.read(__file__) * 2)
