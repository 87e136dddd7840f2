"""A unit that is wrong and matches its checksums, met by the rebuild of another unit."""

import random

from harness import coded, replicas
from harness.case import Case
from harness.cluster import MiniCluster

PARITY = 3  # with another unit lost, two are to spare: so the wrong one can be named
UNITS = coded.DATA + PARITY
FILE = "/cold/file"
SIZE = coded.DATA * (1 << 20) - 7  # one group; a unit takes several pieces of a rebuild
WRONG, LOST = 0, 1
OFFSET = 300_000


class WrongUnit(Case):
    limit_seconds = 300

    def setUp(self):
        super().setUp()
        self.cluster = MiniCluster(
            datanodes=UNITS + 1,
            conf={**coded.CONF, **coded.GIVEN_UP_SOON, "dfs.blocksize": "1m"},
        )
        self.addCleanup(self.cluster.close)
        coded.make(self.cluster, "/cold", parity=PARITY)

    def units(self):
        """{number: replica} of what is finalized on datanodes that run."""
        units = replicas.live_units(self.cluster)
        return {block & 15: replica for block, replica in units.items()}

    def contents(self, units):
        found = {}
        for number, replica in units.items():
            with open(replica.path, "rb") as file:
                found[number] = file.read()
        return found

    def test_it_is_left_out_and_named_and_stays(self):
        self.cluster.put(random.Random(SIZE).randbytes(SIZE), FILE)
        units = self.units()
        self.assertEqual(set(units), set(range(UNITS)))
        expected = self.contents(units)
        wrong = units[WRONG]
        before = replicas.spoil(wrong, OFFSET)
        spoilt = self.contents(units)[WRONG]
        self.assertNotEqual(spoilt, expected[WRONG])
        expected[WRONG] = spoilt

        self.cluster.kill(units[LOST].node)
        self.eventually(lambda: LOST in self.units(), "the lost unit is computed", 120)
        # Byte for byte as it was written, though the wrong one was among those that were read.
        self.assertEqual(self.contents(self.units()), expected)

        lines = self.eventually(
            lambda: [
                line
                for line in self.cluster.log("namenode").splitlines()
                if f"blk_{wrong.block} on datanode " in line and " is wrong, " in line
            ],
            "the namenode's log names it",
        )
        self.assertIn(f"unit {WRONG} of block group {wrong.block & ~15} has byte ", lines[0])
        self.assertIn(f" at offset {OFFSET} where all others say {before}", lines[0])

        # Nothing is done about it, whoever looks: with what was rebuilt it is still the only one.
        result = self.cluster.cairn("fsck", FILE, "-ec-verify")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(
            result.stdout.decode(), rf"\n{FILE}: Wrong unit {WRONG} \(blk_{wrong.block}\) of "
        )
        after = self.units()
        self.assertEqual(after[WRONG], wrong)
        self.assertEqual(self.contents(after), expected)
