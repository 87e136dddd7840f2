"""A cluster of real processes, by way of `cairn mini`."""

import os
import re
import shutil
import signal
import subprocess
import time

from harness import env


class Failed(AssertionError):
    """A command that should have succeeded did not; says all it printed."""


def run(arguments, check=True, timeout=120, **options):
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    result = subprocess.run(arguments, timeout=timeout * env.SLOW, **options)
    if check and result.returncode != 0:
        words = " ".join(str(a) for a in arguments)
        raise Failed(
            f"{words[:300]}\nexit status {result.returncode}\n"
            + (result.stdout or b"").decode(errors="replace")[-2000:]
            + (result.stderr or b"").decode(errors="replace")[-4000:]
        )
    return result


# Those that are open: run.py tells the ends of their logs when a test fails.
running = []


class MiniCluster:
    """`with MiniCluster(datanodes=3) as cluster:` starts it; the end of the block kills it.

    `conf` goes to hdfs-site.xml. With start=False nothing runs until start().
    Also fit for addClassCleanup: cluster.close() is idempotent.
    """

    def __init__(self, datanodes=3, conf=None, racks=None, directory=None, start=True):
        self.directory = directory or env.new_directory("mini")
        self.conf = {"dfs.replication": str(min(3, max(1, datanodes)))}
        # Test machines are small: 17 MiB is the least size of a journal file.
        self.conf["cairn.namenode.journal.segment.size"] = "17m"
        self.conf.update(conf or {})
        self.datanode_count = datanodes
        self.racks = racks
        self.port = env.free_port()
        self.children = {}  # name -> Popen, of those started by spawn()
        self.closed = False
        running.append(self)
        if start:
            try:
                self.make()
            except BaseException:
                self.close()
                raise

    @property
    def uri(self):
        return f"hdfs://127.0.0.1:{self.port}"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    # How the command of a client begins that is to reach this cluster.
    client = ()

    def ip(self, name):
        """By which the cluster knows a datanode."""
        return f"127.0.1.{name.rsplit('-', 1)[1]}" if self.racks else "127.0.0.1"

    @property
    def conf_dir(self):
        return os.path.join(self.directory, "conf")

    @property
    def names(self):
        return ["namenode"] + self.datanodes

    @property
    def datanodes(self):
        return [f"datanode-{i + 1}" for i in range(self.datanode_count)]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.tails())
        self.close()

    # ---- The cluster ----

    def make(self):
        """Formats what is empty and starts everything; with new `conf` after a change to it."""
        arguments = ["--datanodes", str(self.datanode_count), "--port", str(self.port), "--detach"]
        for key, value in self.conf.items():
            arguments += ["-D", f"{key}={value}"]
        if self.racks:
            arguments += ["--racks", ",".join(self.racks)]
        self.mini(*arguments)
        return self

    def mini(self, *arguments, check=True):
        return run(
            [env.program("cairn"), "mini", "--dir", self.directory, *arguments], check=check
        )

    def start(self, *names):
        self.mini("start", *names)

    def stop(self, *names):
        self.mini("stop", *names)

    def kill(self, *names):
        self.mini("kill", *names)

    def pause(self, *names):
        self.mini("pause", *names)

    def resume(self, *names):
        self.mini("resume", *names)

    def pid(self, name):
        try:
            with open(os.path.join(self.directory, "run", name + ".pid")) as file:
                return int(file.read())
        except (OSError, ValueError):
            return 0

    def alive(self, name):
        pid = self.pid(name)
        if pid == 0:
            return False
        try:
            with open(f"/proc/{pid}/stat") as file:
                zombie = file.read().rsplit(")", 1)[1].split()[0] == "Z"
            # The first thread may be one while others still end, with files open and ports bound.
            return not zombie or len(os.listdir(f"/proc/{pid}/task")) > 1
        except OSError:
            return False

    def kill_now(self, name):
        """kill -9 without the time it takes to start a program."""
        pid = self.pid(name)
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        while self.alive(name):
            time.sleep(0.001)

    def pause_now(self, name):
        """SIGSTOP without the time it takes to start a program."""
        os.kill(self.pid(name), signal.SIGSTOP)

    def resume_now(self, name):
        os.kill(self.pid(name), signal.SIGCONT)

    def command(self, name):
        """The command line that `cairn mini` runs `name` with; it must run now."""
        with open(f"/proc/{self.pid(name)}/cmdline", "rb") as file:
            return [word.decode() for word in file.read().split(b"\0")[:-1]]

    def spawn(self, name, command=None, may_die=False, **options):
        """Starts `name` as a child of this process, so that its exit status can be seen. `may_die`:
        it may have killed itself at a CAIRN_CRASH_POINT before it was ready."""
        command = command or self.command(name)
        if self.alive(name):
            self.stop(name)
        ports = self.ports_file(name)
        if os.path.exists(ports):
            os.remove(ports)
        with open(self.log_file(name), "ab") as log:
            child = subprocess.Popen(command, stdout=log, stderr=log, **options)
        self.children[name] = child
        until = time.monotonic() + 30 * env.SLOW
        while not os.path.exists(ports):
            if child.poll() is not None:
                if may_die and child.returncode == -signal.SIGKILL:
                    return child
                raise Failed(f"{name} ended with {child.returncode}\n{self.tail(name)}")
            if time.monotonic() > until:
                raise Failed(f"{name} is not ready\n{self.tail(name)}")
            time.sleep(0.01)
        with open(os.path.join(self.directory, "run", name + ".pid"), "w") as file:
            file.write(f"{child.pid}\n")
        return child

    def close(self):
        if self.closed:
            return
        self.closed = True
        running.remove(self)
        for name in self.names:
            pid = self.pid(name)
            if pid:
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        ours = self.directory.encode() in file.read()
                    if ours:
                        os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        for child in self.children.values():
            if child.poll() is None:
                child.kill()
            child.wait()
        for name in self.names:
            while self.alive(name):
                time.sleep(0.001)
        if os.environ.get("CAIRN_TEST_KEEP") != "1":
            shutil.rmtree(self.directory, ignore_errors=True)

    # ---- Files of a daemon ----

    def ports_file(self, name):
        return os.path.join(self.directory, "run", name + ".ports")

    def ports(self, name):
        with open(self.ports_file(name)) as file:
            return dict(line.rstrip("\n").split("=", 1) for line in file)

    def log_file(self, name):
        return os.path.join(self.directory, "log", name + ".log")

    def log(self, name):
        try:
            with open(self.log_file(name), errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def tail(self, name, lines=25):
        return "\n".join(self.log(name).splitlines()[-lines:])

    def tails(self):
        return "\n".join(f"---- {name}.log\n{self.tail(name, 20)}" for name in self.names)

    def data(self, name):
        return os.path.join(self.directory, name)

    # ---- Clients ----

    def environment(self, **more):
        return {**os.environ, "HADOOP_CONF_DIR": self.conf_dir, "HADOOP_USER_NAME": "root", **more}

    def dfs(self, *arguments, check=True, timeout=120, env_more=None, **options):
        return run(
            [*self.client, env.program("cairn"), "dfs", *arguments],
            check=check,
            timeout=timeout,
            env=self.environment(**(env_more or {})),
            **options,
        )

    def cairn(self, *arguments, env_more=None, **options):
        """Any other command of `cairn`; whatever its exit status, it is not checked."""
        return run(
            [*self.client, env.program("cairn"), *arguments],
            check=False,
            env=self.environment(**(env_more or {})),
            **options,
        )

    def dfs_error(self, *arguments, **options):
        """The message of a command that must fail."""
        result = self.dfs(*arguments, check=False, **options)
        if result.returncode == 0:
            raise Failed(f"cairn dfs {' '.join(arguments)} should have failed")
        return result.stderr.decode(errors="replace")

    def cat(self, path, **options):
        return self.dfs("-cat", path, **options).stdout

    def put(self, data, path, *flags, **options):
        self.dfs(*flags, "-put", "-f", "-", path, input=data, **options)

    def append(self, data, path, **options):
        self.dfs("-appendToFile", "-", path, input=data, **options)

    def checksum(self, path, *flags):
        """The hexadecimal checksum as the last word of `-checksum`."""
        return self.dfs(*flags, "-checksum", path).stdout.decode().split()[-1]

    def live_datanodes(self):
        result = self.cairn("dfsadmin", "-report", "-live")
        match = re.search(rb"Live datanodes \((\d+)\)", result.stdout)
        return int(match.group(1)) if match else 0


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def thread_count(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def descriptor_count(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
