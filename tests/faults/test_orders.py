"""What datanodes are ordered to do, and when the namenode dies around it: nothing is cut or dropped
too early, and nothing is kept for ever."""

import glob
import os
import signal
import subprocess
import time

from harness import env, rpc, strace
from harness.case import Case
from harness.cluster import MiniCluster


def block_files(cluster):
    return sum(
        name.startswith("blk_") and not name.endswith(".meta")
        for datanode in cluster.datanodes
        for _, _, names in os.walk(cluster.data(datanode))
        for name in names
    )


class Deletions(Case):
    def test_no_replica_outlives_its_file_when_the_namenode_dies_after_a_flush(self):
        """The blocks are gone from LevelDB, and nobody was told yet."""
        with MiniCluster(
            datanodes=1,
            conf={
                "dfs.blocksize": "1024",
                "dfs.namenode.fs-limits.min-block-size": "512",
                "cairn.namenode.store.tail": "64k",
                "cairn.namenode.store.tail.age": "1h",
                "cairn.datanode.sync.on.finalize": "false",
            },
        ) as cluster:
            source = env.new_directory("many")
            for number in range(30):
                with open(os.path.join(source, f"f{number}"), "wb") as file:
                    file.write(os.urandom(20 * 1024))
            cluster.dfs("-put", source, "/dir")
            self.assertEqual(block_files(cluster), 600)
            # Stopped and started: what it knows of replicas is in LevelDB, not in memory.
            child = cluster.spawn(
                "namenode",
                env={**os.environ, "CAIRN_CRASH_POINT": "store_flush_after_write"},
            )
            self.eventually(lambda: cluster.live_datanodes() == 1, "the datanode")
            cluster.dfs(
                "-D", "cairn.client.rpc.retry=3s", "-rm", "-r", "-skipTrash", "/dir", check=False
            )
            self.assertEqual(child.wait(30 * env.SLOW), -signal.SIGKILL, cluster.tail("namenode"))
            cluster.start("namenode")
            cluster.kill_now("datanode-1")  # orders that were on their way are lost
            cluster.start("datanode-1")
            self.eventually(lambda: block_files(cluster) == 0, "all replicas deleted", 60)


class Truncations(Case):
    def test_no_replica_is_cut_before_the_edit_is_durable(self):
        """The journal's write hangs; then the process dies, and the edit with it."""
        self.need(strace.why_not())
        with MiniCluster(datanodes=1) as cluster:
            cluster.put(b"hello\n", "/h")
            trace = strace.inject(self, cluster.pid("namenode"), "pwrite64:delay_enter=60000000")
            asking = rpc.Connection(cluster.port)
            asking.send("truncate", rpc.truncate("/h", 3))
            time.sleep(8)  # more than two heartbeats: time for an order, were there one
            os.kill(cluster.pid("namenode"), signal.SIGKILL)  # before the write may go on
            trace.kill()
            trace.wait()
            cluster.kill_now("namenode")
            asking.close()
            cluster.start("namenode")
            self.eventually(lambda: cluster.live_datanodes() == 1, "the datanode")
            self.assertEqual(cluster.cat("/h"), b"hello\n")


class Start(Case):
    def test_a_reader_waits_for_datanodes_that_are_still_to_come_back(self):
        with MiniCluster(datanodes=1) as cluster:
            cluster.put(b"hello\n", "/h")
            cluster.stop("namenode")
            cluster.pause("datanode-1")
            starting = subprocess.Popen(
                [env.program("cairn"), "mini", "--dir", cluster.directory, "start", "namenode"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.addCleanup(starting.wait)

            def refused():
                try:
                    with rpc.Connection(cluster.port) as connection:
                        connection.call("getBlockLocations", rpc.get_block_locations("/h"))
                except rpc.RemoteError as error:
                    return error.kind
                except OSError:
                    return None
                return "answered"

            self.assertEqual(self.eventually(refused, "the namenode"), "RetriableException")
            reader = subprocess.Popen(
                [env.program("cairn"), "dfs", "-cat", "/h"],
                stdout=subprocess.PIPE,
                env=cluster.environment(),
            )
            time.sleep(1)
            cluster.resume("datanode-1")
            self.assertEqual(reader.communicate(timeout=60 * env.SLOW)[0], b"hello\n")


class AbandonedFiles(Case):
    def test_a_block_is_not_dropped_while_its_datanode_is_away(self):
        """Its writer died after its bytes had arrived; namenode and datanode were restarted."""
        with MiniCluster(datanodes=1, conf={"cairn.namenode.safemode.longest": "1s"}) as cluster:
            data = os.urandom(5 << 19)
            writer = subprocess.Popen(
                [env.program("cairn"), "dfs", "-D", "dfs.blocksize=1536k", "-put", "-", "/f"],
                stdin=subprocess.PIPE,
                env=cluster.environment(),
            )
            self.addCleanup(writer.wait)
            self.addCleanup(writer.kill)
            writer.stdin.write(data)
            writer.stdin.flush()
            self.eventually(lambda: self.bytes_held(cluster) > 7 << 18, "bytes on the datanode")
            writer.kill()
            cluster.kill_now("datanode-1")
            cluster.kill_now("namenode")
            cluster.start("namenode")
            name = self.name_of(cluster, "/f")

            def recover():
                return self.recover(cluster, name)

            answer = self.eventually(
                lambda: [recover()] if recover() != "RetriableException" else None, "no safe mode"
            )
            self.assertEqual(answer, [False])
            cluster.start("datanode-1")
            self.eventually(lambda: recover() is True, "closed", 60)
            content = cluster.cat(name)
            self.assertGreater(len(content), 7 << 18)
            self.assertEqual(content, data[: len(content)])

    def test_a_block_is_not_dropped_while_its_disk_is_away(self):
        """Its datanode is back without the disk; `cairn why` tells what is waited for."""
        conf = {
            "cairn.namenode.safemode.longest": "1s",
            "dfs.datanode.failed.volumes.tolerated": "1",
        }
        with MiniCluster(datanodes=1, conf=conf) as cluster:
            volumes = [cluster.data("datanode-1"), env.new_directory("disk")]
            command = cluster.command("datanode-1") + [
                *("-D", "dfs.datanode.data.dir=" + ",".join(volumes)),
            ]
            cluster.spawn("datanode-1", command)
            self.eventually(lambda: cluster.live_datanodes() == 1, "the datanode")
            data = os.urandom(1 << 20)
            writer = subprocess.Popen(
                [env.program("cairn"), "dfs", "-put", "-", "/f"],
                stdin=subprocess.PIPE,
                env=cluster.environment(),
            )
            self.addCleanup(writer.wait)
            self.addCleanup(writer.kill)
            writer.stdin.write(data)
            writer.stdin.flush()

            def being_written():
                for volume in volumes:
                    for path in glob.glob(volume + "/current/rbw/blk_*[0-9]"):
                        if os.path.getsize(path) > 1 << 19:
                            return volume
                return None

            volume = self.eventually(being_written, "bytes on a disk")
            writer.kill()
            cluster.kill_now("datanode-1")
            cluster.kill_now("namenode")
            os.rename(volume, volume + ".away")
            with open(volume, "w"):
                pass  # no directory can be made here
            cluster.start("namenode")
            name = self.name_of(cluster, "/f")
            cluster.spawn("datanode-1", command)

            def why():
                self.assertIsNot(self.recover(cluster, name), True)
                return cluster.cairn("why", name).stdout.decode()

            said = self.eventually(lambda: [w for w in [why()] if "it waits for" in w], "the reason", 60)
            self.assertRegex(said[0], r"storage DS-\S+ of datanode \S+, which may hold bytes of it")

            cluster.kill_now("datanode-1")
            os.remove(volume)
            os.rename(volume + ".away", volume)
            cluster.spawn("datanode-1", command)
            self.eventually(lambda: self.recover(cluster, name) is True, "closed", 60)
            content = cluster.cat(name)
            self.assertGreater(len(content), 1 << 19)
            self.assertEqual(content, data[: len(content)])

    def recover(self, cluster, name):
        """Whether the file is closed; or the name of the exception."""
        try:
            with rpc.Connection(cluster.port) as connection:
                message = rpc.field(1, name) + rpc.field(2, "somebody")
                return connection.call("recoverLease", message)[1] == [1]
        except rpc.RemoteError as error:
            return error.kind

    def bytes_held(self, cluster):
        total = 0
        for folder, _, names in os.walk(cluster.data("datanode-1")):
            for name in names:
                if name.startswith("blk_") and not name.endswith(".meta"):
                    try:
                        total += os.path.getsize(os.path.join(folder, name))
                    except OSError:
                        pass  # moved meanwhile
        return total

    def name_of(self, cluster, path):
        """A file that is being put has another name until it is whole."""
        names = cluster.dfs("-ls", "-C", "/").stdout.decode().split()
        return next(name for name in names if name.startswith(path))
