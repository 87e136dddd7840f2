"""Writers that die, sleep too long, or are robbed of their file."""

import os
import signal
import subprocess
import threading
import time

from harness import env, rpc
from harness.case import Case
from harness.cluster import MiniCluster
from harness.replicas import differences, words

# What a client's death costs a file: so long it stays open.
IMPATIENT = {"dfs.namenode.lease-hard-limit-sec": "4"}


class Flusher:
    """A process of cairn-flusher, whose lines are read as they come."""

    def __init__(self, cluster, *arguments):
        self.process = subprocess.Popen(
            [env.program("cairn-flusher"), "--uri", cluster.uri, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=cluster.environment(),
            text=True,
        )
        self.sent = {}
        self.acked = {}
        self.failed = {}
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            what, number, rest = line.rstrip("\n").split(" ", 2)
            self.heard(what)
            if what == "failed":
                self.failed[int(number)] = rest
            else:
                (self.sent if what == "sent" else self.acked)[int(number)] = int(rest)

    def heard(self, what):
        """For those who watch it."""

    def kill(self):
        self.process.kill()
        self.end()

    def end(self, timeout=60):
        self.process.wait(timeout * env.SLOW)
        self.thread.join()
        self.process.stdout.close()


def is_closed(connection, path):
    return connection.call("isFileClosed", rpc.field(1, path))[1] == [1]


class DeadWriters(Case):
    """fault 17: kill -9 between hflush and close."""

    limit_seconds = 3600 if env.LONG else 240

    def test_their_files_close_by_themselves_with_every_flushed_byte(self):
        writers = int(os.environ.get("CAIRN_TEST_COUNT", 1000 if env.LONG else 30))
        per_process = 10
        random = self.random()
        with MiniCluster(datanodes=3, conf=IMPATIENT) as cluster:
            files = {}  # path -> (identity, acknowledged, sent)
            waited = []
            for first in range(0, writers, per_process):
                directory = f"/w{first}"
                flusher = Flusher(
                    cluster,
                    *("--directory", directory, "--files", str(per_process)),
                    *("--id", str(first), "--seed", str(random.randrange(1 << 30))),
                )
                self.eventually(lambda: len(flusher.acked) == per_process, "all have flushed", 60)
                time.sleep(random.uniform(0, 0.5))
                flusher.kill()
                self.assertEqual(flusher.failed, {})
                for k in range(per_process):
                    path = f"{directory}/{k}"
                    files[path] = (first + k, flusher.acked[k], flusher.sent[k])
            began = time.monotonic()
            with rpc.Connection(cluster.port) as connection:
                for path in files:
                    self.eventually(lambda p=path: is_closed(connection, p), f"{path} closed", 120)
                    waited.append(time.monotonic() - began)
            self.note(f"{len(files)} files; the last one closed {waited[-1]:.1f} s after the kill")
            lost = cut = 0
            for first in range(0, writers, per_process):
                lengths = {}
                for line in cluster.dfs("-ls", f"/w{first}").stdout.decode().splitlines()[1:]:
                    fields = line.split()
                    lengths[fields[-1]] = int(fields[4])
                paths = sorted(lengths)
                whole = cluster.dfs("-cat", *paths).stdout
                at = 0
                for path in paths:
                    identity, acked, sent = files[path]
                    length = lengths[path]
                    self.assertGreaterEqual(length, acked, f"{path}: flushed bytes are lost")
                    self.assertLessEqual(length, sent, f"{path}: bytes that nobody sent")
                    self.assertTrue(whole[at : at + length] == words(identity, length), path)
                    at += length
                    lost += sent - length
                    cut += length > acked
            self.note(f"{cut} files are longer than was acknowledged; {lost} sent bytes gone")
            self.eventually(lambda: not differences(cluster), "all replicas equal", 60)


class LateWriters(Case):
    def test_a_writer_that_sleeps_past_the_hard_limit_writes_nothing_more(self):
        """fault 18: it wakes up, its lease is gone, and its datanodes refuse its packets"""
        with MiniCluster(datanodes=3, conf=IMPATIENT) as cluster:
            flusher = Flusher(cluster, "--directory", "/w", "--files", "4", "--id", "50")
            self.addCleanup(flusher.process.kill)
            self.eventually(lambda: len(flusher.acked) == 4, "all have flushed")
            os.kill(flusher.process.pid, signal.SIGSTOP)
            with rpc.Connection(cluster.port) as connection:
                for k in range(4):
                    self.eventually(lambda k=k: is_closed(connection, f"/w/{k}"), "closed", 60)
            before = [cluster.cat(f"/w/{k}") for k in range(4)]
            # The new owner goes on where the recovery ended.
            cluster.append(b"the new owner's", "/w/0")
            os.kill(flusher.process.pid, signal.SIGCONT)
            flusher.end()
            self.assertEqual(sorted(flusher.failed), [0, 1, 2, 3])
            self.note(f"it was told: {flusher.failed[1][:160]}")
            for k in range(4):
                after = cluster.cat(f"/w/{k}")
                own = b"the new owner's" if k == 0 else b""
                self.assertTrue(after == before[k] + own, f"/w/{k}")
                self.assertGreaterEqual(len(before[k]), 1)
                self.assertTrue(before[k] == words(50 + k, len(before[k])))
            self.eventually(lambda: not differences(cluster), "all replicas equal", 60)


class Robbers(Case):
    def test_two_writers_take_one_file_from_each_other(self):
        """fault 19: no byte of the one within a record of the other, no flushed record lost"""
        rounds = 40 if env.LONG else 6
        with MiniCluster(datanodes=3) as cluster:
            cluster.put(b"", "/f")
            random = self.random()
            robbers = [
                Flusher(
                    cluster,
                    *("--take-over", "/f", "--id", str(1 + n), "--rounds", str(rounds)),
                    *("--seed", str(random.randrange(1 << 30))),
                )
                for n in range(2)
            ]
            for robber in robbers:
                robber.end(timeout=180)
                self.assertEqual(robber.process.returncode, 0)
            # Whoever lost the file at last may have left it open for the recovery to close.
            with rpc.Connection(cluster.port) as connection:
                self.eventually(lambda: is_closed(connection, "/f"), "closed", 60)
            data = cluster.cat("/f")
            acked = sent = 0
            expected = {}
            for n, robber in enumerate(robbers):
                for number in robber.sent:
                    expected[record(1 + n, number)] = number in robber.acked
            at = 0
            seen = set()
            while at < len(data):
                # A record that was not acknowledged may be cut anywhere by a recovery.
                rest = data[at : at + 1000]
                length, whole = max((common_prefix(r, rest), r) for r in expected if r not in seen)
                self.assertGreater(length, 0, f"foreign bytes at {at}: {rest[:40]}")
                if expected[whole]:
                    self.assertEqual(length, len(whole), f"an acknowledged record at {at}")
                seen.add(whole)
                at += length
            for whole, acknowledged in expected.items():
                sent += 1
                acked += acknowledged
                if acknowledged:
                    self.assertIn(whole, seen, f"{whole[:16]} was acknowledged and is lost")
            self.note(f"{sent} records, {acked} acknowledged; {len(data)} bytes")
            self.eventually(lambda: not differences(cluster), "all replicas equal", 60)


def record(writer, number):
    word = f"{writer * 10**9 + number:016d}".encode()
    return (word * 63)[:1000]


def common_prefix(a, b):
    for at, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return at
    return min(len(a), len(b))
