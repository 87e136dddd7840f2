"""The thrasher as a test: short beside the others, as long as one likes by hand.

    tests/thrash/test_thrash.py [--seconds N] [--seed S] [--preset P]
"""

import os
import subprocess
import sys

if __name__ != "__main__":
    from harness import coded, env
    from harness.case import Case
    from harness.cluster import MiniCluster
    from harness.load import Load
    from thrash.thrasher import HEAL_SECONDS, Thrasher

    SECONDS = float(os.environ.get("CAIRN_TEST_THRASH_SECONDS", 3600 if env.LONG else 25))

    class Thrash(Case):
        limit_seconds = 3 * SECONDS + 2 * HEAL_SECONDS

        def test_a_cluster_under_random_faults_loses_nothing_and_heals(self):
            """fault 66: all of these at random beside a load, then everything is whole and equal."""
            random = self.random()
            with MiniCluster(
                datanodes=6,  # one more than a group has units
                racks=["/r1", "/r1", "/r2", "/r2", "/r3", "/r3"],
                conf={
                    **coded.CONF,
                    "cairn.namenode.stale.interval": "2s",
                    "cairn.namenode.dead.interval": "5s",
                    # A wiped disk never comes back, and the checker waits for files to close.
                    "cairn.namenode.lost.disk.wait": "45s",
                    "dfs.heartbeat.interval": "1s",
                    "cairn.namenode.store.tail": "1m",
                    "cairn.namenode.store.tail.age": "1s",
                    # Rot that no reader meets is found in seconds, not in weeks.
                    "cairn.datanode.scan.period": "5s",
                    # Over TCP, or from the datanodes' files.
                    "dfs.client.read.shortcircuit": random.choice(["true", "false"]),
                },
            ) as cluster:
                # Of two writers of larger files and one of small ones; the others' are replicated.
                coded.make(cluster, "/load/w0", "/load/w1", "/load/w4")
                load = Load(
                    cluster, writers=2, data_writers=4, readers=2, seed=random.randrange(1 << 30)
                )
                self.addCleanup(load.close)
                thrasher = Thrasher(cluster, load, random)
                thrasher.run(SECONDS)
                thrasher.lose()
                thrasher.judge()
                self.note(thrasher.summary())
                self.assertGreater(thrasher.units, 0, "no coded file is left")
                self.note(load.summary())

else:
    import argparse

    parser = argparse.ArgumentParser(description="Random faults beside a load.")
    parser.add_argument("--seconds", type=int, default=3600, help="how long faults strike")
    parser.add_argument("--seed", help="of the faults and the load")
    parser.add_argument("--preset", default="release", help="programs of build/PRESET/bin")
    flags = parser.parse_args()
    environment = {**os.environ, "CAIRN_TEST_THRASH_SECONDS": str(flags.seconds)}
    if flags.seed:
        environment["CAIRN_TEST_SEED"] = flags.seed
    run = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "run.py")
    sys.exit(
        subprocess.call(
            [sys.executable, run, "--preset", flags.preset, "thrash."], env=environment
        )
    )
