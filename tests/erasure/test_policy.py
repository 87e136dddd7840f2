"""`cairn policy`: rules that convert files as they age, kept by the namenode and carried out by a
program that may be killed at any moment."""

import json
import signal
import subprocess

from erasure.test_files import CELL, DATA, GROUP, PARITY, POLICY, content
from harness import coded, env
from harness.case import Case

OTHER = "XOR-2-1-1024k"
OLD = "20240101:000000"
MONTH_MS = 30 * 24 * 3600 * 1000


def coded_space(length):
    """What a file takes on the disks: each stripe has parity cells as long as its first cell."""
    stripe = DATA * CELL
    whole, rest = divmod(length, stripe)
    return whole * (DATA + PARITY) * CELL + rest + PARITY * min(rest, CELL)


class Policy(Case):
    limit_seconds = 400

    def setUp(self):
        super().setUp()
        self.cluster = coded.start(
            self.addCleanup,
            5,
            (POLICY, OTHER),
            conf={"cairn.namenode.erasure.convert.grace": "0s", "dfs.blocksize": "2m"},
        )

    # ---- what is asked

    def policy(self, *words, status=0, user="root"):
        result = self.cluster.cairn("policy", *words, env_more={"HADOOP_USER_NAME": user})
        told = (result.stdout + result.stderr).decode(errors="replace")
        self.assertEqual(result.returncode, status, told)
        return result

    def set_rule(self, path, *words):
        self.policy("-set", path, *words)

    def rules(self, *words):
        """What -list says of each, by path."""
        listed = json.loads(self.policy("-list", *words, "--json").stdout)
        return {rule["path"]: rule for rule in listed["rules"]}

    def show(self, path):
        return json.loads(self.policy("-show", path, "--json").stdout)

    def run_once(self, *words, status=0):
        """What it says of each rule, by path; failures are part of what it prints."""
        result = self.policy("-run", "-once", "--json", "-pause", "0s", *words, status=status)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(lines[-1]["type"], "round", lines)
        return {line["path"]: line for line in lines if line["type"] == "rule"}

    def begin(self, *words):
        """Nobody reads what it prints, which may be more than a pipe holds."""
        run = subprocess.Popen(
            [env.program("cairn"), "policy", "-run", "--json", *words],
            env=self.cluster.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(run.stderr.close)
        self.addCleanup(lambda: run.poll() is None and run.kill())
        return run

    def put(self, path, size, old=True):
        self.cluster.put(content(size), path)
        if old:
            self.cluster.dfs("-touch", "-a", "-m", "-t", OLD, path)

    def restart_namenode(self):
        self.cluster.kill_now("namenode")
        self.cluster.start("namenode")

    def wait_for_datanodes(self):
        """What is converted while some are not back yet may fail, and is then left for an hour."""
        everybody = len(self.cluster.datanodes)
        self.eventually(lambda: self.cluster.live_datanodes() == everybody, "all are back", 60)

    def form(self, path):
        result = self.cluster.cairn("ec", "-getPolicy", "-path", path, "--json")
        return json.loads(result.stdout)["policy"]

    def names(self, directory):
        lines = self.cluster.dfs("-ls", "-R", directory).stdout.decode().splitlines()
        return sorted(line.split()[-1] for line in lines if line.startswith("-"))

    def copies(self, directory):
        return [name for name in self.names(directory) if "/.cairn-convert-" in name]

    def facts(self, path):
        """What must not change."""
        return self.cluster.dfs("-stat", "%b %a %u %g %Y %o", path).stdout

    def space(self, directory):
        """Bytes of files, and of all their replicas or units."""
        length, space, _ = self.cluster.dfs("-du", "-s", directory).stdout.split()
        return int(length), int(space)

    # ---- tests

    def test_exactly_what_is_due_is_converted(self):
        sizes = {
            "/cold/old": GROUP + 7,
            "/cold/deep/er/old": CELL,
            "/cold/new": GROUP,
            "/cold/small": 100_000,
            "/cold/kept/old": CELL,
            "/warm/old": 2 * CELL + 1,
            "/warm/new": CELL + 1,
            "/warm/already": CELL + 2,
            "/other/old": CELL,
        }
        self.cluster.dfs("-mkdir", "-p", "/cold/deep/er", "/cold/kept", "/warm", "/other")
        for path, size in sizes.items():
            self.put(path, size, old=not path.endswith("/new"))
        coded_now = ("/warm/old", "/warm/new")
        converted = self.cluster.cairn("ec", "-convert", "-policy", POLICY, *coded_now)
        self.assertEqual(converted.returncode, 0, converted.stderr)
        before = {path: self.facts(path) for path in sizes}
        names = self.names("/")

        self.set_rule("/cold", "-erasure", POLICY, "-olderThan", "30d", "-largerThan", "512k")
        self.set_rule("/cold/kept", "-erasure", POLICY, "-olderThan", "36500d")
        self.set_rule("/warm", "-replicated", "-olderThan", "30d")
        listed = self.rules()
        self.assertEqual(sorted(listed), ["/cold", "/cold/kept", "/warm"])
        self.assertEqual(listed["/cold"]["erasure"], POLICY)
        self.assertEqual(listed["/cold"]["older_than_ms"], MONTH_MS)
        self.assertEqual(listed["/cold"]["larger_than_bytes"], 512 << 10)
        self.assertIsNone(listed["/warm"]["erasure"])
        self.assertEqual(sorted(self.rules("/cold")), ["/cold", "/cold/kept"])

        shown = self.show("/cold")
        self.assertEqual((shown["files"], shown["due"]), (4, 2), shown)
        self.assertEqual(shown["due_bytes"], GROUP + 7 + CELL)
        self.assertEqual((shown["too_new"], shown["too_small"]), (1, 1), shown)
        self.assertEqual(self.show("/cold/kept/old")["rule"]["path"], "/cold/kept")
        self.assertEqual(self.show("/cold/deep/er/old")["due"], 1)
        self.assertIsNone(self.show("/other")["rule"])

        said = self.run_once()
        self.assertEqual({path: rule["converted"] for path, rule in said.items()},
                         {"/cold": 2, "/cold/kept": 0, "/warm": 1})
        self.assertEqual(said["/cold"]["converted_bytes"], GROUP + 7 + CELL)
        self.assertEqual(self.names("/"), names)
        is_coded = {"/cold/old", "/cold/deep/er/old", "/warm/new"}
        for path, size in sizes.items():
            self.assertEqual(self.form(path), POLICY if path in is_coded else None, path)
            self.assertTrue(self.cluster.cat(path) == content(size), path)
            self.assertEqual(self.facts(path), before[path], path)
        for directory in ("/cold", "/warm", "/other"):
            below = {path: size for path, size in sizes.items() if path.startswith(directory + "/")}
            space = sum(
                coded_space(size) if path in is_coded else 3 * size for path, size in below.items()
            )
            self.assertEqual(self.space(directory), (sum(below.values()), space), directory)

        again = self.run_once()
        self.assertEqual(sum(rule["converted"] for rule in again.values()), 0, again)
        self.assertEqual(again["/cold"]["already"], 2)
        self.assertEqual(self.show("/cold")["due"], 0)

    def test_a_file_that_is_read_stays_if_the_rule_says_so(self):
        self.cluster.dfs("-mkdir", "/d")
        self.put("/d/read", CELL)
        self.put("/d/unread", CELL)
        self.cluster.dfs("-touch", "-a", "/d/read")
        self.set_rule("/d", "-erasure", POLICY, "-olderThan", "30d", "-unreadFor", "7d")
        said = self.run_once()
        self.assertEqual((said["/d"]["converted"], said["/d"]["read_lately"]), (1, 1), said)
        self.assertIsNone(self.form("/d/read"))
        self.assertEqual(self.form("/d/unread"), POLICY)

    def test_killed_in_the_middle_and_run_again(self):
        self.cluster.dfs("-mkdir", "/d")
        files = {f"/d/{i}": 2 * GROUP + i for i in range(3)}
        for path, size in files.items():
            self.put(path, size)
        self.set_rule("/d", "-erasure", POLICY)
        run = self.begin("-once", "-bandwidth", "1m", "-parallel", "1")
        (left,) = self.eventually(lambda: self.copies("/d"), "a copy is made")
        run.send_signal(signal.SIGKILL)
        run.wait()
        self.assertEqual(self.names("/d"), sorted([left, *files]))
        for path, size in files.items():
            self.assertTrue(self.cluster.cat(path) == content(size), path)
        # It waits until the one that was killed is told of no more.
        said = self.run_once()
        self.assertEqual(said["/d"]["converted"], 3, said)
        self.assertEqual(self.names("/d"), sorted(files))
        for path, size in files.items():
            self.assertEqual(self.form(path), POLICY)
            self.assertTrue(self.cluster.cat(path) == content(size), path)
        self.assertIn(b"is HEALTHY", self.cluster.cairn("fsck", "/").stdout)

    def test_rules_go_with_their_directories_and_survive_the_namenode(self):
        self.cluster.dfs("-mkdir", "-p", "/a/below", "/empty")
        self.put("/a/f", CELL)
        for path in ("/a", "/a/below", "/empty"):
            self.set_rule(path, "-erasure", POLICY)
        self.cluster.dfs("-mv", "/a", "/b")
        both = ["/b", "/b/below", "/empty"]
        self.assertEqual(sorted(self.rules()), both)
        self.restart_namenode()
        self.assertEqual(sorted(self.rules()), both)
        # Changes are refused until the datanodes are back.
        self.eventually(
            lambda: self.cluster.cairn("policy", "-remove", "/empty").returncode == 0,
            "a rule is removed",
        )
        self.policy("-remove", "/empty", status=2)
        self.wait_for_datanodes()
        self.assertEqual(self.run_once()["/b"]["converted"], 1)
        self.assertEqual(self.form("/b/f"), POLICY)
        self.cluster.dfs("-rm", "-r", "-skipTrash", "/b")
        self.assertEqual(self.rules(), {})
        self.restart_namenode()
        self.assertEqual(self.rules(), {})
        # A directory of the old name has none.
        self.eventually(
            lambda: self.cluster.dfs("-mkdir", "-p", "/b/below", check=False).returncode == 0,
            "a directory is made",
        )
        self.assertEqual(self.rules(), {})

    def test_who_is_no_superuser_may_nothing(self):
        self.cluster.dfs("-mkdir", "/d")
        self.cluster.dfs("-chown", "ann", "/d")
        self.set_rule("/d", "-erasure", POLICY)
        for words in (
            ("-set", "/d", "-replicated"),
            ("-remove", "/d"),
            ("-list",),
            ("-show", "/d"),
            ("-run", "-once"),
        ):
            refused = self.policy(*words, user="ann", status=2)
            self.assertIn(b"Superuser privilege is required", refused.stderr, words)
        self.assertEqual(self.rules()["/d"]["erasure"], POLICY)

    def test_a_rule_that_cannot_be_is_refused_or_skipped(self):
        self.cluster.dfs("-mkdir", "/d")
        self.put("/d/f", CELL)
        for words, status, told in (
            (("-set", "/d", "-erasure", "RS-9-9-1k"), 2, b"does not match any enabled"),
            (("-set", "/d/f", "-erasure", POLICY), 2, b"for a file /d/f"),
            (("-set", "/missing", "-replicated"), 2, b"FileNotFoundException"),
            (("-set", "/d"), 1, b"either -erasure or -replicated"),
            (("-set", "/d", "-replicated", "-olderThan", "x"), 255, b"is no time"),
            (("-remove", "/d"), 2, b"No rule is set on /d itself"),
            (("-show", "/missing"), 2, b"FileNotFoundException"),
        ):
            self.assertIn(told, self.policy(*words, status=status).stderr)
        self.assertEqual(self.rules(), {})
        self.set_rule("/d", "-erasure", OTHER)
        disabled = self.cluster.cairn("ec", "-disablePolicy", "-policy", OTHER)
        self.assertEqual(disabled.returncode, 0, disabled.stderr)
        self.assertIn("is disabled", self.rules()["/d"]["skipped"])
        said = self.run_once(status=2)
        self.assertIn("is disabled", said["/d"]["skipped"])
        self.assertIsNone(self.form("/d/f"))
        # One of another policy is not converted from one to the other.
        self.set_rule("/d", "-erasure", POLICY)
        self.run_once()
        self.assertEqual(self.form("/d/f"), POLICY)
        coded.enable(self.cluster, OTHER)
        self.set_rule("/d", "-erasure", OTHER)
        self.assertEqual(self.run_once()["/d"]["other_policy"], 1)
        self.assertEqual(self.form("/d/f"), POLICY)

    def test_the_service_goes_on_by_itself_until_it_is_told_to_end(self):
        self.cluster.dfs("-mkdir", "/d")
        self.set_rule("/d", "-erasure", POLICY)
        service = self.begin("-interval", "1s")

        def run():
            return json.loads(self.policy("-list", "--json").stdout)["run"]

        self.eventually(lambda: run() and run()["rounds"] > 0, "it has begun")
        self.assertIn(f"process {service.pid} on", run()["holder"])
        self.put("/d/f", CELL)
        self.eventually(lambda: self.form("/d/f") == POLICY, "what is due is converted", seconds=60)
        self.restart_namenode()
        self.eventually(
            lambda: run() and not run()["ended"] and f"process {service.pid} on" in run()["holder"],
            "the namenode knows of it again",
            seconds=60,
        )
        self.eventually(
            lambda: self.cluster.dfs("-touchz", "/up", check=False).returncode == 0,
            "the namenode takes changes",
        )
        self.wait_for_datanodes()
        self.put("/d/g", CELL)
        self.eventually(lambda: self.form("/d/g") == POLICY, "it goes on", seconds=60)
        second = self.policy("-run", "-once", status=2)
        self.assertIn(f"process {service.pid} on".encode(), second.stderr)
        service.send_signal(signal.SIGTERM)
        _, err = service.communicate(timeout=60 * env.SLOW)
        self.assertEqual(service.returncode, 0, err)
        self.assertTrue(run()["ended"])
        self.assertEqual(self.run_once()["/d"]["converted"], 0)
