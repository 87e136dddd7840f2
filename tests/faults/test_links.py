"""fault 39: bytes are spoilt on their way. No wrong byte is delivered or kept, and no good replica is
lost because a link is bad."""

import os
import threading

from harness import env
from harness.case import Case
from harness.cluster import MiniCluster
from harness.pipeline import PipelineProxies, Strike
from harness.replicas import differences, replicas_of

NAMES = ("first", "middle", "last")
CONF = {
    "dfs.blocksize": "4m",
    "dfs.heartbeat.interval": "1s",
    # The datanodes' files have no link on the way.
    "dfs.client.read.shortcircuit": "false",
    # A replica that was marked corrupt by mistake would be gone soon.
    "dfs.namenode.startup.delay.block.deletion.sec": "1",
}


def flipped(data, at, bit):
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


class Spoiler:
    """A hook of a proxy: flips bits of large pieces, which are data, with their checksums and packet
    headers; every piece while `always`, else one whenever `next` is set."""

    def __init__(self, draw):
        self.draw = draw
        self.lock = threading.Lock()
        self.always = False
        self.next = False
        self.count = 0

    def __call__(self, data, _connection):
        with self.lock:
            if len(data) < 1000 or not (self.always or self.next):
                return data
            self.next = False
            self.count += 1
            return flipped(data, self.draw.randrange(len(data)), self.draw.randrange(8))


class Links(Case):
    limit_seconds = 300

    def setUp(self):
        self.draw = self.random()
        self.cluster = MiniCluster(datanodes=4, conf=CONF)
        self.addCleanup(self.cluster.close)
        self.proxies = PipelineProxies(self.cluster)
        self.addCleanup(self.proxies.close)
        self.eventually(lambda: self.cluster.live_datanodes() == 4, "all datanodes")

    def expect_good_health(self, files):
        """All bytes, all replicas, nothing marked."""
        for path, data in files.items():
            self.assertEqual(self.cluster.cat(path), data, path)

        def healthy():
            report = self.cluster.cairn("fsck", "/").stdout.decode()
            return "is HEALTHY" in report and not differences(self.cluster) and report

        report = self.eventually(healthy, "health, and equal replicas", 60)
        self.assertRegex(report, r"Corrupt blocks:\s+0")
        finalized = [r for r in replicas_of(self.cluster) if r.state == "finalized"]
        for path, data in files.items():
            self.assertEqual(self.cluster.cat(path), data, path)
        return finalized

    def test_a_link_of_a_pipeline(self):
        """A flipped bit in a packet, anywhere in it, on the way to the first, middle or last node."""
        files, failed = {}, 0
        for number in range(27 if not env.LONG else 300):
            position = number % 3
            stage = "close" if number % 9 == 8 else "streaming"
            path = f"/f{number}"
            data = os.urandom(self.draw.randrange(600_000, 3_000_000))
            strike = Strike("flipped", stage, position, self.draw.random(), len(data) * 3 // 4)
            self.proxies.arm(strike)
            result = self.cluster.dfs(
                *("-D", "cairn.client.write.packet.max=64k", "-put", "-", path),
                input=data,
                check=False,
            )
            self.proxies.arm(None)
            self.assertIsNotNone(strike.victim, f"{number}: nothing was flipped")
            if result.returncode == 0:
                files[path] = data
                self.assertEqual(self.cluster.cat(path), data, f"{NAMES[position]}: {strike.where}")
            else:
                # A packet's header has no checksum: a flip there may end the write, not more.
                failed += 1
                self.cluster.dfs("-rm", "-skipTrash", "-f", path)
        self.note(f"{len(files)} writes completed, {failed} ended with an error")
        self.assertGreater(len(files), 4 * failed)
        self.expect_good_health(files)

    def spoil_replies(self):
        spoiler = Spoiler(self.draw)
        for proxy in self.proxies.proxies.values():
            proxy.on_reply = spoiler
        return spoiler

    def test_a_readers_link(self):
        """Now and then a bit, of any replica: another one is read, and nobody is blamed for good."""
        data = os.urandom(3_000_000)
        self.cluster.put(data, "/f")
        spoiler = self.spoil_replies()
        for _ in range(20):
            spoiler.next = True
            self.assertEqual(self.cluster.cat("/f"), data)
        self.assertGreater(spoiler.count, 15)
        self.expect_good_health({"/f": data})

    def read_badly(self):
        return self.cluster.dfs("-D", "dfs.client.retry.window.base=100", "-cat", "/f", check=False)

    def test_a_reader_whose_link_spoils_everything(self):
        """It says of all replicas that they are bad. They are looked at, and stay."""
        data = os.urandom(3_000_000)
        self.cluster.put(data, "/f", "-D", "dfs.replication=3")
        before = sorted(self.expect_good_health({"/f": data}))
        self.assertEqual(len(before), 3)
        spoiler = self.spoil_replies()
        spoiler.always = True
        result = self.read_badly()
        self.assertNotEqual(result.returncode, 0)
        self.assertTrue(data.startswith(result.stdout), "a wrong byte was delivered")
        spoiler.always = False
        holders = {replica.node for replica in before}

        def looked_at():
            return all("a reader doubts" in self.cluster.log(name) for name in holders)

        self.eventually(looked_at, "all three replicas are looked at")
        # Whoever was to be copied or deleted would be by now: what comes after it is done.
        path, block = before[0].path, before[0].block
        with open(path, "r+b") as file:  # this one is really bad
            file.seek(1_234_567)
            byte = file.read(1)[0]
            file.seek(1_234_567)
            file.write(bytes([byte ^ 4]))
        spoiler.always = True
        self.read_badly()
        spoiler.always = False
        found = f"block {block}"
        self.eventually(
            lambda: [
                line
                for line in self.cluster.log(before[0].node).splitlines()
                if found in line and "checksum" in line
            ],
            "the rotten replica is found",
        )

        def replaced():
            now = [r for r in replicas_of(self.cluster) if r.state == "finalized"]
            return {r.node for r in now} != holders and len(now) == 3

        self.eventually(replaced, "the rotten replica is replaced", 60)
        after = self.expect_good_health({"/f": data})
        kept = {r.node for r in after} & holders
        self.assertEqual(kept, holders - {before[0].node}, "a good replica was deleted")
