"""Writers of coded files and nodes, killed around flushes: no acknowledged byte is lost."""

import collections
import os
import time

from faults.test_lost_writers import Flusher
from harness import coded, env, replicas, rpc
from harness.case import Case
from harness.cluster import MiniCluster

FILES = 4
KEPT = 5  # rounds whose files stay until the end
# Whom a round kills, moment by moment. The writer is the last; no two datanodes more than parity
# allows are away at a time.
WRITER, NAMENODE, DATANODE = "writer", "namenode", "datanode"
AT_ONCE = [[DATANODE, DATANODE, WRITER]]
PLANS = [
    AT_ONCE,
    [[WRITER]],
    [[NAMENODE, WRITER]],
    [[NAMENODE], [WRITER]],
    [[DATANODE], [WRITER]],
    [[DATANODE], [DATANODE], [WRITER]],
    [[DATANODE], [NAMENODE], [DATANODE, WRITER]],
    [[DATANODE, NAMENODE], [WRITER]],
]


class Watched(Flusher):
    """Knows how many lines its writer has said, and whether the last one began a write."""

    lines = 0
    writing = False

    def heard(self, what):
        self.lines += 1
        self.writing = what == "sent"


def kills_wanted():
    """How many processes: 300 in a long run, or as many as CAIRN_TEST_KILLS says."""
    return int(os.environ.get("CAIRN_TEST_KILLS", 300 if env.LONG else 5))


class FlushKills(Case):
    limit_seconds = 240 + 30 * kills_wanted()

    def setUp(self):
        self.cluster = MiniCluster(
            datanodes=coded.UNITS + 1,
            conf={
                **coded.CONF,
                "cairn.namenode.stale.interval": "2s",
                "cairn.namenode.dead.interval": "5s",
                "dfs.heartbeat.interval": "1s",
            },
        )
        self.addCleanup(self.cluster.close)
        coded.make(self.cluster, "/cold")
        self.commands = {name: self.cluster.command(name) for name in self.cluster.names}
        self.random_ = self.random()
        self.counts = collections.Counter()
        self.slowest_close = 0.0

    def test_no_kill_loses_a_flushed_byte(self):
        """faults 1, 14, 17, 49"""
        kept = {}
        rounds = 0
        # The first ones see each plan once, if they are so many; even two see datanodes that stay dead.
        plans = [AT_ONCE, *self.random_.sample(PLANS[1:], len(PLANS) - 1)]
        while sum(self.counts[who] for who in (WRITER, NAMENODE, DATANODE)) < kills_wanted():
            plan = plans[rounds] if rounds < len(plans) else self.random_.choice(PLANS)
            kept[rounds] = self.kill_around_flushes(rounds, plan)
            rounds += 1
            if rounds > KEPT:
                del kept[rounds - 1 - KEPT]
                self.cluster.dfs("-rm", "-r", "-skipTrash", f"/cold/{rounds - 1 - KEPT}")
        began = time.monotonic()
        units = replicas.when_whole(self.cluster, copies=1, seconds=180)
        whole_after = time.monotonic() - began
        for number, flusher in kept.items():
            self.check(number, flusher)
        kills = ", ".join(
            f"{self.counts[who]} of a {who} ({self.counts[who, 'in']} between a write and its flush)"
            for who in (WRITER, DATANODE, NAMENODE)
        )
        self.note(f"{rounds} rounds; kills: {kills}")
        self.note(
            f"{self.counts['files']} files, {self.counts['longer']} longer than was acknowledged, "
            f"{self.counts['bytes'] >> 10} KiB flushed; {self.counts['degraded']} rounds were read "
            f"while datanodes were dead; closed after {self.slowest_close:.1f} s at most; {units} units "
            f"fit each other in the end, after {whole_after:.1f} s"
        )
        self.assertGreater(self.counts[WRITER, "in"], 0, "no kill hit a writer in a flush")
        self.assertGreater(self.counts["degraded"], 0, "no file was read without datanodes")

    def kill_around_flushes(self, number, plan):
        flusher = Watched(
            self.cluster,
            *("--directory", f"/cold/{number}", "--files", str(FILES)),
            *("--id", str(FILES * number), "--seed", str(self.random_.randrange(1 << 30))),
        )
        self.addCleanup(flusher.process.kill)
        self.eventually(lambda: len(flusher.acked) == FILES, "all have flushed", 60)
        dead = []
        for victims in plan:
            self.wait_for_a_moment(flusher)
            writing = flusher.writing
            for who in self.random_.sample(victims, len(victims)):
                self.counts[who] += 1
                self.counts[who, "in"] += writing
                if who == WRITER:
                    flusher.process.kill()
                else:
                    dead.append(self.kill_node(who, dead))
            if NAMENODE in victims:
                time.sleep(self.random_.choice([0, 0, 0.3]))
                dead.remove(NAMENODE)
                self.start(NAMENODE)
        flusher.kill()
        self.assertEqual(flusher.failed, {}, f"round {number}: {plan}, killed {dead}")
        if number > 0 and self.random_.random() < 0.3:
            self.bring_back(dead)
        self.counts["degraded"] += bool(dead)
        self.close(number, f"all files are closed; {plan}, dead: {dead}")
        self.check(number, flusher)
        for k in range(FILES):
            self.counts["files"] += 1
            self.counts["bytes"] += flusher.acked[k]
        self.bring_back(dead)
        return flusher

    def close(self, number, what):
        """Has the namenode take the files from their writer, who is dead."""
        began = time.monotonic()
        paths = {f"/cold/{number}/{k}" for k in range(FILES)}
        with rpc.Connection(self.cluster.port) as connection:

            def all_closed():
                time.sleep(0.1)
                for path in list(paths):
                    message = rpc.field(1, path) + rpc.field(2, "somebody")
                    try:
                        if connection.call("recoverLease", message)[1] == [1]:
                            paths.remove(path)
                    except rpc.RemoteError as error:
                        # A namenode that has just started waits for its datanodes.
                        if error.kind != "RetriableException":
                            raise
                return not paths

            self.eventually(all_closed, what, 120)
        self.slowest_close = max(self.slowest_close, time.monotonic() - began)

    def wait_for_a_moment(self, flusher):
        """Some lines on, and a little later: in a write or a flush, or between two."""
        until = flusher.lines + self.random_.randint(1, 60)
        self.eventually(lambda: flusher.lines >= until or flusher.failed, "it goes on", 60)
        time.sleep(self.random_.uniform(0, 0.01))

    def kill_node(self, who, dead):
        name = who
        if who == DATANODE:
            name = self.random_.choice([n for n in self.cluster.datanodes if n not in dead])
        self.cluster.kill_now(name)
        return name

    def start(self, name):
        """Not by `cairn mini`, which waits until all datanodes have registered, dead ones too."""
        self.cluster.spawn(name, self.commands[name])

    def bring_back(self, dead):
        for name in dead:
            self.start(name)
        dead.clear()
        everybody = len(self.cluster.datanodes)
        self.eventually(lambda: self.cluster.live_datanodes() == everybody, "all are back", 60)

    def check(self, number, flusher):
        """Each file has all that was acknowledged, and nothing that was not sent."""
        for k in range(FILES):
            path = f"/cold/{number}/{k}"
            data = self.cluster.cat(path)
            self.assertGreaterEqual(len(data), flusher.acked[k], f"{path}: flushed bytes are lost")
            self.assertLessEqual(len(data), flusher.sent[k], f"{path}: bytes that nobody sent")
            expected = replicas.words(FILES * number + k, len(data))
            self.assertTrue(data == expected, f"{path}: wrong bytes")
            self.counts["longer"] += len(data) > flusher.acked[k]
