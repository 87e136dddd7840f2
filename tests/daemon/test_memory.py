"""The namenode's memory is bounded by its caches, not by the size of the namespace."""

import struct

from harness import env, rpc
from harness.case import Case
from harness.cluster import MiniCluster, resident_bytes

DIRECTORIES = 60_000  # some 500 bytes each when cached, half of it the name
WARM = 6_000  # more than the small cache holds
AT_ONCE = 500


def path(number):
    return f"/{number // 1000:03}/{number:06}-" + "n" * 190


def pipelined(connection, requests):
    """Sends them AT_ONCE at a time; the sizes of the answers."""
    answers = connection.socket.makefile("rb")
    sizes = []
    for first in range(0, len(requests), AT_ONCE):
        batch = requests[first : first + AT_ONCE]
        connection.socket.sendall(b"".join(batch))
        for _ in batch:
            sizes.append(struct.unpack(">I", answers.read(4))[0])
            answers.read(sizes[-1])
    return sizes


class NamenodeMemory(Case):
    limit_seconds = 120

    def test_reading_a_namespace_takes_the_cache_and_no_more(self):
        self.need(env.SLOW > 1 and "sanitizers have a memory of their own")
        conf = {
            "cairn.namenode.inode.cache": "1m",
            "cairn.namenode.block.cache": "1m",
            "cairn.namenode.store.cache": "1m",
            "cairn.namenode.retry.cache.entries": "1000",
        }
        with MiniCluster(datanodes=0, conf=conf) as cluster:
            with rpc.Connection(cluster.port) as connection:
                pipelined(
                    connection,
                    [
                        connection.request("mkdirs", rpc.mkdirs(path(number)), number)
                        for number in range(DIRECTORIES)
                    ],
                )
                info = connection.call("getFileInfo", rpc.get_file_info(path(DIRECTORIES - 1)))
                self.assertIn(1, info)
            # Read anew from the store: a stop leaves nothing to the journal.
            cluster.stop("namenode")

            def growth():
                """Of the namenode's memory while everything is read, once it is warm."""
                with rpc.Connection(cluster.port) as connection:
                    requests = [
                        connection.request("getFileInfo", rpc.get_file_info(path(number)), number)
                        for number in range(DIRECTORIES)
                    ]
                    missing = connection.request("getFileInfo", rpc.get_file_info("/missing"), 0)
                    [size_of_none] = pipelined(connection, [missing])
                    pipelined(connection, requests[:WARM])
                    before = resident_bytes(cluster.pid("namenode"))
                    sizes = pipelined(connection, requests)
                    grown = resident_bytes(cluster.pid("namenode")) - before
                    self.assertGreater(min(sizes), size_of_none + 20)  # each is there
                    return grown

            cluster.start("namenode")
            bounded = growth()
            cluster.stop("namenode")
            cluster.conf["cairn.namenode.inode.cache"] = "256m"
            cluster.make()
            with_room = growth()
            self.note(f"{DIRECTORIES} inodes: {bounded >> 10} KiB; with room {with_room >> 10} KiB")
            self.assertLess(bounded, 8 << 20)
            # Or the bound above would show nothing.
            self.assertGreater(with_room, 16 << 20)
