"""libhdfs as users get it: installed somewhere, found by pkg-config or CMake."""

import os
import subprocess

from harness import env, installed, venv
from harness.case import Case
from harness.cluster import MiniCluster, run


def library():
    return installed.built_library("libhdfs.so")


def why_not():
    """None if C programs can be built against it, else the reason."""
    missing = env.have("cc", "pkg-config", "cmake", "nm")
    if missing:
        return f"{missing} is not installed"
    if not os.path.exists(library()):
        return f"{library()} is not built"
    return None


def prefix():
    return installed.prefix("libhdfs")


def below_prefix(name):
    return installed.find("libhdfs", name)


def library_directory():
    return os.path.dirname(below_prefix("libhdfs.so"))


def java_home():
    """What to say as JAVA_HOME so that our libjvm.so is found."""
    return below_prefix("libjvm.so").removesuffix("/lib/server/libjvm.so")


def exported():
    return installed.exported(library())


def sanitizers():
    return installed.sanitizers(library())


def pkg_config(*words):
    environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(below_prefix("libhdfs.pc"))}
    return run(["pkg-config", *words, "libhdfs"], env=environment).stdout.decode().split()


def compile_c(source):
    """The program, built as strictly as C allows."""
    program = os.path.join(env.new_directory("c"), os.path.basename(source).removesuffix(".c"))
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g"]
    run(
        ["cc", *strict, *sanitizers(), *pkg_config("--cflags"), source, "-o", program]
        + [*pkg_config("--libs"), f"-Wl,-rpath,{library_directory()}", "-pthread"]
    )
    return program


def run_program(arguments, conf_dir=None, check=True, **options):
    environment = {**os.environ, "HADOOP_USER_NAME": "root", "CLASSPATH": ""}
    environment.pop("HADOOP_CONF_DIR", None)
    if conf_dir:
        environment["HADOOP_CONF_DIR"] = conf_dir
    environment.update(options.pop("more_env", {}))
    options.setdefault("stdin", subprocess.DEVNULL)
    return run(arguments, check=check, env=environment, **options)


class PythonCase(Case):
    """A Python with `packages` that is to load the library, and a cluster."""

    limit_seconds = 300
    packages = ()

    @classmethod
    def new_cluster(cls):
        return MiniCluster(datanodes=2)

    @classmethod
    def setUpClass(cls):
        cls.need(why_not() or venv.why_not(cls.packages))
        cls.need(sanitizers() and "a Python without sanitizers cannot load a library with them")
        cls.cluster = cls.new_cluster()
        cls.addClassCleanup(cls.cluster.close)
