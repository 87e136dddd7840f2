"""`cairn fsck -ec-verify`: all units of block groups are read, and compared with one another."""

import json
import os
import re

from erasure.test_files import BLOCK, CELL, DATA, GROUP, PARITY, POLICY, SIZES, content, flip
from faults.test_leases import Writer
from harness import coded, replicas
from harness.case import Case

UNITS = DATA + PARITY
FILE = "/held/file"


def text(result):
    return result.stdout.decode()


def groups_of(size):
    return (size + GROUP - 1) // GROUP


class Verify(Case):
    limit_seconds = 300

    def setUp(self):
        super().setUp()
        # One more than there are units: a unit that is lost has somewhere to go.
        conf = {"dfs.heartbeat.interval": "1s"}
        self.cluster = coded.start(self.addCleanup, UNITS + 1, (POLICY,), "/held", conf=conf)

    def put(self, size, path=FILE):
        self.cluster.put(content(size), path, "-D", f"dfs.blocksize={BLOCK}")

    def put_one_group(self, size=GROUP - 7):
        """The file's group, and its units by number."""
        self.put(size)
        units = replicas.live_units(self.cluster)
        self.assertEqual(len(units), UNITS)
        (group,) = {block & ~15 for block in units}
        return group, {block & 15: replica for block, replica in units.items()}

    def verify(self, path, *words):
        return self.cluster.cairn("fsck", path, "-ec-verify", *words)

    def sums(self, **counts):
        """The section of the sums, in which all else is 0."""
        lines = {
            "verified": " Verified block groups:\t{}\n",
            "contradicting": " Contradicting block groups:\t{}\n",
            "wrong": " Wrong units:\t{}\n",
            "unrecoverable": " Unrecoverable block groups:\t{}\n",
            "unreadable": " Block groups with unreadable units:\t{}\n",
            "lost": " Block groups with lost units:\t{}\n",
            "not_compared": " Not wholly compared block groups:\t{}\n",
        }
        self.assertLessEqual(set(counts), set(lines))
        return "\nVerification of Block Groups:\n" + "".join(
            line.format(counts.get(name, 0)) for name, line in lines.items()
        )

    def unit_pattern(self, what, replica):
        """Of the line about a unit whose datanode runs."""
        port = self.cluster.ports(replica.node)["transfer"]
        return (
            rf"\n{FILE}: {what} unit {replica.block & 15} \(blk_{replica.block}\) of "
            rf"BP-\S+:blk_{replica.block & ~15}_{replica.stamp} on 127\.0\.0\.1:{port}: "
        )

    def test_whole_files_of_every_size_are_verified(self):
        for size in SIZES:
            self.put(size, f"/held/size-{size}")
        self.cluster.put(b"not coded", "/plain")
        expected = sum(groups_of(size) for size in SIZES)
        for words in ((), ("-parallel", "1"), ("-parallel", "16")):
            result = self.verify("/", *words)
            self.assertEqual(result.returncode, 0, text(result))
            self.assertIn(self.sums(verified=expected), text(result))
            self.assertTrue(text(result).endswith("The filesystem under path '/' is HEALTHY\n"))

        report = json.loads(text(self.verify("/", "-files", "--json")))
        self.assertEqual(report["totals"]["verification"]["verified"], expected)
        found = {file["path"]: file.get("verification") for file in report["files"]}
        # In the order in which the directory is walked through, whoever was done first.
        self.assertEqual([path for path in found if path != "/plain"],
                         sorted(path for path in found if path != "/plain"))
        self.assertIsNone(found["/plain"])
        for size in SIZES:
            groups = found[f"/held/size-{size}"] or []
            self.assertEqual(len(groups), groups_of(size))
            for group in groups:
                self.assertEqual(group["state"], "verified")
                self.assertGreater(group["unit_bytes"], 0)
                self.assertEqual(group["compared_bytes"], group["unit_bytes"])
        # Nobody who does not ask has his files read.
        self.assertNotIn("Verif", text(self.cluster.cairn("fsck", "/")))

    def test_a_wrong_unit_with_right_checksums_is_named(self):
        group, units = self.put_one_group()
        for number, offset in ((1, CELL + 12345), (4, 0), (2, units[2].bytes - 1)):
            with self.subTest(unit=number):
                before = replicas.spoil(units[number], offset)
                # Its own checksums say nothing of it.
                debug = ("debug", "verifyMeta", "-meta", replicas.meta_path(units[number]),
                         "-block", units[number].path)
                self.assertEqual(self.cluster.cairn(*debug).returncode, 0)
                for _ in range(2):  # it is told, and nothing is done about it
                    result = self.verify(FILE)
                    self.assertEqual(result.returncode, 1)
                    self.assertRegex(
                        text(result),
                        self.unit_pattern("Wrong", units[number])
                        + rf"the other units agree, .* at offset {offset} of the unit\.\n",
                    )
                    self.assertIn(self.sums(contradicting=1, wrong=1), text(result))
                    self.assertTrue(text(result).endswith(f"'{FILE}' is CORRUPT\n"))
                replicas.spoil(units[number], offset, before)
        self.assertEqual(self.verify(FILE).returncode, 0)

        replicas.spoil(units[0], 77)
        report = json.loads(text(self.verify(FILE, "--json")))
        self.assertEqual(report["status"], "CORRUPT")
        (finding,) = report["files"][0]["verification"]
        self.assertEqual(finding["state"], "contradicting")
        self.assertEqual(finding["differ_at"], 77)
        port = self.cluster.ports(units[0].node)["transfer"]
        self.assertEqual(
            finding["wrong_unit"],
            {"unit": 0, "block": f"blk_{group}", "datanode": f"127.0.0.1:{port}"},
        )

    def test_a_wrong_unit_that_is_taken_away_is_computed_again(self):
        _, units = self.put_one_group()
        wrong = units[3]
        replicas.spoil(wrong, 4096)
        self.assertEqual(self.verify(FILE).returncode, 1)
        # As docs/operations.md says.
        self.cluster.kill(wrong.node)
        os.remove(wrong.path)
        os.remove(replicas.meta_path(wrong))
        self.cluster.start(wrong.node)
        self.eventually(
            lambda: self.sums(verified=1) in text(self.verify(FILE)), "it is there again", 60
        )
        self.assertEqual(self.cluster.cat(FILE), content(GROUP - 7))

    def test_units_contradict_each_other_where_one_is_lost(self):
        _, units = self.put_one_group()
        replicas.spoil(units[1], 2048)
        lost = self.unit_pattern("Lost", units[3])
        self.cluster.kill(units[3].node)
        result = self.verify(FILE)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(
            text(result),
            rf"\n{FILE}: Contradicting BP-\S+\. The group's units contradict each other at offset "
            r"2048 of the units; which one is wrong is not known\.\n",
        )
        self.assertRegex(text(result), lost)
        self.assertIn(self.sums(contradicting=1), text(result))

    def test_a_unit_with_bad_checksums_is_named_and_computed_again(self):
        _, units = self.put_one_group()
        flip(units[4].path, CELL + 3)
        result = self.verify(FILE)
        self.assertEqual(result.returncode, 0, text(result))  # the file has all its bytes
        self.assertRegex(text(result), self.unit_pattern("Unreadable", units[4]))
        self.assertIn(self.sums(unreadable=1), text(result))
        # As after the complaint of any reader.
        self.eventually(
            lambda: self.sums(verified=1) in text(self.verify(FILE)), "it is computed again", 60
        )

    def test_lost_units_are_told_and_the_others_compared(self):
        _, units = self.put_one_group(DATA * CELL + CELL + 9)
        lost = self.random().sample(sorted(units), 3)
        self.note(f"lost units: {lost}")
        lines = {number: self.unit_pattern("Lost", units[number]) for number in lost}
        expected = (
            (0, {"lost": 1}),
            (0, {"lost": 1, "not_compared": 1}),
            (1, {"unrecoverable": 1, "not_compared": 1}),
        )
        for count, (code, counts) in enumerate(expected, 1):
            self.cluster.kill(units[lost[count - 1]].node)
            result = self.verify(FILE)
            self.assertEqual(result.returncode, code, text(result))
            self.assertIn(self.sums(**counts), text(result))
            for number in lost[:count]:
                self.assertRegex(text(result), lines[number])
        self.assertIn("Fewer units could be read than the 3 that are needed", text(result))
        self.cluster.start(*(units[number].node for number in lost))
        self.eventually(
            lambda: self.sums(verified=1) in text(self.verify(FILE)), "all units are there", 60
        )

    def test_a_group_that_is_being_written_is_not_read(self):
        # Its first group was ended by a flush.
        writer = Writer(self.cluster, files=1, size=DATA * CELL + CELL + 700_000)
        try:
            ((path, _),) = writer.held.items()
            report = json.loads(text(self.verify(path, "-openforwrite", "-files", "--json")))
            states = [group["state"] for group in report["files"][0]["verification"]]
            self.assertEqual(states, ["verified", "being-written"])
            out = text(self.verify(path, "-openforwrite"))
            self.assertIn(self.sums(verified=1), out)
            self.assertIn("\n Block groups being written (not verified):\t1\n", out)
            # Open files are only counted, as ever, unless they are asked for.
            self.assertIn(self.sums(), text(self.verify(path)))
        finally:
            writer.kill()

    def test_bad_usage(self):
        for words in (("-parallel", "0"), ("-parallel",), ("-blockId", "blk_1")):
            self.assertEqual(self.verify("/", *words).returncode, 255, words)
        alone = self.cluster.cairn("fsck", "/", "-parallel", "2")
        self.assertEqual(alone.returncode, 255)
        self.assertTrue(re.search(rb"-parallel is for -ec-verify", alone.stderr))
