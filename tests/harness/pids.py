"""A process that gets no more threads, nor processes: by a control group of its own."""

import os
import time
import unittest


def _group_of(pid):
    """The directory of the group that counts `pid`'s threads."""
    with open(f"/proc/{pid}/cgroup") as file:
        groups = [line.rstrip("\n").split(":", 2)[1:] for line in file]
    for controllers, path in groups:
        if "pids" in controllers.split(","):
            return "/sys/fs/cgroup/pids" + path
    for controllers, path in groups:
        if controllers == "":  # version 2: one tree for all
            return "/sys/fs/cgroup" + path
    return ""


class NoMoreThreads:
    """`with NoMoreThreads(pid):` the process keeps the threads that it has. RLIMIT_NPROC would not
    do: root is above it. Skips the test where no group can be made."""

    def __init__(self, pid):
        self.pid = pid
        self.parent = _group_of(pid)
        self.group = os.path.join(self.parent, f"cairn-test-{os.getpid()}-{pid}")

    def _write(self, directory, name, value):
        with open(os.path.join(directory, name), "w") as file:
            file.write(f"{value}\n")

    def refused(self):
        """How many threads or processes it did not get so far."""
        with open(os.path.join(self.group, "pids.events")) as file:
            return int(file.read().split()[1])

    def __enter__(self):
        try:
            os.mkdir(self.group)
        except OSError as error:
            raise unittest.SkipTest(f"no control group of pids: {error}") from error
        try:
            self._write(self.group, "cgroup.procs", self.pid)
            self._write(self.group, "pids.max", len(os.listdir(f"/proc/{self.pid}/task")))
        except OSError as error:
            self.__exit__()
            raise unittest.SkipTest(f"no control group of pids: {error}") from error
        return self

    def __exit__(self, *_):
        try:
            self._write(self.parent, "cgroup.procs", self.pid)
        except OSError:
            pass  # it has ended
        for _ in range(100):
            try:
                return os.rmdir(self.group)
            except OSError:
                time.sleep(0.05)  # threads that end are still counted
        os.rmdir(self.group)
