"""The sizes that every client must get right, and how each client is driven.

One block is 1 MiB here, the least that namenodes take by default. Some clients cannot be told: they write
blocks of the size that the namenode names as its default, so a cluster for them has dfs.blocksize=1m.
"""

import os
import re
import subprocess
import tempfile

from harness import env, rpc
from harness.cluster import Failed, run

BLOCK = 1 << 20
SIZES = {
    "empty": 0,
    "one": 1,
    "chunk-1": 511,
    "chunk": 512,
    "chunk+1": 513,
    "block-1": BLOCK - 1,
    "block": BLOCK,
    "block+1": BLOCK + 1,
    "blocks": BLOCK * 5 // 2,
}


def content(name):
    """The bytes of the file of that name: other ones for each."""
    size = SIZES[name]
    pattern = (name.encode() + b"-%d|" % size) * 97
    return (pattern * (size // len(pattern) + 1))[:size]


def local_files():
    """A directory with a file for each size."""
    directory = env.new_directory("local")
    for name in SIZES:
        with open(os.path.join(directory, name), "wb") as file:
            file.write(content(name))
    return directory


def read(path):
    with open(path, "rb") as file:
        return file.read()


class CairnDfs:
    """`cairn dfs` against any cluster."""

    name = "cairn"

    def __init__(self, uri):
        self.uri = uri

    def run(self, *words, check=True, **options):
        return run(
            [env.program("cairn"), "dfs", "-fs", self.uri, "-D", "dfs.blocksize=1m", *words],
            check=check,
            env={**os.environ, "HADOOP_USER_NAME": "root"},
            **options,
        ).stdout

    def mkdir(self, path):
        self.run("-mkdir", "-p", path)

    def put(self, local, path):
        self.run("-put", local, path)

    def get(self, path):
        local = os.path.join(env.new_directory("get"), "file")
        self.run("-get", path, local)
        return read(local)

    def names(self, path):
        """{name: length} of a directory."""
        lines = self.run("-ls", path).decode().splitlines()
        fields = [line.split(None, 7) for line in lines if not line.startswith("Found ")]
        return {f[7].rsplit("/", 1)[1]: int(f[4]) for f in fields}

    def block_bytes(self, path):
        """How large the file's blocks are to be."""
        return int(self.run("-stat", "%o", path))

    def append(self, data, path):
        self.run("-appendToFile", "-", path, input=data)

    def truncate(self, path, length):
        self.run("-truncate", "-w", str(length), path)

    def checksum(self, path):
        return self.run("-checksum", path).decode().split()[-1]

    def move(self, source, target):
        self.run("-mv", source, target)

    def remove(self, path):
        self.run("-rm", "-r", path)

    def close(self):
        pass


class FsShell(CairnDfs):
    """org.apache.hadoop.fs.FsShell, one JVM for all commands."""

    name = "java"

    def __init__(self, uri):
        from harness import hadoop

        self.uri = uri
        self.shell = hadoop.Shell(uri, {"dfs.blocksize": str(BLOCK), "dfs.replication": "2"})

    def run(self, *words, check=True, input=None):
        if input is not None:  # the JVM's standard input is in use
            with tempfile.NamedTemporaryFile(dir=env.scratch_root()) as file:
                file.write(input)
                file.flush()
                words = [file.name if word == "-" else word for word in words]
                return self.shell.run(*words, check=check)[1].encode()
        return self.shell.run(*words, check=check)[1].encode()

    def close(self):
        self.shell.close()


class HdfsCli:
    """Debian's hdfs-cli: the Go client github.com/colinmarc/hdfs."""

    name = "go"
    append = None  # it has no such command

    def __init__(self, uri):
        conf = env.new_directory("go-conf")
        with open(os.path.join(conf, "core-site.xml"), "w") as file:
            file.write(
                "<configuration><property><name>fs.defaultFS</name>"
                f"<value>{uri}</value></property></configuration>"
            )
        self.env = {
            **os.environ,
            "HADOOP_CONF_DIR": conf,
            "HADOOP_NAMENODE": uri.split("//")[1],
            "HADOOP_USER_NAME": "root",
        }

    @staticmethod
    def why_not():
        missing = env.have("hdfs")
        if missing:
            return "hdfs is not installed (Debian package hdfs-cli)"
        help_text = subprocess.run(["hdfs", "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return None if b"POSIX" in help_text.stdout else "hdfs is another program than hdfs-cli's"

    def run(self, *words, **options):
        result = run(["hdfs", *words], env=self.env, **options)
        if result.stderr:
            raise Failed(f"hdfs {' '.join(words)}: {result.stderr.decode()}")
        return result.stdout

    def mkdir(self, path):
        self.run("mkdir", "-p", path)

    def put(self, local, path):
        self.run("put", local, path)

    def get(self, path):
        local = os.path.join(env.new_directory("get"), "file")
        self.run("get", path, local)
        return read(local)

    def names(self, path):
        lines = self.run("ls", "-la", path).decode().splitlines()
        fields = [line.split() for line in lines]
        return {f[-1]: int(f[3]) for f in fields if len(f) >= 5 and f[-1] not in (".", "..")}

    def truncate(self, path, length):
        self.run("truncate", str(length), path)

    def checksum(self, path):
        return self.run("checksum", path).decode().split()[0]

    def move(self, source, target):
        self.run("mv", source, target)

    def remove(self, path):
        self.run("rm", "-r", path)

    def close(self):
        pass


class Rclone:
    """rclone's hdfs backend."""

    name = "rclone"
    append = truncate = checksum = None  # it has no such commands

    def __init__(self, uri):
        self.flags = [
            *("--config", "/dev/null", "--retries", "1"),
            *("--hdfs-namenode", uri.split("//")[1], "--hdfs-username", "root"),
        ]

    @staticmethod
    def why_not():
        missing = env.have("rclone")
        return f"{missing} is not installed" if missing else None

    def run(self, *words):
        return self.attempt(*words, check=True).stdout

    def attempt(self, *words, check=False):
        """A CompletedProcess, whatever its exit status."""
        return run(["rclone", *self.flags, *words], check=check)

    def mkdir(self, path):
        self.run("mkdir", ":hdfs:" + path)

    def put(self, local, path):
        self.run("copyto", local, ":hdfs:" + path)

    def get(self, path):
        return self.run("cat", ":hdfs:" + path)

    def names(self, path):
        lines = self.run("lsl", ":hdfs:" + path).decode().splitlines()
        return {re.split(r"\s+", line.strip(), 3)[3]: int(line.split()[0]) for line in lines}

    def move(self, source, target):
        self.run("moveto", ":hdfs:" + source, ":hdfs:" + target)

    def remove(self, path):
        self.run("purge", ":hdfs:" + path)

    def close(self):
        pass


def scenario(case, client, reference):
    """Everything a client can do with a file of each size, watched by `reference`, another client."""
    base = f"/{client.name}"
    local = local_files()
    client.mkdir(base)
    for name in SIZES:
        client.put(os.path.join(local, name), f"{base}/{name}")
    case.assertEqual(client.names(base), SIZES)
    case.assertEqual(reference.names(base), SIZES)
    for name, size in SIZES.items():
        path = f"{base}/{name}"
        with case.subTest(client=client.name, file=name):
            case.assertEqual(reference.block_bytes(path), BLOCK)
            case.assertEqual(block_count(reference.uri, path), -(-size // BLOCK))
    sums = 0
    for name in SIZES:
        path = f"{base}/{name}"
        expected = content(name)
        with case.subTest(client=client.name, file=name):
            case.assertTrue(client.get(path) == expected, f"{path} read by {client.name}")
            case.assertTrue(reference.get(path) == expected, f"{path} read by {reference.name}")
            if client.checksum:
                sums += compare_checksums(case, client, reference, path)
            if client.append:
                for extra in (b"+", b"appended" * 100):
                    client.append(extra, path)
                    expected += extra
                    case.assertTrue(reference.get(path) == expected, f"{path} after append")
            if client.truncate:
                for length in dict.fromkeys((len(expected) * 2 // 3, 1, 0)):
                    if length >= len(expected):
                        continue
                    client.truncate(path, length)
                    expected = expected[:length]
                    case.assertTrue(reference.get(path) == expected, f"{path} cut to {length}")
                    case.assertTrue(client.get(path) == expected, f"{path} cut to {length}")
            client.move(path, path + ".moved")
            case.assertTrue(client.get(path + ".moved") == expected)
    case.assertEqual(set(reference.names(base)), {name + ".moved" for name in SIZES})
    client.remove(f"{base}")
    case.assertNotIn(client.name, reference.names("/"))
    case.note(f"{client.name}: {len(SIZES)} files, {sums} checksums agree with {reference.name}'s")


def block_count(uri, path):
    """By the namenode's word."""
    with rpc.Connection(int(uri.rsplit(":", 1)[1])) as connection:
        answer = connection.call("getBlockLocations", rpc.get_block_locations(path))
    return len(rpc.parse(answer[1][0]).get(2, []))


def compare_checksums(case, client, reference, path):
    theirs = client.checksum(path)
    ours = reference.checksum(path)
    # Hadoop prints its own serialization: algorithm in front, padding behind. The Go client prints
    # the MD5 alone.
    short, long = sorted((theirs.lower(), ours.lower()), key=len)
    case.assertIn(short, long, f"checksum of {path}")
    return 1
