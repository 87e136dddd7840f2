"""Cairn and Apache HDFS clusters as files of Python.

import cairn
fs = cairn.CairnFileSystem("nn1", 8020)
with fs.open("/logs/today", "wb") as file:
    file.write(b"hello")

or, once the package is installed, any cairn://nn1:8020/path that pandas, dask, polars or fsspec are
given. Needs libhdfs.so, see cairn.libhdfs.
"""

from cairn.filesystem import CairnFileSystem

__all__ = ["CairnFileSystem"]
