"""Kills by -9 at random moments under load: what was acknowledged is there afterwards."""

import os
import time

from harness import coded, env, replicas
from harness.case import Case
from harness.cluster import MiniCluster
from harness.load import Load

CONF = {
    "cairn.namenode.store.tail": "1m",  # the store is written in the middle of it all
    "cairn.namenode.store.tail.age": "1s",
}


class KillLoop(Case):
    limit_seconds = 2 * 3600 if env.LONG else 240

    def test_every_acknowledged_operation_survives(self):
        """faults 1, 7, 14, 31, 32: the namenode, a datanode, or all at once, again and again."""
        with MiniCluster(datanodes=4, conf=CONF) as cluster:
            self.kill_again_and_again(cluster)

    def test_every_acknowledged_operation_on_coded_files_survives(self):
        """faults 1, 7, 14, 31, 32, 50, and 49 when all die at once"""
        with MiniCluster(datanodes=6, conf={**CONF, **coded.CONF}) as cluster:
            coded.make(cluster, "/load")
            self.kill_again_and_again(cluster, coded_files=True)
            began = time.monotonic()
            surveyed = replicas.when_whole(cluster, copies=1, seconds=120)
            self.note(
                f"{surveyed} units fit each other, {time.monotonic() - began:.1f} s after the last check"
            )

    def kill_again_and_again(self, cluster, coded_files=False):
        short = 6 if coded_files else 12
        kills = int(os.environ.get("CAIRN_TEST_KILLS", 200 if env.LONG else short))
        random = self.random()
        load = Load(cluster, writers=4, data_writers=4, seed=random.randrange(1 << 30))
        self.addCleanup(load.close)
        in_calls = in_streams = 0
        restarts = []
        for number in range(kills):
            victims = random.choice(
                [["namenode"], ["namenode"], [random.choice(cluster.datanodes)], cluster.names]
            )
            load.run()
            time.sleep(random.uniform(0.05, 1.0))
            calls, streams = load.mark(f"kill {number} {' '.join(victims)}")
            for name in victims:
                cluster.kill_now(name)
            in_calls += calls > 0
            in_streams += streams > 0
            time.sleep(random.choice([0, 0, 0.5]))
            began = time.monotonic()
            cluster.start(*victims)
            restarts.append(time.monotonic() - began)
            load.pause()
            load.check()
        load.check_all()
        self.note(
            f"{kills} kills, {in_streams} in the middle of a write, {in_calls} in the middle of "
            f"a metadata call; restart {max(restarts):.2f} s at most"
        )
        self.note(load.summary())
        self.assertGreaterEqual(in_streams, kills // 4, "too few kills hit a write")
        self.assertGreaterEqual(in_calls, kills // 4, "too few kills hit a metadata call")
        load.check_mix()

    def test_all_processes_killed_and_started_again(self):
        """What the first users try: put, kill -9 everything, start, read."""
        with MiniCluster(datanodes=3) as cluster:
            data = os.urandom(3 << 20)
            cluster.put(data, "/before", "-D", "dfs.blocksize=1m")
            cluster.kill()
            began = time.monotonic()
            cluster.start()
            self.assertEqual(cluster.cat("/before"), data)
            self.note(f"{time.monotonic() - began:.2f} s from nothing to the last byte read")
