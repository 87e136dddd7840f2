"""`cairn ec -convert`: files in another form where they are, while others read and change them and
programs are killed."""

import json
import os
import signal
import subprocess
import sys

from erasure.test_files import CELL, DATA, GROUP, POLICY, SIZES, content
from harness import coded, env, libhdfs, replicas
from harness.case import Case

OTHER = "XOR-2-1-1024k"

# Holds the file open and reads it, from one place after another, until it is told to end.
READER = """
import importlib.util, os, sys
module_path, port, path, local, stop = sys.argv[1:]
spec = importlib.util.spec_from_file_location("cairn_libhdfs", module_path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with open(local, "rb") as file:
    expected = file.read()
opened = module.Cluster("127.0.0.1", int(port), "root").open(path, os.O_RDONLY)
while not os.path.exists(stop):
    for at in range(0, len(expected), 700_001):
        found = opened.read_at(at, 700_001)
        if found != expected[at : at + 700_001]:
            sys.exit(f"other bytes at {at}")
    print("read", flush=True)
"""


class Convert(Case):
    limit_seconds = 400

    def setUp(self):
        super().setUp()
        # Old blocks go at once: whoever still reads them must find the new ones.
        self.cluster = coded.start(
            self.addCleanup,
            5,
            (POLICY, OTHER),
            conf={
                "cairn.namenode.erasure.convert.grace": "0s",
                "dfs.blocksize": "2m",
                "dfs.client.read.shortcircuit": "false",
            },
        )
        self.cluster.dfs("-mkdir", "/d")

    # ---- what is asked

    def convert(self, *words, status=0):
        """What it says, as JSON; `words`: "-replicate" or a policy, options, paths."""
        form = ("-replicate",) if words[0] == "-replicate" else ("-policy", words[0])
        result = self.cluster.cairn("ec", "-convert", *form, "--json", *words[1:])
        # With --json, what failed and why is in what it prints.
        told = (result.stdout + result.stderr).decode(errors="replace")
        self.assertEqual(result.returncode, status, told)
        return json.loads(result.stdout)

    def begin(self, *words):
        """A converter that takes its time, with a copy under way."""
        command = [env.program("cairn"), "ec", "-convert", "-policy", POLICY, "--json", *words]
        converter = subprocess.Popen(
            command, env=self.cluster.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.addCleanup(converter.stdout.close)
        self.addCleanup(converter.stderr.close)
        self.addCleanup(lambda: converter.poll() is None and converter.kill())
        return converter

    def end(self, converter):
        """What one that has to leave the only file as it is says of it."""
        out, err = converter.communicate(timeout=120 * env.SLOW)
        self.assertEqual(converter.returncode, 2, (out + err).decode(errors="replace"))
        said = json.loads(out)
        self.assertEqual((said["changed"], said["converted"], said["failed"]), (1, 0, 0), said)

    def policy(self, path):
        result = self.cluster.cairn("ec", "-getPolicy", "-path", path, "--json")
        return json.loads(result.stdout)["policy"]

    def names(self, directory):
        lines = self.cluster.dfs("-ls", "-R", directory).stdout.decode().splitlines()
        return sorted(line.split()[-1] for line in lines if line.startswith("-"))

    def facts(self, path):
        """What must not change."""
        return self.cluster.dfs("-stat", "%b %a %u %g %Y %o", path).stdout

    def copies(self, directory):
        return [name for name in self.names(directory) if "/.cairn-convert-" in name]

    def blocks(self):
        return {replica.block for replica in replicas.replicas_of(self.cluster)}

    # ---- tests

    def test_every_size_there_and_back(self):
        self.cluster.dfs("-mkdir", "/d/below")
        for size in SIZES:
            self.cluster.put(content(size), f"/d/below/{size}")
        self.cluster.dfs("-chmod", "640", f"/d/below/{CELL}")
        self.cluster.dfs("-chown", "ann:staff", f"/d/below/{CELL + 1}")
        names = self.names("/d")
        before = {name: self.facts(name) for name in names}
        for form in (POLICY, "-replicate"):
            wanted = None if form == "-replicate" else form
            said = self.convert(form, "/d")
            self.assertEqual(said["converted"], len(SIZES), said)
            self.assertEqual(said["converted_bytes"], sum(SIZES))
            self.assertEqual(self.names("/d"), names)
            for size in SIZES:
                path = f"/d/below/{size}"
                self.assertEqual(self.policy(path), wanted, path)
                self.assertEqual(self.cluster.cat(path), content(size), path)
                self.assertEqual(self.facts(path), before[path], path)
            if wanted is None:
                replication = self.cluster.dfs("-stat", "%r", *names).stdout
                self.assertEqual(replication.split(), [b"3"] * len(names))
            again = self.convert(form, "/d")
            self.assertEqual((again["converted"], again["already"]), (0, len(SIZES)))
            # A block's id is negative if it is a group's unit; of the other form nothing is left.
            self.eventually(
                lambda coded=wanted is not None: all((b < 0) == coded for b in self.blocks()),
                "the old blocks are deleted",
                seconds=60,
            )
        self.cluster.kill(*self.cluster.names)
        self.cluster.start(*self.cluster.names)
        for size in SIZES:
            self.assertEqual(self.cluster.cat(f"/d/below/{size}"), content(size))

    def test_who_has_a_file_open_reads_on(self):
        reason = libhdfs.why_not()
        if reason or libhdfs.sanitizers():
            self.skipTest(reason or "Python does not load libraries with sanitizers")
        data = content(3 * GROUP + 12345)
        self.cluster.put(data, "/read")
        directory = env.new_directory("reader")
        local, stop = os.path.join(directory, "data"), os.path.join(directory, "stop")
        with open(local, "wb") as file:
            file.write(data)
        module = os.path.join(env.SOURCE, "python", "cairn", "libhdfs.py")
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, module, str(self.cluster.port), "/read", local, stop],
            env=self.cluster.environment(CAIRN_LIBHDFS=libhdfs.library()),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.stderr.close)
        self.addCleanup(lambda: reader.poll() is None and reader.kill())
        self.assertEqual(reader.stdout.readline(), b"read\n")
        for form in (POLICY, "-replicate", POLICY):
            self.assertEqual(self.convert(form, "/read")["converted"], 1)
            self.eventually(
                lambda coded=form == POLICY: all((b < 0) == coded for b in self.blocks()),
                "the old blocks are deleted",
                seconds=60,
            )
            # The first of these may have begun before.
            for _ in range(2):
                self.assertEqual(reader.stdout.readline(), b"read\n")
        with open(stop, "w"):
            pass
        _, said = reader.communicate(timeout=60 * env.SLOW)
        self.assertEqual(reader.returncode, 0, said)

    def test_a_killed_converter_leaves_the_file_and_a_copy_that_the_next_one_removes(self):
        data = content(2 * GROUP + 7)
        self.cluster.put(data, "/d/f")
        left = None
        for _ in range(2):
            converter = self.begin("-bandwidth", "1m", "/d")
            # First it removes what the last one has left.
            (copy,) = self.eventually(
                lambda: [name for name in self.copies("/d") if name != left], "a copy is made"
            )
            left = copy
            converter.send_signal(signal.SIGKILL)
            converter.wait()
            self.assertEqual(self.copies("/d"), [copy])
            self.assertIsNone(self.policy("/d/f"))
            self.assertEqual(self.cluster.cat("/d/f"), data)
        self.assertEqual(self.convert(POLICY, "/d")["converted"], 1)
        self.assertEqual(self.names("/d"), ["/d/f"])
        self.assertEqual(self.policy("/d/f"), POLICY)
        self.assertEqual(self.cluster.cat("/d/f"), data)

    def test_a_file_that_grows_meanwhile_is_left_as_it_is(self):
        data = content(GROUP)
        self.cluster.put(data, "/d/f")
        converter = self.begin("-bandwidth", "1m", "/d")
        self.eventually(lambda: self.copies("/d"), "a copy is made")
        converter.send_signal(signal.SIGSTOP)
        self.cluster.append(b"more", "/d/f")
        converter.send_signal(signal.SIGCONT)
        self.end(converter)
        self.assertEqual(self.names("/d"), ["/d/f"])
        self.assertIsNone(self.policy("/d/f"))
        self.assertEqual(self.cluster.cat("/d/f"), data + b"more")
        self.assertEqual(self.convert(POLICY, "/d")["converted"], 1)
        self.assertEqual(self.cluster.cat("/d/f"), data + b"more")

    def test_a_name_that_means_another_file_meanwhile(self):
        data = content(GROUP)
        other = data[::-1]
        self.cluster.put(data, "/d/f")
        self.cluster.put(other, "/other")
        converter = self.begin("-bandwidth", "1m", "/d")
        self.eventually(lambda: self.copies("/d"), "a copy is made")
        converter.send_signal(signal.SIGSTOP)
        self.cluster.dfs("-mv", "/d/f", "/moved")
        self.cluster.dfs("-mv", "/other", "/d/f")
        converter.send_signal(signal.SIGCONT)
        self.end(converter)
        self.assertEqual(self.names("/d"), ["/d/f"])
        for path, expected in (("/moved", data), ("/d/f", other)):
            self.assertIsNone(self.policy(path))
            self.assertEqual(self.cluster.cat(path), expected)

    def test_the_directory_is_renamed_meanwhile_and_no_copy_stays(self):
        data = content(GROUP)
        self.cluster.put(data, "/d/f")
        converter = self.begin("-bandwidth", "1m", "/d")
        self.eventually(lambda: self.copies("/d"), "a copy is made")
        converter.send_signal(signal.SIGSTOP)
        self.cluster.dfs("-mv", "/d", "/e")
        converter.send_signal(signal.SIGCONT)
        self.end(converter)
        self.assertEqual(self.names("/e"), ["/e/f"])
        self.assertEqual(self.cluster.cat("/e/f"), data)

    def test_a_copy_that_may_be_all_that_is_left_is_kept(self):
        """As after a restore to the moment before the switch."""
        data = content(GROUP)
        self.cluster.put(data, "/d/f")
        lost = replicas.replicas_of(self.cluster)
        converter = self.begin("-bandwidth", "1m", "/d")
        (copy,) = self.eventually(lambda: self.copies("/d"), "a copy is made")
        converter.send_signal(signal.SIGKILL)
        converter.wait()
        self.cluster.put(data, copy)
        self.cluster.kill(*self.cluster.datanodes)
        for replica in lost:
            os.remove(replica.path)
            os.remove(replicas.meta_path(replica))
        self.cluster.start(*self.cluster.datanodes)
        self.eventually(
            lambda: b"is CORRUPT" in self.cluster.cairn("fsck", "/d/f").stdout,
            "the file's replicas are missed",
            seconds=60,
        )
        only_cleans_up = (POLICY, "-minSize", "1g", "/d")
        self.assertEqual(self.convert(*only_cleans_up)["passed_over"], 1)
        self.assertEqual(self.names("/d"), [copy, "/d/f"])
        self.assertEqual(self.cluster.cat(copy), data)
        self.cluster.dfs("-rm", "/d/f")
        self.convert(*only_cleans_up)
        self.assertEqual(self.names("/d"), [])

    def test_the_namenode_is_killed_around_the_switches(self):
        draws = self.random()
        files = {f"/d/{i}": content(CELL + 1000 * i) for i in range(12)}
        for path, data in files.items():
            self.cluster.put(data, path)
        converter = self.begin("-parallel", "2", "-bandwidth", "2m", "/d")
        converted = 0
        for kill in range(4):
            # As far as it gets by itself, and a little more.
            at_least = kill + 1 + draws.randrange(4)
            self.eventually(
                lambda n=at_least: converter.poll() is not None
                or sum(self.policy(path) == POLICY for path in files) >= n,
                "some files are converted",
                seconds=120,
            )
            self.cluster.kill_now("namenode")
            self.cluster.start("namenode")
            converted = sum(self.policy(path) == POLICY for path in files)
            self.note(f"{converted} files were converted by the kill")
            for path, data in files.items():
                self.assertTrue(self.cluster.cat(path) == data, path)
        converter.communicate(timeout=240 * env.SLOW)
        self.convert(POLICY, "/d")  # what it may have given up
        self.assertEqual(self.names("/d"), sorted(files))
        for path, data in files.items():
            self.assertEqual(self.policy(path), POLICY)
            self.assertTrue(self.cluster.cat(path) == data, path)
        self.assertIn(b"is HEALTHY", self.cluster.cairn("fsck", "/").stdout)

    def test_what_is_not_to_be_or_cannot_be_is_passed_over_and_told(self):
        self.cluster.put(content(CELL), "/d/small")
        self.cluster.put(content(2 * CELL), "/d/large")
        said = self.convert(POLICY, "-minSize", "2m", "/d")
        self.assertEqual((said["converted"], said["passed_over"]), (1, 1), said)
        self.assertEqual(self.convert(POLICY, "-olderThan", "1d", "/d")["passed_over"], 1)
        said = self.convert(OTHER, "/d/large", status=2)
        self.assertEqual([failure["path"] for failure in said["failures"]], ["/d/large"])
        self.assertIn("make it replicated first", said["failures"][0]["why"])
        self.assertEqual(self.policy("/d/large"), POLICY)
        for words, status, told in (
            (("-policy", "RS-9-9-1k", "/d"), 255, b"not an enabled policy"),
            (("-replicate", "/missing"), 2, b"FileNotFoundException"),
            (("/d",), 1, b"either -policy or -replicate"),
        ):
            refused = self.cluster.cairn("ec", "-convert", *words)
            self.assertEqual(refused.returncode, status, refused.stderr)
            self.assertIn(told, refused.stderr)

    def test_replicas_stay_where_there_are_too_few_datanodes_for_all_units(self):
        data = content(DATA * CELL)
        self.cluster.put(data, "/d/f")
        self.cluster.kill("datanode-5")
        said = self.convert(POLICY, "/d", status=2)
        self.assertEqual((said["converted"], said["failed"]), (0, 1), said)
        self.assertIn("lacks unit", said["failures"][0]["why"])
        self.assertEqual(self.names("/d"), ["/d/f"])
        self.assertIsNone(self.policy("/d/f"))
        self.assertEqual(self.cluster.cat("/d/f"), data)
