"""Two mounts and a client of hdfs:// at work on the same files at the same time.

Each test has an invariant that every look at the files must show, whatever the moment.
"""

import errno
import fcntl
import hashlib
import os
import subprocess
import sys
import threading
import time

from fuse import test_mount
from harness import env
from harness.mount import BLOCK, read

SECONDS = 60 if env.LONG else 4


def version(number, size):
    """A file's contents that say which they are: any mix or piece of two is none."""
    body = (b"%012d" % number) * (size // 12)
    return body + hashlib.sha256(body).hexdigest().encode()


def number_of(data):
    """The version that `data` is, or an AssertionError."""
    body, digest = data[:-64], data[-64:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise AssertionError(f"{len(data)} bytes that nobody wrote, from {data[:24]!r} to {data[-80:]!r}")
    return int(body[:12])


class Sharing(test_mount.OnAMount):
    limit_seconds = 180

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.new_mount()
        cls.addClassCleanup(cls.other.close)

    def both(self, path):
        """The same path in both mounts."""
        return path, self.other.point + self.in_cluster(path)

    def at_once(self, *works):
        """Runs each in a thread until time is up or one fails; `works` take a call that tells whether to go on."""
        end = time.monotonic() + SECONDS * env.SLOW
        failures = []

        def run(work):
            try:
                work(lambda: not failures and time.monotonic() < end)
            except BaseException as failure:  # an AssertionError of any thread is the test's
                failures.append(failure)

        threads = [threading.Thread(target=run, args=[work]) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def test_a_rename_over_a_file_shows_the_old_one_or_the_new_one(self):
        """and, once it has returned, to whoever opens then no older one, on both mounts and over hdfs://"""
        here, there = self.both(self.directory() + "/f")
        sizes = [100, 70_000, BLOCK + 5000]
        done = 0  # the newest version whose rename has returned
        looks = {"here": 0, "there": 0, "hdfs": 0}
        replaced = {name: 0 for name in looks}  # while they were read: such files are not kept
        with open(here, "wb") as file:
            file.write(version(0, 100))

        def write(go_on):
            nonlocal done
            number = 0
            while go_on():
                number += 1
                target = (here, there)[number % 2]
                with open(f"{target}.new", "wb") as file:
                    file.write(version(number, sizes[number % len(sizes)]))
                os.replace(f"{target}.new", target)
                done = number

        def look(name, read_file):
            def run(go_on):
                last = 0
                while go_on():
                    before = done
                    try:
                        data = read_file()
                    except subprocess.CalledProcessError:  # of `cairn dfs -cat`
                        replaced[name] += 1
                        continue
                    except OSError as error:
                        self.assertIn(error.errno, (errno.ESTALE, errno.EIO), repr(error))
                        replaced[name] += 1
                        continue
                    found = number_of(data)
                    self.assertGreaterEqual(found, max(before, last), f"an older file, {name}")
                    last = found
                    looks[name] += 1

            return run

        self.at_once(
            *(write, look("here", lambda: read(here)), look("there", lambda: read(there))),
            look("hdfs", lambda: self.cat(here)),
        )
        self.note(f"{done} versions, looks {looks}, replaced while read {replaced}")
        self.assertGreater(done, 5)
        self.assertGreater(min(looks.values()), 2)

    def test_of_those_who_create_a_name_one_wins(self):
        directories = self.both(self.directory())
        winners = [[], []]

        def create(who):
            def run(go_on):
                for i in range(100_000):
                    if not go_on():
                        return
                    try:
                        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
                        file = os.open(f"{directories[who]}/n{i}", flags)
                    except FileExistsError:
                        continue
                    winners[who].append(i)
                    if i % 3 == 0:
                        time.sleep(0.005)  # the other meets it while it is open
                    os.close(file)

            return run

        self.at_once(create(0), create(1))
        self.note(f"{len(winners[0])} and {len(winners[1])} won")
        self.assertEqual(set(winners[0]) & set(winners[1]), set())
        names = {int(name[1:]) for name in os.listdir(directories[0])}
        self.assertEqual(names, set(winners[0]) | set(winners[1]))
        self.assertTrue(all(winners))

    def test_appends_of_both_are_all_there_and_whole(self):
        """One appends at a time; the other is told that the file is busy, and tries again."""
        paths = self.both(self.directory() + "/log")
        open(paths[0], "wb").close()
        taken, busy = [[], []], [0, 0]

        def append(who):
            def run(go_on):
                number = 0
                while go_on():
                    line = b"%d %06d %s\n" % (who, number, b"x" * (number * 37 % 3000))
                    try:
                        with open(paths[who], "ab", buffering=0) as file:
                            file.write(line)
                    except OSError as error:
                        self.assertEqual(errno.errorcode[error.errno], "EBUSY")
                        busy[who] += 1
                        continue
                    taken[who].append(line)
                    number += 1

            return run

        self.at_once(append(0), append(1))
        self.note(f"{len(taken[0])} and {len(taken[1])} lines, busy {busy}")
        self.assertTrue(all(taken))
        found = self.cat(paths[0]).splitlines(keepends=True)
        self.assertEqual(sorted(found), sorted(taken[0] + taken[1]))
        for who in (0, 1):
            self.assertEqual([line for line in found if line.startswith(b"%d" % who)], taken[who])

    def test_what_is_synced_is_seen_by_the_other_who_never_sees_it_shrink(self):
        here, there = self.both(self.directory() + "/growing")
        synced = 0
        looks = 0
        file = os.open(here, os.O_CREAT | os.O_WRONLY)
        self.addCleanup(os.close, file)

        def write(go_on):
            nonlocal synced
            while go_on():
                piece = b"".join(b"%07d\n" % (n // 8) for n in range(synced, synced + 4000, 8))
                os.write(file, piece)
                os.fsync(file)
                synced += len(piece)

        def look(go_on):
            nonlocal looks
            last = 0
            while go_on():
                before = synced
                size = os.stat(there).st_size
                with open(there, "rb") as opened:  # and no further: it grows faster than it is read
                    data = opened.read(max(before, size, last) + 8000)
                self.assertGreaterEqual(len(data), max(before, last))
                self.assertGreaterEqual(len(data), size)
                whole = len(data) - len(data) % 8
                for at in (0, whole // 2 - whole // 2 % 8, whole - 8):
                    if whole:
                        self.assertEqual(data[at : at + 8], b"%07d\n" % (at // 8))
                last = len(data)
                looks += 1

        self.at_once(write, look)
        self.note(f"{synced} bytes, {looks} looks")
        self.assertGreater(looks, 2)

    def test_locks_exclude_the_processes_of_one_mount(self):
        """flock and fcntl: a counter that many raise by reading and writing it"""
        there = self.directory()
        script = """if True:
            import fcntl, os, struct, sys
            path, kind, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
            lock = fcntl.flock if kind == "flock" else fcntl.lockf
            for _ in range(times):
                with open(path + ".lock", "r+b") as guard:
                    lock(guard, fcntl.LOCK_EX)
                    with open(path, "rb") as file:
                        value = int(file.read())
                    with open(path + ".new", "wb") as file:
                        file.write(b"%d" % (value + 1))
                    os.replace(path + ".new", path)
                    lock(guard, fcntl.LOCK_UN)
        """
        times = 200 if env.LONG else 15
        for kind in ("flock", "lockf"):
            path = f"{there}/{kind}"
            for name, data in ((path, b"0"), (path + ".lock", b"lock")):
                with open(name, "wb") as file:
                    file.write(data)
            command = [sys.executable, "-c", script, path, kind, str(times)]
            processes = [subprocess.Popen(command) for _ in range(4)]
            statuses = [process.wait(timeout=120 * env.SLOW) for process in processes]
            self.assertEqual(statuses, [0] * 4)
            self.assertEqual(read(path), b"%d" % (4 * times), kind)
        # What is held by one is refused to the other at once, if it will not wait.
        with open(there + "/flock.lock", "rb") as one, open(there + "/flock.lock", "rb") as two:
            fcntl.flock(one, fcntl.LOCK_SH)
            fcntl.flock(two, fcntl.LOCK_SH)
            self.assertErrno(errno.EWOULDBLOCK, fcntl.flock, one, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_a_directory_that_the_other_moves_stays_the_same_to_who_has_it_open(self):
        here, there = self.both(self.directory())
        for name in ("a", "b", "a/tree"):
            os.mkdir(f"{here}/{name}")
        with open(here + "/a/tree/f", "wb") as file:
            file.write(b"whole")
        tree = os.open(there + "/a/tree", os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, tree)
        moves = looks = 0

        def move(go_on):
            nonlocal moves
            while go_on():
                source, target = ("a", "b") if moves % 2 == 0 else ("b", "a")
                os.rename(f"{here}/{source}/tree", f"{here}/{target}/tree")
                moves += 1

        def look(go_on):
            nonlocal looks
            while go_on():
                with open("f", "rb", opener=lambda name, flags: os.open(name, flags, dir_fd=tree)) as f:
                    self.assertEqual(f.read(), b"whole")
                self.assertEqual(os.listdir(tree), ["f"])
                looks += 1

        self.at_once(move, look)
        self.note(f"{moves} moves, {looks} looks")
        self.assertGreater(min(moves, looks), 2)
