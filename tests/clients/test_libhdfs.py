"""libhdfs.so: every function of Hadoop's C API, without Java, against Cairn and Apache HDFS."""

import os
import re

from harness import env, hadoop, libhdfs
from harness.case import Case
from harness.cluster import MiniCluster, run

TOUR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libhdfs_tour.c")
HEADER = os.path.join(env.SOURCE, "libhdfs", "include", "hdfs", "hdfs.h")
EXAMPLES = os.path.join(env.SOURCE, "libhdfs", "examples")


def read(path):
    with open(path) as file:
        return file.read()


def declared():
    """The functions of the header."""
    text = re.sub(r"/\*.*?\*/", "", read(HEADER), flags=re.DOTALL)
    return set(re.findall(r"\b((?:hdfs|hadoop)\w+)\(", text))


class LibhdfsCase(Case):
    limit_seconds = 300

    @classmethod
    def setUpClass(cls):
        cls.need(libhdfs.why_not())

    def tour(self, port, *more):
        program = libhdfs.compile_c(TOUR)
        result = libhdfs.run_program([program, "127.0.0.1", str(port), *more])
        self.note(result.stdout.decode().strip())


class TheLibrary(LibhdfsCase):
    def test_it_shows_the_functions_of_its_header_and_nothing_else(self):
        self.assertGreater(len(declared()), 80)
        self.assertEqual(libhdfs.exported(), declared())

    def test_the_tour_calls_every_function(self):
        called = set(re.findall(r"\b((?:hdfs|hadoop)\w+)\(", read(TOUR)))
        self.assertEqual(declared() - called, set())

    def test_it_has_hadoops_soname_and_needs_no_java(self):
        dynamic = run(["readelf", "-d", libhdfs.library()]).stdout.decode()
        self.assertIn("Library soname: [libhdfs.so.0.0.0]", dynamic)
        self.assertNotIn("libjvm", dynamic)
        self.assertNotIn("grpc", dynamic)


    def test_no_namenode_is_an_error_within_the_time_that_is_configured(self):
        self.tour(env.free_port(), "nobody")

    def test_the_manual_page_has_no_mistakes(self):
        missing = env.have("groff")
        if missing:
            self.skipTest("groff is not installed")
        page = libhdfs.below_prefix("libhdfs.3")
        self.assertEqual(run(["groff", "-man", "-Tutf8", "-ww", "-z", page]).stderr, b"")


class AgainstCairn(LibhdfsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = MiniCluster(datanodes=2)
        cls.addClassCleanup(cls.cluster.close)

    def test_every_function(self):
        self.tour(self.cluster.port)

    def test_safe_mode_is_erofs(self):
        self.cluster.cairn("dfsadmin", "-safemode", "enter")
        try:
            self.tour(self.cluster.port, "safemode")
        finally:
            self.cluster.cairn("dfsadmin", "-safemode", "leave")

    def test_the_configuration_is_found(self):
        """By HADOOP_CONF_DIR, and in CLASSPATH as programs for Hadoop's library set it."""
        conf = hadoop.write_conf(
            env.new_directory("conf"),
            core={"fs.defaultFS": self.cluster.uri, "tour.text": "some text"},
            hdfs={"tour.number": "-3"},
        )
        command = [libhdfs.compile_c(TOUR), "default", "0", "default"]
        libhdfs.run_program(command, conf_dir=conf)
        class_path = f"/no/such/*:/no/such:{conf}:/no/jar.jar"
        libhdfs.run_program(command, more_env={"CLASSPATH": class_path})
        refused = libhdfs.run_program(command, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(b"fs.defaultFS is not set", refused.stderr)

    def test_the_examples_with_cmakes_package(self):
        build = env.new_directory("examples")
        flags = " ".join(libhdfs.sanitizers())
        run(
            ["cmake", "-S", EXAMPLES, "-B", build, f"-DCMAKE_PREFIX_PATH={libhdfs.prefix()}"]
            + [f"-DCMAKE_C_FLAGS={flags}"]
        )
        run(["cmake", "--build", build])
        data = os.urandom(3_000_000)

        def example(name, *arguments, **options):
            program = os.path.join(build, name)
            return libhdfs.run_program([program, self.cluster.uri, *arguments], **options)

        example("hdfs_put", "/examples/data", input=data, stdin=None)
        self.assertEqual(self.cluster.cat("/examples/data"), data)
        self.assertEqual(example("hdfs_cat", "/examples/data").stdout, data)
        listing = example("hdfs_ls", "/examples").stdout.decode()
        self.assertRegex(listing, rf"F 0644 root +3000000 {self.cluster.uri}/examples/data\n")
        again = example("hdfs_put", "/examples/data", input=b"", stdin=None, check=False)
        self.assertEqual((again.returncode, self.cluster.cat("/examples/data")), (1, data))
        self.assertIn(b"FileAlreadyExistsException", again.stderr)


class AgainstApacheHdfs(LibhdfsCase):
    limit_seconds = 400

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.need(hadoop.why_not())
        cls.hdfs = hadoop.Hdfs(datanodes=2)
        cls.addClassCleanup(cls.hdfs.close)

    def test_every_function(self):
        self.tour(self.hdfs.port)
