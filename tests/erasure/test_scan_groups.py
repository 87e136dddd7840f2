"""The namenode has block groups verified by itself: a unit that is wrong and matches its checksums is
found while all units are there, and nothing else is called wrong."""

import random
import re
import time

from faults.test_leases import Writer
from harness import coded, replicas
from harness.case import Case
from harness.cluster import MiniCluster

PERIOD = "cairn.namenode.erasure.verify.period"
PARALLEL = "cairn.namenode.erasure.verify.parallel"
REPLACE = "cairn.namenode.erasure.verify.replace"
FILE = "/cold/file"
GROUP = coded.DATA * (1 << 20)
SIZE = GROUP - 7  # one group; a unit takes several pieces of a verification
WRONG = 0
OFFSET = 300_000


def content(size):
    return random.Random(size).randbytes(size)


class ScanGroups(Case):
    limit_seconds = 400

    def start(self, datanodes):
        """A cluster that verifies nothing until scan()."""
        self.cluster = MiniCluster(
            datanodes=datanodes,
            conf={
                **coded.CONF,
                "dfs.heartbeat.interval": "1s",
                "dfs.blocksize": "1m",
                PERIOD: "0",
            },
        )
        self.addCleanup(self.cluster.close)
        coded.make(self.cluster, "/cold", "/held")

    def scan(self, **conf):
        """Starts everything anew, with the keys' values of `conf`."""
        self.cluster.stop(*self.cluster.names)
        self.cluster.conf.update(conf)
        self.cluster.make()

    def put_one_group(self):
        """Its units by number."""
        self.cluster.put(content(SIZE), FILE)

        def units():
            found = replicas.live_units(self.cluster)
            return found if len(found) == coded.UNITS else None

        found = self.eventually(units, "all units are on their datanodes")
        return {block & 15: replica for block, replica in found.items()}

    def copies_of(self, block):
        """The (replica, bytes) of it that are finalized."""
        found = []
        for replica in replicas.replicas_of(self.cluster):
            if replica.block != block or replica.state != "finalized":
                continue
            try:
                with open(replica.path, "rb") as file:
                    found.append((replica, file.read()))
            except FileNotFoundError:  # deleted meanwhile
                pass
        return found

    def alarms(self):
        """What the namenode's log says is wrong with units."""
        return [
            line
            for line in self.cluster.log("namenode").splitlines()
            if " is wrong, " in line
            or "contradict each other" in line
            or re.search(r" [1-9]\d* contradict themselves", line)
        ]

    def alarm_about(self, unit):
        """The line that names it."""
        port = self.cluster.ports(unit.node)["transfer"]
        name = f"blk_{unit.block} on datanode 127.0.0.1:{port} is wrong, as "
        return self.eventually(
            lambda: next((line for line in self.alarms() if name in line), None),
            "the namenode's log names the unit",
            60,
        )

    def rounds(self):
        """(groups that agree, ...) of each round that has ended and had any group."""
        return [
            int(agree)
            for agree in re.findall(
                r"block groups were verified in \S+: (\d+) agree", self.cluster.log("namenode")
            )
        ]

    def why(self):
        return self.cluster.cairn("why", FILE)

    def test_a_wrong_unit_is_named_and_stays(self):
        self.start(datanodes=coded.UNITS + 1)
        wrong = self.put_one_group()[WRONG]
        before = replicas.spoil(wrong, OFFSET)
        ((_, spoilt),) = self.copies_of(wrong.block)
        self.eventually(lambda: self.why().returncode == 0, "nobody knows of it")

        self.scan(**{PERIOD: "2s"})
        line = self.alarm_about(wrong)
        self.assertIn(f"of {FILE}: unit {WRONG} of block group {wrong.block & ~15} has byte ", line)
        self.assertIn(f" at offset {OFFSET} where all others say {before}", line)
        why = self.why()
        self.assertEqual(why.returncode, 1)
        text = why.stdout.decode()
        self.assertIn(f"unit {WRONG} (blk_{wrong.block}) on datanode ", text)
        self.assertIn("A wrong unit", text)

        # Nothing is done about it, however often it is found.
        self.eventually(
            lambda: len([line for line in self.alarms() if " is wrong, " in line]) >= 3,
            "it is found again",
            60,
        )
        ((replica, data),) = self.copies_of(wrong.block)
        self.assertEqual(replica, wrong)
        self.assertEqual(data, spoilt)

        # Nobody reads the unit while it is put right.
        self.cluster.kill(wrong.node)
        replicas.spoil(wrong, OFFSET, before)
        self.cluster.start(wrong.node)
        self.eventually(lambda: self.why().returncode == 0, "it is forgotten", 60)
        self.assertEqual(coded.verification(self.cluster, FILE), {"verified": 1})

    def test_a_wrong_unit_is_computed_anew_elsewhere(self):
        self.computed_anew(datanodes=coded.UNITS + 1)

    def test_a_wrong_unit_is_computed_anew_in_its_place(self):
        self.computed_anew(datanodes=coded.UNITS)

    def computed_anew(self, datanodes):
        self.start(datanodes)
        wrong = self.put_one_group()[WRONG]
        ((_, right),) = self.copies_of(wrong.block)
        replicas.spoil(wrong, OFFSET)
        self.assertEqual(coded.verification(self.cluster, FILE).get("contradicting"), 1)

        self.scan(**{PERIOD: "2s", REPLACE: "true"})
        self.assertIn("computed anew", self.alarm_about(wrong))
        self.eventually(
            lambda: [data for _, data in self.copies_of(wrong.block)] == [right],
            "the unit is as it was, and the wrong one is gone",
            120,
        )
        self.eventually(
            lambda: coded.verification(self.cluster, FILE) == {"verified": 1}, "all is well", 60
        )
        self.assertEqual(self.cluster.cat(FILE), content(SIZE))
        self.eventually(lambda: self.why().returncode == 0, "nothing is wrong any more", 60)

        # And is found to be well when it is looked at anew, a minute after it was not.
        self.eventually(lambda: any(self.rounds()), "it is verified again", 150)

    def test_without_a_period_nothing_is_looked_for(self):
        self.start(datanodes=coded.UNITS)
        wrong = self.put_one_group()[WRONG]
        replicas.spoil(wrong, OFFSET)
        # That nothing comes cannot be waited for; with a period of seconds it does.
        self.scan(**{PERIOD: "0", REPLACE: "true"})
        self.eventually(lambda: self.why().returncode == 0, "all datanodes are back")
        until = time.monotonic() + 8
        while time.monotonic() < until:
            self.assertEqual(self.alarms(), [])
            self.assertEqual(self.why().returncode, 0)
        self.assertEqual(self.rounds(), [])
        self.assertEqual(len(self.copies_of(wrong.block)), 1)

    def test_files_that_change_raise_no_alarm(self):
        self.start(datanodes=coded.UNITS + 1)
        self.scan(**{PERIOD: "1s", PARALLEL: "10", REPLACE: "true"})
        draw = self.random()
        files = {}
        writer = Writer(self.cluster, files=2, size=GROUP + 700_000)
        try:
            for number in range(6):
                path = f"/cold/{number}"
                data = content(draw.randrange(1, 2 * GROUP))
                self.cluster.put(data, path)
                self.cluster.put(data, "/cold/again")  # replaces the one before
                more = content(draw.randrange(1, GROUP))
                self.cluster.append(more, path)
                data += more
                length = draw.randrange(1, len(data))
                self.cluster.dfs("-truncate", "-w", str(length), path)
                files[path] = data[:length]
                if number % 2:
                    for form in (("-replicate",), ("-policy", coded.POLICY)):
                        result = self.cluster.cairn("ec", "-convert", *form, path)
                        self.assertEqual(result.returncode, 0, result.stderr.decode())
            self.cluster.dfs("-rm", "-skipTrash", "/cold/again")
        finally:
            writer.kill()
        seen = len(self.rounds())
        self.assertGreater(seen, 0, "groups are verified meanwhile")
        # All that is there at the end, too.
        self.eventually(
            lambda: any(agree >= len(files) for agree in self.rounds()[seen:]),
            "all files are verified",
            120,
        )
        self.assertEqual(self.alarms(), [])
        for path, data in files.items():
            self.assertEqual(self.cluster.cat(path), data, path)
        self.assertEqual(set(coded.verification(self.cluster, "/cold")), {"verified"})
