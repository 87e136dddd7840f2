"""Erasure-coded files: written and read by Apache Hadoop's client, kept as units by the datanodes."""

import hashlib
import os
import random

from harness import coded, env, hadoop, replicas
from harness.case import Case
from harness.cluster import MiniCluster

CELL = 1 << 20
DATA, PARITY = 3, 2
BLOCK = 2 * CELL  # of each unit; a group holds DATA of them
GROUP = DATA * BLOCK
POLICY = "RS-3-2-1024k"
SIZES = coded.sizes(CELL, DATA * CELL, GROUP)


def content(size):
    return random.Random(size).randbytes(size)


def units_of(data):
    """What the data units of one group hold, by number; none for those that hold nothing."""
    units = [bytearray() for _ in range(DATA)]
    for cell, at in enumerate(range(0, len(data), CELL)):
        units[cell % DATA] += data[at : at + CELL]
    return [bytes(unit) for unit in units]


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


class ErasureFiles(Case):
    limit_seconds = 400

    @classmethod
    def setUpClass(cls):
        reason = hadoop.why_not()
        if reason:
            cls.skip_all = reason
            return
        cls.skip_all = None
        cls.cluster = MiniCluster(datanodes=5, conf=coded.SWITCH)
        cls.addClassCleanup(cls.cluster.close)
        cls.shell = hadoop.Shell(cls.cluster.uri, {"dfs.blocksize": str(BLOCK)})
        cls.addClassCleanup(cls.shell.close)
        cls.ec("-enablePolicy", "-policy", POLICY)
        cls.shell.run("-mkdir", "/cold")
        cls.ec("-setPolicy", "-path", "/cold", "-policy", POLICY)

    def setUp(self):
        super().setUp()
        if self.skip_all:
            self.skipTest(self.skip_all)

    @classmethod
    def ec(cls, *words):
        return cls.shell.run("@org.apache.hadoop.hdfs.tools.ECAdmin", *words)[1]

    def put(self, data, path):
        local = os.path.join(env.new_directory("put"), "data")
        with open(local, "wb") as file:
            file.write(data)
        self.shell.run("-put", "-f", local, path)

    def get(self, path):
        local = os.path.join(env.new_directory("get"), "data")
        self.shell.run("-get", path, local)
        with open(local, "rb") as file:
            return file.read()

    def groups(self):
        """By id, {unit number: replica} of what is finalized on the datanodes."""
        groups = {}
        for replica in replicas.replicas_of(self.cluster):
            if replica.block < 0 and replica.state == "finalized":
                unit = replica.block & 15
                found = groups.setdefault(replica.block - unit, {})
                self.assertNotIn(unit, found, f"unit {unit} of {replica.block - unit} twice")
                found[unit] = replica
        return groups

    def test_hadoop_writes_and_reads_every_size(self):
        for size in SIZES:
            with self.subTest(size=size):
                before = set(self.groups())
                path = f"/cold/size-{size}"
                self.put(content(size), path)
                self.assertEqual(
                    hashlib.md5(self.get(path)).hexdigest(), hashlib.md5(content(size)).hexdigest()
                )
                self.check_units(size, [g for g in self.groups() if g not in before])
        self.assertIn(POLICY, self.ec("-getPolicy", "-path", "/cold/size-1"))

    def check_units(self, size, made):
        """Each group of the file: the data units hold what the layout says, the parity units are as
        long as the first, no datanode has two, and nothing else is there."""
        data = content(size)
        self.assertEqual(len(made), (size + GROUP - 1) // GROUP)
        # Groups are numbered in the order in which they were made.
        for number, group in enumerate(sorted(made)):
            expected = units_of(data[number * GROUP : (number + 1) * GROUP])
            units = self.groups()[group]
            wanted = {i for i, unit in enumerate(expected) if unit} | set(range(DATA, DATA + PARITY))
            self.assertEqual(set(units), wanted)
            self.assertEqual(len({unit.node for unit in units.values()}), len(units))
            for i, unit in enumerate(expected):
                if unit:
                    with open(units[i].path, "rb") as file:
                        self.assertEqual(file.read(), unit, f"unit {i} of group {number}")
            for i in range(DATA, DATA + PARITY):
                self.assertEqual(units[i].bytes, len(expected[0]))

    def test_hadoop_reads_on_with_two_datanodes_lost(self):
        data = content(GROUP + CELL + 5)
        self.put(data, "/cold/lost")
        for lost in (("datanode-1", "datanode-2"), ("datanode-3", "datanode-5")):
            self.cluster.kill(*lost)
            try:
                self.assertEqual(self.get("/cold/lost"), data)
            finally:
                self.cluster.start(*lost)

    def test_hadoop_appends(self):
        self.put(content(CELL + 7), "/cold/appended")
        local = os.path.join(env.new_directory("put"), "data")
        with open(local, "wb") as file:
            file.write(content(GROUP + 9))
        for flags in ((), ("-n",)):
            self.shell.run("-appendToFile", *flags, local, "/cold/appended")
        expected = content(CELL + 7) + 2 * content(GROUP + 9)
        self.assertEqual(self.get("/cold/appended"), expected)
        self.assertEqual(self.cluster.cat("/cold/appended"), expected)

    def test_cairn_reads_what_hadoop_wrote(self):
        for size in SIZES:
            self.put(content(size), f"/cold/for-cairn-{size}")
        for lost in ((), ("datanode-2", "datanode-4")):
            self.cluster.kill(*lost) if lost else None
            try:
                for size in SIZES:
                    with self.subTest(size=size, lost=lost):
                        self.assertEqual(self.cluster.cat(f"/cold/for-cairn-{size}"), content(size))
            finally:
                self.cluster.start(*lost) if lost else None

    def test_with_three_of_five_datanodes_lost_nobody_reads_a_wrong_byte(self):
        self.put(content(GROUP), "/cold/too-much")
        lost = ("datanode-1", "datanode-2", "datanode-3")
        self.cluster.kill(*lost)
        try:
            failed = self.cluster.dfs("-cat", "/cold/too-much", check=False)
            self.assertNotEqual(failed.returncode, 0)
            self.assertTrue(content(GROUP).startswith(failed.stdout))
        finally:
            self.cluster.start(*lost)
        self.assertEqual(self.cluster.cat("/cold/too-much"), content(GROUP))

    def test_a_flipped_byte_beside_a_lost_unit_is_not_read(self):
        before = set(self.groups())
        data = content(GROUP - 3)
        self.put(data, "/cold/flipped")
        (group,) = set(self.groups()) - before
        units = self.groups()[group]
        flip(units[1].path, CELL // 2)
        lost = units[4].node
        self.cluster.kill(lost)
        try:
            self.assertEqual(self.cluster.cat("/cold/flipped"), data)
            self.assertEqual(self.get("/cold/flipped"), data)
        finally:
            self.cluster.start(lost)

    def test_restarts_forget_no_unit(self):
        data = content(2 * GROUP + 7)
        self.put(data, "/cold/restarted")
        self.cluster.kill(*self.cluster.names)
        self.cluster.start(*self.cluster.names)
        self.assertEqual(self.cluster.cat("/cold/restarted"), data)
        # Hadoop's client does not try a call again whose connection has ended.
        self.shell.run("-ls", "/", check=False)
        self.assertEqual(self.get("/cold/restarted"), data)

    def test_a_deleted_file_leaves_no_unit(self):
        before = set(self.groups())
        self.put(content(GROUP + 1), "/cold/gone")
        self.assertEqual(len(set(self.groups()) - before), 2)
        self.shell.run("-rm", "-skipTrash", "/cold/gone")
        self.eventually(lambda: set(self.groups()) == before, "the units are deleted", seconds=60)

    def test_what_lies_where_no_policy_is_set_is_replicated(self):
        self.shell.run("-mkdir", "-p", "/warm")
        self.put(content(CELL), "/warm/file")
        self.assertIn("unspecified", self.ec("-getPolicy", "-path", "/warm/file"))
        self.ec("-setPolicy", "-path", "/warm", "-replicate")
        self.assertEqual(self.get("/warm/file"), content(CELL))

    def test_nobody_codes_where_it_is_off(self):
        with MiniCluster(datanodes=1) as cluster:
            shell = hadoop.Shell(cluster.uri)
            self.addCleanup(shell.close)
            code, _, err = shell.run("@org.apache.hadoop.hdfs.tools.ECAdmin", "-setPolicy", "-path",
                                     "/", "-policy", "RS-6-3-1024k", check=False)
            self.assertNotEqual(code, 0)
            self.assertIn("cairn.namenode.erasure.coding", err)
