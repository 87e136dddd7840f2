"""libhdfs.so for Python, by ctypes: a cluster, and the files that are open in it.

The library is $CAIRN_LIBHDFS if that is set, else the libhdfs.so.0.0.0 that the system's loader
finds. What fails raises OSError with the library's errno, so that a missing file is
FileNotFoundError, and the server's words. Calls release the interpreter's lock; objects may be used
by several threads.
"""

import ctypes
import functools
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_int16, c_int32, c_int64, c_short, c_uint16
from ctypes import c_void_p

CHUNK = 1 << 30  # one call moves at most 2 GiB


class _FileInfo(ctypes.Structure):
    _fields_ = [
        ("kind", c_int),
        ("name", c_char_p),
        ("modified", c_int64),
        ("size", c_int64),
        ("replication", c_short),
        ("block_size", c_int64),
        ("owner", c_char_p),
        ("group", c_char_p),
        ("permissions", c_short),
        ("accessed", c_int64),
    ]


# name: (result, arguments)
_SIGNATURES = {
    "hdfsNewBuilder": (c_void_p, []),
    "hdfsFreeBuilder": (None, [c_void_p]),
    "hdfsBuilderSetNameNode": (None, [c_void_p, c_char_p]),
    "hdfsBuilderSetNameNodePort": (None, [c_void_p, c_uint16]),
    "hdfsBuilderSetUserName": (None, [c_void_p, c_char_p]),
    "hdfsBuilderConfSetStr": (c_int, [c_void_p, c_char_p, c_char_p]),
    "hdfsBuilderConnect": (c_void_p, [c_void_p]),
    "hdfsDisconnect": (c_int, [c_void_p]),
    "hdfsOpenFile": (c_void_p, [c_void_p, c_char_p, c_int, c_int, c_short, c_int32]),
    "hdfsCloseFile": (c_int, [c_void_p, c_void_p]),
    "hdfsPread": (c_int32, [c_void_p, c_void_p, c_int64, c_void_p, c_int32]),
    "hdfsWrite": (c_int32, [c_void_p, c_void_p, c_char_p, c_int32]),
    "hdfsHSync": (c_int, [c_void_p, c_void_p]),
    "hdfsTell": (c_int64, [c_void_p, c_void_p]),
    "hdfsExists": (c_int, [c_void_p, c_char_p]),
    "hdfsCreateDirectory": (c_int, [c_void_p, c_char_p]),
    "hdfsDelete": (c_int, [c_void_p, c_char_p, c_int]),
    "hdfsRename": (c_int, [c_void_p, c_char_p, c_char_p]),
    "hdfsMove": (c_int, [c_void_p, c_char_p, c_void_p, c_char_p]),
    "hdfsCopy": (c_int, [c_void_p, c_char_p, c_void_p, c_char_p]),
    "hdfsTruncateFile": (c_int, [c_void_p, c_char_p, c_int64]),
    "hdfsSetReplication": (c_int, [c_void_p, c_char_p, c_int16]),
    "hdfsChown": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p]),
    "hdfsChmod": (c_int, [c_void_p, c_char_p, c_short]),
    "hdfsUtime": (c_int, [c_void_p, c_char_p, c_int64, c_int64]),
    "hdfsListDirectory": (POINTER(_FileInfo), [c_void_p, c_char_p, POINTER(c_int)]),
    "hdfsGetPathInfo": (POINTER(_FileInfo), [c_void_p, c_char_p]),
    "hdfsFreeFileInfo": (None, [POINTER(_FileInfo), c_int]),
    "hdfsGetCapacity": (c_int64, [c_void_p]),
    "hdfsGetUsed": (c_int64, [c_void_p]),
    "hdfsGetLastExceptionRootCause": (c_char_p, []),
}


@functools.lru_cache(maxsize=None)
def library():
    """The loaded library. OSError: it is not there."""
    lib = ctypes.CDLL(os.environ.get("CAIRN_LIBHDFS", "libhdfs.so.0.0.0"), use_errno=True)
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(lib, name)
        function.restype = result
        function.argtypes = arguments
    return lib


def _error(path=None, number=None):
    number = ctypes.get_errno() if number is None else number
    cause = library().hdfsGetLastExceptionRootCause()
    text = os.strerror(number) if cause is None else cause.decode(errors="replace")
    return OSError(number, text, path) if path is not None else OSError(number, text)


def _check(result, path=None):
    """Raises what a result of -1 or NULL stands for."""
    if result is None or result == -1:
        raise _error(path)
    return result


def _check_errno(number, what):
    """The same of a function whose result is the errno."""
    if number != 0:
        raise _error(what, number)


def _bytes(text):
    """Names are bytes; what is not UTF-8 travels in Python's way, as os.fsencode has it."""
    if "\0" in text:
        raise ValueError(f"a NUL in {text!r}: C would end it there")
    return text.encode(errors="surrogateescape")


def _in_range(what, value, most):
    """ctypes would cut it to its last bits."""
    if not 0 <= value <= most:
        raise ValueError(f"{what} {value} is not in 0..{most}")
    return value


def _text(name):
    return name.decode(errors="surrogateescape")


class Cluster:
    """A connection. `host` "default": what core-site.xml says."""

    def __init__(self, host="default", port=0, user=None, conf=None):
        lib = library()
        self._lib = lib
        builder = _check(lib.hdfsNewBuilder())
        try:
            lib.hdfsBuilderSetNameNode(builder, _bytes(host))
            lib.hdfsBuilderSetNameNodePort(builder, _in_range("port", port, 65535))
            if user:
                lib.hdfsBuilderSetUserName(builder, _bytes(user))
            for key, value in (conf or {}).items():
                _check_errno(lib.hdfsBuilderConfSetStr(builder, _bytes(key), _bytes(str(value))), key)
        except BaseException:
            lib.hdfsFreeBuilder(builder)
            raise
        self._fs = _check(lib.hdfsBuilderConnect(builder))  # which frees the builder in any case

    def close(self):
        if self._fs is not None:
            fs, self._fs = self._fs, None
            _check(self._lib.hdfsDisconnect(fs))

    def __del__(self):
        if getattr(self, "_fs", None) is not None:
            self._lib.hdfsDisconnect(self._fs)  # nobody to tell an error to

    def _call(self, function, path, *more):
        return _check(getattr(self._lib, function)(self._fs, _bytes(path), *more), path)

    def make_directory(self, path):
        self._call("hdfsCreateDirectory", path)

    def delete(self, path, recursive):
        self._call("hdfsDelete", path, int(recursive))

    def rename(self, source, target):
        """Into `target` if that is a directory; never over a file."""
        self._call("hdfsRename", source, _bytes(target))

    def move(self, source, target):
        """Into `target` if that is a directory; over it if that is a file."""
        self._call("hdfsMove", source, self._fs, _bytes(target))

    def copy(self, source, target):
        self._call("hdfsCopy", source, self._fs, _bytes(target))

    def truncate(self, path, length):
        """False: the cut is under way."""
        return self._call("hdfsTruncateFile", path, length) == 1

    def set_replication(self, path, replication):
        self._call("hdfsSetReplication", path, _in_range("replication", replication, 32767))

    def chmod(self, path, mode):
        self._call("hdfsChmod", path, mode)

    def chown(self, path, owner=None, group=None):
        self._call("hdfsChown", path, owner and _bytes(owner), group and _bytes(group))

    def set_times(self, path, modified=-1, accessed=-1):
        self._call("hdfsUtime", path, modified, accessed)

    def capacity(self):
        return _check(self._lib.hdfsGetCapacity(self._fs))

    def used(self):
        return _check(self._lib.hdfsGetUsed(self._fs))

    def status(self, path):
        """A dict, as list() gives them."""
        infos = self._lib.hdfsGetPathInfo(self._fs, _bytes(path))
        if not infos:
            raise _error(path)
        return self._take(infos, 1)[0]

    def list(self, path):
        """What is in a directory; of a file, itself."""
        count = c_int(0)
        infos = self._lib.hdfsListDirectory(self._fs, _bytes(path), byref(count))
        if not infos:
            if ctypes.get_errno() != 0:
                raise _error(path)
            return []
        return self._take(infos, count.value)

    def _take(self, infos, count):
        try:
            return [_to_dict(infos[i]) for i in range(count)]
        finally:
            self._lib.hdfsFreeFileInfo(infos, count)

    def open(self, path, flags, replication=0, block_size=0):
        """`flags` as os.open: O_RDONLY, O_WRONLY with O_APPEND or O_CREAT | O_EXCL."""
        return File(self, path, flags, replication, block_size)


class File:
    """An open file. Give it back with close(): a file that is written is complete only then."""

    def __init__(self, cluster, path, flags, replication, block_size):
        self._cluster = cluster
        self._lib = cluster._lib
        self.path = path
        replication = _in_range("replication", replication, 32767)
        block_size = _in_range("block size", block_size, 2**31 - 1)
        self._file = cluster._call("hdfsOpenFile", path, flags, 0, replication, block_size)

    def read_at(self, position, length):
        """Up to `length` bytes, fewer only at the end of the file."""
        buffer = ctypes.create_string_buffer(length)
        done = 0
        while done < length:
            piece = min(length - done, CHUNK)
            into = ctypes.addressof(buffer) + done
            bytes_read = self._lib.hdfsPread(None, self._file, position + done, into, piece)
            if _check(bytes_read, self.path) == 0:
                break
            done += bytes_read
        return bytes(memoryview(buffer)[:done])  # string_at would take the length for a C int

    def write(self, data):
        data = bytes(data)
        for start in range(0, len(data), CHUNK):
            piece = data if len(data) <= CHUNK else data[start : start + CHUNK]
            _check(self._lib.hdfsWrite(None, self._file, piece, len(piece)), self.path)

    def sync(self):
        """Every datanode has the bytes on its disk."""
        _check(self._lib.hdfsHSync(None, self._file), self.path)

    def tell(self):
        return _check(self._lib.hdfsTell(None, self._file), self.path)

    def close(self):
        if self._file is not None:
            file, self._file = self._file, None
            _check(self._lib.hdfsCloseFile(None, file), self.path)

    def abandon(self):
        """Closes it whatever comes of it: what was written is not wanted."""
        try:
            self.close()
        except OSError:
            pass

    def __del__(self):
        if getattr(self, "_file", None) is not None:
            self._lib.hdfsCloseFile(None, self._file)  # nobody to tell an error to


def _to_dict(info):
    uri = _text(info.name)
    return {
        "name": "/" + uri.split("://", 1)[1].partition("/")[2],
        "type": "directory" if info.kind == ord("D") else "file",
        "size": info.size,
        "modified": info.modified,
        "accessed": info.accessed,
        "owner": _text(info.owner),
        "group": _text(info.group),
        "mode": info.permissions,
        "replication": info.replication,
        "block_size": info.block_size,
    }
