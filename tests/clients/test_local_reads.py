"""Short-circuit reads: a client reads the files of the datanodes of its machine, and whatever becomes
of them, its bytes are right."""

import concurrent.futures
import os
import random
import shutil
import subprocess
import threading

from faults.test_leases import Writer, content
from harness import env, libhdfs, replicas
from harness.case import Case
from harness.cluster import MiniCluster

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "local_reader.c")
BLOCK = 1 << 20
CONF = {
    "dfs.blocksize": str(BLOCK),
    # What is bad is found by the reader, not by the scanner before it.
    "cairn.datanode.scan.period": "0",
    "dfs.namenode.startup.delay.block.deletion.sec": "1",
    "dfs.datanode.directoryscan.interval": "0",
}


class Reader:
    """A process that has the file open."""

    def __init__(self, program, cluster, path, *conf, user="root"):
        self.process = subprocess.Popen(
            [program, path, *conf],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=cluster.environment(HADOOP_USER_NAME=user),
        )

    def numbers(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return [int(word) for word in self.process.stdout.readline().split()]

    def ask(self, line):
        count, local = self.numbers(line)
        return (None if count < 0 else self.process.stdout.read(count)), local

    def read(self, offset, length):
        """(bytes, or None if the read failed; how many of them were read locally)"""
        return self.ask(f"read {offset} {length}")

    def open(self):
        """False: it cannot be opened now; nothing can be read until it can."""
        return self.ask("open")[0] is not None

    def hedges(self):
        """[how often another replica was asked, how often it was faster, how many replicas the
        caller's own thread read]"""
        return self.numbers("hedges")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class LocalReads(Case):
    limit_seconds = 300

    @classmethod
    def setUpClass(cls):
        cls.need(libhdfs.why_not())
        cls.program = libhdfs.compile_c(SOURCE)
        cls.cluster = MiniCluster(datanodes=3, conf=CONF)
        cls.addClassCleanup(cls.cluster.close)

    def put(self, path, data, replication=2):
        self.cluster.dfs("-D", f"dfs.replication={replication}", "-put", "-f", "-", path, input=data)

    def reader(self, path, *conf):
        reader = Reader(self.program, self.cluster, path, *conf)
        self.addCleanup(reader.close)
        return reader

    def replicas(self, path):
        out = self.cluster.cairn("fsck", path, "-files", "-blocks").stdout.decode()
        return [r for r in replicas.replicas_of(self.cluster) if f"blk_{r.block}_" in out]

    def sockets(self):
        run = os.path.join(self.cluster.directory, "run")
        return [os.path.join(run, name) for name in os.listdir(run) if name.startswith("dn.")]

    def test_every_byte_comes_from_the_files(self):
        data = random.randbytes(2 * BLOCK + 12345)
        self.put("/whole", data)
        reader = self.reader("/whole")
        self.assertEqual(reader.read(0, len(data)), (data, len(data)))
        for offset, length in [(1, 1), (511, 2), (BLOCK - 3, 7), (BLOCK, BLOCK), (2 * BLOCK, 99999)]:
            wanted = data[offset : offset + length]
            self.assertEqual(reader.read(offset, length), (wanted, len(wanted)))
        # With no datanode left: the descriptors are ours.
        for name in self.cluster.datanodes:
            self.cluster.kill_now(name)
        try:
            self.assertEqual(reader.read(0, len(data)), (data, len(data)))
        finally:
            self.cluster.start(*self.cluster.datanodes)

    def test_whoever_does_not_want_it_reads_over_tcp(self):
        data = random.randbytes(100_000)
        self.put("/remote", data)
        off = self.reader("/remote", "dfs.client.read.shortcircuit=false")
        self.assertEqual(off.read(0, len(data)), (data, 0))
        no_path = self.reader("/remote", "dfs.domain.socket.path=")
        self.assertEqual(no_path.read(0, len(data)), (data, 0))
        unchecked = self.reader("/remote", "dfs.client.read.shortcircuit.skip.checksum=true")
        self.assertEqual(unchecked.read(0, len(data)), (data, len(data)))

    def test_without_a_socket_that_can_be_trusted_it_reads_over_tcp(self):
        data = random.randbytes(100_000)
        self.put("/tcp", data)
        run = os.path.join(self.cluster.directory, "run")
        os.chmod(run, 0o777)
        try:
            self.assertEqual(self.reader("/tcp").read(0, len(data)), (data, 0))
        finally:
            os.chmod(run, 0o755)
        self.assertEqual(self.reader("/tcp").read(0, len(data)), (data, len(data)))
        aside = env.new_directory("sockets")
        for path in self.sockets():
            shutil.move(path, aside)
        try:
            self.assertEqual(self.reader("/tcp").read(0, len(data)), (data, 0))
        finally:
            for name in os.listdir(aside):
                shutil.move(os.path.join(aside, name), run)

    def test_a_damaged_replica_gives_no_wrong_byte_and_is_reported(self):
        """faults 24 and 25: found through the descriptors, confirmed and reported by way of TCP"""
        for part in ("data", "meta"):
            data = random.randbytes(300_000)
            path = f"/damaged-{part}"
            self.put(path, data)
            victim = self.replicas(path)[0]
            file = victim.path if part == "data" else replicas.meta_path(victim)
            with open(file, "r+b") as out:
                good = out.read()
                out.seek(1000)
                out.write(bytes([good[1000] ^ 1]))
            reader = self.reader(path, "dfs.client.read.shortcircuit.streams.cache.size=0")

            def replaced():
                reader.open()
                self.assertEqual(reader.read(0, len(data))[0], data)
                try:
                    with open(file, "rb") as now:
                        return now.read() == good
                except FileNotFoundError:
                    return True

            self.eventually(replaced, f"the damaged {part} is reported, and the replica replaced")

    def test_a_file_that_is_deleted_or_changed_while_open_shows_bytes_of_its_own(self):
        data = random.randbytes(300_100)
        more = random.randbytes(5_000)
        for change in ("delete", "append", "truncate", "replicate anew"):
            path = f"/changed-{change}"
            self.put(path, data)
            reader = self.reader(path)
            self.assertEqual(reader.read(0, 1000), (data[:1000], 1000))
            if change == "delete":
                self.cluster.dfs("-rm", "-skipTrash", path)
                self.put("/in-its-place", random.randbytes(300_100))
                self.eventually(lambda: not self.replicas(path), "its replicas are gone")
                self.assertEqual(reader.read(0, len(data)), (data, len(data)))
            elif change == "append":
                self.cluster.dfs("-appendToFile", "-", path, input=more)
                self.assertEqual(reader.read(0, len(data))[0], data)
                reader.open()
                self.assertEqual(reader.read(0, 400_000)[0], data + more)
            elif change == "replicate anew":
                for count in (1, 3):
                    self.cluster.dfs("-setrep", str(count), path)
                    self.eventually(lambda: len(self.replicas(path)) == count, "the replicas")  # noqa: B023
                self.assertEqual(reader.read(0, len(data)), (data, len(data)))
            else:
                self.cluster.dfs("-truncate", "-w", "100001", path)
                bytes_read, _ = reader.read(0, 100_000)
                self.assertEqual(bytes_read, data[:100_000])
                bytes_read, _ = reader.read(0, len(data))
                self.assertIn(bytes_read, (None, data[:100_001]))
                reader.open()
                self.assertEqual(reader.read(0, len(data))[0], data[:100_001])

    def test_what_is_open_stays_readable_when_the_right_to_read_is_taken_away(self):
        """fault 57: as on any UNIX file system; a new open is refused"""
        data = random.randbytes(100_000)
        self.put("/taken-away", data)
        reader = Reader(self.program, self.cluster, "/taken-away", user="alice")
        self.assertEqual(reader.read(0, 1000), (data[:1000], 1000))
        self.cluster.dfs("-chmod", "600", "/taken-away")
        self.assertEqual(reader.read(0, len(data)), (data, len(data)))
        reader.close()
        refused = Reader(self.program, self.cluster, "/taken-away", user="alice")
        self.addCleanup(refused.close)
        self.assertEqual(refused.process.stdout.read(), b"")
        self.assertEqual(refused.process.wait(), 1)

    def test_what_is_being_written_is_read_by_way_of_the_datanodes(self):
        writer = Writer(self.cluster, files=1)
        self.addCleanup(writer.kill)
        for path, length in writer.held.items():
            self.assertEqual(self.reader(path).read(0, length), (content(path, length), 0))

    def test_a_file_that_changes_all_the_time_never_shows_a_wrong_byte(self):
        """Byte for byte it says which one it is, whatever its length is just now."""
        draws = self.random()
        whole = b"".join(at.to_bytes(4, "big") for at in range(100_000))
        size = 200_000
        self.put("/churn", whole[:size])
        done = threading.Event()
        seen = {"local": 0, "remote": 0, "failed": 0}

        def read(reader, seed):
            draw = random.Random(seed)
            while not done.is_set():
                offset = draw.randrange(250_000)
                got, local = reader.read(offset, 50_000)
                if got is None:
                    seen["failed"] += 1
                elif got != whole[offset : offset + len(got)]:
                    return f"wrong bytes at {offset}"
                else:
                    seen["local" if local else "remote"] += 1
                if draw.random() < 0.2 and not reader.open():
                    seen["failed"] += 1  # just now no datanode has the version being written
            return None

        readers = [self.reader("/churn") for _ in range(2)]
        for reader in readers:
            self.assertEqual(reader.read(0, 4)[0], whole[:4])  # it is open
        with concurrent.futures.ThreadPoolExecutor() as pool:
            results = [pool.submit(read, reader, draws.random()) for reader in readers]
            try:
                for _ in range(12):
                    length = draws.randrange(100_000, size)
                    self.cluster.dfs("-truncate", "-w", str(length), "/churn")
                    size = draws.randrange(length + 1, 300_000)
                    more = whole[length:size]
                    self.cluster.dfs("-appendToFile", "-", "/churn", input=more)
            finally:
                done.set()
            self.assertEqual([result.result() for result in results], [None, None])
        self.assertGreater(seen["local"], 0)
        self.note(f"reads: {seen}")
