"""Short-circuit reads of erasure-coded files: a client reads the units that the datanodes of its machine
have from their files, and whatever becomes of these, its bytes are right."""

import concurrent.futures
import os
import random
import shutil
import threading

from clients.test_local_reads import SOURCE, Reader
from erasure.test_files import content, flip
from faults import test_leases
from harness import coded, env, libhdfs, replicas
from harness.case import Case
from harness.cluster import MiniCluster

BLOCK = 1 << 20  # of each unit
GROUP = coded.DATA * BLOCK
STRIPE = coded.DATA * coded.CELL
CONF = {
    **coded.CONF,
    "dfs.blocksize": str(BLOCK),
    # What is bad is found by the reader, not by the scanner before it.
    "cairn.datanode.scan.period": "0",
    "dfs.datanode.directoryscan.interval": "0",
    # Old blocks go at once: whoever still reads them has their files, or must find the new ones.
    "cairn.namenode.erasure.convert.grace": "0s",
}


class LocalUnits(Case):
    limit_seconds = 400

    @classmethod
    def setUpClass(cls):
        cls.need(libhdfs.why_not())
        cls.program = libhdfs.compile_c(SOURCE)
        # One more than a group has units: what is bad can be computed anew.
        cls.cluster = MiniCluster(datanodes=coded.UNITS + 1, conf=CONF)
        cls.addClassCleanup(cls.cluster.close)
        coded.make(cls.cluster, "/cold", "/held")

    # ---- what is asked

    def reader(self, path, *conf):
        reader = Reader(self.program, self.cluster, path, *conf)
        self.addCleanup(reader.close)
        return reader

    def put(self, path, data):
        self.cluster.put(data, path)
        self.await_local(path, data)

    def await_local(self, path, data):
        """Units may be reported after the file was closed; until then their bytes are computed."""
        reader = Reader(self.program, self.cluster, path)
        try:
            self.eventually(
                lambda: reader.open() and reader.read(0, len(data)) == (data, len(data)),
                f"all of {path} is read locally",
            )
        finally:
            reader.close()

    def units(self, path):
        """Of each group of the file, in order, {number: replica} of what is finalized."""
        ids = [int(g["block"].removeprefix("blk_")) for g in coded.groups(self.cluster, path)]
        found = [r for r in replicas.replicas_of(self.cluster) if r.state == "finalized"]
        return [{r.block & 15: r for r in found if r.block & ~15 == group} for group in ids]

    def run_directory(self):
        return os.path.join(self.cluster.directory, "run")

    def socket(self, name):
        return os.path.join(self.run_directory(), f"dn.{self.cluster.ports(name)['transfer']}")

    def convert(self, *form_and_path, options=()):
        result = self.cluster.cairn("ec", *options, "-convert", *form_and_path)
        self.assertEqual(result.returncode, 0, (result.stdout + result.stderr).decode())

    def check_bytes(self, reader, data):
        """All of the file, wherever it comes from."""
        self.assertTrue(reader.read(0, len(data))[0] == data)

    # ---- tests

    def test_every_byte_comes_from_the_files(self):
        for size in coded.sizes(coded.CELL, STRIPE, GROUP):
            with self.subTest(size=size):
                data = content(size)
                path = f"/cold/size-{size}"
                self.put(path, data)
                reader = self.reader(path)
                self.assertTrue(reader.read(0, size + 1) == (data, size))
                for border in (coded.CELL, STRIPE, BLOCK, GROUP):
                    for at in (border - 1, border, border + 1):
                        for length in (1, 513, coded.CELL + 3):
                            wanted = data[at : at + length]
                            self.assertTrue(reader.read(at, length) == (wanted, len(wanted)), at)
        # With no datanode left: the descriptors are ours.
        for name in self.cluster.datanodes:
            self.cluster.kill_now(name)
        try:
            self.assertTrue(reader.read(0, size) == (data, size))
        finally:
            self.cluster.start(*self.cluster.datanodes)

    def test_local_and_remote_units_make_one_file(self):
        data = content(GROUP)
        self.put("/cold/mixed", data)
        (units,) = self.units("/cold/mixed")
        aside = env.new_directory("sockets")
        socket = self.socket(units[1].node)
        moved = shutil.move(socket, aside)
        try:
            self.assertTrue(self.reader("/cold/mixed").read(0, GROUP) == (data, GROUP - BLOCK))
            # In place of unit 2, which is computed, some of each kind are read.
            self.cluster.kill_now(units[2].node)
            try:
                self.assertTrue(self.reader("/cold/mixed").read(0, GROUP) == (data, BLOCK))
            finally:
                self.cluster.start(units[2].node)
        finally:
            shutil.move(moved, socket)

    def test_whoever_does_not_want_it_reads_over_tcp(self):
        data = content(STRIPE + 12_345)
        self.put("/cold/remote", data)
        for key in ("dfs.client.read.shortcircuit=false", "dfs.domain.socket.path="):
            self.assertTrue(self.reader("/cold/remote", key).read(0, len(data)) == (data, 0), key)

    def test_without_a_socket_that_can_be_trusted_it_reads_over_tcp(self):
        data = content(STRIPE + 12_345)
        self.put("/cold/tcp", data)
        run = self.run_directory()
        sockets = [self.socket(name) for name in self.cluster.datanodes]
        owners = {path: os.stat(path).st_uid for path in sockets}
        mode = os.stat(run).st_mode & 0o7777
        try:
            os.chmod(run, 0o777)
            self.assertTrue(self.reader("/cold/tcp").read(0, len(data)) == (data, 0))
            if os.geteuid() == 0:
                # Others may have put them there, and belong they do to somebody else.
                os.chmod(run, 0o1777)
                for path in sockets:
                    os.chown(path, 1, -1)
                self.assertTrue(self.reader("/cold/tcp").read(0, len(data)) == (data, 0))
        finally:
            for path, owner in owners.items():
                os.chown(path, owner, -1)
            os.chmod(run, mode)
        self.assertTrue(self.reader("/cold/tcp").read(0, len(data)) == (data, len(data)))

    def test_a_damaged_unit_gives_no_wrong_byte_and_is_reported(self):
        """Found through the descriptors, confirmed and reported by way of TCP, made good by the others."""
        for part in ("data", "meta"):
            data = content(GROUP)
            path = f"/cold/damaged-{part}"
            self.put(path, data)
            victim = self.units(path)[0][1]
            good = self.files_of(victim)
            flip(victim.path if part == "data" else replicas.meta_path(victim), 1000)
            reader = self.reader(path, "dfs.client.read.shortcircuit.streams.cache.size=0")
            got, local = reader.read(0, GROUP)
            self.assertTrue(got == data)
            self.assertGreaterEqual(local, GROUP - BLOCK, "the other units are read locally")
            self.assertLess(local, GROUP)

            def replaced():
                self.assertTrue(reader.open())  # noqa: B023
                self.check_bytes(reader, data)  # noqa: B023
                there = [r for r in replicas.replicas_of(self.cluster) if r.block == victim.block]  # noqa: B023
                return any(self.files_of(r) == good for r in there if r.state == "finalized")  # noqa: B023

            self.eventually(replaced, f"damaged {part} is reported, the unit computed anew", 90)

    def files_of(self, replica):
        try:
            with open(replica.path, "rb") as data, open(replicas.meta_path(replica), "rb") as meta:
                return data.read(), meta.read()
        except FileNotFoundError:  # deleted, or moved
            return None

    def test_whoever_does_not_want_checksums_gets_what_is_in_the_files(self):
        data = content(GROUP)
        self.put("/cold/unchecked", data)
        victim = self.units("/cold/unchecked")[0][1]
        flip(victim.path, 1000)
        try:
            wrong = bytearray(data)
            wrong[coded.CELL + 1000] ^= 1
            key = "dfs.client.read.shortcircuit.skip.checksum=true"
            unchecked = self.reader("/cold/unchecked", key)
            self.assertTrue(unchecked.read(0, GROUP) == (bytes(wrong), GROUP))
        finally:
            flip(victim.path, 1000)
        self.assertTrue(self.reader("/cold/unchecked").read(0, GROUP) == (data, GROUP))

    def test_units_that_go_while_a_reader_has_the_file_open(self):
        data = content(GROUP + STRIPE + 5)
        self.put("/cold/deleted", data)
        blocks = {unit.block for group in self.units("/cold/deleted") for unit in group.values()}
        reader = self.reader("/cold/deleted")
        half = self.reader("/cold/deleted")
        self.check_bytes(reader, data)
        self.assertTrue(half.read(0, GROUP) == (data[:GROUP], GROUP))
        self.cluster.dfs("-rm", "-skipTrash", "/cold/deleted")
        self.cluster.put(data[::-1], "/cold/in-its-place")
        self.eventually(
            lambda: not any(r.block in blocks for r in replicas.replicas_of(self.cluster)),
            "its units are gone",
            60,
        )
        self.assertTrue(reader.read(0, len(data)) == (data, len(data)))
        self.assertTrue(half.read(0, GROUP) == (data[:GROUP], GROUP))
        self.assertIsNone(half.read(0, len(data))[0])

    def test_a_unit_that_is_computed_anew_while_a_reader_has_the_file_open(self):
        data = content(GROUP)
        self.put("/cold/anew", data)
        reader = self.reader("/cold/anew")
        self.check_bytes(reader, data)
        lost = self.units("/cold/anew")[0][0]
        expected, _ = self.files_of(lost)
        self.cluster.kill_now(lost.node)
        os.remove(lost.path)
        os.remove(replicas.meta_path(lost))
        self.cluster.start(lost.node)

        def computed():
            unit = self.units("/cold/anew")[0].get(0)
            return unit is not None and self.files_of(unit) is not None

        self.eventually(computed, "the unit is computed", 90)
        self.assertTrue(self.files_of(self.units("/cold/anew")[0][0])[0] == expected)
        self.assertTrue(reader.read(0, GROUP) == (data, GROUP), "by the files that it has")
        self.await_local("/cold/anew", data)

    def test_a_file_that_is_appended_to_or_truncated_while_open(self):
        data = content(GROUP + STRIPE + 5)
        more = content(5_000)
        self.put("/cold/changed", data)
        reader = self.reader("/cold/changed")
        self.check_bytes(reader, data)
        self.cluster.append(more, "/cold/changed")
        self.check_bytes(reader, data)
        self.assertTrue(reader.open())
        self.check_bytes(reader, data + more)
        # Inside the first group: what stays of it is written anew.
        length = GROUP - STRIPE - 7
        self.cluster.dfs("-truncate", "-w", str(length), "/cold/changed")
        old = data + more
        self.assertTrue(reader.read(0, len(old))[0] in (None, old, old[:length]))
        self.assertTrue(reader.open())
        self.assertTrue(reader.read(0, len(old))[0] == old[:length])
        self.await_local("/cold/changed", old[:length])

    def test_a_file_that_is_converted_while_open(self):
        data = content(2 * GROUP + 12_345)
        self.put("/cold/converted", data)
        long = self.reader("/cold/converted")
        self.assertTrue(long.read(0, 1000) == (data[:1000], 1000))
        for form in (("-replicate",), ("-policy", coded.POLICY)):
            reader = self.reader("/cold/converted")
            self.assertTrue(reader.read(0, GROUP // 2)[0] == data[: GROUP // 2])
            self.convert(*form, "/cold/converted")
            # Of some blocks it has the files, and of others it has to be told the new ones.
            self.check_bytes(reader, data)
            self.check_bytes(long, data)
            self.await_local("/cold/converted", data)

    def test_a_conversion_verifies_what_it_reads_whatever_the_option_says(self):
        data = content(GROUP)
        self.put("/cold/rotten", data)
        flip(self.units("/cold/rotten")[0][1].path, 1000)
        skip = ("-D", "dfs.client.read.shortcircuit.skip.checksum=true")
        self.convert("-replicate", "/cold/rotten", options=skip)
        self.assertTrue(self.cluster.cat("/cold/rotten") == data)

    def test_what_has_been_flushed_is_read_whichever_way(self):
        # Alone in its file, and with a group behind it that is being written.
        for size in (100_000, 300_000):
            writer = test_leases.Writer(self.cluster, files=1, size=size)
            try:
                ((path, length),) = writer.held.items()
                got, local = self.reader(path).read(0, length)
                self.assertTrue(got == test_leases.content(path, length))
                self.note(f"of {length} flushed bytes {local} were read locally")
            finally:
                writer.kill()
            self.cluster.dfs("-rm", "-skipTrash", path)

    def test_a_file_that_changes_all_the_time_never_shows_a_wrong_byte(self):
        """Byte for byte it says which one it is, whatever its length and its form are just now."""
        draws = self.random()
        whole = b"".join(at.to_bytes(4, "big") for at in range(150_000))
        size = 300_000
        self.cluster.put(whole[:size], "/cold/churn")
        done = threading.Event()
        seen = {"local": 0, "remote": 0, "failed": 0}

        def read(reader, seed):
            draw = random.Random(seed)
            while not done.is_set():
                offset = draw.randrange(400_000)
                got, local = reader.read(offset, 150_000)
                if got is None:
                    seen["failed"] += 1
                elif got != whole[offset : offset + len(got)]:
                    return f"wrong bytes at {offset}"
                else:
                    seen["local" if local else "remote"] += 1
                if (got is None or draw.random() < 0.2) and not reader.open():
                    seen["failed"] += 1
            return None

        readers = [self.reader("/cold/churn") for _ in range(2)]
        for reader in readers:
            self.assertEqual(reader.read(0, 4)[0], whole[:4])  # it is open
        with concurrent.futures.ThreadPoolExecutor() as pool:
            results = [pool.submit(read, reader, draws.random()) for reader in readers]
            try:
                for turn in range(4):
                    length = draws.randrange(100_000, size)
                    self.cluster.dfs("-truncate", "-w", str(length), "/cold/churn")
                    size = draws.randrange(length + 1, 500_000)
                    self.cluster.append(whole[length:size], "/cold/churn")
                    form = ("-policy", coded.POLICY) if turn % 2 else ("-replicate",)
                    self.convert(*form, "/cold/churn")
            finally:
                done.set()
            self.assertEqual([result.result() for result in results], [None, None])
        self.assertGreater(seen["local"], 0)
        self.note(f"reads: {seen}")
