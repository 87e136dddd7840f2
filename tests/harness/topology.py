"""Who may be a datanode, and how one leaves: hosts files, and what the cluster says of those who do."""

import json
import os
import time

from harness import env
from harness.case import Case

JSON_HOSTS = {
    "dfs.namenode.hosts.provider.classname": "org.apache.hadoop.hdfs.server.blockmanagement."
    "CombinedHostFileManager"
}


def write(path, text, mode=0o644):
    """At once: the namenode may be reading it."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.chmod(path + ".new", mode)
    os.replace(path + ".new", path)


class TopologyCase(Case):
    def hosts_file(self, text=""):
        path = os.path.join(env.new_directory("hosts"), "hosts")
        write(path, text)
        return path

    def address(self, cluster, name):
        """ip:port, by which the hosts files know a datanode."""
        return f"{cluster.ip(name)}:{cluster.ports(name)['transfer']}"

    def admin(self, cluster, *arguments, check=True):
        result = cluster.cairn("dfsadmin", *arguments)
        if check:
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result

    def refresh(self, cluster):
        out = self.admin(cluster, "-refreshNodes").stdout
        self.assertEqual(out, b"Refresh nodes successful\n")

    def topology(self, cluster):
        """{ip:port: (rack, state)} of -printTopology."""
        nodes, rack = {}, None
        for line in self.admin(cluster, "-printTopology").stdout.decode().splitlines():
            words = line.split()
            if line.startswith("Rack: "):
                rack = words[1]
            elif words:
                self.assertRegex(words[1], r"\(.+\)")
                nodes[words[0]] = (rack, " ".join(words[2:]))
        return nodes

    def states(self, cluster):
        found = self.topology(cluster)
        return {
            name: found.get(self.address(cluster, name), (None, None))[1]
            for name in cluster.datanodes
        }

    def state(self, cluster, name):
        return self.states(cluster)[name]

    def want(self, cluster, hosts, **states):
        """datanode_1="DECOMMISSIONED" and so on; the others serve."""
        objects = []
        for name, state in states.items():
            ip, port = self.address(cluster, name.replace("_", "-")).split(":")
            entry = {"hostName": ip, "port": int(port)}
            if isinstance(state, tuple):
                state, until = state
                entry["maintenanceExpireTimeInMS"] = int(until * 1000)
            objects.append({**entry, "adminState": state})
        write(hosts, json.dumps(objects))
        self.refresh(cluster)

    def replicas(self, cluster, name):
        return sum(
            file.startswith("blk_") and not file.endswith(".meta")
            for _, _, files in os.walk(cluster.data(name))
            for file in files
        )

    def total(self, cluster):
        return sum(self.replicas(cluster, name) for name in cluster.datanodes)

    def watch_it_go(self, cluster, name, each=lambda: None):
        """Until `name` is decommissioned; calls each() again and again. What was foretold of the end
        once a third was done may be wrong by 30 %. Returns (seconds, [(left, foretold to be left)])."""
        before = self.replicas(cluster, name)
        began = time.monotonic()
        until = began + 200 * env.SLOW
        foretold = []  # (when, its end)
        while self.state(cluster, name) != "Decommissioned":
            self.assertLess(time.monotonic(), until, "it does not end")
            now, found = time.monotonic(), self.leaving(cluster)
            if found and found["ends_in_s"] is not None and not found["looking"]:
                done = 1 - found["blocks_left"] / before
                if 0.33 < done < 0.75:
                    foretold.append((now, now + found["ends_in_s"]))
            each()
            time.sleep(0.5)
        end = time.monotonic()
        self.assertGreaterEqual(len(foretold), 5, "it was over too soon to be foretold")
        for now, expected in foretold:
            with self.subTest(left=round(end - now, 1), foretold=round(expected - now, 1)):
                self.assertLessEqual(abs(expected - end), 0.3 * (end - now))
        why = cluster.cairn("why", self.address(cluster, name)).stdout.decode()
        self.assertIn("it is decommissioned and may be switched off", why)
        return end - began, [(end - now, expected - now) for now, expected in foretold]

    def leaving(self, cluster):
        """How far the one that is being decommissioned has come; None: there is none."""
        report = json.loads(
            self.admin(cluster, "-report", "-decommissioning", "--json").stdout
        )
        nodes = report["datanodes"]["decommissioning"]
        return nodes[0]["leaving"] if nodes and "leaving" in nodes[0] else None
