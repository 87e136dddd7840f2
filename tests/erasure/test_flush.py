"""Flushes of erasure-coded files by libcairn: what they acknowledged outlives the writer and two datanodes."""

from erasure.test_files import CELL, DATA, POLICY
from faults.test_leases import Writer, content
from harness import coded, env, hadoop, rpc
from harness.case import Case


class Flushes(Case):
    limit_seconds = 300

    def setUp(self):
        super().setUp()
        self.cluster = coded.start(self.addCleanup, 5, (POLICY,), "/held")

    def close(self, paths):
        """Has the namenode take the files from their writer, who is dead."""
        with rpc.Connection(self.cluster.port) as connection:
            for path in paths:
                message = rpc.field(1, path) + rpc.field(2, "somebody")
                self.eventually(
                    lambda m=message: connection.call("recoverLease", m)[1] == [1],
                    f"{path} is closed",
                    seconds=120,
                )

    def check_flushed_bytes_survive(self, size):
        writer = Writer(self.cluster, files=2, size=size)
        writer.kill()
        lost = self.random().sample(self.cluster.datanodes, 2)
        self.note(f"lost: {lost}")
        for name in lost:
            self.cluster.kill_now(name)
        self.close(writer.held)
        for path, flushed in writer.held.items():
            data = self.cluster.cat(path)
            self.assertGreaterEqual(len(data), flushed, path)
            self.assertTrue(data == content(path, len(data)), path)

    def test_in_the_group_that_is_the_last(self):
        # Of what follows the flush too little is written for a stripe: no group is begun with it.
        self.check_flushed_bytes_survive(100_000)

    def test_in_a_group_that_another_follows(self):
        self.check_flushed_bytes_survive(DATA * CELL + CELL + 700_000)

    def test_hadoop_reads_a_file_with_a_short_group_in_the_middle(self):
        self.need(hadoop.why_not())
        writer = Writer(self.cluster, files=1, size=CELL + 100_000)
        writer.kill()
        self.close(writer.held)
        ((path, flushed),) = writer.held.items()
        more = content("/1", DATA * CELL + 1)
        self.cluster.dfs("-appendToFile", "-n", "-", path, input=more)
        shell = hadoop.Shell(self.cluster.uri)
        self.addCleanup(shell.close)
        local = f"{env.new_directory('get')}/data"
        shell.run("-get", path, local)
        with open(local, "rb") as file:
            self.assertTrue(file.read() == content(path, flushed) + more)
