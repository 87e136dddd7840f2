"""Files that are replicated as long as they are small, below a directory with an erasure coding policy:
put, appended to, synced by writers that are killed, in a mount, and read and appended to by Hadoop."""

import json
import os
import subprocess
import time

from erasure.test_files import CELL, DATA, GROUP, POLICY, content
from faults.test_leases import Writer
from faults.test_leases import content as held_content
from faults.test_lost_writers import Flusher, is_closed
from harness import coded, env, hadoop, mount, replicas, rpc
from harness.case import Case
from harness.cluster import MiniCluster

SIZES = (0, 1, CELL - 1, CELL, CELL + 1, DATA * CELL, GROUP + 1)
CONF = {"dfs.blocksize": str(GROUP // DATA), "cairn.ec.small.file.bytes": str(CELL)}


def policy_of(cluster, path):
    return json.loads(cluster.cairn("ec", "-getPolicy", "-path", path, "--json").stdout)["policy"]


def kept(cluster, path):
    """(policy whose groups it has, or None; how many blocks or groups) by fsck."""
    result = cluster.cairn("fsck", path, "-files", "-blocks", "--json")
    (file,) = json.loads(result.stdout)["files"]
    return file.get("erasure_policy"), len(file["blocks"])


def close_all(case, cluster, paths):
    """Has the namenode take the files from their writer, who is dead."""
    with rpc.Connection(cluster.port) as connection:

        def is_taken(path):
            message = rpc.field(1, path) + rpc.field(2, "somebody")
            try:
                return connection.call("recoverLease", message)[1] == [1]
            except rpc.RemoteError as error:
                # A namenode that has just started waits for its datanodes.
                if error.kind != "RetriableException":
                    raise
                return False

        for path in paths:
            case.eventually(lambda p=path: is_taken(p), f"{path} is closed", seconds=120)


def written(data, directory="local"):
    path = os.path.join(env.new_directory(directory), "data")
    with open(path, "wb") as file:
        file.write(data)
    return path


class SmallFileChecks:
    """For test cases with a `cluster`."""

    def check(self, path, data, coded_, blocks):
        self.assertEqual(kept(self.cluster, path), (POLICY if coded_ else None, blocks), path)
        self.assertEqual(policy_of(self.cluster, path), POLICY, path)
        self.assertTrue(self.cluster.cat(path) == data, path)

    def check_written(self, path, size):
        """At once, by one writer who did not flush."""
        groups = (size + GROUP - 1) // GROUP
        self.check(path, content(size), size > CELL, groups if size > CELL else min(size, 1))

    def no_copy_is_left(self, directory):
        names = self.cluster.dfs("-ls", "-R", directory).stdout
        self.assertNotIn(b".cairn-convert-", names)


class SmallFiles(SmallFileChecks, Case):
    limit_seconds = 300

    def setUp(self):
        super().setUp()
        self.cluster = coded.start(self.addCleanup, 6, (POLICY,), "/cold", conf=CONF)

    def test_every_size_that_is_put(self):
        for size in SIZES:
            with self.subTest(size=size):
                self.cluster.put(content(size), f"/cold/{size}")
                self.check_written(f"/cold/{size}", size)
        lines = self.cluster.cairn("fsck", "/cold", "-files", "-blocks").stdout.decode()
        for size in SIZES:
            form = f"erasure-coded: policy={POLICY}" if size > CELL else "replicated: replication=3"
            self.assertIn(f"/cold/{size} {size} bytes, {form}", lines)
        self.cluster.kill(*self.cluster.names)
        self.cluster.start(*self.cluster.names)
        for size in SIZES:
            self.check_written(f"/cold/{size}", size)

    def test_what_it_costs(self):
        def found():
            return [r for r in replicas.replicas_of(self.cluster) if r.state == "finalized"]

        self.cluster.put(content(4096), "/cold/small")
        self.eventually(lambda: len(found()) == 3, "three replicas of one block are finalized", 60)
        self.assertEqual(len({replica.block for replica in found()}), 1)
        self.assertGreater(found()[0].block, 0, "it is no unit")
        self.cluster.dfs("-rm", "-skipTrash", "/cold/small")
        self.eventually(lambda: not found(), "the replicas are deleted", 60)
        flags = ("-D", "cairn.ec.small.file.bytes=0")
        self.cluster.put(content(4096), "/cold/coded", *flags)
        self.check("/cold/coded", content(4096), True, 1)
        self.eventually(lambda: len(found()) == 3, "one data unit, and two of parity", 60)
        self.assertTrue(all(replica.block < 0 for replica in found()))

    def test_appends(self):
        for size, more, coded_, blocks in (
            (500, 100, False, 1),
            (CELL - 1, 1, False, 1),
            (CELL - 1, 2, True, 2),
            (CELL, 1, True, 2),
            (0, CELL, False, 1),
            (0, CELL + 1, True, 1),
            (700, GROUP, True, 2),
            (CELL + 1, 1, True, 2),
        ):
            with self.subTest(size=size, more=more):
                path = f"/cold/{size}-{more}"
                self.cluster.put(content(size), path)
                self.cluster.append(content(more), path)
                self.check(path, content(size) + content(more), coded_, blocks)
        self.no_copy_is_left("/cold")

    def test_an_append_behind_a_block_that_is_full(self):
        data = content(CELL)
        self.cluster.put(data, "/cold/full", "-D", f"dfs.blocksize={CELL}")
        self.check("/cold/full", data, False, 1)
        self.cluster.append(b"more", "/cold/full")
        self.check("/cold/full", data + b"more", True, 2)

    def test_what_cannot_be_coded_any_more_stays_replicated(self):
        self.cluster.put(content(700), "/cold/f")
        self.cluster.cairn("ec", "-disablePolicy", "-policy", POLICY)
        self.cluster.append(content(2 * CELL), "/cold/f")
        policy, _ = kept(self.cluster, "/cold/f")
        self.assertIsNone(policy)
        self.assertTrue(self.cluster.cat("/cold/f") == content(700) + content(2 * CELL))
        self.no_copy_is_left("/cold")
        self.cluster.cairn("ec", "-enablePolicy", "-policy", POLICY)
        self.cluster.put(content(700), "/cold/small")
        result = self.cluster.cairn("ec", "-convert", "-policy", POLICY, "--json", "/cold")
        said = json.loads(result.stdout)
        self.assertEqual((said["converted"], said["passed_over"], said["failed"]), (1, 1, 0), said)
        self.check("/cold/f", content(700) + content(2 * CELL), True, 1)
        self.check("/cold/small", content(700), False, 1)

    def test_what_was_synced_outlives_the_writer(self):
        for size, coded_ in ((100_000, False), (700_000, True), (CELL + 100_000, True)):
            with self.subTest(size=size):
                directory = f"/cold/{size}"
                options = ("--directory", directory, "--small", str(CELL))
                writer = Writer(self.cluster, files=2, size=size, sync=True, more=options)
                writer.kill()
                close_all(self, self.cluster, writer.held)
                for path, synced in writer.held.items():
                    data = self.cluster.cat(path)
                    self.assertGreaterEqual(len(data), synced, path)
                    self.assertTrue(data == held_content(path, len(data)), path)
                    policy, _ = kept(self.cluster, path)
                    self.assertEqual(policy, POLICY if coded_ else None, path)
                    self.assertEqual(policy_of(self.cluster, path), POLICY)
                self.no_copy_is_left(directory)

    def test_hadoop_reads_them_and_appends(self):
        self.need(hadoop.why_not())
        shell = hadoop.Shell(self.cluster.uri)
        self.addCleanup(shell.close)
        for size in SIZES:
            self.cluster.put(content(size), f"/cold/{size}")
        self.cluster.append(content(CELL), "/cold/1")  # is coded now
        ec_admin = "@org.apache.hadoop.hdfs.tools.ECAdmin"
        for size in SIZES:
            with self.subTest(size=size):
                expected = content(size) + (content(CELL) if size == 1 else b"")
                local = os.path.join(env.new_directory("get"), "data")
                shell.run("-get", f"/cold/{size}", local)
                with open(local, "rb") as file:
                    self.assertTrue(file.read() == expected)
                said = shell.run(ec_admin, "-getPolicy", "-path", f"/cold/{size}")[1]
                self.assertIn(POLICY, said)
        # Told of a replicated file, it writes one; told of a coded one, however small, a group.
        path = f"/cold/{CELL - 1}"
        shell.run("-appendToFile", written(content(2 * CELL)), path)
        data = content(CELL - 1) + content(2 * CELL)
        self.assertIsNone(kept(self.cluster, path)[0])
        self.assertTrue(self.cluster.cat(path) == data)
        self.cluster.append(b"more", path)
        self.assertIsNone(kept(self.cluster, path)[0])
        self.assertTrue(self.cluster.cat(path) == data + b"more")
        shell.run("-put", written(content(10)), "/cold/hadoops")
        self.check("/cold/hadoops", content(10), True, 1)
        result = self.cluster.cairn("ec", "-convert", "-policy", POLICY, "--json", path)
        self.assertEqual(json.loads(result.stdout)["converted"], 1)
        self.check(path, data + b"more", True, 1)


class SmallFilesInAMount(SmallFileChecks, mount.MountCase):
    limit_seconds = 300

    def setUp(self):
        super().setUp()
        self.cluster = coded.start(self.addCleanup, 6, (POLICY,), "/cold", conf=CONF)
        self.mount = mount.Mount(self.cluster)
        self.addCleanup(self.mount.close)

    def await_closed(self, path):
        with rpc.Connection(self.cluster.port) as connection:
            self.eventually(lambda: is_closed(connection, path), f"{path} is closed")

    def test_every_size_that_is_copied(self):
        for size in SIZES:
            with self.subTest(size=size):
                target = self.mount / f"cold/{size}"
                subprocess.run(["cp", written(content(size)), target], check=True)
                # An empty one is when the mount hears that its last writer is gone.
                self.await_closed(f"/cold/{size}")
                self.check_written(f"/cold/{size}", size)
                self.assertTrue(mount.read(target) == content(size))

    def test_a_small_one_grows_while_it_is_written_and_read(self):
        path = self.mount / "cold/log"
        data = b""
        with open(path, "xb", buffering=0) as file:
            for size in (1000, 200_000, CELL, 3 * CELL, 5):
                file.write(content(size))
                os.fsync(file.fileno())
                data += content(size)
                self.assertTrue(mount.read(path) == data)
                self.assertTrue(self.cluster.cat("/cold/log") == data)
        self.assertEqual(kept(self.cluster, "/cold/log")[0], POLICY)
        with open(path, "ab", buffering=0) as file:
            file.write(b"more")
        self.assertTrue(self.cluster.cat("/cold/log") == data + b"more")
        self.no_copy_is_left("/cold")

    def test_an_append_that_crosses(self):
        path = self.mount / "cold/f"
        mount.write(path, content(700))
        with open(path, "ab", buffering=0) as file:
            file.write(content(CELL))
        self.check("/cold/f", content(700) + content(CELL), True, 2)
        self.no_copy_is_left("/cold")

    def test_a_small_one_is_changed_in_place(self):
        path = self.mount / "cold/f"
        data = bytearray(content(5000))
        mount.write(path, data)
        with open(path, "r+b", buffering=0) as file:
            file.seek(100)
            file.write(b"changed")
        data[100:107] = b"changed"
        self.assertTrue(self.cluster.cat("/cold/f") == bytes(data))
        self.assertIsNone(kept(self.cluster, "/cold/f")[0])
        self.assertEqual(policy_of(self.cluster, "/cold/f"), POLICY)


class SmallFilesAndKills(Case):
    limit_seconds = 1200 if env.LONG else 400

    def test_no_kill_around_the_moment_when_they_grow_loses_a_flushed_byte(self):
        draws = self.random()
        cluster = MiniCluster(datanodes=coded.UNITS + 1, conf=coded.CONF)
        self.addCleanup(cluster.close)
        coded.make(cluster, "/cold")
        forms = {True: 0, False: 0}
        for number in range(30 if env.LONG else 6):
            directory = f"/cold/{number}"
            flusher = Flusher(
                cluster,
                *("--directory", directory, "--files", "4", "--id", str(4 * number)),
                *("--seed", str(draws.randrange(1 << 30)), "--small", str(coded.CELL)),
            )
            self.addCleanup(flusher.process.kill)
            grown = draws.randrange(coded.CELL // 2, 2 * coded.CELL)
            self.eventually(
                # A copy: the thread that reads adds to it.
                lambda f=flusher, n=grown: max(list(f.acked.values()), default=0) >= n,
                f"a file has {grown} bytes",
                seconds=60,
            )
            if number % 3 > 0:
                cluster.kill_now("namenode")
            if number % 3 < 2:
                time.sleep(draws.uniform(0, 0.05))
                flusher.kill()
            if number % 3 > 0:
                cluster.start("namenode")
            if number % 3 == 2:  # its writer goes on after the restart
                self.eventually(
                    lambda f=flusher: f.failed
                    or (len(f.acked) == 4 and min(f.acked.values()) > 3 * coded.CELL),
                    "all files are larger",
                    seconds=120,
                )
                flusher.kill()
                self.assertEqual(flusher.failed, {})
            paths = [f"{directory}/{k}" for k in flusher.acked]
            close_all(self, cluster, paths)
            for k, acked in flusher.acked.items():
                data = cluster.cat(f"{directory}/{k}")
                self.assertGreaterEqual(len(data), acked, f"{directory}/{k}: flushed bytes are lost")
                self.assertTrue(data == replicas.words(4 * number + k, len(data)))
                forms[kept(cluster, f"{directory}/{k}")[0] is not None] += 1
        self.note(f"{forms[True]} files were coded, {forms[False]} replicated")
        self.assertGreater(min(forms.values()), 0)
        result = cluster.cairn("ec", "-convert", "-policy", coded.POLICY, "--json", "/cold")
        self.assertEqual(json.loads(result.stdout)["failed"], 0, result.stdout)
        self.assertNotIn(b".cairn-convert-", cluster.dfs("-ls", "-R", "/cold").stdout)
        self.assertIn(b"is HEALTHY", cluster.cairn("fsck", "/cold").stdout)
