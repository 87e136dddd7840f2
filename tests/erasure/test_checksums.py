"""Checksums of erasure-coded files, in both combine modes: those of Apache HDFS, from its client and
from ours, with datanodes lost as well."""

import hashlib
import os

from erasure.test_files import BLOCK, CELL, DATA, GROUP, POLICY, content
from harness import env, hadoop, replicas
from harness.case import Case
from harness.cluster import MiniCluster

MODES = ("MD5MD5CRC", "COMPOSITE_CRC")
ON = {"cairn.namenode.erasure.coding": "true"}
EC_ADMIN = "@org.apache.hadoop.hdfs.tools.ECAdmin"


def mode_flags(mode):
    return ("-D", f"dfs.checksum.combine.mode={mode}")


def md5_of_digests(digests):
    """Hadoop hashes its whole buffer, which doubles from 32 bytes and is zeros beyond what it holds."""
    size = 32
    while size < len(digests):
        size *= 2
    return hashlib.md5(digests.ljust(size, b"\0")).digest()


def stored_crcs(replica):
    with open(replicas.meta_path(replica), "rb") as meta:
        return meta.read()[replicas.META_HEADER_BYTES :]


def md5_of_units(groups):
    """What Hadoop says of a file in the mode MD5MD5CRC, from the CRCs on the disks; `groups`: of each
    {unit: replica}, in order."""
    digests = b""
    for units in groups:
        data = [units[unit] for unit in range(DATA) if unit in units]
        digests += md5_of_digests(b"".join(hashlib.md5(stored_crcs(u)).digest() for u in data))
    crcs_per_block = len(stored_crcs(groups[0][0])) // 4 if len(groups) > 1 else 0
    head = (512).to_bytes(4, "big") + crcs_per_block.to_bytes(8, "big")
    return (head + md5_of_digests(digests)).hex()


def prepare(shell, policy):
    """The directory /cold."""
    shell.run(EC_ADMIN, "-enablePolicy", "-policy", policy)
    shell.run("-mkdir", "/cold")
    shell.run(EC_ADMIN, "-setPolicy", "-path", "/cold", "-policy", policy)


def put(shell, data, path):
    local = os.path.join(env.new_directory("put"), "data")
    with open(local, "wb") as file:
        file.write(data)
    shell.run("-put", "-f", local, path)


def shells(case, uri):
    """By mode, Hadoop's client in that mode."""
    made = {}
    for mode in MODES:
        conf = {"dfs.blocksize": str(BLOCK), "dfs.checksum.combine.mode": mode}
        made[mode] = hadoop.Shell(uri, conf)
        case.addClassCleanup(made[mode].close)
    return made


def theirs(shell, path):
    return shell.run("-checksum", path)[1].split()[-1]


def coded_groups(cluster):
    """Of what is finalized on its datanodes, by id, {unit: replica}."""
    found = {}
    for replica in replicas.replicas_of(cluster):
        if replica.block < 0 and replica.state == "finalized":
            unit = replica.block & 15
            found.setdefault(replica.block - unit, {})[unit] = replica
    return found


class Checksums(Case):
    limit_seconds = 400
    sizes = (1, CELL + 1, GROUP - 1, GROUP, 2 * GROUP + CELL + 7)

    @classmethod
    def setUpClass(cls):
        cls.need(hadoop.why_not())
        cls.cluster = MiniCluster(datanodes=5, conf=ON)
        cls.addClassCleanup(cls.cluster.close)
        cls.shells = shells(cls, cls.cluster.uri)
        prepare(cls.shells[MODES[0]], POLICY)
        # Before any datanode is killed: each group has all its units.
        cls.groups = {size: cls.put(size) for size in cls.sizes}

    @classmethod
    def put(cls, size):
        """Makes /cold/size-SIZE. Its groups, in order."""
        before = set(coded_groups(cls.cluster))
        put(cls.shells[MODES[0]], content(size), f"/cold/size-{size}")
        put(cls.shells[MODES[0]], content(size), f"/replicated-{size}")
        made = sorted(coded_groups(cls.cluster).items())
        return [units for group, units in made if group not in before]

    def check(self, path, expected):
        for mode in MODES:
            with self.subTest(mode=mode):
                self.assertEqual(theirs(self.shells[mode], path), expected[mode])
                self.assertEqual(self.cluster.checksum(path, *mode_flags(mode)), expected[mode])

    def test_both_clients_in_both_modes_with_units_lost(self):
        expected = {
            size: {
                "MD5MD5CRC": md5_of_units(self.groups[size]),
                "COMPOSITE_CRC": self.cluster.checksum(
                    f"/replicated-{size}", *mode_flags("COMPOSITE_CRC")
                ),
            }
            for size in self.sizes
        }
        for size in self.sizes:
            units = self.groups[size][0]
            first, parity, last = (units[u].node for u in (0, DATA, max(units)))
            second = units[1].node if 1 in units else last
            for lost in ((), (first,), (first, second), (first, parity)):
                self.cluster.kill(*lost) if lost else None
                try:
                    with self.subTest(size=size, lost=lost):
                        self.check(f"/cold/size-{size}", expected[size])
                finally:
                    self.cluster.start(*lost) if lost else None

    def test_with_too_few_units_nobody_is_told_a_checksum(self):
        lost = [self.groups[GROUP][0][unit].node for unit in range(DATA)]
        path = f"/cold/size-{GROUP}"
        self.cluster.kill(*lost)
        try:
            for mode in MODES:
                self.cluster.dfs_error(*mode_flags(mode), "-checksum", path)
                failed = self.shells[mode].run("-checksum", path, check=False)
                self.assertNotEqual(failed[0], 0)
        finally:
            self.cluster.start(*lost)

    def test_a_file_has_its_checksum_at_once_when_it_is_closed(self):
        data = content(DATA * CELL)
        sums = set()
        for _ in range(10):
            self.cluster.put(data, "/cold/new")
            sums.add(tuple(self.cluster.checksum("/cold/new", *mode_flags(m)) for m in MODES))
        self.assertEqual(len(sums), 1)


class ChecksumsOfApacheHdfs(Case):
    """A file of the same bytes, in the same layout, on an Apache HDFS has the same checksums."""

    limit_seconds = 600
    policy = "XOR-2-1-1024k"

    @classmethod
    def setUpClass(cls):
        cls.need(hadoop.why_not())
        cls.hdfs = hadoop.Hdfs(datanodes=3)
        cls.addClassCleanup(cls.hdfs.close)
        cls.cluster = MiniCluster(datanodes=3, conf=ON)
        cls.addClassCleanup(cls.cluster.close)
        cls.at_hdfs = shells(cls, cls.hdfs.uri)
        cls.at_cairn = shells(cls, cls.cluster.uri)
        for each in (cls.at_hdfs, cls.at_cairn):
            prepare(each[MODES[0]], cls.policy)

    def test_they_are_the_same(self):
        for size in (1, CELL + 1, 2 * CELL, 5 * BLOCK + CELL // 2 + 7):
            path = f"/cold/size-{size}"
            for each in (self.at_hdfs, self.at_cairn):
                put(each[MODES[0]], content(size), path)
            for mode in MODES:
                with self.subTest(size=size, mode=mode):
                    expected = theirs(self.at_hdfs[mode], path)
                    self.assertEqual(theirs(self.at_cairn[mode], path), expected)
                    self.assertEqual(self.cluster.checksum(path, *mode_flags(mode)), expected)
                    ours = self.hdfs.dfs(*mode_flags(mode), "-checksum", path)
                    self.assertEqual(ours.stdout.decode().split()[-1], expected)
