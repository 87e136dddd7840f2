"""Lost units are computed from the others of their group, checked, and put where no other unit is."""

import itertools
import os

from erasure.test_files import CELL, DATA, GROUP, PARITY, POLICY, content, flip
from harness import coded, env, hadoop, replicas
from harness.case import Case
from harness.cluster import MiniCluster

UNITS = DATA + PARITY


class Rebuild(Case):
    limit_seconds = 600

    def setUp(self):
        super().setUp()
        self.need(hadoop.why_not())
        self.cluster = MiniCluster(
            datanodes=7,
            conf={**coded.SWITCH, **coded.GIVEN_UP_SOON},
        )
        self.addCleanup(self.cluster.close)
        self.shell = hadoop.Shell(self.cluster.uri, {"dfs.blocksize": str(2 * CELL)})
        self.addCleanup(self.shell.close)
        for words in (("-enablePolicy", "-policy", POLICY),
                      ("-setPolicy", "-path", "/", "-policy", POLICY)):
            self.shell.run("@org.apache.hadoop.hdfs.tools.ECAdmin", *words)

    def put(self, data, path):
        local = os.path.join(env.new_directory("put"), "data")
        with open(local, "wb") as file:
            file.write(data)
        self.shell.run("-put", local, path)

    def units(self):
        """{block id: [replica, ...]} of what is finalized on datanodes that run."""
        found = {}
        alive = [name for name in self.cluster.datanodes if self.cluster.alive(name)]
        for replica in replicas.replicas_of(self.cluster, *alive):
            if replica.block < 0 and replica.state == "finalized":
                found.setdefault(replica.block, []).append(replica)
        return found

    def bytes_of(self, units):
        contents = {}
        for block, (replica, *_) in units.items():
            with open(replica.path, "rb") as file:
                contents[block] = file.read()
        return contents

    def test_two_lost_datanodes_of_seven(self):
        data = {f"/file-{size}": content(size) for size in (1, CELL + 1, GROUP - 1, 2 * GROUP + 5)}
        for path, value in data.items():
            self.put(value, path)
        before = self.bytes_of(self.units())
        self.assertEqual(len(before), 3 + 4 + UNITS + 2 * UNITS + 3)
        lost = ("datanode-2", "datanode-6")
        self.cluster.kill(*lost)
        self.eventually(lambda: set(self.units()) == set(before), "all units are there again", 120)
        after = self.units()
        self.assertEqual(self.bytes_of(after), before)
        for group in {block & ~15 for block in before}:
            nodes = [r.node for block, at in after.items() if block & ~15 == group for r in at]
            self.assertEqual(len(nodes), len(set(nodes)), "a datanode with two units of a group")
        # Other two may go now.
        others = [name for name in self.cluster.datanodes if name not in lost][:2]
        self.cluster.kill(*others)
        for path, value in data.items():
            self.assertEqual(self.cluster.cat(path), value)

    def test_a_corrupt_source_spoils_no_rebuilt_unit(self):
        self.put(content(GROUP), "/file")
        units = self.units()
        before = self.bytes_of(units)
        blocks = sorted(before)
        flip(units[blocks[1]][0].path, 3)  # its checksum does not match any more
        lost = units[blocks[0]][0].node
        self.cluster.kill(lost)
        self.eventually(lambda: blocks[0] in self.units(), "the lost unit is computed", 120)
        self.assertEqual(self.bytes_of(self.units())[blocks[0]], before[blocks[0]])
        self.assertEqual(self.cluster.cat("/file"), content(GROUP))

    def test_every_pair_of_lost_units_is_computed_again(self):
        self.put(content(GROUP - 7), "/file")
        before = self.bytes_of(self.units())
        blocks = sorted(before)
        for pair in itertools.combinations(range(UNITS), 2):
            at = {blocks[i]: self.units()[blocks[i]][0] for i in pair}
            nodes = sorted({replica.node for replica in at.values()})
            for node in nodes:
                self.cluster.kill(node)
            for replica in at.values():
                os.remove(replica.path)
                os.remove(replicas.meta_path(replica))
            self.cluster.start(*nodes)
            self.eventually(
                lambda: set(self.units()) == set(before), f"units {pair} are computed", 60
            )
            self.assertEqual(self.bytes_of(self.units()), before, f"units {pair}")
        self.note(f"{len(list(itertools.combinations(range(UNITS), 2)))} pairs of {UNITS} units")
