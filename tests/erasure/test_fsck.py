"""What `cairn fsck` and `cairn why` tell of erasure-coded files: whole, degraded, and lost."""

import json
import re

from erasure.test_files import DATA, PARITY, POLICY, content
from harness import coded, replicas
from harness.case import Case

UNITS = DATA + PARITY
SIZE = 7_000_000  # one group, with bytes in all data units
BIG, SMALL, PLAIN = "/cold/big", "/cold/small", "/plain"


def text(result):
    return result.stdout.decode()


class Fsck(Case):
    limit_seconds = 300

    def setUp(self):
        super().setUp()
        self.cluster = coded.start(
            self.addCleanup, UNITS, (POLICY,), "/cold", conf=coded.GIVEN_UP_SOON
        )
        self.cluster.put(content(SIZE), BIG)
        units = replicas.live_units(self.cluster)
        self.assertEqual(len(units), UNITS)
        (self.group,) = {block & ~15 for block in units}

    def fsck(self, path, *words):
        return self.cluster.cairn("fsck", path, *words)

    def block_line(self, live, lost=False):
        """A pattern of the line of the big file's group with the units that are there."""
        listed = []
        stamps = set()
        for block, replica in sorted(replicas.live_units(self.cluster).items()):
            if block & ~15 != self.group:
                continue
            stamps.add(replica.stamp)
            port = self.cluster.ports(replica.node)["transfer"]
            listed.append(
                rf"blk_{block}:DatanodeInfoWithStorage\[127\.0\.0\.1:{port},DS-[^,]+,DISK\]"
            )
        self.assertEqual(len(listed), live)
        (stamp,) = stamps
        return (
            rf"\n0\. BP-\S+:blk_{self.group}_{stamp} len={SIZE}{' MISSING!' if lost else ''} "
            rf"Live_repl={live}  \[{', '.join(listed)}\]\n"
        )

    def when_fsck(self, path, condition, what):
        def done():
            result = self.fsck(path, "-files", "-blocks", "-locations")
            return result if condition(result) else None

        return self.eventually(done, what, seconds=60)

    def test_a_whole_file_is_listed_with_its_units(self):
        self.cluster.put(b"x", SMALL)
        self.cluster.put(b"plain", PLAIN)
        result = self.fsck(BIG, "-files", "-blocks", "-locations")
        self.assertEqual(result.returncode, 0)
        out = text(result)
        self.assertIn(f"{BIG} {SIZE} bytes, erasure-coded: policy={POLICY}, 1 block(s):  OK\n", out)
        self.assertRegex(out, self.block_line(UNITS))

        out = text(self.fsck("/"))
        replicated, groups = out.split("\nErasure Coded Block Groups:\n")
        self.assertIn(" Total files:\t1\n Total blocks (validated):\t1 (avg. block size 5 B)", replicated)
        self.assertIn(
            f" Total size:\t{SIZE + 1} B\n Total files:\t2\n"
            f" Total block groups (validated):\t2 (avg. block group size {(SIZE + 1) // 2} B)\n"
            " Minimally erasure-coded block groups:\t2 (100.0 %)\n"
            " Over-erasure-coded block groups:\t0 (0.0 %)\n"
            " Under-erasure-coded block groups:\t0 (0.0 %)\n"
            " Unsatisfactory placement block groups:\t0 (0.0 %)\n"
            # HDFS calls so how many units a group has: of one byte there are three.
            " Average block group size:\t4.0\n"
            " Missing block groups:\t\t0\n"
            " Corrupt block groups:\t\t0\n"
            " Missing internal blocks:\t0 (0.0 %)\n",
            groups,
        )
        self.assertTrue(out.endswith("The filesystem under path '/' is HEALTHY\n"))
        report = json.loads(text(self.fsck(BIG, "-files", "--json")))
        self.assertEqual(report["files"][0]["erasure_policy"], POLICY)
        (group,) = report["files"][0]["blocks"]
        self.assertEqual(group["units_needed"], DATA)
        self.assertEqual([unit["unit"] for unit in group["units"]], list(range(UNITS)))
        self.assertEqual(report["totals"]["files"], 0)
        self.assertEqual(report["totals"]["block_groups"]["files"], 1)

        why = self.cluster.cairn("why", BIG)
        self.assertEqual(why.returncode, 0)
        self.assertIn("its 1 block group has all units", text(why))

    def test_two_lost_datanodes_degrade_a_file_and_a_third_one_loses_it(self):
        lost = self.random().sample(sorted(replicas.live_units(self.cluster)), 3)
        nodes = {block: replicas.live_units(self.cluster)[block].node for block in lost}
        self.note(f"lost: {nodes}")
        self.cluster.kill(*(nodes[block] for block in lost[:2]))
        result = self.when_fsck(
            BIG, lambda r: b"found 3 live replica(s)" in r.stdout, "two units are missed"
        )
        self.check_degraded(result)
        for block in lost[:2]:
            self.assertIn(
                f"blk_{block} (unit {block & 15} of group blk_{self.group}) of {BIG}",
                text(self.cluster.cairn("why", f"blk_{block}")),
            )

        self.cluster.kill(nodes[lost[2]])
        result = self.when_fsck(BIG, lambda r: r.returncode == 1, "the file is lost")
        self.check_lost(result)

        self.cluster.start(nodes[lost[2]])
        self.when_fsck(BIG, lambda r: r.returncode == 0, "the file can be read again")

    def check_degraded(self, result):
        out = text(result)
        self.assertEqual(result.returncode, 0)
        self.assertRegex(
            out,
            rf"{BIG} {SIZE} bytes, erasure-coded: policy={POLICY}, 1 block\(s\):  Under replicated "
            rf"BP-\S+:blk_{self.group}_\d+\. Target Replicas is 5 but found 3 live replica\(s\), "
            r"0 decommissioned replica\(s\), 0 decommissioning replica\(s\)\.\n",
        )
        self.assertRegex(out, self.block_line(3))
        self.assertIn(" Minimally erasure-coded block groups:\t1 (100.0 %)\n", out)
        self.assertIn(" Under-erasure-coded block groups:\t1 (100.0 %)\n", out)
        self.assertIn(" Missing internal blocks:\t2 (40.0 %)\n", out)
        self.assertTrue(out.endswith(f"The filesystem under path '{BIG}' is HEALTHY\n"))
        self.assertEqual(self.cluster.cat(BIG), content(SIZE))
        # A unit that can be computed is not lost.
        self.eventually(
            lambda: text(self.fsck("/", "-list-corruptfileblocks"))
            == "The filesystem under path '/' has 0 CORRUPT blocks\n",
            "all blocks are looked at, and none is lost",
        )
        why = self.cluster.cairn("why", BIG)
        self.assertEqual(why.returncode, 1)
        self.assertIn(f"group blk_{self.group} of {BIG}\n", text(why))
        self.assertIn("2 of its 5 units are missing", text(why))
        self.assertIn("no more may be lost", text(why))

    def check_lost(self, result):
        out = text(result)
        self.assertIn(f"1 block(s):  MISSING 1 blocks of total size {SIZE} B\n", out)
        self.assertRegex(out, self.block_line(2, lost=True))
        self.assertIn(
            "\n  ********************************\n"
            "  UNRECOVERABLE BLOCK GROUPS:\t1 (100.0 %)\n"
            "  CORRUPT FILES:\t1\n"
            "  MISSING BLOCK GROUPS:\t1\n"
            f"  MISSING SIZE:\t\t{SIZE} B\n"
            "  ********************************\n",
            out,
        )
        self.assertIn(" Under-erasure-coded block groups:\t0 (0.0 %)\n", out)
        self.assertTrue(out.endswith(f"The filesystem under path '{BIG}' is CORRUPT\n"))
        # Told once, by the group's id.
        self.eventually(
            lambda: text(self.fsck("/", "-list-corruptfileblocks"))
            == "The list of corrupt blocks under path '/' are:\n"
            f"blk_{self.group}\t{BIG}\n"
            "The filesystem under path '/' has 1 CORRUPT blocks\n",
            "the group is listed as lost",
        )
        # Its id is that of its first unit, which may be there.
        for subject in (BIG, f"blk_{self.group}"):
            why = self.cluster.cairn("why", subject)
            self.assertEqual(why.returncode, 1)
            self.assertRegex(
                re.sub(r"\s+", " ", text(why)),
                r"3 of its 5 units are missing.*2 are left, and 3 are needed to read it",
            )
