"""Programs from crates.io that tests run as they are: of PATH, or installed once by cargo.

Those go to $CAIRN_TEST_CACHE/cargo/bin.
"""

import os
import re
import shutil
import subprocess

from harness import env
from harness.cluster import Failed, run

ROOT = os.path.join(env.CACHE, "cargo")
OLDEST_CARGO = (1, 85)


def program(name, version):
    """The path of `name` if it is there in `version`, else None: others have the same names."""
    for path in (os.path.join(ROOT, "bin", name), shutil.which(name)):
        if path and os.path.exists(path):
            said = run([path, "--version"], check=False, stdin=subprocess.DEVNULL, timeout=20)
            if said.stdout.decode(errors="replace").split() == [name, version]:
                return path
    return None


def why_not(name, version):
    """None if program() finds it, by now, else the reason."""
    if program(name, version):
        return None
    if cargo_version() < OLDEST_CARGO:
        return f"{name} {version} is not installed, nor a cargo {OLDEST_CARGO[0]}.{OLDEST_CARGO[1]}"
    install = ["cargo", "install", "-q", "--locked", "--root", ROOT, f"{name}@{version}"]
    try:
        os.makedirs(ROOT, exist_ok=True)
        run(install, timeout=900)
    except (Failed, OSError, subprocess.TimeoutExpired) as error:
        return f"{name} {version} could not be installed: {str(error)[-300:]}"
    return None if program(name, version) else f"{name} does not say that it is {version}"


def cargo_version():
    """(major, minor), or (0, 0) without a cargo that runs."""
    if env.have("cargo"):
        return 0, 0
    said = run(["cargo", "--version"], check=False).stdout.decode(errors="replace")
    found = re.match(r"cargo (\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)
