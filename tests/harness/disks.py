"""Disks that can be filled, and disks whose power can be cut: tmpfs mounts and XFS images on loop
devices. They need root; why_not() says what is missing."""

import errno
import os
import subprocess
import time

from harness import env

_ENV = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}


def _run(*arguments, check=True):
    result = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_ENV)
    if check and result.returncode != 0:
        raise OSError(f"{' '.join(arguments)}: {result.stdout.decode(errors='replace').strip()}")
    return result


def why_no_tmpfs():
    """None if a tmpfs can be mounted, else the reason."""
    if os.geteuid() != 0:
        return "mounting needs root"
    try:
        with SmallDisk(1 << 20):
            return None
    except OSError as error:
        return str(error)


def why_no_power_cuts():
    """None if XFS images can be mounted and shut down, else the reason."""
    if os.geteuid() != 0:
        return "loop devices need root"
    missing = env.have("mkfs.xfs", "xfs_io", "losetup", "mount")
    if missing:
        return f"{missing} is not installed (packages xfsprogs, mount)"
    try:
        with PowerCutDisk(320 << 20) as disk:
            disk.cut()
            return None
    except OSError as error:
        return str(error)


class SmallDisk:
    """A tmpfs of so many bytes, at `path`."""

    def __init__(self, size_bytes, path=None):
        self.path = path or env.new_directory("small-disk")
        os.makedirs(self.path, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "cairn-test", self.path)

    def free(self):
        info = os.statvfs(self.path)
        return info.f_bavail * info.f_frsize

    def fill(self, leave=0):
        """Takes all but `leave` bytes; release() gives them back."""
        name = os.path.join(self.path, ".ballast")
        with open(name, "ab") as file:
            while (size := self.free() - leave) > 0:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
                except OSError as error:
                    # Somebody else has taken some of it meanwhile; then nothing is allocated.
                    if error.errno != errno.ENOSPC:
                        raise

    def release(self):
        os.remove(os.path.join(self.path, ".ballast"))

    def close(self):
        _run("umount", "-l", self.path, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class PowerCutDisk:
    """An XFS image at `path`. cut() stops all writes at once, as a power cut does: what was not
    synced is gone after mount()."""

    def __init__(self, size_bytes, path=None):
        base = env.new_directory("power-cut")
        self.image = os.path.join(base, "image")
        self.path = path or os.path.join(base, "mnt")
        os.makedirs(self.path)
        with open(self.image, "wb") as file:
            file.truncate(size_bytes)
        _run("mkfs.xfs", "-q", "-f", self.image)
        self.mounted = False
        self.mount()

    def mount(self):
        _run("mount", "-o", "loop", self.image, self.path)
        self.mounted = True

    def cut(self):
        _run("xfs_io", "-x", "-c", "shutdown", self.path)

    def freeze(self):
        """Whoever writes waits, in a way that not even SIGKILL ends, until thaw(). Reads go on."""
        _run("fsfreeze", "-f", self.path)

    def thaw(self):
        _run("fsfreeze", "-u", self.path, check=False)

    def unmount(self):
        until = time.monotonic() + 10  # a killed process may not have closed its files yet
        while _run("umount", self.path, check=time.monotonic() > until).returncode != 0:
            time.sleep(0.02)
        self.mounted = False

    def close(self):
        if self.mounted:
            _run("umount", "-l", self.path, check=False)
            self.mounted = False
        if os.path.exists(self.image):
            os.remove(self.image)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def unmount_below(root):
    try:
        with open("/proc/mounts") as file:
            points = [line.split()[1] for line in file]
    except OSError:
        return
    for point in reversed(points):
        if point.startswith(root + "/"):
            _run("fsfreeze", "-u", point, check=False)  # or what waits for it would stay for ever
            _run("umount", "-l", point, check=False)
