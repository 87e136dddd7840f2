"""python/cairn/libhdfs.py on a library that is a stub."""

import ctypes
import errno
import importlib.util
import mmap
import os
import types
import unittest.mock

from harness import env
from harness.case import Case


def load():
    """The module by itself: the package wants fsspec."""
    path = os.path.join(env.SOURCE, "python", "cairn", "libhdfs.py")
    spec = importlib.util.spec_from_file_location("cairn_libhdfs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def zeros(length):
    """A buffer that takes no memory as long as nobody looks at it."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
    return (ctypes.c_char * length).from_buffer(mmap.mmap(-1, length, flags=flags))


class PythonBinding(Case):
    def setUp(self):
        self.module = load()
        self.freed = []
        self.stub = types.SimpleNamespace(
            hdfsNewBuilder=lambda: 7,
            hdfsFreeBuilder=self.freed.append,
            hdfsBuilderSetNameNode=lambda *_: None,
            hdfsBuilderSetNameNodePort=lambda *_: None,
            hdfsBuilderSetUserName=lambda *_: None,
            hdfsBuilderConfSetStr=lambda builder, key, value: 0 if key else errno.EINVAL,
            hdfsBuilderConnect=lambda builder: 8,
            hdfsDisconnect=lambda fs: 0,
            hdfsOpenFile=lambda *_: 9,
            hdfsPread=lambda fs, file, position, into, length: length,
            hdfsCloseFile=lambda *_: 0,
            hdfsGetLastExceptionRootCause=lambda: None,
        )
        self.module.library = lambda: self.stub

    def test_more_than_a_c_int_counts_is_read_whole(self):
        length = (1 << 32) + 5
        file = self.module.Cluster().open("/big", os.O_RDONLY)
        self.module.bytes = len  # of what would be copied
        with unittest.mock.patch.object(ctypes, "create_string_buffer", zeros):
            self.assertEqual(file.read_at(0, length), length)

    def test_what_is_read_ends_where_the_file_does(self):
        left = [3, 0]
        self.stub.hdfsPread = lambda *_: left.pop(0)
        file = self.module.Cluster().open("/f", os.O_RDONLY)
        self.assertEqual(file.read_at(0, 10), b"\0\0\0")

    def test_a_refused_setting_is_an_error_and_gives_the_builder_back(self):
        with self.assertRaises(OSError) as raised:
            self.module.Cluster(conf={"a": 1, "": 2})
        self.assertEqual(raised.exception.errno, errno.EINVAL)
        self.assertEqual(self.freed, [7])

    def test_bad_arguments_give_the_builder_back(self):
        for arguments in ({"port": 70000}, {"host": "a\0b"}, {"user": "a\0b"}, {"conf": {"\0": 1}}):
            self.freed.clear()
            with self.assertRaises(ValueError):
                self.module.Cluster(**arguments)
            self.assertEqual(self.freed, [7], arguments)

    def test_a_builder_that_connects_is_the_librarys(self):
        self.module.Cluster(conf={"a": 1})
        self.assertEqual(self.freed, [])
