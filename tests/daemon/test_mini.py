"""`cairn mini`: a whole cluster of real processes under one directory."""

import os

from harness import env
from harness.case import Case
from harness.cluster import Failed, MiniCluster


class Mini(Case):
    def test_a_namenode_directory_elsewhere_is_found_again(self):
        elsewhere = os.path.join(env.new_directory("names"), "namenode")
        with MiniCluster(datanodes=1, conf={"dfs.namenode.name.dir": elsewhere}) as cluster:
            cluster.put(b"kept", "/kept")
            cluster.mini("stop")
            cluster.mini("start")
            self.assertEqual(cluster.cat("/kept"), b"kept")
            # The whole cluster again, as after a reboot: what is there is not formatted.
            cluster.mini("stop")
            cluster.make()
            self.assertEqual(cluster.cat("/kept"), b"kept")

    def test_a_daemon_that_ends_at_its_start_is_shown_with_its_reason(self):
        with MiniCluster(datanodes=0) as cluster:
            cluster.kill("namenode")
            os.remove(os.path.join(cluster.data("namenode"), "store", "CURRENT"))
            with self.assertRaises(Failed) as failed:
                cluster.mini("start", "namenode")
            self.assertIn("namenode ended while starting", str(failed.exception))
            self.assertIn("CURRENT", str(failed.exception))
