"""A restart of the namenode: when files can be read again, when they can be written, and what the
datanodes send for it. bench/restart_bench does the same with a million blocks."""

import json
import os
import re
import subprocess
import time
import unittest

from harness import env
from harness.case import Case
from harness.cluster import MiniCluster
from harness.proxy import Proxy

FILES = 100_000 if env.LONG else 3_000
WRITERS = 4
PER_DIRECTORY = 500


class Restart(Case):
    limit_seconds = 1800 if env.LONG else 120

    def start(self):
        """Three datanodes that reach the namenode through a proxy, which counts what they send."""
        cluster = MiniCluster(
            datanodes=3,
            conf={
                "cairn.datanode.sync.on.finalize": "false",
                "dfs.blockreport.intervalMsec": "3600000",
            },
        )
        self.addCleanup(cluster.close)
        with open(os.path.join(cluster.conf_dir, "mini.json")) as file:
            internal = json.load(file)["internal"]
        self.sent = 0

        def count(data, _connection):
            self.sent += len(data)
            return data

        proxy = Proxy(internal, on_request=count)
        self.addCleanup(proxy.close)
        for name in cluster.datanodes:
            address = f"cairn.namenode.internal.address=127.0.0.1:{proxy.port}"
            cluster.spawn(name, [*cluster.command(name), "-D", address])
        self.eventually(lambda: cluster.live_datanodes() == 3, "all datanodes")
        return cluster

    def write(self, cluster):
        """FILES small files, by several writers at a time."""
        source = env.new_directory("small")
        for number in range(FILES):
            directory = os.path.join(
                source, f"w{number % WRITERS}", f"d{number // WRITERS // PER_DIRECTORY}"
            )
            os.makedirs(directory, exist_ok=True)
            with open(os.path.join(directory, f"f{number}"), "w") as file:
                file.write(f"{number}\n")
        writers = [
            subprocess.Popen(
                [env.program("cairn"), "dfs", "-put", os.path.join(source, f"w{writer}"), "/"],
                env=cluster.environment(),
            )
            for writer in range(WRITERS)
        ]
        for writer in writers:
            self.assertEqual(writer.wait(), 0)

    def test_datanodes_send_next_to_nothing_when_nothing_has_changed(self):
        cluster = self.start()
        began = time.monotonic()
        self.write(cluster)
        self.note(f"{FILES} files in {time.monotonic() - began:.0f} s; load {os.getloadavg()[0]:.0f}")
        self.eventually(lambda: self.replicas_known(cluster) == 3 * FILES, "all are reported", 60)
        # What the store has not, a crash forgets, and lists would tell it again.
        self.assertEqual(cluster.cairn("dfsadmin", "-saveNamespace").returncode, 0)
        logs = {name: len(cluster.log(name)) for name in cluster.datanodes}

        def since(name):
            return cluster.log(name)[logs[name] :]

        command = cluster.command("namenode")
        cluster.kill_now("namenode")
        self.sent = 0
        began = time.monotonic()
        cluster.spawn("namenode", command)
        serves = time.monotonic() - began
        last = FILES - 1
        path = f"/w{last % WRITERS}/d{last // WRITERS // PER_DIRECTORY}/f{last}"
        self.assertEqual(cluster.cat(path), f"{last}\n".encode())  # tries until it can
        read = time.monotonic() - began
        self.eventually(
            lambda: b"Safe mode is OFF" in cluster.cairn("dfsadmin", "-safemode", "get").stdout,
            "safe mode is off",
        )
        writable = time.monotonic() - began
        self.eventually(
            lambda: all("report round done" in since(name) for name in cluster.datanodes),
            "all have reported",
        )
        sent = self.sent
        reported = time.monotonic() - began
        for name in cluster.datanodes:
            self.assertNotIn("are listed", since(name))
        self.assertEqual(self.replicas_known(cluster), 3 * FILES)
        # A list has more than ten bytes for each replica.
        self.assertLess(sent, 30_000 + FILES)
        self.note(
            f"serves after {serves:.2f} s, first read {read:.2f} s, safe mode off {writable:.2f} s, all "
            f"reported {reported:.2f} s; the datanodes sent {sent} bytes, {sent / FILES / 3:.2f} for a replica"
        )

    def replicas_known(self, cluster):
        totals = cluster.cairn("fsck", "/").stdout.decode()
        files = int(re.search(r"Total blocks \(validated\):\t(\d+)", totals).group(1))
        average = float(re.search(r"Average block replication:\t([\d.]+)", totals).group(1))
        return round(files * average)


if __name__ == "__main__":
    unittest.main()
