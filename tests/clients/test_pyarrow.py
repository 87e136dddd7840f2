"""pyarrow's HadoopFileSystem, as PyPI has it, with our libhdfs.so in place of Hadoop's."""

import json
import os

from harness import env, hadoop, libhdfs, venv

PACKAGES = ["pyarrow==26.0.1"]
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pyarrow_calls.py")


class Pyarrow(libhdfs.PythonCase):
    packages = PACKAGES

    def call(self, name, cluster="", **more_env):
        """The result of one function of the script, run in a fresh interpreter."""
        command = [venv.python(PACKAGES), SCRIPT, name, cluster or self.cluster.uri]
        result = libhdfs.run_program(
            command,
            more_env={
                "ARROW_LIBHDFS_DIR": libhdfs.library_directory(),
                "JAVA_HOME": libhdfs.java_home(),
                **more_env,
            },
        )
        return json.loads(result.stdout)

    def test_calls_of_the_file_system(self):
        self.assertEqual(self.call("file_system"), "done")

    def test_streams(self):
        self.assertEqual(self.call("streams"), "done")

    def test_a_partitioned_dataset_comes_back(self):
        rows = self.call("dataset")
        self.assertEqual(rows, 30_000)

    def test_errors_carry_their_number(self):
        self.assertEqual(self.call("errors"), "done")

    def test_the_default_cluster_is_the_configured_one(self):
        conf = hadoop.write_conf(env.new_directory("conf"), core={"fs.defaultFS": self.cluster.uri})
        self.assertEqual(self.call("reach", "default", HADOOP_CONF_DIR=conf), "done")

    def test_no_java_is_loaded(self):
        loaded = self.call("loaded")
        self.assertTrue(any(path.endswith("/libhdfs.so.0.0.0") for path in loaded), loaded)
        ours = libhdfs.prefix()
        self.assertEqual([p for p in loaded if "libjvm" in p and not p.startswith(ours)], [])


class PyarrowAgainstApacheHdfs(hadoop.InPlaceOfCairn, Pyarrow):
    pass
