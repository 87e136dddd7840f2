"""strace, which lets calls of a running daemon fail or wait."""

import os
import subprocess

from harness import env


def why_not():
    """None if it is there, else the reason."""
    return env.have("strace") and "strace is not installed"


def inject(case, pid, what, path=None):
    """Until the test ends, or who calls this kills it and waits for it. `what` is as strace has it,
    such as "fdatasync:error=EIO"; with a `path`, of the calls on that file only."""
    case.need(why_not())
    call = what.split(":")[0]
    trace = subprocess.Popen(
        [
            *("strace", "-f", "-q", "-p", str(pid), "-e", f"trace={call}"),
            *("-e", f"inject={what}", *(("-P", path) if path else ())),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    case.addCleanup(trace.wait)
    case.addCleanup(trace.kill)
    case.eventually(lambda: _traced(pid), "strace to attach", 20)
    return trace


def _traced(pid):
    """Whether every thread of the process has a tracer."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/status") as file:
                if "TracerPid:\t0\n" in file.read():
                    return False
        return True
    except OSError:
        return True
