"""`cairn dfs` and libcairn work with Apache HDFS as they do with Cairn."""

import time

from clients import matrix
from harness import hadoop
from harness.case import Case
from harness.load import Load


class AgainstApacheHdfs(Case):
    limit_seconds = 400

    @classmethod
    def setUpClass(cls):
        cls.reason = hadoop.why_not()
        if cls.reason is None:
            cls.hdfs = hadoop.Hdfs(datanodes=2)
            cls.addClassCleanup(cls.hdfs.close)

    def setUp(self):
        if self.reason:
            self.skipTest(self.reason)

    def test_cairn_dfs_with_the_java_client_watching(self):
        client = matrix.CairnDfs(self.hdfs.uri)
        shell = matrix.FsShell(self.hdfs.uri)
        self.addCleanup(shell.close)
        matrix.scenario(self, client, shell)

    def test_the_java_client_with_cairn_dfs_watching(self):
        shell = matrix.FsShell(self.hdfs.uri)
        self.addCleanup(shell.close)
        matrix.scenario(self, shell, matrix.CairnDfs(self.hdfs.uri))

    def test_libcairn_under_load(self):
        """Writers of every kind; everything is as acknowledged."""
        load = Load(self.hdfs, writers=2, data_writers=2, replication=2, seed=3)
        self.addCleanup(load.close)
        load.run()
        time.sleep(4)
        load.pause()
        load.check(everything=True)
        self.note(load.summary())
        self.assertEqual(load.stats()["unclear"], {})
