"""Disks of a datanode that fail, vanish or rot: the others go on, readers never see a wrong byte."""

import glob
import os
import re
import shutil
import subprocess

from harness import disks, env, strace
from harness.case import Case
from harness.cluster import MiniCluster, run

# A disk is given up as soon as it is seen to be gone; nothing waits for minutes.
# Small blocks fit small disks.
QUICK = {"dfs.replication": "2", "dfs.heartbeat.interval": "1s", "dfs.blocksize": "1m"}


def replicas(directory, meta=False):
    """Data files of finalized replicas, or their meta files."""
    found = glob.glob(os.path.join(directory, "current/finalized/*/*/blk_*"))
    return sorted(f for f in found if f.endswith(".meta") == meta)


def make_volume(directory, version, number):
    """An empty volume of the datanode whose VERSION file is given."""
    current = os.path.join(directory, "current")
    if os.path.exists(current):
        return
    os.makedirs(current)
    with open(os.path.join(current, "VERSION"), "w") as file:
        file.write(re.sub(r"storageID=DS-.", f"storageID=DS-{number}", version))


class Volumes(Case):
    """datanode-1 has several disks, datanode-2 one."""

    def start(self, directories, conf=None, more=()):
        cluster = MiniCluster(datanodes=2, conf={**QUICK, **(conf or {})})
        self.addCleanup(cluster.close)
        with open(cluster.data("datanode-1") + "/current/VERSION") as file:
            version = file.read()
        for number, directory in enumerate(directories):
            make_volume(directory, version, number)
        command = cluster.command("datanode-1") + [
            "-D",
            "dfs.datanode.data.dir=" + ",".join(directories),
        ]
        for setting in more:
            command += ["-D", setting]
        child = cluster.spawn("datanode-1", command)
        self.eventually(lambda: cluster.live_datanodes() == 2, "two datanodes")
        return cluster, child

    def put_some(self, cluster, count=8, prefix="/f"):
        files = {}
        for number in range(count):
            path = f"{prefix}{number}"
            files[path] = os.urandom(200_000 + number)
            cluster.put(files[path], path)
        return files

    FIRST = bytes(range(256)) * 1200

    def open_writer(self, cluster, disks):
        """A writer in the middle of /w whose replica lies on one of these; and its data file."""
        while True:
            writer = subprocess.Popen(
                [env.program("cairn"), "dfs", "-put", "-f", "-", "/w"],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=cluster.environment(),
            )
            self.addCleanup(writer.stderr.close)
            writer.stdin.write(self.FIRST)
            writer.stdin.flush()

            def being_written():
                every = os.path.join(cluster.directory, "datanode-2/current/rbw/blk_*[0-9]")
                if not glob.glob(every):
                    return None
                return [f for d in disks for f in glob.glob(d + "/current/rbw/blk_*[0-9]")] or ["no"]

            (path,) = self.eventually(being_written, "a replica being written")
            if path != "no":
                return writer, path
            writer.stdin.close()
            writer.wait(60)

    def check(self, cluster, files):
        for path, data in files.items():
            self.assertTrue(cluster.cat(path) == data, path)

class Hangs(Volumes):
    """A disk whose calls never return: fsfreeze lets every write wait."""

    def start_with_a_disk(self, more=()):
        self.need(disks.why_no_power_cuts())
        self.need(env.have("fsfreeze") and "fsfreeze is not installed")
        self.disk = disks.PowerCutDisk(320 << 20)
        self.addCleanup(self.disk.close)
        self.other = env.new_directory("disk")
        cluster, child = self.start(
            [self.disk.path, self.other],
            conf={"cairn.namenode.stale.interval": "5s", "cairn.namenode.dead.interval": "10s"},
            more=[
                "cairn.datanode.disk.hang.timeout=3s",
                "cairn.datanode.disk.threads=2",
                "cairn.datanode.drain.limit=1s",
                *more,
            ],
        )
        self.addCleanup(self.disk.thaw)  # before the datanode is killed, which would not end
        return cluster, child

    def test_a_disk_that_hangs_is_taken_out_and_the_others_go_on(self):
        """fault 22 without an error"""
        cluster, child = self.start_with_a_disk()
        files = self.put_some(cluster)
        self.assertTrue(replicas(self.disk.path) and replicas(self.other))
        writer, path = self.open_writer(cluster, [self.disk.path])
        self.disk.freeze()
        writer.stdin.write(self.FIRST)
        writer.stdin.flush()
        # More writers than there are disk threads, on both disks.
        others = {}
        for number in range(6):
            others[f"/other{number}"] = os.urandom(300_000), subprocess.Popen(
                [env.program("cairn"), "dfs", "-put", "-", f"/other{number}"],
                stdin=subprocess.PIPE,
                env=cluster.environment(),
            )
        for data, process in others.values():
            process.stdin.write(data)
            process.stdin.close()

        def failed():
            self.check(cluster, files)  # reads go on all the time
            return f"volume {self.disk.path} has failed" in cluster.log("datanode-1")

        self.eventually(failed, "the disk is given up", 60)
        self.assertIn("it hangs: a ", cluster.log("datanode-1"))
        writer.stdin.write(self.FIRST)
        writer.stdin.close()
        self.assertEqual(writer.wait(60), 0, writer.stderr.read())
        self.assertTrue(cluster.cat("/w") == self.FIRST * 3, path)
        for name, (data, process) in others.items():
            self.assertEqual(process.wait(60), 0, name)
            files[name] = data
        files.update(self.put_some(cluster, prefix="/more"))
        self.check(cluster, files)
        # What lay on it is copied to the other disk; and nobody missed the datanode for a moment.
        self.eventually(
            lambda: len(replicas(self.other)) == len(files) + 1, "every block is on the other disk", 60
        )
        self.assertIsNone(child.poll())
        self.assertEqual(cluster.live_datanodes(), 2)
        self.assertNotIn("silent for too long", cluster.log("namenode"))

    def test_a_datanode_whose_disk_hangs_can_be_stopped(self):
        cluster, child = self.start_with_a_disk()
        writer, _ = self.open_writer(cluster, [self.disk.path])
        self.disk.freeze()
        writer.stdin.write(self.FIRST)
        writer.stdin.flush()
        self.eventually(
            lambda: f"volume {self.disk.path} has failed" in cluster.log("datanode-1"),
            "the disk is given up",
            60,
        )
        child.terminate()
        self.eventually(lambda: "calls are not waited for" in cluster.log("datanode-1"), "the end", 60)
        self.disk.thaw()  # the kernel ends no process whose threads wait for the disk
        self.assertEqual(child.wait(60), 0)
        writer.stdin.close()
        self.assertEqual(writer.wait(60), 0)
        self.assertTrue(cluster.cat("/w") == self.FIRST * 2)

    def test_a_datanode_starts_with_a_disk_that_hangs(self):
        """the usual answer to a disk that hangs is a restart: the others serve after it"""
        cluster, child = self.start_with_a_disk()
        command = cluster.command("datanode-1")
        files = self.put_some(cluster)
        self.assertTrue(replicas(self.disk.path))
        self.disk.freeze()
        child.kill()
        child.wait()
        child = cluster.spawn("datanode-1", command)
        self.assertRegex(
            cluster.log("datanode-1"), f"volume {self.disk.path} cannot be used: .*it hangs"
        )
        self.eventually(lambda: cluster.live_datanodes() == 2, "two datanodes")
        self.eventually(
            lambda: len(replicas(self.other)) == len(files), "every block is on the other disk", 60
        )
        cluster.stop("datanode-2")
        self.check(cluster, files)
        self.disk.thaw()  # what it had been asked for goes on, and is forgotten
        child.terminate()
        self.assertEqual(child.wait(60), 0)


class Failures(Volumes):
    def setUp(self):
        self.need(disks.why_no_tmpfs())

    def disks(self, count):
        found = [disks.SmallDisk(64 << 20) for _ in range(count)]
        for disk in found:
            self.addCleanup(disk.close)
        return found

    def test_a_disk_vanishes_and_the_others_go_on(self):
        """fault 28: umount -l; it is noticed without anybody using it"""
        one, two = self.disks(2)
        cluster, child = self.start([one.path, two.path])
        files = self.put_some(cluster)
        self.assertTrue(replicas(one.path) and replicas(two.path))
        lost = len(replicas(one.path))
        one.close()
        self.eventually(
            lambda: f"volume {one.path} has failed" in cluster.log("datanode-1"), "the loss noticed", 20
        )
        self.check(cluster, files)
        more = self.put_some(cluster, prefix="/more")
        self.check(cluster, more)
        self.assertIsNone(child.poll())
        self.assertFalse(os.path.exists(os.path.join(one.path, "current")), "written under the mount")
        self.assertIn(f"{lost} replicas are gone with it", cluster.log("datanode-1"))

    def test_a_writer_whose_disk_vanishes_goes_on(self):
        """fault 28 in the middle of a write: the pipeline does without that datanode"""
        (one,) = self.disks(1)
        cluster, _ = self.start([one.path, env.new_directory("disk")])
        writer, path = self.open_writer(cluster, [one.path])
        one.close()
        writer.stdin.write(self.FIRST)
        writer.stdin.close()
        self.assertEqual(writer.wait(60), 0, writer.stderr.read())
        self.assertTrue(cluster.cat("/w") == self.FIRST * 2, path)

    def test_more_failures_than_tolerated_stop_the_datanode(self):
        one, two = self.disks(2)
        cluster, child = self.start(
            [one.path, two.path], more=["dfs.datanode.failed.volumes.tolerated=0"]
        )
        files = self.put_some(cluster, 2)
        one.close()
        self.assertEqual(child.wait(30), 1)
        self.assertIn("too many failed volumes: 1 of 2", cluster.log("datanode-1"))
        self.check(cluster, files)

    def test_the_last_disk_stops_the_datanode_whatever_is_tolerated(self):
        (one,) = self.disks(1)
        cluster, child = self.start([one.path])
        one.close()
        self.assertEqual(child.wait(30), 1)
        self.assertIn("too many failed volumes: 1 of 1", cluster.log("datanode-1"))

    def test_a_disk_that_cannot_be_used_at_start(self):
        """is one that has failed: the others serve"""
        good = env.new_directory("good")
        bad = env.new_directory("bad")
        with open(os.path.join(bad, "current"), "w"):
            pass  # no directory can be made here
        cluster, child = self.start([bad, good])
        self.assertIn(f"volume {bad} cannot be used", cluster.log("datanode-1"))
        files = self.put_some(cluster, 2)
        self.check(cluster, files)
        child.terminate()
        self.assertEqual(child.wait(30), 0)


class IoErrors(Volumes):
    def test_a_failed_sync_takes_the_disk_out(self):
        """fault 22: the write goes on without that datanode, whose other disk takes new replicas"""
        one, two = env.new_directory("disk"), env.new_directory("disk")
        cluster, child = self.start([one, two])
        files = self.put_some(cluster, 4, prefix="/before")
        writer, path = self.open_writer(cluster, [one, two])
        strace.inject(self, child.pid, "fdatasync:error=EIO", path)
        writer.stdin.close()
        self.assertEqual(writer.wait(60), 0, writer.stderr.read())
        self.assertTrue(cluster.cat("/w") == self.FIRST)
        disk = one if path.startswith(one) else two
        self.assertIn(f"volume {disk} has failed and is used no more", cluster.log("datanode-1"))
        self.assertEqual(cluster.log("datanode-1").count("has failed and is used no more"), 1)
        files.update(self.put_some(cluster, 4, prefix="/after"))
        self.assertIsNone(child.poll())
        self.check(cluster, files)

    def test_a_failed_read_costs_the_reader_nothing(self):
        """fault 23: the reader takes another replica, the disk is looked at and goes on"""
        one = env.new_directory("disk")
        cluster, child = self.start([one], conf={"dfs.client.read.shortcircuit": "false"})
        files = self.put_some(cluster, 4)
        trace = strace.inject(self, child.pid, "sendfile:error=EIO:when=1..2")
        for _ in range(3):
            self.check(cluster, files)
        trace.kill()
        trace.wait()
        self.assertIn("the data file cannot be read", cluster.log("datanode-1"))
        self.assertNotIn("has failed and is used no more", cluster.log("datanode-1"))
        # A second reading went well, so nothing was condemned.
        self.check(cluster, files)


class HotSwap(Volumes):
    """Disks come and go while the datanode runs."""

    def start_with_file(self, directories, **conf):
        """datanode-1 takes its directories from an hdfs-site.xml of its own."""
        cluster, _ = self.start(directories)
        self.site = os.path.join(cluster.directory, "conf-1")
        shutil.copytree(cluster.conf_dir, self.site)
        self.conf = conf
        self.configure(directories)
        command = []
        words = iter(cluster.command("datanode-1"))
        for word in words:  # the file's values, not those of the command line
            if word == "-D":
                setting = next(words)
                if not setting.startswith("dfs.datanode.data.dir="):
                    command += ["-D", setting]
            elif word == "--conf":
                next(words)
                command += ["--conf", self.site]
            else:
                command.append(word)
        child = cluster.spawn("datanode-1", command)
        self.eventually(lambda: cluster.live_datanodes() == 2, "two datanodes")
        return cluster, child

    def configure(self, directories):
        settings = {"dfs.datanode.data.dir": ",".join(directories), **self.conf}
        path = os.path.join(self.site, "hdfs-site.xml")
        with open(path) as file:
            text = re.sub(r"<!--mine-->.*</configuration>", "</configuration>", file.read(), flags=re.S)
        properties = "".join(
            f"<property><name>{k}</name><value>{v}</value></property>\n" for k, v in settings.items()
        )
        with open(path, "w") as file:
            file.write(text.replace("</configuration>", f"<!--mine-->{properties}</configuration>"))

    def reconfigure(self, cluster, directories):
        """What `-reconfig status` says at the end."""
        self.configure(directories)
        node = f"127.0.0.1:{cluster.ports('datanode-1')['ipc']}"

        def admin(operation):
            return run(
                [env.program("cairn"), "dfsadmin", "-reconfig", "datanode", node, operation],
                env=cluster.environment(),
            ).stdout.decode()

        self.assertEqual(admin("start"), f"Started reconfiguration task on node [{node}].\n")
        self.assertIn("dfs.datanode.data.dir\n", admin("properties"))
        status = self.eventually(
            lambda: (text := admin("status")) and " and finished at " in text and text, "the end of it"
        )
        self.note(" ".join(status.split("finished at")[1].split())[:160])
        return status

    def test_a_disk_is_added_removed_and_brought_back(self):
        one, two = env.new_directory("disk"), env.new_directory("disk")
        cluster, child = self.start_with_file([one])
        files = self.put_some(cluster, 4)
        self.assertIn("SUCCESS: Changed property", self.reconfigure(cluster, [one, two]))
        more = 0
        while not replicas(two):  # where new replicas go is drawn by lot
            files.update(self.put_some(cluster, 2, prefix=f"/more{more}-"))
            more += 1
            self.assertLess(more, 50)
        # With a writer at work on it.
        writer, _ = self.open_writer(cluster, [one])
        here = len(replicas(one))
        self.assertIn("SUCCESS: Changed property", self.reconfigure(cluster, [two]))
        self.assertIn(f"volume {one}: {here + 1} replicas are gone with it", cluster.log("datanode-1"))
        writer.stdin.write(self.FIRST)
        writer.stdin.close()
        self.assertEqual(writer.wait(60), 0, writer.stderr.read())
        self.assertTrue(cluster.cat("/w") == self.FIRST * 2)
        self.check(cluster, files)
        self.assertIn("SUCCESS", self.reconfigure(cluster, [two, one]))
        # datanode-2 away, all must come from here.
        cluster.stop("datanode-2")
        self.check(cluster, files)
        self.assertIsNone(child.poll())

    def test_a_failed_disk_is_replaced_at_its_place(self):
        self.need(disks.why_no_tmpfs())
        disk = disks.SmallDisk(64 << 20)
        self.addCleanup(disk.close)
        other = env.new_directory("disk")
        cluster, child = self.start_with_file([disk.path, other])
        files = self.put_some(cluster, 4)
        disk.close()
        self.eventually(
            lambda: f"volume {disk.path} has failed" in cluster.log("datanode-1"), "the loss noticed"
        )
        new = disks.SmallDisk(64 << 20, path=disk.path)
        self.addCleanup(new.close)
        self.assertIn("SUCCESS", self.reconfigure(cluster, [disk.path, other]))
        more = 0
        while not replicas(disk.path):
            files.update(self.put_some(cluster, 2, prefix=f"/more{more}-"))
            more += 1
            self.assertLess(more, 50)
        self.check(cluster, files)
        self.assertIsNone(child.poll())

    def test_what_cannot_be_done_is_told_and_changes_nothing(self):
        one = env.new_directory("disk")
        cluster, child = self.start_with_file([one])
        files = self.put_some(cluster, 2)
        bad = env.new_directory("bad")
        with open(os.path.join(bad, "current"), "w"):
            pass
        status = self.reconfigure(cluster, [one, bad])
        self.assertIn("FAILED: Change property dfs.datanode.data.dir", status)
        self.assertIn(bad, status)
        status = self.reconfigure(cluster, [bad])
        self.assertIn("FAILED", status)
        self.check(cluster, files)
        self.assertIsNone(child.poll())

    def test_the_disks_of_a_node_are_balanced(self):
        self.need(disks.why_no_tmpfs())
        one, two = disks.SmallDisk(64 << 20), disks.SmallDisk(64 << 20)
        self.addCleanup(one.close)
        self.addCleanup(two.close)
        cluster, _ = self.start_with_file(
            [one.path], **{"cairn.datanode.disk.balancer.interval": "1s"}
        )
        files = {}
        for number in range(24):
            files[f"/b{number}"] = os.urandom(1 << 20)
            cluster.put(files[f"/b{number}"], f"/b{number}")
        self.assertIn("SUCCESS", self.reconfigure(cluster, [one.path, two.path]))
        apart = lambda: (two.free() - one.free()) / (64 << 20) * 100
        self.note(f"fill differed by {apart():.0f} %")
        while apart() > 10:
            self.check(cluster, dict(list(files.items())[:3]))  # readers go on meanwhile
        self.assertGreaterEqual(len(replicas(two.path)), 8)
        self.assertNotRegex(cluster.log("datanode-1"), r"bytes; [1-9]\d* failures")
        self.note(f"and by {apart():.0f} % in the end, {len(replicas(two.path))} replicas moved")
        cluster.stop("datanode-2")
        self.check(cluster, files)


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def swap(one, other):
    os.rename(one, one + ".x")
    os.rename(other, one)
    os.rename(one + ".x", other)


def zero(path):
    with open(path, "r+b") as file:
        file.write(bytes(os.path.getsize(path)))


def extend(path):
    with open(path, "ab") as file:
        file.write(b"x" * 100)


class Rot(Volumes):
    """faults 24 to 27: whatever becomes of a replica's files, readers get the right bytes or none."""

    # What is done to a replica: (data file, meta file, the same of another block of other length).
    DAMAGE = {
        "data flipped": lambda d, m, d2, m2: flip(d, 100_000),
        "data cut": lambda d, m, d2, m2: os.truncate(d, 100_000),
        "data extended": lambda d, m, d2, m2: extend(d),
        "data zeroed": lambda d, m, d2, m2: zero(d),
        "data missing": lambda d, m, d2, m2: os.remove(d),
        "meta flipped": lambda d, m, d2, m2: flip(m, 500),
        "meta cut": lambda d, m, d2, m2: os.truncate(m, 300),
        "meta missing": lambda d, m, d2, m2: os.remove(m),
        "data swapped": lambda d, m, d2, m2: swap(d, d2),
        "both swapped": lambda d, m, d2, m2: (swap(d, d2), swap(m, m2)),
    }
    limit_seconds = 300

    def test_the_scanner_finds_each_kind_of_damage_while_readers_read_on(self):
        """rows 24, 25, 26: nobody but the scanner looks at the damaged replicas"""
        one = env.new_directory("disk")
        cluster, _ = self.start(
            [one],
            # Each lap takes 2 s; the sweep of directories comes soon too.
            more=["cairn.datanode.scan.period=2s", "dfs.datanode.directoryscan.interval=20s"],
        )
        for name, damage in self.DAMAGE.items():
            with self.subTest(name):
                files = self.put_some(cluster, 2, prefix="/" + name.replace(" ", "-"))
                data, data2 = (self.file_of(one, contents) for contents in files.values())
                meta, meta2 = (glob.glob(path + "_*.meta")[0] for path in (data, data2))
                damage(data, meta, data2, meta2)
                number = data.rsplit("_", 1)[1]
                self.eventually(
                    lambda: re.search(
                        rf" E .*(block {number} |blk_{number}\b)", cluster.log("datanode-1")
                    ),
                    f"block {number} found bad",
                    30,
                )
                self.check(cluster, files)

    def file_of(self, directory, contents):
        """The finalized data file that holds just these bytes."""
        for path in replicas(directory):
            with open(path, "rb") as file:
                if file.read() == contents:
                    return path
        return None

    def test_when_every_replica_has_rotted_none_is_served_or_deleted(self):
        """row 27: an error that names file and place; the files stay for salvage; all are reported"""
        one = env.new_directory("disk")
        cluster, _ = self.start([one], more=["cairn.datanode.scan.period=2s"])
        (path,) = self.put_some(cluster, 1)
        everywhere = [one, cluster.data("datanode-2")]
        self.eventually(
            lambda: all(len(replicas(d)) == 1 for d in everywhere), "both replicas finalized"
        )
        for directory in everywhere:
            flip(replicas(directory)[0], 1000)
        error = cluster.dfs_error("-cat", path, timeout=120)
        self.assertIn(path, error)
        self.assertIn("checksum error", error)
        self.eventually(
            lambda: "does not match its checksum" in cluster.log("datanode-1"), "found by its scanner"
        )
        self.assertNotEqual(cluster.dfs("-cat", path, check=False).returncode, 0)
        for directory in everywhere:
            self.assertEqual(len(replicas(directory)), 1, "kept aside")
