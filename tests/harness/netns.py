"""Machines on a network of their own: network namespaces that reach one another through switches.

    namenode --+                                      +-- datanode-1
    client ----+-- core ===== uplink ===== /rack1 ----+-- datanode-2
               |                                      +-- datanode-3
               +======= uplink ===== /rack2 ---- ...

Each machine is a namespace with one interface, so what two of them say to each other passes a switch; the
switches, bridges, are in a namespace as well, and nothing of it all touches the network of the host. A
namespace lives as long as a process is in it: when the test ends, in whatever way, all are gone.
Needs root; why_not() says what is missing.
"""

import os
import subprocess
import time

from harness import env
from harness.cluster import Failed, MiniCluster, run
from harness.hadoop import write_conf

NAMENODE = "10.77.0.1"
CLIENT = "10.77.0.2"
RPC_PORT, INTERNAL_PORT = 8020, 8021

# 10.77.R.N is in rack R.
RACKS_SCRIPT = """#!/bin/sh
for address; do
  case $address in
    10.77.*) rack=${address#10.77.}; echo "/rack${rack%%.*}" ;;
    *) echo /default-rack ;;
  esac
done
"""


def why_not():
    """None if networks can be made here, else the reason."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = env.have("ip", "unshare", "nsenter")
    if missing:
        return f"{missing} is not installed (packages iproute2, util-linux)"
    try:
        Network({"datanode-1": 1}).close()
        return None
    except (OSError, Failed) as error:
        return f"no network namespaces: {str(error).strip()[-300:]}"


class Namespace:
    """Without a name: it is that of a process, which ends when this object or this process does."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.pid = self.holder.pid
        self.path = f"/proc/{self.pid}/ns/net"
        ours = os.readlink("/proc/self/ns/net")
        while os.readlink(self.path) == ours:
            if self.holder.poll() is not None:
                message = self.holder.stderr.read().decode(errors="replace")
                self.close()
                raise OSError(message)
            time.sleep(0.001)

    def command(self, *words):
        return ["nsenter", f"--net={self.path}", "--", *words]

    def ip(self, *lines):
        """Each as `ip` takes it."""
        text = "".join(line + "\n" for line in lines)
        run(self.command("ip", "-batch", "-"), input=text.encode())

    def close(self):
        self.holder.stdin.close()
        self.holder.stderr.close()
        self.holder.kill()
        self.holder.wait()


class Network:
    """`racks`: datanode -> the number of its rack, from 1 on."""

    def __init__(self, racks):
        self.spaces = []
        self.machines = {}
        self.addresses = {}
        try:
            self._make(racks)
        except BaseException:
            self.close()
            raise

    def _make(self, racks):
        self.switches = self._space()
        self.switches.ip("link add core type bridge", "link set core up")
        for rack in sorted(set(racks.values())):
            self.switches.ip(
                f"link add rack{rack} type bridge",
                f"link set rack{rack} up",
                f"link add uplink{rack} type veth peer name downlink{rack}",
                f"link set uplink{rack} master core up",
                f"link set downlink{rack} master rack{rack} up",
            )
        self._machine("namenode", NAMENODE, "core")
        self._machine("client", CLIENT, "core")
        count = {}
        for name, rack in racks.items():
            count[rack] = count.get(rack, 0) + 1
            self._machine(name, f"10.77.{rack}.{count[rack]}", f"rack{rack}")

    def _space(self):
        space = Namespace()
        self.spaces.append(space)
        return space

    def _machine(self, name, address, switch):
        machine = self.machines[name] = self._space()
        self.addresses[name] = address
        port = f"port{len(self.machines)}"
        self.switches.ip(
            f"link add {port} type veth peer name eth0 netns {machine.pid}",
            f"link set {port} master {switch} up",
        )
        machine.ip(f"address add {address}/16 dev eth0", "link set lo up", "link set eth0 up")

    def cut(self, rack):
        """Takes a rack's uplink down: its machines reach one another and nobody else."""
        self.switches.ip(f"link set uplink{rack} down")

    def mend(self, rack):
        self.switches.ip(f"link set uplink{rack} up")

    def reaches(self, source, target, port):
        """Whether a TCP connection from one machine to another comes about within a second."""
        attempt = f"import socket; socket.create_connection(('{self.addresses[target]}', {port}), 1)"
        return (
            run(self.machines[source].command("python3", "-c", attempt), check=False).returncode == 0
        )

    def close(self):
        for space in self.spaces:
            space.close()
        self.spaces = []


class NetworkCluster(MiniCluster):
    """A cluster of which every daemon has a machine in a Network, and the client one as well.

    racks=[1, 1, 2]: in which rack each datanode stands. What is said of MiniCluster holds, but that
    nothing outside the client's machine reaches the namenode: commands of `cairn` need `client`.
    """

    def __init__(self, racks, conf=None):
        super().__init__(datanodes=len(racks), conf=conf, start=False)
        self.network = None
        self.rack_of = dict(zip(self.datanodes, racks))

    @property
    def uri(self):
        return f"hdfs://{NAMENODE}:{RPC_PORT}"

    @property
    def client(self):
        return self.network.machines["client"].command()

    def on(self, name):
        """The beginning of a command that runs on that machine."""
        return self.network.machines[name].command()

    def ip(self, name):
        return self.network.addresses[name]

    def make(self, *names):
        """A formatted namenode, and of the datanodes all or those that are named."""
        self.network = Network(self.rack_of)
        script = os.path.join(self.directory, "racks.sh")
        with open(script, "w") as file:
            file.write(RACKS_SCRIPT)
        os.chmod(script, 0o755)
        write_conf(
            self.conf_dir,
            core={"fs.defaultFS": self.uri},
            hdfs={
                "dfs.namenode.rpc-address": f"{NAMENODE}:{RPC_PORT}",
                "dfs.namenode.name.dir": self.data("namenode"),
                "cairn.namenode.internal.address": f"{NAMENODE}:{INTERNAL_PORT}",
                "dfs.heartbeat.interval": "1",
                # All machines have the same directories here.
                "dfs.domain.socket.path": "",
                "net.topology.script.file.name": script,
                **self.conf,
            },
        )
        for part in ("run", "log"):
            os.makedirs(os.path.join(self.directory, part))
        run([env.program("cairn-namenode"), "--conf", self.conf_dir, "-format"])
        self.start("namenode", *(names or self.datanodes))
        return self

    def command(self, name):
        program = "cairn-namenode" if name == "namenode" else "cairn-datanode"
        words = [env.program(program), "--conf", self.conf_dir]
        if name != "namenode":
            for key, value in {
                "dfs.datanode.data.dir": self.data(name),
                "dfs.datanode.address": f"{self.ip(name)}:9866",
                "dfs.datanode.ipc.address": f"{self.ip(name)}:9867",
                "dfs.datanode.hostname": name,
            }.items():
                words += ["-D", f"{key}={value}"]
        return self.network.machines[name].command(*words, "--port-file", self.ports_file(name))

    def start(self, *names):
        """Until the datanodes among them have registered."""
        for name in names:
            if not self.alive(name):
                os.makedirs(self.data(name), exist_ok=True)
                self.spawn(name)
        alive = sum(self.alive(name) for name in self.datanodes)
        until = time.monotonic() + 30 * env.SLOW
        while self.live_datanodes() < alive:
            if time.monotonic() > until:
                raise Failed(f"not all of {', '.join(names)} have registered")
            time.sleep(0.02)

    def stop(self, *names):
        for name in names:
            self.children[name].terminate()
            self.children[name].wait(30 * env.SLOW)

    def close(self):
        super().close()
        if self.network is not None:
            self.network.close()
