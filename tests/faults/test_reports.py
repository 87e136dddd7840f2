"""Report rounds after restarts and losses: only what differs is listed, and it is put right."""

import os
import re

from harness.case import Case
from harness.cluster import MiniCluster

LISTED = re.compile(r"(\d+) of \d+ buckets are listed")
FILES = 20


class Rounds(Case):
    def cluster(self, conf=None):
        cluster = MiniCluster(datanodes=2, conf=conf)
        self.addCleanup(cluster.close)
        for number in range(FILES):
            cluster.put(f"file {number}\n".encode(), f"/{number}")
        return cluster

    def after_round(self, cluster, restart):
        """Does `restart`, waits for a round of both datanodes; how many buckets were listed."""
        before = {name: len(cluster.log(name)) for name in cluster.datanodes}

        def new_lines(name):
            log = cluster.log(name)
            return log[before[name] :] if len(log) >= before[name] else log

        restart()
        self.eventually(
            lambda: all("report round done" in new_lines(n) for n in cluster.datanodes),
            "a round of each datanode",
        )
        lists = [LISTED.findall(new_lines(name)) for name in cluster.datanodes]
        return sum(int(count) for of_node in lists for count in of_node)

    def restart_namenode(self, cluster, stop):
        def restart():
            stop("namenode")
            cluster.start("namenode")

        return self.after_round(cluster, restart)

    def check_files(self, cluster):
        self.eventually(lambda: cluster.live_datanodes() == 2, "both datanodes")
        for number in range(FILES):
            self.assertEqual(cluster.cat(f"/{number}"), f"file {number}\n".encode())

    def test_a_clean_restart_of_the_namenode_lists_nothing(self):
        cluster = self.cluster()
        self.assertEqual(self.restart_namenode(cluster, cluster.stop), 0)
        self.check_files(cluster)

    def test_what_a_killed_namenode_forgot_is_listed(self):
        """Nothing was flushed: the journal brings the files back, and the lists their replicas."""
        cluster = self.cluster({"cairn.namenode.store.tail.age": "1h"})
        listed = self.restart_namenode(cluster, cluster.kill_now)
        self.assertEqual(listed, 2, "one bucket of each datanode has all the blocks")
        self.check_files(cluster)

    def test_files_that_vanished_from_a_disk_are_found_out(self):
        cluster = self.cluster()
        lost = []

        def lose_three():
            cluster.stop("datanode-1")
            for folder, _, names in os.walk(cluster.data("datanode-1")):
                for name in names:
                    if name.endswith(".meta") and len(lost) < 3:
                        data = os.path.join(folder, name.rsplit("_", 1)[0])
                        os.remove(data)
                        os.remove(os.path.join(folder, name))
                        lost.append(data)
            cluster.stop("datanode-2")
            cluster.start("datanode-1", "datanode-2")

        self.assertEqual(self.after_round(cluster, lose_three), 1)
        self.assertEqual(len(lost), 3)
        self.check_files(cluster)  # from the other datanode, without trying the one that has none
