"""The Python package `cairn`: cluster files in fsspec, pandas and DuckDB."""

import json
import os
import shutil

from harness import env, hadoop, libhdfs, venv
from harness.cluster import run

PACKAGES = [
    "fsspec==2026.9.0",
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "duckdb==2.0.1",
    "setuptools==84.2.1",
]
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python_package_calls.py")


def install():
    """The package, with what registers it, in a directory of its own."""
    source = os.path.join(env.new_directory("package"), "source")
    shutil.copytree(os.path.join(env.SOURCE, "python"), source)
    target = env.new_directory("site")
    pip = [venv.python(PACKAGES), "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    run([*pip, "--target", target, source])
    return target


class PythonPackage(libhdfs.PythonCase):
    packages = PACKAGES

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = install()

    def call(self, name):
        """The result of one function of the script, run in a fresh interpreter."""
        command = [venv.python(PACKAGES), SCRIPT, name, self.cluster.uri.replace("hdfs:", "cairn:")]
        conf = hadoop.write_conf(
            env.new_directory("conf"),
            core={"fs.defaultFS": self.cluster.uri},
            hdfs={"dfs.replication": "1", "dfs.blocksize": "1m"},
        )
        more = {"PYTHONPATH": self.site, "CAIRN_LIBHDFS": libhdfs.library()}
        return json.loads(libhdfs.run_program(command, conf_dir=conf, more_env=more).stdout)

    def test_files_and_directories(self):
        self.assertEqual(self.call("files"), "done")

    def test_writing(self):
        self.assertEqual(self.call("writing"), "done")

    def test_errors_are_pythons(self):
        self.assertEqual(self.call("errors"), "done")

    def test_a_forked_child_connects_anew(self):
        self.assertEqual(self.call("forked_child"), "done")

    def test_forked_children_are_two_clients(self):
        self.assertEqual(self.call("forked_children"), "done")

    def test_pandas_reads_and_writes_urls(self):
        self.assertEqual(self.call("pandas_urls"), "done")

    def test_duckdb_queries_what_it_wrote(self):
        self.assertEqual(self.call("duckdb_queries"), "done")

    def test_threads_share_a_file_system(self):
        self.assertEqual(self.call("threads"), "done")


class PythonPackageAgainstApacheHdfs(hadoop.InPlaceOfCairn, PythonPackage):
    pass
