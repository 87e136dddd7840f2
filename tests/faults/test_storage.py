"""What stands on disk: two daemons on one directory, formats, wrong identities, damage, full disks."""

import glob
import hashlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import threading
import time

from harness import disks, env, rpc, strace
from harness.case import Case
from harness.cluster import Failed, MiniCluster, run
from harness.load import Load
from harness.replicas import replicas_of

# Nothing goes to the store by itself: the journal alone holds the edits.
JOURNAL_ONLY = {"cairn.namenode.store.tail.age": "1h"}


def make_directories(cluster, count, first=0, parent="/d"):
    """`count` acknowledged mkdirs, one after another, so that each is a batch of its own."""
    with rpc.Connection(cluster.port) as connection:
        for number in range(first, first + count):
            connection.call("mkdirs", rpc.mkdirs(f"{parent}/{number:06}"))


def listed(cluster, parent="/d"):
    out = cluster.dfs("-ls", "-C", parent).stdout.decode().split()
    return [name.rsplit("/", 1)[1] for name in out]


def journal_file(cluster):
    return sorted(glob.glob(os.path.join(cluster.data("namenode"), "journal", "journal-*")))[-1]


def frames(path):
    """(offset, txid) of each edit of a segment, from docs/formats/journal.md."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"CAIRNJNL"
    next_txid = struct.unpack_from("<Q", data, 24)[0]
    found = []
    at = 4096
    while at + 24 <= len(data):
        _, length, txid = struct.unpack_from("<IIQ", data, at)
        if txid == next_txid:
            found.append((at, txid))
            at += 24 + length
            next_txid += 1
        elif at % 4096:
            at += -at % 4096
        else:
            break
    return found


def flip(path, offset, mask=0x10):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


def tree_hash(directory):
    digest = hashlib.sha256()
    for root, names, files in sorted(os.walk(directory)):
        names.sort()
        for name in sorted(files):
            path = os.path.join(root, name)
            digest.update(path.encode())
            with open(path, "rb") as file:
                digest.update(file.read())
    return digest.hexdigest()


def daemon(*arguments, program="cairn-namenode", cluster=None, timeout=60):
    """Exit status and all that was printed, of a daemon that is expected to end by itself."""
    result = run(
        [env.program(program), *arguments],
        check=False,
        timeout=timeout,
        stderr=subprocess.STDOUT,
        env=cluster.environment() if cluster else None,
    )
    return result.returncode, result.stdout.decode(errors="replace")


class OneDirectoryOneDaemon(Case):
    def test_a_second_namenode_is_refused(self):
        """fault 10"""
        with MiniCluster(datanodes=0) as cluster:
            command = [
                *("--conf", cluster.conf_dir),
                *("-D", f"dfs.namenode.rpc-address=127.0.0.1:{env.free_port()}"),
                *("-D", f"cairn.namenode.internal.address=127.0.0.1:{env.free_port()}"),
            ]
            code, text = daemon(*command)
            self.assertEqual(code, 1)
            self.assertIn(cluster.data("namenode"), text)
            self.assertIn("lock", text)
            cluster.dfs("-mkdir", "/still-there")
            # fault 11, as far as one namenode goes: one that only sleeps is still there.
            cluster.pause("namenode")
            code, text = daemon(*command)
            self.assertEqual(code, 1)
            self.assertIn("lock", text)
            cluster.resume("namenode")
            cluster.dfs("-rmdir", "/still-there")

    def test_a_second_datanode_is_refused(self):
        """faults 10 and 30 for datanodes"""
        with MiniCluster(datanodes=1) as cluster:
            code, text = daemon(
                *("--conf", cluster.conf_dir),
                *("-D", f"dfs.datanode.data.dir={cluster.data('datanode-1')}"),
                *("-D", f"dfs.datanode.address=127.0.0.1:{env.free_port()}"),
                *("-D", f"dfs.datanode.ipc.address=127.0.0.1:{env.free_port()}"),
                program="cairn-datanode",
            )
            self.assertEqual(code, 1)
            self.assertIn(cluster.data("datanode-1"), text)
            cluster.put(b"still there", "/file")

    def test_a_copy_of_a_datanodes_directory_is_refused(self):
        """fault 30: two datanodes with one id; the one that is there first serves undisturbed"""
        conf = {
            "dfs.replication": "2",
            "dfs.heartbeat.interval": "1s",
            "cairn.namenode.stale.interval": "4s",
        }
        with MiniCluster(datanodes=2, conf=conf) as cluster:
            data = os.urandom(100_000)
            cluster.put(data, "/before")
            original = cluster.command("datanode-1")
            cluster.stop("datanode-1")
            copied = env.new_directory("copy")
            shutil.copytree(cluster.data("datanode-1"), copied, dirs_exist_ok=True)
            cluster.start("datanode-1")
            self.eventually(lambda: cluster.live_datanodes() == 2, "both datanodes")
            address = f"127.0.0.1:{cluster.ports('datanode-1')['transfer']}"

            log = os.path.join(cluster.directory, "log", "copy.log")
            with open(log, "wb") as output:
                copy = subprocess.Popen(
                    [
                        *(env.program("cairn-datanode"), "--conf", cluster.conf_dir),
                        *("-D", f"dfs.datanode.data.dir={copied}"),
                        *("-D", f"dfs.datanode.address=127.0.0.1:{env.free_port()}"),
                        *("-D", f"dfs.datanode.ipc.address=127.0.0.1:{env.free_port()}"),
                    ],
                    stdout=output,
                    stderr=output,
                )
            self.addCleanup(copy.wait)
            self.addCleanup(copy.kill)

            def copys_log():
                with open(log) as file:
                    return file.read()

            self.eventually(lambda: "is its directory a copy?" in copys_log(), "the refusal", 20)
            refusal = [line for line in copys_log().splitlines() if "a copy?" in line][0]
            self.assertIn(address, refusal)
            self.assertIn("refuses this datanode", refusal)
            # Nothing is given to it, and nothing taken from the other.
            before = tree_hash(os.path.join(copied, "current"))
            cluster.put(data, "/after")
            for path in ("/before", "/after"):
                self.assertEqual(cluster.cat(path), data)
            self.assertEqual(cluster.live_datanodes(), 2)
            self.assertEqual(len(replicas_of(cluster, "datanode-1")), 2)
            self.assertEqual(tree_hash(os.path.join(copied, "current")), before)
            self.assertNotIn("registered with cluster", copys_log())
            self.assertIsNone(copy.poll())

            # It may be a datanode that has moved: it is taken once the other one is silent. And then
            # it is the other one that has to stay away.
            cluster.kill_now("datanode-1")
            self.eventually(lambda: "registered with cluster" in copys_log(), "it is taken", 30)
            registered = cluster.log("datanode-1").count("registered with cluster")
            cluster.spawn("datanode-1", original)
            self.eventually(
                lambda: "is its directory a copy?" in cluster.log("datanode-1"), "the refusal", 20
            )
            self.assertEqual(
                cluster.log("datanode-1").count("registered with cluster"), registered
            )
            self.assertEqual(cluster.cat("/before"), data)

    def test_a_format_over_data_is_refused(self):
        """faults 46 and "Bad input": also while the namenode runs, then even with -force"""
        with MiniCluster(datanodes=0) as cluster:
            make_directories(cluster, 3)
            code, text = daemon("--conf", cluster.conf_dir, "-format", "-force")
            self.assertEqual(code, 1, text)
            self.assertEqual(len(listed(cluster)), 3)
            cluster.kill()
            before = tree_hash(cluster.data("namenode"))
            code, text = daemon("--conf", cluster.conf_dir, "-format")
            self.assertEqual(code, 1)
            self.assertIn(cluster.data("namenode"), text)
            self.assertIn("-force", text)
            self.assertEqual(tree_hash(cluster.data("namenode")), before)
            cluster.start()
            self.assertEqual(len(listed(cluster)), 3)
            cluster.kill()
            code, text = daemon("--conf", cluster.conf_dir, "-format", "-force")
            self.assertEqual(code, 0, text)
            cluster.start()
            self.assertEqual(cluster.dfs("-ls", "/").stdout, b"")

    def test_a_directory_that_was_never_formatted_is_refused(self):
        with MiniCluster(datanodes=0) as cluster:
            cluster.kill()
            empty = env.new_directory("empty")
            code, text = daemon(
                "--conf", cluster.conf_dir, "-D", f"dfs.namenode.name.dir={empty}"
            )
            self.assertEqual(code, 1)
            self.assertIn(empty, text)
            self.assertIn("-format", text)


class Identity(Case):
    def test_a_datanode_of_another_cluster_is_refused(self):
        """fault 29: both ids are named, and its blocks stay"""
        with MiniCluster(datanodes=1) as cluster:
            cluster.put(b"x" * 1000, "/file")
            cluster.kill()
            code, text = daemon(
                "--conf", cluster.conf_dir, "-format", "-force", "-clusterid", "CID-another"
            )
            self.assertEqual(code, 0, text)
            cluster.start("namenode")
            before = cluster.log("datanode-1")
            old = re.search(r"registered with cluster ([^, ]+),", before).group(1)
            self.assertNotEqual(old, "CID-another")
            cluster.mini("start", "datanode-1", check=False)

            def refusals():
                lines = cluster.log("datanode-1")[len(before) :].splitlines()
                return [line for line in lines if "CID-another" in line]

            refusal = self.eventually(refusals, "the new id in the log", 20)[0]
            self.assertIn(old, refusal)
            self.assertEqual(cluster.live_datanodes(), 0)
            blocks = glob.glob(cluster.data("datanode-1") + "/**/blk_*", recursive=True)
            self.assertEqual(len([b for b in blocks if not b.endswith(".meta")]), 1)

    def test_a_journal_of_another_cluster_is_refused(self):
        """fault 29 for the namenode's own directories"""
        with MiniCluster(datanodes=0) as one, MiniCluster(datanodes=0) as other:
            make_directories(one, 3)
            one.kill()
            other.kill()
            shutil.rmtree(os.path.join(one.data("namenode"), "journal"))
            shutil.copytree(
                os.path.join(other.data("namenode"), "journal"),
                os.path.join(one.data("namenode"), "journal"),
            )
            with self.assertRaises(Failed) as refused:
                one.start("namenode")
            self.assertGreaterEqual(str(refused.exception).count("CID-"), 2, str(refused.exception))

    def test_an_older_copy_of_a_datanode_brings_no_stale_bytes(self):
        """fault 29: replicas with an old stamp or length are never read"""
        with MiniCluster(datanodes=2, conf={"dfs.replication": "2"}) as cluster:
            cluster.put(b"old " * 1000, "/file")
            cluster.stop("datanode-1")
            shutil.copytree(cluster.data("datanode-1"), cluster.directory + "/copy")
            cluster.start("datanode-1")
            self.eventually(lambda: cluster.live_datanodes() == 2, "two datanodes")
            expected = b"old " * 1000 + b"new " * 1000
            cluster.append(b"new " * 1000, "/file")
            self.assertEqual(cluster.cat("/file"), expected)
            cluster.stop("datanode-1")
            shutil.rmtree(cluster.data("datanode-1"))
            os.rename(cluster.directory + "/copy", cluster.data("datanode-1"))
            cluster.start("datanode-1")
            self.eventually(lambda: cluster.live_datanodes() == 2, "two datanodes")
            for _ in range(6):
                self.assertEqual(cluster.cat("/file"), expected)


class HugeDeletion(Case):
    def test_killed_in_the_middle(self):
        """fault 62: it is worked off in small edits, by the next process as by the first"""
        count, batch, most = 60_000, 500, 256
        with MiniCluster(datanodes=0, conf=JOURNAL_ONLY) as cluster:
            with rpc.Connection(cluster.port) as connection:
                for first in range(0, count, batch):
                    for number in range(first, first + batch):
                        connection.send("mkdirs", rpc.mkdirs(f"/d/{number % 100}/{number}"))
                    for _ in range(batch):
                        connection.receive()
                connection.call("delete", rpc.delete("/d"))

            def slices():
                """How many inodes each edit behind the deletion has removed."""
                dump = ["edits", "dump", "--from", str(count), cluster.data("namenode")]
                edits = map(json.loads, cluster.cairn(*dump).stdout.splitlines())
                return [len(e["fields"]["removed"]) for e in edits if e["kind"] == "reclaim"]

            self.eventually(slices, "the work has begun")
            cluster.kill_now("namenode")
            before = slices()
            self.assertLess(sum(before), count, "the namenode was killed too late to tell anything")
            cluster.start("namenode")
            # 100 directories and all that was in them; their root goes in an edit of its own.
            self.eventually(lambda: sum(slices()) >= count + 100, "the rest is worked off", 60)
            after = slices()
            self.assertEqual(sum(after), count + 100, "each inode goes once")
            self.assertLessEqual(max(after), most)
            self.note(f"killed after {sum(before)} of {count}; {len(after)} edits in all")
            self.assertEqual(listed(cluster, "/"), [])


class JournalDamage(Case):
    def test_damage_in_the_middle_stops_the_start(self):
        """fault 5: file, offset and txid are named; nothing is changed"""
        with MiniCluster(datanodes=0, conf=JOURNAL_ONLY) as cluster:
            make_directories(cluster, 50)
            cluster.kill()
            path = journal_file(cluster)
            offset, txid = frames(path)[25]
            flip(path, offset + 30)
            before = tree_hash(os.path.join(cluster.data("namenode"), "journal"))
            with self.assertRaises(Failed) as refused:
                cluster.start("namenode")
            text = str(refused.exception)
            self.assertIn(os.path.basename(path), text)
            self.assertIn(str(offset), text)
            self.assertIn(str(txid), text)
            self.assertEqual(tree_hash(os.path.join(cluster.data("namenode"), "journal")), before)
            flip(path, offset + 30)
            cluster.start("namenode")
            self.assertEqual(len(listed(cluster)), 50)

    def test_a_torn_tail_is_cut_and_logged(self):
        """fault 2: the last write was cut in half; all before it is there"""
        with MiniCluster(datanodes=0, conf=JOURNAL_ONLY) as cluster:
            make_directories(cluster, 50)
            cluster.kill()
            path = journal_file(cluster)
            offset, _ = frames(path)[-1]
            flip(path, offset + 30)
            cluster.start("namenode")
            self.assertEqual(len(listed(cluster)), 49)
            self.assertIn(os.path.basename(path), cluster.log("namenode"))
            self.assertRegex(cluster.log("namenode"), "torn|cut")
            make_directories(cluster, 5, first=100)
            cluster.kill()
            cluster.start()
            self.assertEqual(len(listed(cluster)), 54)

    def test_a_failed_write_is_final(self):
        """fault 3: after EIO nothing is acknowledged, the namenode stops, a restart has all acks"""
        self.need(strace.why_not())
        with MiniCluster(datanodes=0, conf=JOURNAL_ONLY) as cluster:
            make_directories(cluster, 10)
            child = cluster.spawn("namenode")
            path = journal_file(cluster)
            trace = strace.inject(self, child.pid, "pwrite64:error=EIO:when=6", path)
            acknowledged = 10
            with self.assertRaises((ConnectionError, rpc.RemoteError, OSError)):
                with rpc.Connection(cluster.port) as connection:
                    for number in range(10, 40):
                        connection.call("mkdirs", rpc.mkdirs(f"/d/{number:06}"))
                        acknowledged += 1
            self.assertEqual(child.wait(20), 1)
            trace.kill()
            trace.wait()
            self.assertIn("journal", cluster.tail("namenode"))
            cluster.start("namenode")
            self.assertLess(acknowledged, 40)
            self.assertIn(len(listed(cluster)), (acknowledged, acknowledged + 1))


class StoreDamage(Case):
    def check_refusal(self, cluster, logged, store, kind, name):
        """The log, from character `logged` on, says why the start is refused, and names the file."""
        self.assertFalse(cluster.alive("namenode"), "it started, and fails later")
        said = cluster.log("namenode")[logged:]
        if kind == "manifest":
            # What is cut off after a record looks whole: it is the other files that do not fit it, or
            # what is in them.
            self.assertRegex(said, f"store: {store}/|store {store} has lost|opening store {store}: ")
        else:
            self.assertIn(f"store: {store}/{name}: ", said)

    def test_a_damaged_store_is_refused_or_harmless(self):
        """fault 6: each kind of LevelDB file flipped, cut short, missing; never a wrong entry"""
        with MiniCluster(
            datanodes=0,
            conf={"cairn.namenode.store.tail": "64k", "cairn.namenode.store.tail.age": "1s"},
        ) as cluster:
            for part in range(3):  # each start turns LevelDB's log into a table
                make_directories(cluster, 700, first=part * 700)
                cluster.stop("namenode")
                cluster.start("namenode")
            make_directories(cluster, 100, first=2100)
            expected = listed(cluster)
            self.assertEqual(expected, [f"{number:06}" for number in range(2200)])
            cluster.stop("namenode")
            store = os.path.join(cluster.data("namenode"), "store")
            kept = cluster.directory + "/kept"
            shutil.copytree(cluster.data("namenode"), kept)
            files = sorted(os.listdir(store))
            kinds = {
                "table": [f for f in files if f.endswith((".ldb", ".sst"))],
                "manifest": [f for f in files if f.startswith("MANIFEST")],
                "current": ["CURRENT"],
                "log": [f for f in files if f.endswith(".log")],
            }
            refused = harmless = 0
            for kind, names in kinds.items():
                self.assertTrue(names, f"no {kind} in {files}")
                for damage in ("flipped", "cut", "missing"):
                    name = max(names, key=lambda n: os.path.getsize(os.path.join(kept, "store", n)))
                    shutil.rmtree(cluster.data("namenode"))
                    shutil.copytree(kept, cluster.data("namenode"))
                    path = os.path.join(store, name)
                    size = os.path.getsize(path)
                    if damage == "missing":
                        os.remove(path)
                    elif size == 0:
                        continue
                    elif damage == "cut":
                        os.truncate(path, size // 2)
                    else:
                        flip(path, size // 2)
                    with self.subTest(kind=kind, damage=damage):
                        logged = len(cluster.log("namenode"))
                        try:
                            cluster.start("namenode")
                            self.assertEqual(listed(cluster), expected, f"{name} {damage}")
                            harmless += 1
                        except Failed as error:
                            refused += 1
                            if kind == "table" and damage == "flipped":
                                # Found when that piece of it is read; LevelDB does not say where.
                                self.assertIn("block checksum mismatch", str(error))
                            else:
                                self.check_refusal(cluster, logged, store, kind, name)
                    cluster.kill("namenode")
            self.note(f"{refused} refused, {harmless} harmless")


class CrashPoints(Case):
    """faults 1, 2, 7: the process dies exactly here."""

    NAMENODE = (
        "journal_before_write:40",
        "journal_after_write:40",
        "store_flush_before_write:2",
        "store_flush_after_write:2",
    )
    # Reached only by edits enough to fill segments.
    SEGMENTS = (
        "journal_before_switch",
        "journal_after_switch",
        "journal_segment_named",
        "journal_spare_filled",
        "journal_before_recycle",
        "journal_after_recycle",
    )
    DATANODE = (
        "datanode_between_data_and_checksums:3",
        "datanode_finalize_before_rename:3",
        "datanode_finalize_between_renames:3",
        "datanode_finalize_before_ack:3",
        "datanode_reopen_between_renames:2",
    )
    limit_seconds = 300

    def crash_at(self, cluster, load, name, point):
        """Runs `name` until it dies at `point`, and starts it anew. False: it never came there."""
        child = cluster.spawn(
            name, may_die=True, env={**os.environ, "CAIRN_CRASH_POINT": point}
        )
        load.run()
        until = time.monotonic() + 15 * env.SLOW
        while child.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        died = child.poll() is not None
        if died:
            self.assertEqual(child.returncode, -signal.SIGKILL, cluster.tail(name))
        else:
            cluster.kill_now(name)
            child.wait()
        cluster.start(name)
        load.pause()
        load.check()
        return died

    def test_the_namenode_at_each_of_its_crash_points(self):
        with MiniCluster(
            datanodes=1,
            conf={
                "cairn.namenode.store.tail": "64k",
                "cairn.namenode.store.tail.age": "1s",
                "cairn.namenode.journal.keep.size": "80m",
                # The journal is kept back to the oldest checkpoint: only a new one frees segments.
                "cairn.namenode.checkpoint.journal.size": "1m",
                "dfs.namenode.num.checkpoints.retained": "1",
            },
        ) as cluster:
            load = Load(cluster, writers=6, data_writers=0, replication=1, seed=5)
            self.addCleanup(load.close)
            never = [p for p in self.NAMENODE if not self.crash_at(cluster, load, "namenode", p)]
            for point in self.SEGMENTS:
                stop = threading.Event()
                filler = threading.Thread(target=self.fill_segments, args=(cluster, stop))
                filler.start()
                try:
                    if not self.crash_at(cluster, load, "namenode", point):
                        never.append(point)
                finally:
                    stop.set()
                    filler.join()
            load.check_all()
            died = len(self.NAMENODE + self.SEGMENTS) - len(never)
            self.note(f"died at {died} points; never reached: {never}")
            self.note(load.summary())
            self.assertEqual(never, [])

    def fill_segments(self, cluster, stop):
        """Edits enough for several segments of 17 MiB."""
        while not stop.is_set():
            try:
                with rpc.Connection(cluster.port) as connection:
                    while not stop.is_set():
                        for number in range(200):
                            name = "/fill/" + "x" * 240 + str(number)
                            connection.send("mkdirs", rpc.mkdirs(name))
                            connection.send("delete", rpc.delete(name))
                        for _ in range(400):
                            connection.receive()
            except (OSError, rpc.RemoteError):
                time.sleep(0.02)  # not up yet, or down again

    def test_a_datanode_at_each_of_its_crash_points(self):
        with MiniCluster(datanodes=3) as cluster:
            load = Load(cluster, writers=1, data_writers=4, seed=6)
            self.addCleanup(load.close)
            never = []
            for point in self.DATANODE:
                if not self.crash_at(cluster, load, "datanode-2", point):
                    never.append(point)
            load.check_all()
            self.note(f"died at {len(self.DATANODE) - len(never)} points; never reached: {never}")
            self.note(load.summary())
            self.assertEqual(never, [])


class FullDisk(Case):
    def setUp(self):
        self.need(disks.why_no_tmpfs())

    def test_the_namenodes_disk_is_full(self):
        """fault 4: writes get a clear error, reads go on, and it heals without a restart"""
        disk = disks.SmallDisk(160 << 20)
        self.addCleanup(disk.close)
        with MiniCluster(
            datanodes=0,
            conf={
                "dfs.namenode.name.dir": disk.path + "/namenode",
                # The store meets the full disk as well as the journal.
                "cairn.namenode.store.tail": "64k",
                "cairn.namenode.store.tail.age": "1s",
            },
        ) as cluster:
            pid = cluster.pid("namenode")
            disk.fill()
            acknowledged = 0
            with rpc.Connection(cluster.port) as connection:
                connection.call("mkdirs", rpc.mkdirs("/d"))
                with self.assertRaises(rpc.RemoteError) as refused:
                    for number in range(200000):
                        connection.call("mkdirs", rpc.mkdirs(f"/d/{number:06}"))
                        acknowledged += 1
                self.assertRegex(str(refused.exception).lower(), "full|space")
                for number in (0, acknowledged // 2, acknowledged - 1):
                    answer = connection.call("getFileInfo", rpc.get_file_info(f"/d/{number:06}"))
                    self.assertIn(1, answer)
                message = cluster.dfs_error("-mkdir", "/refused")
                self.assertRegex(message.lower(), "full|space")
                disk.release()

                def heals():
                    try:
                        return connection.call("mkdirs", rpc.mkdirs("/healed"))
                    except rpc.RemoteError:
                        return None

                self.eventually(heals, "writes after space came back", 30)
            self.assertEqual(cluster.pid("namenode"), pid)
            self.assertTrue(cluster.alive("namenode"))
            cluster.kill("namenode")
            cluster.start("namenode")
            self.assertEqual(len(listed(cluster)), acknowledged)
            self.note(f"{acknowledged} edits before the disk was full; message: {refused.exception}")

    def test_a_datanodes_disk_is_full(self):
        """faults 4 and 21: the writer is told, what was there is read, and it heals"""
        with MiniCluster(datanodes=1, start=False) as cluster:
            disk = disks.SmallDisk(64 << 20, path=cluster.data("datanode-1"))
            self.addCleanup(disk.close)
            cluster.conf["dfs.datanode.du.reserved"] = "0"
            cluster.make()
            data = os.urandom(4 << 20)
            cluster.put(data, "/before", "-D", "dfs.blocksize=1m")
            message = cluster.dfs_error(
                "-D", "dfs.blocksize=1m", "-put", "-", "/big", input=os.urandom(80 << 20)
            )
            # Which file, and who is full: the namenode knows it from a heartbeat, or else the datanode
            # says so when the block begins. While packets come its answers have no words: then why is
            # in its log.
            self.assertIn("File /big", message)
            self.assertIn("could only be written to 0 of the 1 minReplication nodes", message)
            address = f"127.0.0.1:{cluster.ports('datanode-1')['transfer']}"
            if "1 datanode(s) have no room for a block of 1048576 bytes" not in message:
                self.assertIn(f"{address}: ", message)
                full = "no volume has room for|No space left on device"
                self.assertRegex(message + cluster.log("datanode-1"), full)
            self.assertEqual(cluster.cat("/before"), data)
            self.assertTrue(cluster.alive("datanode-1"))
            cluster.dfs("-rm", "-f", "/big", "/big._COPYING_")

            def heals():
                return (
                    cluster.dfs(
                        *("-D", "dfs.blocksize=1m", "-put", "-f", "-", "/after"),
                        input=data,
                        check=False,
                    ).returncode
                    == 0
                )

            self.eventually(heals, "writes after space came back", 60)
            self.assertEqual(cluster.cat("/after"), data)
            self.note(message.strip().splitlines()[-1][:200])
