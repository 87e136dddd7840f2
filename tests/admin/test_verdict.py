"""`tools/test`: what it says last, over suites that are made up."""

import json
import os
import shutil

from harness import env
from harness.case import Case
from harness.cluster import run

GTEST = """<testsuites><testsuite>
<testcase name="Runs" classname="Suite" status="run" result="completed"/>
<testcase name="DISABLED_Helper" classname="Suite" status="notrun" result="suppressed"/>
<testcase name="Needs" classname="Suite" status="run" result="skipped">
<skipped message="/source/a_test.cc:12&#x0A;needs root&#x0A;"/></testcase>
</testsuite></testsuites>"""
CTEST = """<testsuite><testcase name="a_test" status="run"/></testsuite>"""


class Verdict(Case):
    def setUp(self):
        """A source tree of nothing but tools/test and programs that pretend."""
        self.tree = env.new_directory("tree")
        for part in ("tools/dev", "tests", "bin"):
            os.makedirs(os.path.join(self.tree, part))
        for file in ("tools/test", "tools/dev/count_tests.py"):
            shutil.copy(os.path.join(env.SOURCE, file), os.path.join(self.tree, file))
        self.script("tools/dev/setup", "")
        self.script("tools/dev/build", "mkdir -p build/dev")
        self.script(
            "bin/ctest",
            'reports=${GTEST_OUTPUT#xml:}; mkdir -p "$reports"\n'
            f"echo '{GTEST}' >\"$reports/a_test.xml\"\n"
            f"echo '{CTEST}' >build/dev/unit-tests.xml",
        )

    def script(self, name, text):
        path = os.path.join(self.tree, name)
        with open(path, "w") as file:
            file.write(f"#!/usr/bin/env bash\nset -e\n{text}\n")
        os.chmod(path, 0o755)

    def verdict(self, counts, *arguments, **variables):
        with open(os.path.join(self.tree, "tests", "run.py"), "w") as file:
            file.write(
                "import sys\n"
                "file = open(sys.argv[sys.argv.index('--json') + 1], 'w')\n"
                f"file.write({json.dumps(counts)!r})\n"
            )
        path = os.path.join(self.tree, "bin") + ":" + os.environ["PATH"]
        result = run(
            [os.path.join(self.tree, "tools", "test"), *arguments],
            check=False,
            env={**os.environ, "CAIRN_TEST_NO_SKIP": "", **variables, "PATH": path},
        )
        lines = result.stdout.decode().splitlines()
        return result.returncode, [s for s in lines if s.startswith("skipped ")], lines[-1]

    def test_skipped_tests_are_named_above_the_last_line(self):
        counts = {"passed": 5, "failed": 0, "skipped": 1, "skips": ["daemon.x: no\n fuse"]}
        skips = ["skipped Suite.Needs: needs root", "skipped daemon.x: no fuse"]
        self.assertEqual(self.verdict(counts), (0, skips, "6 passed, 0 failed"))
        self.assertEqual(self.verdict(counts, "--unit"), (0, skips[:1], "1 passed, 0 failed"))
        strict = self.verdict(counts, CAIRN_TEST_NO_SKIP="1")
        self.assertEqual(strict, (1, skips, "6 passed, 2 failed"))

    def test_failures_and_a_runner_that_dies_are_counted(self):
        counts = {"passed": 5, "failed": 2, "skipped": 0, "skips": []}
        self.assertEqual(self.verdict(counts)[::2], (1, "6 passed, 2 failed"))
        self.script("bin/ctest", "exit 8")
        self.assertEqual(self.verdict({})[::2], (1, "0 passed, 2 failed"))
