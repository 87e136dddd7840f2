"""Clients that know nothing of Cairn work with it, unchanged, and see what `cairn dfs` sees."""

from clients import matrix
from harness import hadoop
from harness.case import Case
from harness.cluster import MiniCluster


class ForeignClients(Case):
    limit_seconds = 300

    @classmethod
    def setUpClass(cls):
        # The Go clients, hdfs-cli and rclone, take the block size that the namenode names.
        cls.cluster = MiniCluster(datanodes=2, conf={"dfs.blocksize": str(matrix.BLOCK)})
        cls.addClassCleanup(cls.cluster.close)

    def run_scenario(self, client):
        self.addCleanup(client.close)
        matrix.scenario(self, client, matrix.CairnDfs(self.cluster.uri))

    def test_cairn_dfs(self):
        self.run_scenario(matrix.CairnDfs(self.cluster.uri))

    def test_hdfs_cli(self):
        self.need(matrix.HdfsCli.why_not())
        self.run_scenario(matrix.HdfsCli(self.cluster.uri))

    def test_rclone(self):
        self.need(matrix.Rclone.why_not())
        self.run_scenario(matrix.Rclone(self.cluster.uri))

    def test_apache_fs_shell(self):
        self.need(hadoop.why_not())
        self.run_scenario(matrix.FsShell(self.cluster.uri))

    def test_composite_checksums_do_not_depend_on_block_sizes(self):
        """COMPOSITE_CRC: the same for the same bytes, in our client and in Hadoop's"""
        self.need(hadoop.why_not())
        flags = ("-D", "dfs.checksum.combine.mode=COMPOSITE_CRC")
        data = matrix.content("blocks")
        self.cluster.put(data, "/one-mib-blocks", "-D", "dfs.blocksize=1m")
        self.cluster.put(data, "/two-mib-blocks", "-D", "dfs.blocksize=2m")
        ours = {self.cluster.checksum(path, *flags) for path in ("/one-mib-blocks", "/two-mib-blocks")}
        self.assertEqual(len(ours), 1)
        shell = hadoop.Shell(self.cluster.uri, {"dfs.checksum.combine.mode": "COMPOSITE_CRC"})
        self.addCleanup(shell.close)
        theirs = shell.run("-checksum", "/two-mib-blocks")[1].split()[-1]
        self.assertEqual(ours, {theirs})
