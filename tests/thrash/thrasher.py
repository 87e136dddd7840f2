"""Random faults beside writers, appenders, renamers and readers, then healing, then the judgement.

    thrasher = Thrasher(cluster, load, random)
    thrasher.run(seconds)      # faults.py says which; the load goes on all the time
    thrasher.judge()           # the same, every acknowledged byte, and no file is open any more

While it runs, readers compare what they get with what was acknowledged when they opened the file.
"""

import collections
import re
import subprocess
import time

from harness import coded, env, replicas
from harness.cluster import Failed
from thrash import faults

MOST_AWAY_SECONDS = 12.0  # longer than the cluster's dead interval: then repair begins
HEAL_SECONDS = 180


class Thrasher:
    def __init__(self, cluster, load, random):
        self.cluster = cluster
        self.load = load
        self.random = random
        self.away = {}  # daemon -> what brings it back: start or resume
        self.back_at = {}
        self.struck = collections.Counter()
        self.heals = 0
        self.slowest_heal = 0.0
        self.compared = self.units = 0
        self.commands = {name: cluster.command(name) for name in cluster.names}

    # ---- Faults ----

    def run(self, seconds):
        until = time.monotonic() + seconds
        self.load.run()
        while time.monotonic() < until:
            # Losses for good need a cluster that has all its replicas; that takes a while to reach.
            if self.random.random() < 0.1:
                self.lose()
            else:
                self.strike(faults.draw(self.random, faults.PASSING))
            time.sleep(self.random.uniform(0.1, 2.0))
            self.bring_back(everything=False)

    def strike(self, fault):
        before = set(self.away)
        done = fault(self)
        if done is None:
            return
        self.struck[fault.__name__] += 1
        self.load.mark(done)
        for name in set(self.away) - before:
            most = MOST_AWAY_SECONDS / 3 if name == "namenode" else MOST_AWAY_SECONDS
            self.back_at[name] = time.monotonic() + self.random.uniform(0.2, most)

    def bring_back(self, everything):
        now = time.monotonic()
        for name, how in list(self.away.items()):
            if everything or self.back_at[name] <= now:
                self.start(name) if how == "start" else self.cluster.resume(name)
                self.load.mark(f"{how} {name}")
                del self.away[name]

    def lose(self):
        """Something is gone for good, while every block has all its replicas elsewhere. Files that a
        broken writer left open count as such only once they are closed."""
        self.heal()
        self.load.check(everything=True)
        self.wait_until_whole()
        self.strike(faults.draw(self.random, faults.LOSING))
        self.load.run()

    def start(self, name):
        """Not by `cairn mini`, which waits until all datanodes have registered, stopped ones too."""
        self.cluster.spawn(name, self.commands[name])

    # ---- Healing ----

    def heal(self):
        self.bring_back(everything=True)
        self.load.pause()

    def wait_until_whole(self):
        """No block lacks a replica or has a bad one: neither the namenode knows of any, nor do the
        files on the disks, which the scanner must have found out about."""
        began = time.monotonic()
        until = began + HEAL_SECONDS * env.SLOW
        while True:
            counts = self.block_counts()
            wrong = []
            if counts and not any(counts.values()):
                self.compared, wrong = replicas.survey(self.cluster, self.load.replication)
                if not wrong:
                    break
            if time.monotonic() > until:
                listed = "\n".join(wrong[:20])
                raise Failed(
                    f"not whole after {HEAL_SECONDS * env.SLOW:.0f} s: {counts}\n{listed}\n"
                    f"{self.histories(wrong[:5])}\n{self.summary()}\n{self.fsck()}\n"
                    f"{self.cluster.tails()}"
                )
            time.sleep(0.2)
        self.heals += 1
        self.slowest_heal = max(self.slowest_heal, time.monotonic() - began)

    def block_counts(self):
        """What `cairn dfsadmin -report` says; {} while the namenode does not answer."""
        report = self._cairn("dfsadmin", "-report")
        if report is None or f"Live datanodes ({len(self.cluster.datanodes)})" not in report:
            return {}
        counts = {}
        for name in (
            "Under replicated blocks",
            "Blocks with corrupt replicas",
            "Missing blocks",
            "Low redundancy block groups",
            "Block groups with corrupt internal blocks",
            "Missing block groups",
        ):
            match = re.search(rf"{name}: (\d+)", report)
            if match is None:
                raise Failed(f"no {name!r} in\n{report}")
            counts[name] = int(match.group(1))
        return counts

    def fsck(self):
        return self._cairn("fsck", "/", check=False)

    def histories(self, wrong):
        """What the namenode says of these blocks now, and what all logs say of them; of a block group,
        what they say of its units."""
        told = []
        for block in map(int, re.findall(r"blk_(-?\d+)", "\n".join(wrong))):
            told.append(self._cairn("fsck", "-blockId", f"blk_{block}", check=False))
            ids = [str(block + unit) for unit in range(coded.UNITS if block < 0 else 1)]
            for name in self.cluster.names:
                lines = self.cluster.log(name).splitlines()
                lines = [line for line in lines if any(one in line for one in ids)]
                told.extend(f"{name}: {line}" for line in lines[-20:])
        return "\n".join(told)

    def _cairn(self, *arguments, check=True):
        result = subprocess.run(
            [env.program("cairn"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.cluster.environment(),
            timeout=60 * env.SLOW,
        )
        if check and result.returncode != 0:
            return None
        return result.stdout.decode(errors="replace")

    # ---- The judgement ----

    def judge(self):
        self.heal()
        self.load.check(everything=True)
        self.wait_until_whole()
        self.units = sum(replica.block < 0 for replica in replicas.replicas_of(self.cluster))
        report = self.fsck()
        if "is HEALTHY" not in report:
            raise Failed(f"fsck is not content:\n{report}")
        self.load.check_all()

    def summary(self):
        struck = " ".join(f"{name}={count}" for name, count in sorted(self.struck.items()))
        return (
            f"faults: {struck}; whole again {self.heals} times, after {self.slowest_heal:.1f} s at "
            f"most; {self.compared} replicas were the same on all disks, {self.units} of them units of "
            "coded files that fit each other"
        )
