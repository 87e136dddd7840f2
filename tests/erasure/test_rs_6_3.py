"""RS-6-3-1024k, the policy that a directory gets for which none is named: files of every size, by
each client, with any three of nine units lost, with a flipped bit beside two, and under load."""

import functools
import itertools
import os
import time

from clients import matrix
from erasure.test_files import content, flip
from harness import coded, env, mount, replicas
from harness.beside import Beside, in_words
from harness.case import Case
from harness.cluster import Failed

POLICY = "RS-6-3-1024k"
CELL = 1 << 20
DATA, PARITY = 6, 3
UNITS = DATA + PARITY
STRIPE = DATA * CELL
BLOCK = 2 * CELL  # of each unit; a group holds DATA of them
GROUP = DATA * BLOCK
SIZES = coded.sizes(CELL, STRIPE, GROUP)
CONF = {**coded.CONF, "dfs.blocksize": str(BLOCK)}
CHUNK = 512  # bytes under one checksum

# Each is compared again and again.
bytes_of = functools.cache(content)


def path_of(size):
    return f"/cold/put/size-{size}"


def groups_of(size):
    return (size + GROUP - 1) // GROUP


def group_id(told):
    """Of a group as fsck tells of it."""
    return int(told["block"].removeprefix("blk_"))


def digests(replica):
    """Of its data and its checksums; None if it is not there any more."""
    try:
        return replicas.digest(replica.path), replicas.digest(replicas.meta_path(replica))
    except FileNotFoundError:
        return None


class NineDatanodes(Case):
    """Each datanode has one unit of each whole group: a set of datanodes is a set of units."""

    limit_seconds = 3600 if env.LONG else 400

    @classmethod
    def setUpClass(cls):
        cls.cluster = coded.start(cls.addClassCleanup, UNITS, (POLICY,), "/cold", conf=CONF)
        cls.cluster.dfs("-mkdir", *(f"/cold/{name}" for name in ("put", "rclone", "flipped")))
        for size in SIZES:
            cls.cluster.put(bytes_of(size), path_of(size))

    def read_by_cairn(self, when):
        for size in SIZES:
            right = self.cluster.cat(path_of(size)) == bytes_of(size)
            self.assertTrue(right, f"{size} bytes, {when}")

    def read_by_a_mount(self, when):
        """By one that knows nothing yet, neither bytes nor who is dead."""
        there = mount.Mount(self.cluster)
        self.addCleanup(there.close)
        for size in SIZES:
            right = mount.read(there / path_of(size).lstrip("/")) == bytes_of(size)
            self.assertTrue(right, f"{size} bytes through the mount, {when}")
        there.close()

    def draw_lost(self, random, count):
        lost = random.sample(self.cluster.datanodes, count)
        self.note(f"lost: {' '.join(lost)}")
        return lost

    # ---- each client

    def test_files_of_every_size_are_read_by_cairn(self):
        self.read_by_cairn("all datanodes there")

    def test_files_of_every_size_are_read_through_a_mount(self):
        self.need(mount.why_not())
        self.read_by_a_mount("all datanodes there")

    def test_a_client_that_knows_no_groups_reads_no_byte_and_is_told_why(self):
        """trap 26, with rclone"""
        self.need(matrix.Rclone.why_not())
        rclone = matrix.Rclone(self.cluster.uri)
        self.assertEqual(rclone.names("/cold/put"), {f"size-{size}": size for size in SIZES})
        for size in SIZES:
            read = rclone.attempt("cat", ":hdfs:" + path_of(size))
            self.assertEqual(read.stdout, b"", f"{size} bytes")
            if size == 0:
                self.assertEqual(read.returncode, 0, read.stderr)
            else:
                self.assertNotEqual(read.returncode, 0, f"{size} bytes")
                self.assertIn(b" is a block group: ", read.stderr, f"{size} bytes")

    def test_a_client_that_knows_no_groups_writes_right_bytes_or_none(self):
        """rclone's library sends a group, as if it were a block, to all of its datanodes: each has
        it for the first unit. A file of one cell at most has no other data, and its parity is
        computed; a longer one lacks units, and is not closed."""
        self.need(matrix.Rclone.why_not())
        rclone = matrix.Rclone(self.cluster.uri)
        local = os.path.join(env.new_directory("rclone"), "data")
        written = []
        for size in SIZES:
            with open(local, "wb") as file:
                file.write(bytes_of(size))
            path = f"/cold/rclone/size-{size}"
            said = rclone.attempt("copyto", local, ":hdfs:" + path)
            there = self.cluster.dfs("-test", "-e", path, check=False).returncode == 0
            self.assertEqual(there, said.returncode == 0, f"{size} bytes: {said.stderr}")
            if there:
                written.append(size)
                self.assertTrue(self.cluster.cat(path) == bytes_of(size), f"{size} bytes")
            else:
                self.assertRegex(said.stderr, rb"replication in progress|NotReplicatedYetException")
        self.assertEqual(written, [size for size in SIZES if size <= CELL])
        whole = {"verified": sum(groups_of(size) for size in written)}
        self.eventually(
            lambda: coded.verification(self.cluster, "/cold/rclone") == whole,
            "what was written has its parity",
            120,
        )
        self.assertEqual(coded.crowded(coded.groups(self.cluster, "/cold/rclone")), [])
        for size in written:
            path = f"/cold/rclone/size-{size}"
            self.assertTrue(self.cluster.cat(path) == bytes_of(size), f"{size} bytes")

    # ---- lost units

    def sets_to_lose(self):
        """All of one to three datanodes; in a short run one, two and twice three of them."""
        every = {
            count: list(itertools.combinations(self.cluster.datanodes, count))
            for count in range(1, PARITY + 1)
        }
        self.assertEqual(len(every[PARITY]), 84)
        if env.LONG:
            return [lost for sets in every.values() for lost in sets]
        random = self.random()
        return [random.choice(every[count]) for count in (1, 2)] + random.sample(every[PARITY], 2)

    def test_any_three_lost_units_cost_no_byte(self):
        """fault 47"""
        self.check_placement(path_of(SIZES[-1]))
        sets = self.sets_to_lose()
        for lost in sets:
            self.cluster.kill(*lost)
            try:
                self.read_by_cairn(f"lost: {lost}")
                if lost == sets[-1] and mount.why_not() is None:
                    self.read_by_a_mount(f"lost: {lost}")
            finally:
                self.cluster.start(*lost)
        of_three = sum(len(lost) == PARITY for lost in sets)
        self.note(f"{len(sets)} sets of lost units, {of_three} of three; each {len(SIZES)} files")

    def test_four_lost_units_are_an_error_that_names_the_group_until_one_is_back(self):
        """fault 47"""
        size = SIZES[-1]
        group = group_id(coded.groups(self.cluster, path_of(size))[0])
        lost = self.draw_lost(self.random(), PARITY + 1)
        self.cluster.kill(*lost)
        try:
            no_patience = ("-D", "dfs.client.max.block.acquire.failures=0")
            read = self.cluster.dfs(*no_patience, "-cat", path_of(size), check=False)
            self.assertNotEqual(read.returncode, 0)
            # In place of what cannot be read there is nothing, zeros least of all.
            self.assertTrue(bytes_of(size).startswith(read.stdout))
            self.assertLess(len(read.stdout), GROUP)
            self.assertRegex(
                read.stderr.decode(), rf"block group {group}: too many units are lost: unit \d"
            )
            self.cluster.start(lost[0])
            self.read_by_cairn(f"lost: {lost[1:]}")
        finally:
            self.cluster.start(*lost)

    def test_a_flipped_bit_beside_two_lost_units(self):
        """fault 48: one of the data in every other file, of the checksums in the others"""
        random = self.random()
        flips = 20 if env.LONG else 2
        for number in range(flips):
            self.flip_beside_two_lost(random, f"/cold/flipped/{number}", in_data=number % 2 == 0)
        # No datanode has room for the good one but that of the bad one.
        self.eventually(
            lambda: coded.verification(self.cluster, "/cold/flipped") == {"verified": flips},
            "the flipped units are computed again",
            240,
        )
        for number in range(flips):
            right = self.cluster.cat(f"/cold/flipped/{number}") == bytes_of(GROUP - 7)
            self.assertTrue(right, f"file {number}")
        self.note(f"{flips} flips, each noticed by its reader and repaired")

    def flip_beside_two_lost(self, random, path, in_data):
        self.cluster.put(bytes_of(GROUP - 7), path)
        (group,) = (group_id(group) for group in coded.groups(self.cluster, path))
        units = {
            block & 15: replica
            for block, replica in replicas.live_units(self.cluster).items()
            if block & ~15 == group
        }
        self.assertEqual(set(units), set(range(UNITS)))
        # A data unit: it is read in any case.
        flipped = random.randrange(DATA)
        rotten = units.pop(flipped)
        lost = [units[other].node for other in random.sample(sorted(units), 2)]
        offset = random.randrange(rotten.bytes)
        if in_data:
            flip(rotten.path, offset)
        else:
            checksum = replicas.META_HEADER_BYTES + offset // CHUNK * 4
            flip(replicas.meta_path(rotten), checksum + random.randrange(4))
        where = f"unit {flipped} at {offset} {'itself' if in_data else 'in its checksums'}"
        self.note(f"{path}: flipped {where}; lost: {' '.join(lost)}")
        spoilt = digests(rotten)
        self.cluster.kill(*lost)
        try:
            self.assertTrue(self.cluster.cat(path) == bytes_of(GROUP - 7), where)
            doubt = f"block {rotten.block}: a reader doubts this replica"
            self.eventually(lambda: doubt in self.cluster.log(rotten.node), "its datanode is told")
            # It is known to be bad, or is gone already.
            self.eventually(
                lambda: self.standings(path, flipped) <= {"corrupt"} or digests(rotten) != spoilt,
                "the namenode knows",
            )
        finally:
            self.cluster.start(*lost)

    def standings(self, path, number):
        (group,) = coded.groups(self.cluster, path)
        (unit,) = (unit for unit in group["units"] if unit["unit"] == number)
        return {replica["standing"] for replica in unit["replicas"]}

    # ---- placement

    def check_placement(self, path):
        """The groups there have all units, on as many datanodes."""
        found = coded.groups(self.cluster, path)
        self.assertGreater(len(found), 0)
        for group in found:
            nodes = [r["datanode"] for unit in group["units"] for r in unit["replicas"]]
            self.assertEqual(len(nodes), UNITS, group)
            self.assertEqual(len(set(nodes)), UNITS, group)

    def test_no_datanode_gets_two_units_of_a_group(self):
        random = self.random()
        found = coded.groups(self.cluster, "/cold/put")
        self.assertEqual(len(found), sum(groups_of(size) for size in SIZES))
        self.assertEqual(coded.crowded(found), [])
        # Nor where there are not enough datanodes: such a group has fewer units.
        lost = self.draw_lost(random, 2)
        self.cluster.kill(*lost)
        try:
            self.cluster.put(bytes_of(2 * GROUP + 9), "/cold/crowded")
            found = coded.groups(self.cluster, "/cold/crowded")
            self.assertGreaterEqual(len(found), 3)
            self.assertEqual(coded.crowded(found), [])
            self.assertTrue(self.cluster.cat("/cold/crowded") == bytes_of(2 * GROUP + 9))
            # And as the disks tell it.
            ids = {group_id(group) for group in found}
            held = [
                (unit.node, unit.block & ~15)
                for unit in replicas.replicas_of(self.cluster)
                if unit.state == "finalized" and unit.block & ~15 in ids
            ]
            self.assertEqual({group for _, group in held}, ids)
            self.assertEqual(len(held), len(set(held)))
        finally:
            self.cluster.start(*lost)
        self.cluster.dfs("-rm", "-skipTrash", "/cold/crowded")


class UnderLoad(Case):
    """fault 50"""

    limit_seconds = 1500 if env.LONG else 300

    def setUp(self):
        super().setUp()
        conf = {**CONF, **coded.GIVEN_UP_SOON, "cairn.namenode.dead.interval": "6s"}
        # As many more as may be lost: what they had has somewhere to go.
        self.cluster = coded.start(self.addCleanup, UNITS + PARITY, (POLICY,), "/cold", conf=conf)
        self.random_ = self.random()
        self.cluster.dfs("-mkdir", "/cold/kept", "/cold/new")
        self.kept = {
            f"/cold/kept/{size}": bytes_of(size)
            for size in (CELL // 2, STRIPE + 1, GROUP - 1, 2 * GROUP + CELL + 7)
        }
        for path, data in self.kept.items():
            self.cluster.put(data, path)
        self.new = {}
        units = replicas.live_units(self.cluster)
        self.units = {block: replicas.digest(unit.path) for block, unit in units.items()}
        # The first file, and the last group of the last one, leave data units empty.
        self.assertEqual(len(self.units), (1 + PARITY) + 4 * UNITS + (2 + PARITY))

    def read(self, number):
        path = sorted(self.kept)[number % len(self.kept)]
        if self.cluster.cat(path) != self.kept[path]:
            raise Failed(f"{path}: wrong bytes")

    def write(self, number):
        path = f"/cold/new/{number % 4}"
        self.new[path] = content(STRIPE + number)
        self.cluster.put(self.new[path], path)
        if self.cluster.cat(path) != self.new[path]:
            raise Failed(f"{path}: wrong bytes")

    def rebuilt(self):
        """Each unit of the kept files is on a datanode that runs, byte for byte as it was."""
        there = replicas.live_units(self.cluster)
        if not self.units.keys() <= there.keys():
            return False
        try:
            return all(replicas.digest(there[b].path) == was for b, was in self.units.items())
        except FileNotFoundError:  # one of two replicas was deleted
            return False

    def whole(self, path):
        """fsck -ec-verify finds nothing."""
        found = coded.groups(self.cluster, path)
        self.assertEqual(coded.crowded(found), [])
        return coded.verification(self.cluster, path) == {"verified": len(found)}

    def lose_three(self, reader, writer):
        """The three; the clients go on, and all that they had is computed again."""
        lost = self.random_.sample(self.cluster.datanodes, PARITY)
        there = replicas.live_units(self.cluster)
        count = sum(there[block].node in lost for block in self.units)
        reader.so_far(), writer.so_far()
        for name in lost:
            self.cluster.kill_now(name)
        killed = time.monotonic()
        done = reader.done, writer.done
        self.eventually(self.rebuilt, "all units are there again, as they were", 120)
        took = time.monotonic() - killed
        self.eventually(lambda: self.whole("/cold/kept"), "fsck -ec-verify finds nothing", 60)

        def go_on():
            if reader.error or writer.error:
                raise reader.error or writer.error
            return reader.done > done[0] + 1 and writer.done > done[1] + 1

        self.eventually(go_on, "reads and writes go on", 60)
        self.note(
            f"lost: {' '.join(lost)}, {count} of {len(self.units)} units of files that stay; "
            f"computed again after {took:.1f} s"
        )
        return lost

    def test_three_datanodes_die_at_once_and_nobody_notices(self):
        reader = Beside(self, self.read)
        writer = Beside(self, self.write)
        self.eventually(lambda: reader.done > 1 and writer.done > 1, "clients at work", 60)
        rounds = 5 if env.LONG else 1
        for number in range(rounds):
            lost = self.lose_three(reader, writer)
            reads, writes = reader.so_far(), writer.so_far()
            self.note(f"meanwhile reads: {in_words(reads)}; writes: {in_words(writes)}")
            if number + 1 < rounds:
                self.cluster.start(*lost)
                everybody = len(self.cluster.datanodes)
                self.eventually(
                    lambda: self.cluster.live_datanodes() == everybody, "all are back", 60
                )
        for client in (reader, writer):
            client.end()
            client.so_far()
        self.eventually(lambda: self.whole("/cold"), "all that was written is whole", 120)
        self.note(f"{len(coded.groups(self.cluster, '/cold'))} groups verified")
        # Other three may go now.
        others = [name for name in self.cluster.datanodes if name not in lost]
        self.cluster.kill(*self.random_.sample(others, PARITY))
        for path, data in {**self.kept, **self.new}.items():
            self.assertTrue(self.cluster.cat(path) == data, path)
