"""A mount of a cluster by cairn-fuse, which never outlives its test."""

import ctypes
import errno
import os
import select
import shutil
import signal
import subprocess
import time

from harness import env
from harness.case import Case
from harness.cluster import Failed, MiniCluster

BLOCK = 1 << 20

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2


def why_not():
    """What this machine lacks for mounting, or None."""
    if not os.path.exists("/dev/fuse"):
        return "no /dev/fuse"
    if env.have("fusermount3"):
        return "fusermount3 is not installed (package fuse3)"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse cannot be opened: {error.strerror}"
    return None


def is_mounted(point):
    with open("/proc/mounts") as mounts:
        return any(line.split()[1] == point for line in mounts)


class Mount:
    """`options` are those of -o; `more` further arguments. close() ends it, and is idempotent."""

    def __init__(self, cluster, path="/", options=(), more=(), start=True):
        self.cluster = cluster
        self.path = path
        self.more = list(more)
        self.point = env.new_directory("mount")
        self.stage = self.point + ".stage"
        self.options = ["attr_timeout=0", "entry_timeout=0", f"stage_dir={self.stage}", *options]
        self.log = self.point + ".log"
        self.process = None
        if start:
            self.start()

    def __truediv__(self, name):
        return os.path.join(self.point, name)

    def command(self, *flags):
        return [
            *(env.program("cairn-fuse"), *flags, self.cluster.uri + self.path, self.point),
            *("-o", ",".join(self.options), *self.more),
        ]

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command("-f"), stdout=subprocess.PIPE, stderr=log,
                env=self.cluster.environment(),
            )
        ready, _, _ = select.select([self.process.stdout], [], [], 60 * env.SLOW)
        line = self.process.stdout.readline() if ready else b""
        if not line.startswith(b"ready fuse"):
            text = self.log_text()
            self.close()
            raise Failed(f"cairn-fuse did not mount: {text}")
        return self

    def log_text(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-4000:]

    def kill(self):
        """kill -9: the mount point stays, and answers ENOTCONN."""
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self):
        """Waits; the exit status. libfuse ends its threads by pthread_cancel in the middle of a call,
        of which ThreadSanitizer makes status 66 ("finished with ignores enabled"). What it finds
        else is in its reports, which tools/test looks at."""
        status = self.process.wait(timeout=60 * env.SLOW)
        under_tsan = "log_path" in os.environ.get("TSAN_OPTIONS", "")
        return 0 if status == 66 and under_tsan else status

    def close(self):
        # Lazily and first: nobody waits for a mount whose cluster is gone.
        for _ in range(10):
            if not is_mounted(self.point):
                break
            subprocess.run(["fusermount3", "-u", "-z", "-q", self.point], check=False)
            time.sleep(0.05)
        if self.process is not None:
            try:
                self.process.wait(timeout=5 * env.SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.process = None
        if not is_mounted(self.point):
            shutil.rmtree(self.point, ignore_errors=True)
            shutil.rmtree(self.stage, ignore_errors=True)


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class MountCase(Case):
    """Tests of what a mount shows."""

    limit_seconds = 240

    @classmethod
    def setUpClass(cls):
        cls.need(why_not())

    def assertErrno(self, number, call, *arguments, **options):
        with self.assertRaises(OSError) as caught:
            call(*arguments, **options)
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[number])


class OwnMountCase(MountCase):
    """Each test has a cluster and mounts of its own."""

    def new_cluster(self, datanodes=1, **conf):
        keys = {"dfs.blocksize": str(BLOCK), "cairn.namenode.dead.interval": "1h"}
        cluster = MiniCluster(datanodes=datanodes, conf={**keys, **conf})
        self.addCleanup(cluster.close)
        return cluster

    def new_mount(self, cluster, **options):
        made = Mount(cluster, **options)
        self.addCleanup(made.close)
        return made


def renameat2(source, target, flags):
    """Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.renameat2(-100, os.fsencode(source), -100, os.fsencode(target), flags)
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
