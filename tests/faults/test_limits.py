"""Names and sizes at the edge of what is allowed: the same answer before and after a restart."""

import time

from harness import env, rpc
from harness.case import Case
from harness.cluster import MiniCluster


class Paths(Case):
    """fault 61"""

    GOOD = (
        "/plain",
        "/" + "n" * 255,
        "/sp ace",
        "/tab\there",
        "/new\nline",
        "/\u00e4\u20ac\U0001f600",
        "/.hidden",
        "/...",
        "/a/b/c/d",
        "/%2e%2e",
        "/-rf",
        "/*",
    )
    TOO_LONG_NAMES = ("/" + "n" * 256, "/" + "\u00e4" * 128)
    # What the refusal says is wrong with them.
    BAD = (
        ("", "it must be absolute"),
        ("relative", "it must be absolute"),
        ("/a/../b", "a component is . or .."),
        ("/..", "a component is . or .."),
        ("/./a", "a component is . or .."),
        ("/a/.", "a component is . or .."),
        ("//a", "a component is empty"),
        ("/a//b", "a component is empty"),
        ("/a:b/..", "a component has a ':' or a zero byte"),
        (b"/nul\x00byte", "a component has a ':' or a zero byte"),
        ("/" + "/".join(["d"] * 10_000), "longer than 8000 bytes"),
        ("/a" + "/" + "x" * 9000, "longer than 8000 bytes"),
        (b"/\xff\xfe", "it is not UTF-8"),
        (b"/a\xc3", "it is not UTF-8"),
        (b"/\xed\xa0\x80", "it is not UTF-8"),
    )
    # Each way to name a place: with what `path` does there.
    CALLS = (
        ("mkdirs", rpc.mkdirs),
        ("create", rpc.create),
        ("rename", lambda path: rpc.rename("/plain", path)),
        ("rename", lambda path: rpc.rename(path, "/elsewhere")),
        ("rename2", lambda path: rpc.rename2("/plain", path)),
        ("rename2", lambda path: rpc.rename2(path, "/elsewhere")),
        ("setTimes", lambda path: rpc.set_times(path, 1000, 1000)),
    )
    # Those that would make an entry of that name.
    MAKING = (CALLS[0], CALLS[1], CALLS[2], CALLS[4])

    @staticmethod
    def shown(path):
        """How a message quotes the beginning of `path`: '?' for each byte that is not UTF-8."""
        text = path if isinstance(path, str) else path.decode("ascii", errors="replace")
        return text.replace("\ufffd", "?")[:100]

    def info(self, connection, path):
        return 1 in connection.call("getFileInfo", rpc.field(1, path))

    def refusal(self, connection, method, message):
        """The class of the exception, and what it says."""
        with self.assertRaises(rpc.RemoteError) as refused:
            connection.call(method, message)
        return refused.exception.kind, str(refused.exception)

    def test_names_are_judged_the_same_by_all_and_after_a_restart(self):
        with MiniCluster(datanodes=0) as cluster:
            # One connection for all: no refusal costs a client the calls behind it.
            with rpc.Connection(cluster.port) as connection:
                for path in self.GOOD:
                    self.assertEqual(connection.call("mkdirs", rpc.mkdirs(path)), {1: [1]}, path)
                for path, rule in self.BAD:
                    for method, message in self.CALLS:
                        with self.subTest(method=method, path=path[:50]):
                            kind, text = self.refusal(connection, method, message(path))
                            self.assertEqual(kind, "InvalidPathException")
                            self.assertIn(f"Invalid path name {self.shown(path)}", text)
                            self.assertIn(rule, text)
                for path in self.TOO_LONG_NAMES:
                    for method, message in self.MAKING:
                        with self.subTest(method=method, path=path[:50]):
                            kind, text = self.refusal(connection, method, message(path))
                            self.assertEqual(kind, "FSLimitException$PathComponentTooLongException")
                            self.assertIn(self.shown(path[1:]), text)
                            self.assertIn("limit=255 length=256", text)
                    # No entry can have such a name, and to look for it is no error.
                    self.assertFalse(self.info(connection, path))
                answers = [self.info(connection, path) for path in self.GOOD]
            self.assertEqual(answers, [True] * len(self.GOOD))
            before = cluster.dfs("-ls", "-R", "-C", "/").stdout
            self.assertNotIn(b"elsewhere", before)
            for stop in (cluster.kill, cluster.stop):
                stop("namenode")
                cluster.start("namenode")
                self.assertEqual(cluster.dfs("-ls", "-R", "-C", "/").stdout, before)
                with rpc.Connection(cluster.port) as connection:
                    self.assertEqual([self.info(connection, p) for p in self.GOOD], answers)

    def test_depth(self):
        """As deep as a path may be written, and no deeper: 1000 components, of short names."""

        def path(depth):
            return "/" + "/".join(["d"] * depth)

        self.assertLess(len(path(3999)), 8000, "refused for its bytes, not its depth")
        with MiniCluster(datanodes=0) as cluster, rpc.Connection(cluster.port) as connection:
            for depth in (10, 100, 500, 999, 1000):
                answer = connection.call("mkdirs", rpc.mkdirs(path(depth)))
                self.assertEqual(answer, {1: [1]}, depth)
            for depth in (1001, 1002, 2000, 3999):
                kind, text = self.refusal(connection, "mkdirs", rpc.mkdirs(path(depth)))
                self.assertEqual(kind, "InvalidPathException", depth)
                self.assertIn("more than 1000 components", text)
            cluster.kill("namenode")
            cluster.start("namenode")
            with rpc.Connection(cluster.port) as after:
                self.assertEqual(self.info(after, path(1000)), True)
                kind, _ = self.refusal(after, "mkdirs", rpc.mkdirs(path(1001)))
                self.assertEqual(kind, "InvalidPathException")
                self.assertEqual(self.info(after, path(1000)[:-1] + "e"), False)
                self.assertEqual(after.call("delete", rpc.delete("/d")), {1: [1]})
            self.assertEqual(cluster.dfs("-ls", "/").stdout, b"")


class LargeDirectory(Case):
    limit_seconds = 900

    def test_a_full_directory_says_so(self):
        with MiniCluster(
            datanodes=0, conf={"dfs.namenode.fs-limits.max-directory-items": "100"}
        ) as cluster, rpc.Connection(cluster.port) as connection:
            for number in range(100):
                connection.call("mkdirs", rpc.mkdirs(f"/d/{number}"))
            with self.assertRaises(rpc.RemoteError) as refused:
                connection.call("mkdirs", rpc.mkdirs("/d/one-too-many"))
            self.assertIn("MaxDirectoryItems", refused.exception.kind)
            connection.call("delete", rpc.delete("/d/7"))
            connection.call("mkdirs", rpc.mkdirs("/d/fits-now"))

    def test_a_very_large_directory(self):
        """Made, listed in pages, restarted, counted, deleted, and others do not wait for that."""
        count = 1_000_000 if env.LONG else 60_000
        with MiniCluster(datanodes=0) as cluster, rpc.Connection(cluster.port) as connection:
            for start in range(0, count, 500):
                for number in range(start, start + 500):
                    connection.send("mkdirs", rpc.mkdirs(f"/big/{number:07}"))
                for _ in range(500):
                    connection.receive()

            def names():
                return len(cluster.dfs("-ls", "-C", "/big", timeout=300).stdout.splitlines())

            self.assertEqual(names(), count)
            cluster.kill("namenode")
            cluster.start("namenode")
            self.assertEqual(names(), count)
            counted = cluster.dfs("-count", "/big").stdout.split()
            self.assertEqual(int(counted[0]), count + 1)
            with rpc.Connection(cluster.port) as other:
                began = time.monotonic()
                other.call("delete", rpc.delete("/big"))
                took = time.monotonic() - began
                slowest = 0
                for number in range(300):
                    began = time.monotonic()
                    other.call("mkdirs", rpc.mkdirs(f"/small/{number}"))
                    slowest = max(slowest, time.monotonic() - began)
            cluster.kill("namenode")  # in the middle of the reclaiming
            cluster.start("namenode")
            self.assertEqual(cluster.dfs("-ls", "-C", "/").stdout.split(), [b"/small"])
            self.note(
                f"{count} entries deleted in {took * 1000:.0f} ms; the slowest call meanwhile took "
                f"{slowest * 1000:.0f} ms"
            )
            self.assertLess(slowest, 2 * env.SLOW)


class Values(Case):
    def test_numbers_out_of_range_are_refused_by_name(self):
        with MiniCluster(datanodes=0) as cluster, rpc.Connection(cluster.port) as connection:
            for message, word in (
                (rpc.create("/f", block_size=1000), "block size"),
                (rpc.create("/f", replication=1000), "replication"),
                (rpc.create("/f", replication=0), "replication"),
                (rpc.create("/f", block_size=(1 << 63) + 5), "block size"),
            ):
                with self.assertRaises(rpc.RemoteError) as refused:
                    connection.call("create", message)
                self.assertIn(word, str(refused.exception).lower().replace("blocksize", "block size"))
            self.assertEqual(cluster.dfs("-ls", "/").stdout, b"")

    def test_oversized_requests_are_refused_and_the_server_lives(self):
        with MiniCluster(datanodes=0) as cluster:
            with rpc.Connection(cluster.port) as connection:
                with self.assertRaises((OSError, rpc.RemoteError)):
                    connection.call("mkdirs", rpc.mkdirs("/" + "x" * (65 << 20)))
            with rpc.Connection(cluster.port) as connection:
                with self.assertRaises(rpc.RemoteError):
                    connection.call("mkdirs", rpc.mkdirs("/" + "x" * (32 << 20)))
                connection.call("mkdirs", rpc.mkdirs("/fine"))
