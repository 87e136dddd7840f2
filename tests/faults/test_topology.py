"""Who may be a datanode, where each one stands, and how one leaves the cluster and comes back."""

import json
import os
import time
import unittest

from harness import env, hadoop
from harness.cluster import MiniCluster, run
from harness.topology import JSON_HOSTS, TopologyCase, write


class Racks(TopologyCase):
    limit_seconds = 120

    def racks(self, cluster):
        return sorted(rack for rack, _ in self.topology(cluster).values())

    def test_a_script_tells_racks_and_a_refresh_asks_it_again(self):
        script = os.path.join(env.new_directory("racks"), "racks.sh")
        write(script, '#!/bin/sh\nfor a; do echo "/hall/r-${a##*.}"; done\n', 0o755)
        mapping = "org.apache.hadoop.net.ScriptBasedMapping"
        with MiniCluster(
            datanodes=3,
            racks=["/not/asked"] * 3,  # in a table; each datanode has an address of its own
            conf={
                "net.topology.script.file.name": script,
                "net.topology.script.number.args": "2",
                "net.topology.node.switch.mapping.impl": mapping,
            },
        ) as cluster:
            self.assertEqual(self.racks(cluster), ["/hall/r-1", "/hall/r-2", "/hall/r-3"])
            write(script, "#!/bin/sh\nfor a; do echo /moved; done\n", 0o755)
            self.refresh(cluster)
            self.eventually(lambda: self.racks(cluster) == ["/moved"] * 3, "the new racks")
            write(script, "#!/bin/sh\necho $0 is broken >&2\nexit 7\n", 0o755)
            self.refresh(cluster)
            self.eventually(
                lambda: "exit status 7" in cluster.log("namenode"), "the script's failure in the log"
            )
            self.assertIn("is broken", cluster.log("namenode"))
            self.assertEqual(self.racks(cluster), ["/moved"] * 3)
            cluster.stop("namenode")
            cluster.start("namenode")  # it knows no answer now
            self.eventually(
                lambda: self.racks(cluster) == ["/default-rack"] * 3, "the default rack instead"
            )

    def test_a_refresh_reads_the_table_again(self):
        table = os.path.join(env.new_directory("racks"), "table")
        write(table, "127.0.1.1 /a\n127.0.1.2 /b\n")
        with MiniCluster(
            datanodes=2, racks=["/x", "/y"], conf={"net.topology.table.file.name": table}
        ) as cluster:
            self.assertEqual(self.racks(cluster), ["/a", "/b"])
            write(table, "127.0.1.1 /a\n127.0.1.2 no rack\n")
            refused = self.admin(cluster, "-refreshNodes", check=False)
            self.assertEqual(refused.returncode, 255)
            self.assertIn(f"refreshNodes: {table}:2: ", refused.stderr.decode())
            self.assertEqual(self.racks(cluster), ["/a", "/b"])
            write(table, "127.0.1.1 /a\n127.0.1.2 /a\n")
            self.refresh(cluster)
            self.assertEqual(self.racks(cluster), ["/a", "/a"])


class Hosts(TopologyCase):
    limit_seconds = 180

    def test_who_is_not_included_is_refused_with_the_reason(self):
        include = self.hosts_file()
        with MiniCluster(datanodes=3, conf={"dfs.hosts": include}) as cluster:
            self.assertEqual(cluster.live_datanodes(), 3, "an empty file includes everybody")
            both = [self.address(cluster, name) for name in cluster.datanodes[:2]]
            third = self.address(cluster, "datanode-3")
            write(include, "\n".join(both) + "\n")
            self.refresh(cluster)
            self.assertIn(self.states(cluster)["datanode-3"], (
                "Decommission In Progress", "Decommissioned",
            ))
            cluster.spawn("datanode-3")  # again, under the same address
            self.eventually(
                lambda: f"at {third} " in cluster.log("datanode-3")
                and "not in the include-list (dfs.hosts)" in cluster.log("datanode-3"),
                "the refusal in the datanode's log",
            )
            write(include, "\n".join(both + [third]) + "\n")
            self.refresh(cluster)
            self.eventually(
                lambda: self.states(cluster) == dict.fromkeys(cluster.datanodes, "In Service"),
                "all three back",
            )

    def test_a_file_that_does_not_parse_changes_nothing(self):
        hosts = self.hosts_file("[]")
        with MiniCluster(datanodes=2, conf={"dfs.hosts": hosts, **JSON_HOSTS}) as cluster:
            write(hosts, '[\n  {"hostName": "127.0.0.1", "adminState": "GONE"}\n]')
            refused = self.admin(cluster, "-refreshNodes", check=False)
            self.assertEqual(refused.returncode, 255)
            self.assertIn(f"refreshNodes: {hosts}:2: adminState is to be", refused.stderr.decode())
            self.assertEqual(
                self.states(cluster), dict.fromkeys(cluster.datanodes, "In Service")
            )
            os.remove(hosts)
            refused = self.admin(cluster, "-refreshNodes", check=False)
            self.assertEqual(refused.returncode, 255)
            self.assertIn(hosts, refused.stderr.decode())

    def test_a_user_may_not_refresh(self):
        with MiniCluster(datanodes=1) as cluster:
            refused = run(
                [env.program("cairn"), "dfsadmin", "-refreshNodes"],
                check=False,
                env=cluster.environment(HADOOP_USER_NAME="alice"),
            )
            self.assertEqual(refused.returncode, 255)
            self.assertIn(b"Superuser privilege is required", refused.stderr)


class Leaving(TopologyCase):
    """Five datanodes in three racks; the namenode repairs what those that leave take away."""

    limit_seconds = 300

    CONF = {
        "dfs.blocksize": "1m",
        "dfs.namenode.fs-limits.min-block-size": "512",
        "cairn.datanode.sync.on.finalize": "false",
        "cairn.namenode.stale.interval": "5s",
        "cairn.namenode.dead.interval": "12s",
        **JSON_HOSTS,
    }

    def cluster(self, hosts, **conf):
        return MiniCluster(
            datanodes=5,
            racks=["/a", "/a", "/b", "/b", "/c"],
            conf={**self.CONF, "dfs.hosts": hosts, **conf},
        )

    def fill(self, cluster, files=20, replication=3):
        data = os.urandom(1 << 20)
        for number in range(files):
            cluster.put(data, f"/f{number}", "-D", f"dfs.replication={replication}")
        return data

    def check(self, cluster, data, files=20):
        for number in range(files):
            self.assertEqual(cluster.cat(f"/f{number}"), data, f"/f{number}")

    def test_a_decommissioned_datanode_may_be_switched_off(self):
        hosts = self.hosts_file("[]")
        with self.cluster(hosts) as cluster:
            data = self.fill(cluster)
            held = self.replicas(cluster, "datanode-5")
            self.want(cluster, hosts, datanode_5="DECOMMISSIONED")
            self.eventually(
                lambda: self.state(cluster, "datanode-5") == "Decommissioned", "the end", 120
            )
            self.assertEqual(self.total(cluster), 60 + held, "its own replicas stay")
            cluster.kill_now("datanode-5")
            self.check(cluster, data)
            time.sleep(13)  # given up: nothing has to be repaired
            self.assertEqual(self.total(cluster), 60 + held)
            report = self.admin(cluster, "-report", "-dead").stdout.decode()
            self.assertIn("Decommission Status : Decommissioned", report)

    def test_the_foretold_end_comes_true(self):
        """The limit on repair decides how long it takes, and the machine does not: half a minute.
        What is foretold once a third is done may be wrong by 30 %."""
        hosts = self.hosts_file("[]")
        with MiniCluster(
            datanodes=3,
            racks=["/a"] * 3,
            conf={
                **self.CONF,
                "dfs.hosts": hosts,
                "dfs.blocksize": "256k",
                "cairn.namenode.repair.bandwidth": "512k",
            },
        ) as cluster:
            cluster.put(os.urandom(22 << 20), "/f", "-D", "dfs.replication=2")
            self.want(cluster, hosts, datanode_1="DECOMMISSIONED")
            self.watch_it_go(cluster, "datanode-1")

    def test_a_cancelled_decommission_leaves_nothing_too_many(self):
        hosts = self.hosts_file("[]")
        with self.cluster(hosts) as cluster:
            data = self.fill(cluster)
            self.want(cluster, hosts, datanode_1="DECOMMISSIONED")
            self.eventually(lambda: self.total(cluster) > 60, "a copy", 60)
            self.want(cluster, hosts)
            self.assertEqual(self.state(cluster, "datanode-1"), "In Service")
            self.eventually(lambda: self.total(cluster) == 60, "the extra copies gone", 120)
            self.check(cluster, data)

    def test_too_few_datanodes_are_left(self):
        hosts = self.hosts_file("[]")
        with self.cluster(hosts) as cluster:
            self.fill(cluster, files=1, replication=5)
            self.want(cluster, hosts, datanode_2="DECOMMISSIONED")
            time.sleep(5)
            self.assertEqual(self.state(cluster, "datanode-2"), "Decommission In Progress")
            report = self.admin(cluster, "-report", "-decommissioning").stdout.decode()
            self.assertIn("Decommissioning datanodes (1)", report)
            self.assertIn("Decommission Status : Decommission in progress", report)
            self.assertIn("\nBlocks Left: 1\n", report)
            self.assertIn("\nExpected End: not known yet\n", report)
            self.assertRegex(report, r"\nIn The Way: blk_\d+: ")
            why = cluster.cairn("why", self.address(cluster, "datanode-2")).stdout.decode()
            self.assertIn("copied elsewhere: 1 block with 1 MB is left", why)
            self.assertIn("in the way: blk_", why)
            cluster.dfs("-setrep", "4", "/f0")
            self.eventually(
                lambda: self.state(cluster, "datanode-2") == "Decommissioned", "the end", 90
            )

    def test_maintenance_is_no_reason_to_copy_until_it_is_over(self):
        hosts = self.hosts_file("[]")
        with self.cluster(hosts) as cluster:
            data = self.fill(cluster)
            until = time.time() + 45 * env.SLOW
            self.want(cluster, hosts, datanode_3=("IN_MAINTENANCE", until))
            self.eventually(
                lambda: self.state(cluster, "datanode-3") == "In Maintenance", "maintenance", 30
            )
            held = self.replicas(cluster, "datanode-3")
            cluster.kill_now("datanode-3")
            while time.time() < until - 5:
                time.sleep(1)
                self.assertEqual(self.total(cluster), 60, "dead, and nothing is copied")
            self.check(cluster, data)
            self.eventually(
                lambda: self.total(cluster) == 60 + held, "copies of all that it held", 120
            )
            cluster.start("datanode-3")
            self.eventually(lambda: self.total(cluster) == 60, "one of each too many gone", 120)
            self.check(cluster, data)


class StockTools(TopologyCase):
    limit_seconds = 240

    def test_hadoops_dfsadmin_sees_and_refreshes(self):
        self.need(hadoop.why_not())
        hosts = self.hosts_file("[]")
        with MiniCluster(
            datanodes=2, racks=["/a", "/b"], conf={"dfs.hosts": hosts, **JSON_HOSTS}
        ) as cluster:
            leaves = self.address(cluster, "datanode-2")
            ip, port = leaves.split(":")
            write(
                hosts,
                json.dumps([{"hostName": ip, "port": int(port), "adminState": "IN_MAINTENANCE"}]),
            )

            def hdfs(*arguments, check=True):
                return run(
                    hadoop.java(cluster.conf_dir, "org.apache.hadoop.hdfs.tools.DFSAdmin", *arguments),
                    check=check,
                    env=cluster.environment(),
                )

            self.assertIn(b"Refresh nodes successful", hdfs("-refreshNodes").stdout)
            text = hdfs("-printTopology").stdout.decode()
            self.assertIn("Rack: /a\n", text)
            self.assertRegex(text, rf"Rack: /b\n   {leaves}( \(.+\))? (Entering|In) Maintenance\n")
            report = hdfs("-report", "-live").stdout.decode()
            self.assertRegex(report, r"Decommission Status : (Entering|In) maintenance")
            write(hosts, "[\n{")
            refused = hdfs("-refreshNodes", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(f"{hosts}:2: ".encode(), refused.stderr)


if __name__ == "__main__":
    unittest.main()
