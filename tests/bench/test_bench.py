"""The benchmark programs, with counts so small that nothing is measured: they run to their end, and
say beside each figure what its limit is."""

import concurrent.futures
import os
import re

from harness import env
from harness.case import Case
from harness.cluster import Failed, MiniCluster, run

NUMBER = r"[0-9.]+"
SPREAD = rf"{NUMBER} \({NUMBER}\.\.{NUMBER}\)"


class Benchmarks(Case):
    limit_seconds = 120

    @classmethod
    def setUpClass(cls):
        cls.need(env.SLOW > 1 and "benchmarks are not made for sanitizers")

    def runs(self, cluster):
        """For each program its arguments, and what is to be found in what it prints, how often."""
        port = next(port for port in iter(env.free_port, None) if env.free_port() == port + 1)
        return {
            "journal_bench": (
                [env.new_directory("journal"), "1", "0.02"],
                {rf"in flight: raw +{NUMBER}/s, .* ratio of medians {NUMBER}": 5},
            ),
            "namenode_bench": (
                ["-op", "create", "-files", "2000", "-rounds", "1"]
                + ["-dir", env.new_directory("namenode")],
                {rf"^create .* journal alone {NUMBER}/s, ratio {NUMBER}": 1},
            ),
            "heartbeat_bench": (
                ["-datanodes", "5", "-seconds", "1", "-interval", "200"]
                + ["-dir", env.new_directory("heartbeat")],
                {rf"gRPC alone {NUMBER} %, {NUMBER} us: {NUMBER} of it is gRPC's; 0 failed": 1},
            ),
            "repair_bench": (
                ["--blocks=2000"],
                {rf"blocks/s, {NUMBER} us": 1, rf"while nothing goes on {NUMBER} us": 1},
            ),
            "namenode_growth": (
                ["--blocks", env.new_directory("growth"), "1000", "3000"],
                {
                    rf"limit: raw commits .* ratio {NUMBER}": 2,
                    r"restart: open .* RSS [1-9]": 2,
                },
            ),
            "restart_bench": (
                ["-blocks", "2000", "-datanodes", "3", "-rounds", "1", "-rest", "1"]
                + ["-port", str(port), "-dir", env.new_directory("restart")],
                {rf"limit: the disk reads .* ratio of the first read {SPREAD}": 3},
            ),
            "node_loss_bench": (
                ["-mib", "64", "-fileMib", "1", "-limitMib", "16", "-quiet", "1"]
                + ["-dir", env.new_directory("loss")],
                {
                    rf"direct writes {NUMBER} and {NUMBER} MB/s: {NUMBER} %": 1,
                    rf"before the loss .* p99 {NUMBER} times": 2,
                },
            ),
            "data_bench": (
                ["-ops", "write3,warm,local,small1", "-rounds", "1", "-mib", "1", "-files", "8"]
                + ["-inflight", "2", "-dir", env.new_directory("data")],
                {rf"; limit {SPREAD}; ratio {SPREAD} %": 4},
            ),
            "rpc_bench": (
                ["-uri", cluster.uri, "-dir", env.new_directory("rpc"), "-rounds", "1"]
                + ["-ops", "getFileInfo,create,mkdirs1", "-calls", "400", "-singles", "20"]
                + ["-files", "100"],
                {rf"^getFileInfo .* ratio {SPREAD} %": 1, rf"ratio {SPREAD}": 3},
            ),
        }

    def test_each_ends_well_and_names_its_limit(self):
        with MiniCluster(datanodes=0) as cluster:
            runs = self.runs(cluster)
            built = {name for name in os.listdir(env.BIN) if name.endswith(("_bench", "_growth"))}
            self.assertEqual(built, set(runs))
            # They wait more than they work.
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                results = {
                    name: pool.submit(run, [env.program(name), *arguments], timeout=60)
                    for name, (arguments, _) in runs.items()
                }
            for name, (_, patterns) in runs.items():
                with self.subTest(name):
                    try:
                        said = results[name].result().stdout.decode()
                    except Failed as failed:
                        self.fail(str(failed))
                    for pattern, times in patterns.items():
                        found = re.findall(pattern, said, re.MULTILINE)
                        self.assertEqual(len(found), times, f"{pattern}\n{said}")
