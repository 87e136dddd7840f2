"""libcairn and the programs as they are installed: for applications outside this tree."""

import glob
import os
import re

from harness import env, installed
from harness.case import Case
from harness.cluster import MiniCluster, run

EXAMPLES = os.path.join(env.SOURCE, "client", "examples")


def library():
    return installed.built_library("libcairn.so")


class Libcairn(Case):
    limit_seconds = 300

    @classmethod
    def setUpClass(cls):
        missing = env.have("c++", "cmake", "nm")
        cls.need(missing and f"{missing} is not installed")
        cls.need(not os.path.exists(library()) and f"{library()} is not built")

    def test_it_shows_its_own_namespace_and_nothing_that_it_is_made_of(self):
        shown = installed.exported(library())
        self.assertTrue(any("client10FileSystem7Connect" in symbol for symbol in shown))
        own = re.compile(
            r"_ZNK?5cairn(6client|6Config|9KnownKeys|14ParseConfigXml|14ResolveConfDir"
            r"|6CodeOf|11MakeFsError|10GetFsError)"
        )
        self.assertEqual([symbol for symbol in shown if not own.match(symbol)], [])

    def test_its_headers_need_no_others_of_this_tree(self):
        include = os.path.join(installed.prefix("libcairn"), "include", "cairn")
        headers = glob.glob(os.path.join(include, "*", "*.h"))
        self.assertEqual(len(headers), 20)
        source = os.path.join(env.new_directory("headers"), "all.cc")
        with open(source, "w") as file:
            for header in sorted(headers):
                file.write(f'#include "{os.path.relpath(header, include)}"\n')
        run(["c++", "-std=c++20", "-Wall", "-Werror", "-fsyntax-only", "-I", include, source])

    def test_the_example_with_cmakes_package(self):
        build = env.new_directory("example")
        flags = " ".join(installed.sanitizers(library()))
        prefix = installed.prefix("libcairn")
        run(
            ["cmake", "-S", EXAMPLES, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"]
            + [f"-DCMAKE_CXX_FLAGS={flags}"]
        )
        run(["cmake", "--build", build])
        hello = os.path.join(build, "hello")
        with MiniCluster(datanodes=1, conf={"dfs.replication": "1"}) as cluster:
            again = []
            for expected in (0, 1):
                again.append(run([hello, cluster.uri, "/hello"], check=False))
                self.assertEqual(again[-1].returncode, expected, again[-1].stderr)
            self.assertEqual(again[0].stdout, b"hello, cluster\n")
            self.assertEqual(cluster.cat("/hello"), b"hello, cluster\n")
            self.assertIn(b"ALREADY_EXISTS", again[1].stderr)


class Programs(Case):
    def test_they_run_where_they_are_installed(self):
        missing = env.have("cmake")
        self.need(missing and f"{missing} is not installed")
        directory = os.path.join(installed.prefix("programs"), "bin")
        names = ["cairn", "cairn-datanode", "cairn-fuse", "cairn-namenode"]
        self.assertEqual(sorted(os.listdir(directory)), names)
        for name in names:
            self.assertEqual(run([os.path.join(directory, name), "--help"]).returncode, 0, name)
