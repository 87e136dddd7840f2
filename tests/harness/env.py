"""Where the programs are, where temporary files go, which ports are free.

CAIRN_BIN           directory of the programs (default: build/dev/bin of this tree)
CAIRN_TEST_CACHE    where Hadoop's jars are kept (default: ~/.cache/cairn)
TMPDIR              where clusters live while a test runs
"""

import os
import shutil
import socket
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("CAIRN_BIN", os.path.join(SOURCE, "build", "dev", "bin"))
CACHE = os.environ.get("CAIRN_TEST_CACHE", os.path.expanduser("~/.cache/cairn"))
LONG = os.environ.get("CAIRN_TEST_LONG") == "1"
# Sanitizers slow a program down by 3 to 15; patience grows, nothing that is checked changes.
SLOW = float(os.environ.get("CAIRN_TEST_SLOWNESS", "1"))


def program(name):
    path = os.path.join(BIN, name)
    if not os.path.exists(path):
        raise RuntimeError(f"{path} does not exist: build it first, or set CAIRN_BIN")
    return path


_scratch_root = None


def scratch_root():
    """One directory for everything that this process makes; run.py removes it at the end."""
    global _scratch_root
    if _scratch_root is None:
        _scratch_root = os.environ.get("CAIRN_TEST_SCRATCH") or tempfile.mkdtemp(prefix="cairn-it-")
        os.makedirs(_scratch_root, exist_ok=True)
    return _scratch_root


def let_others_in():
    """Other users get as far as to what they have a right to."""
    root = scratch_root()
    for path in (root, os.path.dirname(root)):
        if os.path.basename(path).startswith(("cairn-it-", "job-")):
            os.chmod(path, 0o711)


def new_directory(label):
    return tempfile.mkdtemp(prefix=label + "-", dir=scratch_root())


_next_port = 21000 + (os.getpid() * 37) % 9000


def free_port(ip="127.0.0.1"):
    """A port below the range that outgoing connections take theirs from: a daemon that is down for
    a moment must find its port free when it comes back."""
    global _next_port
    while True:
        _next_port = 21000 if _next_port >= 31000 else _next_port + 1
        with socket.socket() as probe:
            try:
                probe.bind((ip, _next_port))
                return _next_port
            except OSError:
                continue


def have(*programs):
    """The first of `programs` that is not installed, or None."""
    for name in programs:
        if shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return name
    return None
