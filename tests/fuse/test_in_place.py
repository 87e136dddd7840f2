"""Files that are changed where they are: what programs do that take a mount for a disk."""

import ctypes
import errno
import mmap
import os
import re
import sqlite3

from fuse import test_mount
from harness import env, hadoop
from harness.mount import BLOCK, read, write

PIECE = 64 << 10  # of the stage
FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_COLLAPSE_RANGE, FALLOC_ZERO_RANGE = 1, 2, 8, 16


def fallocate(descriptor, mode, offset, length):
    """Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(descriptor, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Bytes(bytearray):
    """What a file should hold."""

    def put(self, offset, data):
        if offset > len(self):
            self.extend(bytes(offset - len(self)))
        self[offset : offset + len(data)] = data

    def cut(self, length):
        if length < len(self):
            del self[length:]
        else:
            self.extend(bytes(length - len(self)))


def change_at_random(case, path, draw, steps, most, large):
    """A new file at `path`, as fsx does: against a model, which is returned. Changes are up to `large` bytes
    long, and begin before `most`."""
    model = Bytes()
    write(path, b"")
    file = os.open(path, os.O_RDWR)
    kinds = ["write"] * 6 + ["append", "truncate", "read", "read", "map", "sync", "reopen", "cat"]
    for step in range(steps):
        kind = draw.choice(kinds)
        offset = draw.choice([draw.randrange(most), draw.randrange(0, most, 4096)])
        size = draw.choice([1, 10, 4096, 5000, PIECE, draw.randrange(1, large)])
        what = f"step {step}: {kind} of {size} at {offset}, {len(model)} bytes"
        if kind == "write":
            piece = draw.randbytes(size)
            case.assertEqual(os.pwrite(file, piece, offset), size, what)
            model.put(offset, piece)
        elif kind == "append":
            piece = draw.randbytes(min(size, 5000))
            with open(path, "ab", buffering=0) as appender:
                appender.write(piece)
            model.put(len(model), piece)
        elif kind == "truncate":
            os.ftruncate(file, offset)
            model.cut(offset)
        elif kind == "read":
            found = os.pread(file, size, offset)
            case.assertTrue(found == model[offset : offset + size], what)
        elif kind == "map" and len(model) > 0:
            with mmap.mmap(file, len(model)) as view:
                case.assertTrue(view[:] == model, what)
                at = offset % len(model)
                piece = draw.randbytes(min(size, len(model) - at))
                view[at : at + len(piece)] = piece
                model.put(at, piece)
        elif kind == "sync":
            os.fsync(file)
        elif kind == "reopen":
            os.close(file)
            file = os.open(path, os.O_RDWR)
        elif kind == "cat":
            os.fsync(file)
            case.assertTrue(case.cat(path) == model, what)
        case.assertEqual(os.fstat(file).st_size, len(model), what)
    os.close(file)
    return model


class InPlace(test_mount.OnAMount):
    def blocks(self, path):
        """The ids of the file's blocks."""
        report = self.helper.check(
            [env.program("cairn"), "fsck", self.in_cluster(path), "-files", "-blocks"],
            env=self.cluster.environment(),
        )
        return [int(id) for id in re.findall(rb"blk_(\d+)_", report)]

    def hidden(self, directory):
        return [name for name in os.listdir(directory) if name.startswith(".cairn_stage")]

    def test_only_the_blocks_that_change_are_written(self):
        there = self.directory()
        path = there + "/f"
        data = Bytes(self.random().randbytes(3 * BLOCK + 1000))
        write(path, data)
        inode = os.stat(path).st_ino
        before = self.blocks(path)
        with open(path, "r+b", buffering=0) as file:
            file.seek(BLOCK + 77)
            file.write(b"changed")
        data.put(BLOCK + 77, b"changed")
        self.assertTrue(read(path) == data)
        self.assertTrue(self.cat(path) == data)
        after = self.blocks(path)
        self.assertEqual([a == b for a, b in zip(after, before)], [True, False, True, True])
        self.assertEqual(os.stat(path).st_ino, inode)
        self.assertEqual(os.listdir(there), ["f"])

    def test_at_the_borders_of_blocks_and_pieces(self):
        path = self.directory() + "/f"
        draw = self.random()
        data = Bytes(draw.randbytes(3 * BLOCK + 1000))
        write(path, data)
        for border in (0, PIECE, BLOCK, 2 * BLOCK, 3 * BLOCK, len(data)):
            for offset, size in ((border - 1, 1), (border, 1), (border - 5, 10), (border, PIECE + 1)):
                if offset < 0:
                    continue
                piece = draw.randbytes(size)
                with open(path, "r+b", buffering=0) as file:
                    self.assertEqual(os.pwrite(file.fileno(), piece, offset), size)
                data.put(offset, piece)
                self.assertTrue(self.cat(path) == data, f"{size} bytes at {offset}")
        self.assertTrue(read(path) == data)

    def test_what_is_written_is_read_at_once_here_and_elsewhere_once_it_is_synced(self):
        path = self.directory() + "/f"
        data = Bytes(self.random().randbytes(BLOCK + 5000))
        write(path, data)
        old = bytes(data)
        (other,) = self.mounts(1)
        with open(path, "r+b", buffering=0) as file, open(path, "rb", buffering=0) as reader:
            for offset in (0, 10_000, BLOCK - 2, BLOCK + 4999):
                os.pwrite(file.fileno(), b"new bytes", offset)
                data.put(offset, b"new bytes")
                # Read, modify, write.
                byte = os.pread(file.fileno(), 1, offset + 3)
                os.pwrite(file.fileno(), byte.upper(), offset + 3)
                data.put(offset + 3, byte.upper())
                self.assertTrue(os.pread(file.fileno(), len(data) + 1, 0) == data)
                self.assertTrue(os.pread(reader.fileno(), len(data) + 1, 0) == data)
                self.assertEqual(os.fstat(reader.fileno()).st_size, len(data))
            self.assertTrue(self.cat(path) == old)
            os.fsync(file.fileno())
            self.assertTrue(self.cat(path) == data)
            self.assertTrue(read(other.point + self.in_cluster(path)) == data)
            os.pwrite(file.fileno(), b"again", 100)
            data.put(100, b"again")
        self.assertTrue(read(path) == data)
        self.assertTrue(read(other.point + self.in_cluster(path)) == data)

    def test_two_descriptors_change_one_file(self):
        path = self.directory() + "/f"
        write(path, bytes(1000))
        one, other = (os.open(path, os.O_WRONLY) for _ in range(2))
        for i in range(20):
            os.pwrite((one, other)[i % 2], b"%02d" % i, 10 * i)
        os.close(one)
        os.pwrite(other, b"end", 997)
        os.close(other)
        expected = Bytes(1000)
        for i in range(20):
            expected.put(10 * i, b"%02d" % i)
        expected.put(997, b"end")
        self.assertEqual(self.cat(path), bytes(expected))

    def test_a_new_file_is_written_backwards_and_its_head_at_last(self):
        there = self.directory()
        data = self.random().randbytes(2 * BLOCK + 500)
        with open(there + "/backwards", "wb", buffering=0) as out:
            for offset in reversed(range(0, len(data), 100_000)):
                os.pwrite(out.fileno(), data[offset : offset + 100_000], offset)
        self.assertTrue(self.cat(there + "/backwards") == data)
        with open(there + "/head", "wb") as out:
            out.write(bytes(16) + data)
            out.seek(0)
            out.write(b"head" * 4)
        self.assertTrue(self.cat(there + "/head") == b"head" * 4 + data)

    def test_appending_to_what_is_staged(self):
        path = self.directory() + "/f"
        write(path, b"0123456789")
        with open(path, "r+b", buffering=0) as file, open(path, "ab", buffering=0) as appender:
            os.pwrite(file.fileno(), b"X", 3)
            appender.write(b"more")
            os.pwrite(file.fileno(), b"end", 20)
            self.assertEqual(read(path), b"012X456789more" + bytes(6) + b"end")
            os.fsync(appender.fileno())
            appender.write(b"!")  # a stream again
        self.assertEqual(self.cat(path), b"012X456789more" + bytes(6) + b"end!")

    def test_truncating_what_is_being_changed(self):
        path = self.directory() + "/f"
        data = Bytes(self.random().randbytes(2 * BLOCK + 1000))
        write(path, data)
        with open(path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"staged", BLOCK)
            data.put(BLOCK, b"staged")
            for length in (BLOCK + 3, BLOCK + 500, 3 * BLOCK + 1, 17, BLOCK):
                os.ftruncate(file.fileno(), length)
                data.cut(length)
                self.assertEqual(os.fstat(file.fileno()).st_size, length)
                self.assertTrue(os.pread(file.fileno(), length + 1, 0) == data, f"cut to {length}")
            os.fsync(file.fileno())
            self.assertTrue(self.cat(path) == data)
            os.pwrite(file.fileno(), b"staged", 0)
            os.truncate(path, 3)
            self.assertEqual(self.cat(path), b"sta")
            os.pwrite(file.fileno(), b"x", 0)
            os.ftruncate(file.fileno(), 0)
            os.pwrite(file.fileno(), b"anew", 0)
        self.assertEqual(self.cat(path), b"anew")

    def test_space_is_set_aside_by_making_the_file_longer(self):
        path = self.directory() + "/f"
        data = Bytes(self.random().randbytes(BLOCK + 5000))
        write(path, data)
        with open(path, "r+b", buffering=0) as file:
            fallocate(file.fileno(), 0, BLOCK, 9000)
            data.cut(BLOCK + 9000)
            self.assertTrue(read(path) == data)
            # What is there already is neither cut nor changed.
            fallocate(file.fileno(), 0, 0, 10)
            fallocate(file.fileno(), FALLOC_KEEP_SIZE, 0, 10 * BLOCK)
            self.assertTrue(read(path) == data)
            fallocate(file.fileno(), FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, 100, 70_000)
            data.put(100, bytes(70_000))
            fallocate(file.fileno(), FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, len(data) - 10, 1000)
            data.put(len(data) - 10, bytes(10))
            fallocate(file.fileno(), FALLOC_ZERO_RANGE, len(data) - 20, 1020)
            data.put(len(data) - 20, bytes(1020))
            self.assertTrue(read(path) == data)
            self.assertErrno(errno.EOPNOTSUPP, fallocate, file.fileno(), FALLOC_COLLAPSE_RANGE, 0, 4096)
        self.assertTrue(self.cat(path) == data)
        with open(path + ".new", "xb", buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, 3 * BLOCK)
            os.pwrite(file.fileno(), b"middle", BLOCK)
        expected = Bytes(3 * BLOCK)
        expected.put(BLOCK, b"middle")
        self.assertTrue(self.cat(path + ".new") == expected)

    def test_more_space_than_the_stage_has_is_not_set_aside(self):
        (small,) = self.mounts(1, f"stage_bytes={4 * PIECE}")
        there = small.point + self.in_cluster(self.directory())
        with open(there + "/f", "xb", buffering=0) as file:
            self.assertErrno(errno.ENOSPC, fallocate, file.fileno(), 0, 0, 4 * PIECE + 1)
            for _ in range(8):  # a stream
                file.write(b"x" * PIECE)
        self.assertEqual(read(there + "/f"), b"x" * (8 * PIECE))

    def test_a_hole_that_does_not_fit_the_stage_shows_as_far_as_it_goes(self):
        (small,) = self.mounts(1, f"stage_bytes={20 * PIECE}")
        path = self.directory() + "/f"
        there = small.point + self.in_cluster(path)
        write(path, b"x" * (2 * BLOCK))
        punch = FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE
        with open(there, "r+b", buffering=0) as file:
            self.assertEqual(os.pread(file.fileno(), 2 * BLOCK, 0), b"x" * (2 * BLOCK))
            self.assertErrno(errno.ENOSPC, fallocate, file.fileno(), punch, 0, 2 * BLOCK)

            def head():
                return os.pread(file.fileno(), PIECE, 0)

            self.eventually(lambda: head() == bytes(PIECE), "the zeros that are staged are read")

    def test_shared_mappings(self):
        path = self.directory() + "/f"
        data = Bytes(self.random().randbytes(BLOCK + 12345))
        write(path, data)
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
            view[10:15] = b"first"
            view[BLOCK - 3 : BLOCK + 3] = b"border"
            data.put(10, b"first")
            data.put(BLOCK - 3, b"border")
            view.flush()
            self.assertTrue(self.cat(path) == data)
            self.assertTrue(read(path) == data)
            view[-4:] = b"tail"
            data.put(len(data) - 4, b"tail")
        # No msync: munmap and close write what is dirty.
        self.assertTrue(self.cat(path) == data)
        with open(path, "r+b") as file:
            file.truncate(3 * BLOCK)
            data.cut(3 * BLOCK)
            with mmap.mmap(file.fileno(), 0) as view:
                file.close()
                view[2 * BLOCK :: PIECE] = b"x" * (BLOCK // PIECE)
        for offset in range(2 * BLOCK, 3 * BLOCK, PIECE):
            data.put(offset, b"x")
        self.eventually(lambda: self.cat(path) == data, "the mapping's last bytes are there")

    def test_hadoops_client_reads_what_was_changed(self):
        """with short blocks before longer ones"""
        self.need(hadoop.why_not())
        path = self.directory() + "/f"
        data = Bytes(self.random().randbytes(BLOCK + 700))
        write(path, data)
        with open(path, "r+b", buffering=0) as file:
            # The short tail is changed with what follows it; then it is in the middle.
            os.pwrite(file.fileno(), b"x", BLOCK + 1)
            data.put(BLOCK + 1, b"x")
        copies = [path + ".1", path + ".2"]
        for copy in copies:
            write(copy, data)
        self.dfs("-concat", self.in_cluster(path), *map(self.in_cluster, copies))
        data = Bytes(3 * bytes(data))
        with open(path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"first", 0)
            data.put(0, b"first")
        shell = hadoop.Shell(self.cluster.uri)
        self.addCleanup(shell.close)
        local = env.new_directory("got") + "/f"
        shell.run("-get", self.in_cluster(path), local)
        self.assertTrue(read(local) == data)
        self.assertTrue(read(path) == data)

    def check_database(self, path):
        with sqlite3.connect(path) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            total = database.execute("SELECT count(*), sum(n) FROM t").fetchone()
        database.close()
        return total

    def test_sqlite(self):
        there = self.directory()
        for journal in ("DELETE", "TRUNCATE", "WAL"):
            path = f"{there}/{journal}.db"
            database = sqlite3.connect(path)
            mode = database.execute(f"PRAGMA journal_mode={journal}").fetchone()[0]
            self.assertEqual(mode.upper(), journal)
            database.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)")
            for group in range(4):
                with database:
                    database.executemany(
                        "INSERT INTO t VALUES (?, ?)",
                        [(i, "x" * (i % 300)) for i in range(50 * group, 50 * group + 50)],
                    )
            with database:
                database.execute("UPDATE t SET text = 'changed' WHERE n % 3 = 0")
            try:
                with database:
                    database.execute("DELETE FROM t")
                    raise InterruptedError
            except InterruptedError:
                pass  # rolled back
            database.close()
            self.assertEqual(self.check_database(path), (200, sum(range(200))))
            local = env.new_directory("db") + "/copy.db"
            write(local, self.cat(path))
            self.assertEqual(self.check_database(local), (200, sum(range(200))), journal)

    def test_what_the_kernel_has_read_goes_when_another_client_changes_the_middle(self):
        """Length, time and last block are the same as before"""
        path = self.directory() + "/f"
        data = Bytes(self.random().randbytes(2 * BLOCK + 100))
        write(path, data)
        os.utime(path, (1_500_000_000, 1_500_000_000))
        (other,) = self.mounts(1)
        there = other.point + self.in_cluster(path)
        for text in (b"one", b"two"):
            self.assertTrue(read(path) == data)
            with open(there, "r+b", buffering=0) as file:
                os.pwrite(file.fileno(), text, 100)
            os.utime(there, (1_500_000_000, 1_500_000_000))
            data.put(100, text)
        self.assertTrue(read(path) == data)

    def test_what_an_older_descriptor_reads_is_not_kept_for_newer_ones(self):
        path = self.directory() + "/f"
        data = Bytes(self.random().randbytes(2 * BLOCK + 100))
        write(path, data)
        (other,) = self.mounts(1)
        older = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, older)
        self.assertEqual(os.pread(older, 1, 2 * BLOCK), data[2 * BLOCK : 2 * BLOCK + 1])
        with open(other.point + self.in_cluster(path), "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"changed", 100)
        data.put(100, b"changed")
        with open(path, "rb", buffering=0):  # finds the new contents
            os.pread(older, 4096, 0)
        self.assertTrue(read(path) == data)

    def test_what_the_descriptor_that_made_a_file_reads_is_not_kept_for_newer_ones(self):
        path = self.directory() + "/f"
        data = Bytes(self.random().randbytes(2 * BLOCK + 100))
        (other,) = self.mounts(1)
        there = other.point + self.in_cluster(path)
        older = os.open(path, os.O_CREAT | os.O_RDONLY)
        self.addCleanup(os.close, older)
        write(there, data)
        # Finds the file as it is now, as no open has.
        self.assertEqual(os.pread(older, 1, 2 * BLOCK), data[2 * BLOCK : 2 * BLOCK + 1])
        with open(there, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"changed", 100)
        data.put(100, b"changed")
        with open(path, "rb", buffering=0):  # finds the new contents
            os.pread(older, 4096, 0)
        self.assertTrue(read(path) == data)

    def test_an_older_descriptor_goes_on_with_what_another_client_has_made_of_the_file(self):
        path = self.directory() + "/f"
        data = Bytes(self.random().randbytes(2 * BLOCK + 100))
        more = self.random().randbytes(10_000)
        write(path, data)
        (other,) = self.mounts(1)
        older = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, older)
        self.assertEqual(os.pread(older, 1, 2 * BLOCK), data[2 * BLOCK : 2 * BLOCK + 1])
        with open(other.point + self.in_cluster(path), "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"changed", 100)
        with open(other.point + self.in_cluster(path), "ab", buffering=0) as file:
            file.write(more)
        self.assertEqual(os.pread(older, 100, len(data) + 5000), more[5000:5100])

    def test_random_changes(self):
        """as fsx does: against a model, read back by all ways"""
        draw = self.random()
        path = self.directory() + "/f"
        model = change_at_random(
            self, path, draw, 600 if env.LONG else 120, most=2 * BLOCK + 3 * PIECE, large=BLOCK
        )
        self.assertTrue(self.cat(path) == model)
        self.assertTrue(read(path) == model)
        self.assertEqual(self.hidden(os.path.dirname(path)), [])
