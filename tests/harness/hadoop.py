"""Apache Hadoop from Maven's jars: its FsShell as a client, and a small HDFS as a server.

The jars are fetched once, by mvn, into $CAIRN_TEST_CACHE/hadoop-VERSION.
"""

import base64
import os
import shutil
import subprocess
import time

from harness import disks, env
from harness.cluster import Failed, run

VERSION = "3.4.2"
_ARTIFACTS = ("hadoop-common", "hadoop-hdfs-client", "hadoop-hdfs")
_OPENS = [
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("java.lang", "java.net", "java.util")
]
_LOG4J = """log4j.rootLogger=WARN,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
"""


def why_not():
    """None if Hadoop can be run here, else the reason."""
    missing = env.have("java")
    if missing:
        return "java is not installed"
    if os.path.isdir(library()):
        return None
    if env.have("mvn"):
        return "mvn is not installed, and Hadoop's jars are not in the cache"
    try:
        fetch()
        return None
    except (Failed, subprocess.TimeoutExpired) as error:
        return f"Hadoop's jars could not be fetched: {str(error)[-300:]}"


def library():
    return os.path.join(env.CACHE, f"hadoop-{VERSION}")


def fetch():
    if os.path.isdir(library()):
        return
    work = env.new_directory("maven")
    dependencies = "".join(
        f"<dependency><groupId>org.apache.hadoop</groupId><artifactId>{name}</artifactId>"
        f"<version>{VERSION}</version></dependency>"
        for name in _ARTIFACTS
    )
    with open(os.path.join(work, "pom.xml"), "w") as file:
        file.write(
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            "<groupId>cairn.test</groupId><artifactId>hadoop</artifactId><version>1</version>"
            f"<dependencies>{dependencies}</dependencies></project>"
        )
    jars = os.path.join(work, "jars")
    run(
        ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"],
        cwd=work,
        timeout=900,
    )
    os.makedirs(env.CACHE, exist_ok=True)
    try:
        shutil.move(jars, library())
    except OSError:
        if not os.path.isdir(library()):  # another run was faster
            raise


def java(conf_dir, *arguments, heap="256m"):
    """A command line."""
    return [
        "java",
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        f"-Djava.io.tmpdir={env.scratch_root()}",
        f"-Dhadoop.log.dir={env.scratch_root()}",
        *_OPENS,
        "-cp",
        f"{conf_dir}:{library()}/*",
        *arguments,
    ]


def write_conf(directory, **files):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "log4j.properties"), "w") as file:
        file.write(_LOG4J)
    for name, properties in files.items():
        with open(os.path.join(directory, f"{name}-site.xml"), "w") as file:
            file.write("<configuration>\n")
            for key, value in properties.items():
                file.write(f"<property><name>{key}</name><value>{value}</value></property>\n")
            file.write("</configuration>\n")
    return directory


class Shell:
    """org.apache.hadoop.fs.FsShell, in one JVM for many commands."""

    def __init__(self, uri, conf=None):
        conf_dir = write_conf(
            env.new_directory("java-conf"), core={"fs.defaultFS": uri}, hdfs=conf or {}
        )
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Shell.java")
        self.process = subprocess.Popen(
            java(conf_dir, source),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HADOOP_USER_NAME": "root"},
        )

    def run(self, *words, check=True):
        """(exit code, standard output, standard error) of one command. A first word "=USER": as
        that user; one "@CLASS": of that tool of Hadoop's."""
        line = " ".join(base64.b64encode(word.encode()).decode() or "-" for word in words)
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if len(answer) != 3:
            raise Failed(f"FsShell {' '.join(words)}: the JVM ended")
        code = int(answer[0])
        out = base64.b64decode(answer[1][1:]).decode(errors="replace")
        err = base64.b64decode(answer[2][1:]).decode(errors="replace")
        if check and code != 0:
            raise Failed(f"FsShell {' '.join(words)}: exit code {code}\n{out}{err}")
        return code, out, err

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Hdfs:
    """Apache HDFS itself: one namenode and `datanodes` datanodes on loopback. `conf` goes to
    hdfs-site.xml; with `disk_bytes` each datanode has a disk of its own, of that size."""

    def __init__(self, datanodes=1, conf=None, disk_bytes=None):
        self.directory = env.new_directory("hdfs")
        self.port = env.free_port()
        self.http_address = f"127.0.0.1:{env.free_port()}"
        self.processes = []
        self.disk_bytes = disk_bytes
        self.disks = []
        self.datanode_count = 0
        self.conf_dir = write_conf(
            os.path.join(self.directory, "conf"),
            core={
                "fs.defaultFS": f"hdfs://127.0.0.1:{self.port}",
                "hadoop.tmp.dir": os.path.join(self.directory, "tmp"),
            },
            hdfs={
                "dfs.namenode.name.dir": f"file://{self.directory}/namenode",
                "dfs.namenode.http-address": self.http_address,
                "dfs.namenode.safemode.extension": "0",
                "dfs.permissions.superusergroup": "root",
                "dfs.replication": str(datanodes),
                "dfs.namenode.datanode.registration.ip-hostname-check": "false",
                **(conf or {}),
            },
        )
        for pages in ("hdfs", "datanode"):  # the daemons insist on them; the jars have none
            os.makedirs(os.path.join(self.conf_dir, "webapps", pages))
        try:
            namenode = "org.apache.hadoop.hdfs.server.namenode.NameNode"
            run(
                java(self.conf_dir, namenode, "-format", "-nonInteractive"),
                env=self.environment(),
            )
            self.launch("namenode", namenode)
            for _ in range(datanodes):
                self.launch_datanode()
            self.await_datanodes(datanodes)
        except BaseException:
            self.close()
            raise

    @property
    def uri(self):
        return f"hdfs://127.0.0.1:{self.port}"

    def environment(self):
        return {**os.environ, "HADOOP_USER_NAME": "root"}

    def launch_datanode(self):
        self.datanode_count += 1
        name = f"datanode-{self.datanode_count}"
        directory = os.path.join(self.directory, name)
        if self.disk_bytes:
            self.disks.append(disks.SmallDisk(self.disk_bytes, path=directory))
        options = {
            "data.dir": f"file://{directory}/data",
            "address": f"127.0.0.1:{env.free_port()}",
            "http.address": f"127.0.0.1:{env.free_port()}",
            "ipc.address": f"127.0.0.1:{env.free_port()}",
        }
        words = [w for key, value in options.items() for w in ("-D", f"dfs.datanode.{key}={value}")]
        self.launch(name, "org.apache.hadoop.hdfs.server.datanode.DataNode", *words)

    def launch(self, name, *arguments):
        with open(os.path.join(self.directory, name + ".log"), "wb") as log:
            self.processes.append(
                subprocess.Popen(
                    java(self.conf_dir, *arguments), stdout=log, stderr=log, env=self.environment()
                )
            )

    def tails(self):
        text = ""
        for name in sorted(os.listdir(self.directory)):
            if name.endswith(".log"):
                with open(os.path.join(self.directory, name), errors="replace") as file:
                    text += f"---- {name}\n" + "".join(file.readlines()[-15:])
        return text

    def await_datanodes(self, count):
        report = [env.program("cairn"), "dfsadmin", "-fs", self.uri, "-report", "-live"]
        until = time.monotonic() + 90 * env.SLOW
        while True:
            result = run(report, check=False, env=self.environment())
            if f"Live datanodes ({count})".encode() in result.stdout:
                return
            if time.monotonic() > until or any(p.poll() is not None for p in self.processes):
                raise Failed(
                    f"Apache HDFS did not come up\n{result.stdout.decode()}"
                    f"{result.stderr.decode()}\n{self.tails()}"
                )
            time.sleep(0.3)

    def dfs(self, *arguments, check=True, **options):
        """`cairn dfs` against it."""
        return run(
            [env.program("cairn"), "dfs", "-fs", self.uri, *arguments],
            check=check,
            env=self.environment(),
            **options,
        )

    def close(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        self.processes = []
        for disk in self.disks:
            disk.close()
        self.disks = []
        shutil.rmtree(self.directory, ignore_errors=True)


class InPlaceOfCairn:
    """Before a test class whose new_cluster() makes a Cairn: its tests, on an Apache HDFS."""

    limit_seconds = 400

    @classmethod
    def new_cluster(cls):
        return Hdfs(datanodes=1)

    @classmethod
    def setUpClass(cls):
        cls.need(why_not())
        super().setUpClass()
