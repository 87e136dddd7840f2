"""Power cuts of disks: loop images of XFS, shut down at random moments."""

import os
import time

from harness import coded, disks, env, replicas
from harness.case import Case
from harness.cluster import Failed, MiniCluster, run
from harness.load import Load


def cuts_wanted(short):
    """How many: 500 in a long run, or as many as CAIRN_TEST_CUTS says."""
    return int(os.environ.get("CAIRN_TEST_CUTS", 500 if env.LONG else short))


class PowerCuts(Case):
    limit_seconds = 60 + 15 * cuts_wanted(short=12)

    def setUp(self):
        self.need(disks.why_no_power_cuts())

    def start(self, cluster, *names):
        try:
            cluster.start(*names)
        except Failed as error:
            self.fail(f"{' '.join(names)}: no start after the power cut: {error}")

    def test_every_acknowledged_operation_survives(self):
        """fault 2: the cut comes at any commit of the journal or write of the store.

        Whether a cut tears the journal's last write is up to the disk, and a loop device may never do
        it: torn tails are counted, and nothing is demanded of the count. What shows that they are cut
        off, and all before them kept, makes them on purpose: faults.test_storage.JournalDamage and
        namenode/journal/file_journal_crash_test.cc.
        """
        cuts = cuts_wanted(short=12)
        random = self.random()
        disk = disks.PowerCutDisk(1 << 30)
        self.addCleanup(disk.close)
        with MiniCluster(
            datanodes=1,
            conf={
                "dfs.namenode.name.dir": os.path.join(disk.path, "namenode"),
                "cairn.namenode.store.tail": "256k",
                "cairn.namenode.store.tail.age": "1s",
            },
        ) as cluster:
            load = Load(
                cluster, writers=8, data_writers=1, replication=1, seed=random.randrange(1 << 30)
            )
            self.addCleanup(load.close)
            in_calls = torn = 0
            for number in range(cuts):
                load.run()
                time.sleep(random.uniform(0.02, 0.6))
                calls, _ = load.mark(f"cut {number}")
                disk.cut()
                in_calls += calls > 0
                time.sleep(random.choice([0, 0.05]))
                cluster.kill_now("namenode")
                disk.unmount()
                disk.mount()
                self.start(cluster, "namenode")
                load.pause()
                load.check()
            load.check_all()
            torn = cluster.log("namenode").count("torn")
            self.note(f"{cuts} power cuts, {in_calls} in the middle of a call, {torn} torn tails cut")
            self.note(load.summary())
            self.assertGreaterEqual(in_calls, cuts // 4, "too few cuts hit a call")
            load.check_mix()

    def test_a_power_cut_of_the_whole_cluster(self):
        """faults 2, 16: the disks of the namenode and of all datanodes are cut within moments, and
        every process dies. What was synced or closed is there afterwards."""
        cluster = self.cluster_on_disks(datanodes=3)
        with cluster:
            cluster.make()
            self.cut_again_and_again(cluster, lambda: list(cluster.names))

    def test_a_power_cut_of_the_whole_cluster_with_coded_files(self):
        """faults 2, 16, 49: the same"""
        cluster = self.cluster_on_disks(datanodes=coded.UNITS + 1, conf=coded.CONF)
        with cluster:
            cluster.make()
            coded.make(cluster, "/load")
            load = self.cut_again_and_again(cluster, lambda: list(cluster.names))
            self.check_all(cluster, load)

    def test_a_power_cut_of_some_nodes_with_coded_files(self):
        """faults 2, 16: of the namenode, or of one or two datanodes, under writers that go on"""
        cluster = self.cluster_on_disks(datanodes=coded.UNITS + 1, conf=coded.CONF)
        random = self.random()

        def victims():
            some = random.sample(cluster.datanodes, random.randint(1, coded.PARITY))
            return random.choice([["namenode"], some, some])

        with cluster:
            cluster.make()
            coded.make(cluster, "/load")
            load = self.cut_again_and_again(cluster, victims, short=4)
            self.check_all(cluster, load)

    def cluster_on_disks(self, datanodes, conf=None):
        """Not started yet; each daemon has a disk of its own, self.disks says which."""
        cluster = MiniCluster(
            datanodes=datanodes,
            conf={
                "cairn.namenode.store.tail": "256k",
                "cairn.namenode.store.tail.age": "1s",
                "cairn.datanode.scan.period": "5s",
                **(conf or {}),
            },
            start=False,
        )
        self.disks = {}
        for name in cluster.names:
            self.disks[name] = disks.PowerCutDisk(1 << 30, cluster.data(name))
            self.addCleanup(self.disks[name].close)
        return cluster

    def cut_again_and_again(self, cluster, draw_victims, short=6):
        cuts = cuts_wanted(short)
        random = self.random()
        load = Load(cluster, writers=4, data_writers=4, seed=random.randrange(1 << 30))
        self.addCleanup(load.close)
        in_calls = in_streams = disks_cut = 0
        for number in range(cuts):
            load.run()
            time.sleep(random.uniform(0.02, 1.0))
            victims = draw_victims()
            calls, streams = load.mark(f"cut {number} {' '.join(victims)}")
            random.shuffle(victims)
            for name in victims:
                self.disks[name].cut()
            in_calls += calls > 0
            in_streams += streams > 0
            disks_cut += len(victims)
            for name in victims:
                cluster.kill_now(name)
            for name in victims:
                self.disks[name].unmount()
                self.disks[name].mount()
            self.start(cluster, *victims)
            load.pause()
            load.check()
        # What hflush had acknowledged may be gone from all disks: such a file stays open.
        load.check(everything=True)
        self.note(
            f"{cuts} power cuts of {disks_cut} disks, {in_streams} in the middle of a write, "
            f"{in_calls} in the middle of a metadata call"
        )
        self.note(load.summary())
        self.assertGreaterEqual(in_streams, cuts // 4, "too few cuts hit a write")
        self.assertGreaterEqual(in_calls, cuts // 4, "too few cuts hit a metadata call")
        return load

    def check_all(self, cluster, load):
        """Coded files have no byte that only an hflush has acknowledged, so all of them close. What the
        datanodes have on their disks fits together once repair has done its work."""
        load.check_all()
        count = replicas.when_whole(cluster, copies=1, seconds=120)
        self.note(f"{count} units fit each other")

    def test_a_power_cut_right_after_the_format(self):
        """What `-format` reported done is there; the namenode starts from it."""
        disk = disks.PowerCutDisk(400 << 20)
        self.addCleanup(disk.close)
        name_dir = os.path.join(disk.path, "namenode")
        with MiniCluster(
            datanodes=0, conf={"dfs.namenode.name.dir": name_dir}, start=False
        ) as cluster:
            cluster.make()
            cluster.kill("namenode")
            run(
                [env.program("cairn-namenode"), "--conf", cluster.conf_dir, "-format", "-force"],
                env=cluster.environment(),
            )
            disk.cut()
            disk.unmount()
            disk.mount()
            self.start(cluster, "namenode")
            self.assertEqual(cluster.dfs("-ls", "/").stdout, b"")
