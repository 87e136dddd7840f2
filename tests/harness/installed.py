"""What `cmake --install` makes of the build: libraries, headers and programs as users get them."""

import glob
import os

from harness import env
from harness.cluster import run

_prefixes = {}


def build_directory():
    return os.path.dirname(env.BIN)


def built_library(name):
    return os.path.join(build_directory(), "lib", name)


def prefix(component):
    """Where that component, and no other, is installed; once for all tests of a run."""
    if component not in _prefixes:
        directory = env.new_directory(component)
        install = ["cmake", "--install", build_directory(), "--component", component]
        run([*install, "--prefix", directory])
        _prefixes[component] = directory
    return _prefixes[component]


def find(component, name):
    found = glob.glob(os.path.join(prefix(component), "**", name), recursive=True)
    if len(found) != 1:
        raise AssertionError(f"{name} is installed as {found}")
    return found[0]


def exported(library):
    """The symbols that it shows, as they are mangled."""
    out = run(["nm", "-D", "--defined-only", library]).stdout.decode()
    return {line.split()[-1].split("@")[0] for line in out.splitlines()}


def sanitizers(library):
    """What a program must be built with to load a library that is built with sanitizers."""
    undefined = run(["nm", "-D", "--undefined-only", library]).stdout.decode()
    known = {"__asan_init": "address", "__ubsan_handle": "undefined", "__tsan_init": "thread"}
    return [f"-fsanitize={name}" for symbol, name in known.items() if symbol in undefined]


def sanitizer_runtimes(program):
    """The libraries of sanitizers that `program` is built with."""
    libraries = [line.split() for line in run(["ldd", program]).stdout.decode().splitlines()]
    known = ("libasan.so", "libtsan.so")
    return [words[2] for words in libraries if words[0].startswith(known)]
