"""fault 13: the wall clock of the namenode jumps; leases, datanodes and ids do not notice."""

import os
import time

from harness import env, installed, rpc
from harness.case import Case
from harness.cluster import MiniCluster

HOUR = 3600
LIBRARY = "/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1".format(os.uname().machine)


class WallClock:
    """A namenode whose wall clock is set by jump(). Its monotonic clock is the machine's, as it is
    when an administrator sets the time."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.offset = 0
        self.file = os.path.join(cluster.directory, "wall-clock")
        self.set(0)
        self.environment = {
            **os.environ,
            "LD_PRELOAD": LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": self.file,
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.command = cluster.command("namenode")

    def set(self, offset):
        self.offset = offset
        with open(self.file + ".new", "w") as file:
            file.write(f"{offset:+d}s\n")
        os.rename(self.file + ".new", self.file)

    def start(self):
        self.cluster.spawn("namenode", self.command, env=self.environment)

    def now_ms(self):
        return int((time.time() + self.offset) * 1000)


class Jumps(Case):
    limit_seconds = 300

    def setUp(self):
        if not os.path.exists(LIBRARY):
            self.skipTest("libfaketime is not installed (package libfaketime)")
        runtimes = installed.sanitizer_runtimes(os.path.join(env.BIN, "cairn-namenode"))
        self.need(runtimes and "libfaketime and the sanitizers' libraries wait for each other")
        self.cluster = MiniCluster(
            datanodes=3,
            conf={
                "dfs.heartbeat.interval": "1s",
                "dfs.namenode.lease-hard-limit-sec": "8",
                "cairn.namenode.stale.interval": "10s",
                "cairn.namenode.dead.interval": "20s",
            },
        )
        self.addCleanup(self.cluster.close)
        self.clock = WallClock(self.cluster)
        self.clock.start()
        self.eventually(lambda: self.cluster.live_datanodes() == 3, "all datanodes")
        self.ids = []  # of inodes, in the order in which they were given
        self.blocks = []
        self.written = {}

    def call(self, method, message):
        with rpc.Connection(self.cluster.port) as connection:
            return connection.call(method, message)

    def status(self, path):
        return rpc.parse(self.call("getFileInfo", rpc.get_file_info(path))[1][0])

    def beats(self):
        """When each live datanode was last heard, by the namenode's wall clock, in ms."""
        nodes = self.call("getDatanodeReport", rpc.field(1, 2)).get(1, [])
        return [rpc.parse(node)[6][0] for node in nodes]

    def write(self, path):
        """A file whose times are those of the clock, and whose ids are new."""
        data = os.urandom(50_000)
        before = self.clock.now_ms()
        self.cluster.put(data, path)
        after = self.clock.now_ms()
        self.written[path] = data
        status = self.status(path)
        self.assertLessEqual(before, status[7][0], path)
        self.assertLessEqual(status[7][0], after, path)
        located = rpc.parse(self.call("getBlockLocations", rpc.get_block_locations(path))[1][0])
        block = rpc.parse(rpc.parse(located[2][0])[1][0])
        self.ids.append(status[13][0])
        self.blocks.append((block[2][0], block[3][0]))

    def open(self, name):
        """Two files being written: the writer of one renews its lease, that of the other is dead."""
        for kind in ("alive", "dead"):
            self.call("create", rpc.create(f"/{name}-{kind}", client=f"{name}-{kind}"))

    def is_closed(self, path):
        return self.call("isFileClosed", rpc.field(1, path))[1] == [1]

    def expect_leases_to_run_as_ever(self, name):
        def dead_is_closed():
            self.call("renewLease", rpc.field(1, f"{name}-alive"))
            self.assertFalse(self.is_closed(f"/{name}-alive"), "a lease was taken from its writer")
            return self.is_closed(f"/{name}-dead")

        self.eventually(dead_is_closed, "the dead writer's file is closed", 60)
        done = self.call("complete", rpc.complete(f"/{name}-alive", client=f"{name}-alive"))
        self.assertEqual(done[1], [1])

    def jump(self, offset):
        self.open(f"at{offset}")
        self.clock.set(offset)
        jumped = self.clock.now_ms()

        def heard():
            beats = self.beats()
            self.assertEqual(len(beats), 3, "a datanode was declared dead")
            return all(abs(beat - jumped) < HOUR * 500 for beat in beats)

        self.eventually(heard, "every datanode is heard by the new time", 20)
        self.write(f"/after{offset}")
        self.expect_leases_to_run_as_ever(f"at{offset}")
        self.assertEqual(len(self.beats()), 3)

    def check_the_rest(self):
        self.assertEqual(self.ids, sorted(set(self.ids)), "inode ids go up")
        self.assertEqual(self.blocks, sorted(set(self.blocks)), "block ids and stamps go up")
        for path, data in self.written.items():
            self.assertEqual(self.cluster.cat(path), data)
        log = self.cluster.log("namenode")
        self.assertNotIn("dead", log.replace("-dead", ""))

    def test_an_hour_forth_and_an_hour_back(self):
        self.write("/before")
        self.jump(HOUR)
        self.jump(0)
        self.jump(-HOUR)
        self.check_the_rest()

    def test_a_namenode_that_starts_an_hour_earlier_than_it_stopped(self):
        self.write("/before")
        self.cluster.kill_now("namenode")
        self.clock.set(-HOUR)
        self.clock.start()
        self.eventually(lambda: len(self.beats()) == 3, "all datanodes are back", 30)
        self.eventually(self.can_write, "safe mode is over", 60)
        self.write("/after")
        self.check_the_rest()
        # A datanode that really dies is given up though the time has gone back.
        self.cluster.kill_now("datanode-3")
        self.eventually(lambda: len(self.beats()) == 2, "the dead datanode is given up", 60)

    def can_write(self):
        try:
            self.call("mkdirs", rpc.mkdirs("/d"))
            return True
        except rpc.RemoteError as refused:
            self.assertIn("safe mode", str(refused))
            return False
