"""Python packages from PyPI that tests use as they are: a virtual environment for each set.

Made once, by pip, as $CAIRN_TEST_CACHE/venv-PACKAGES.
"""

import os
import shutil
import subprocess
import sys

from harness import env
from harness.cluster import Failed, run


def path(packages):
    version = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return os.path.join(env.CACHE, "-".join(["venv", version, *packages]).replace("==", "-"))


def python(packages):
    return os.path.join(path(packages), "bin", "python")


def why_not(packages):
    """None if `packages`, each NAME==VERSION, can be used, else the reason."""
    if os.path.isdir(path(packages)):
        return None
    made = path(packages) + f".{os.getpid()}"
    try:
        os.makedirs(env.CACHE, exist_ok=True)
        run([sys.executable, "-m", "venv", made])
        pip = [os.path.join(made, "bin", "python"), "-m", "pip", "install", "-q", *packages]
        run(pip, timeout=600)
        os.rename(made, path(packages))
        return None
    except (Failed, OSError, subprocess.TimeoutExpired) as error:
        shutil.rmtree(made, ignore_errors=True)
        if os.path.isdir(path(packages)):  # another run was faster
            return None
        return f"{' '.join(packages)} could not be installed: {str(error)[-300:]}"
