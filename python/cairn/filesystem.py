"""fsspec's view of a cluster: cairn://HOST[:PORT]/PATH."""

import datetime
import errno
import os
import secrets

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
from fsspec.utils import infer_storage_options

from cairn import libhdfs


class CairnFileSystem(AbstractFileSystem):
    """A Cairn or Apache HDFS cluster.

    host         the namenode; "default": what core-site.xml in $HADOOP_CONF_DIR says
    port         8020 if 0
    user         HADOOP_USER_NAME, else the login's name, if None
    conf         keys of hdfs-site.xml, over what the files say
    replication, block_size   of new files; 0: as configured

    Nothing is cached but what a file that is read has read ahead: another client's changes are seen
    at once. In a transaction files appear under their names when it ends.
    """

    protocol = "cairn"
    root_marker = "/"
    cachable = True

    def __init__(
        self, host="default", port=0, user=None, conf=None, replication=0, block_size=0, **options
    ):
        super().__init__(**options)
        self.replication = replication
        self.block_size = block_size
        self.cluster = libhdfs.Cluster(host or "default", int(port or 0), user, conf)
        named = "" if host in (None, "", "default") else host
        self._authority = f"{named}:{port}" if named and port else named

    @classmethod
    def _strip_protocol(cls, path):
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        path = os.fspath(path)
        if path.startswith("cairn://"):
            path = "/" + path.removeprefix("cairn://").partition("/")[2]
        path = "/" + path.strip("/")
        return path

    @staticmethod
    def _get_kwargs_from_urls(path):
        if not path.startswith("cairn://"):
            return {}
        options = infer_storage_options(path)
        names = {"host": "host", "port": "port", "username": "user"}
        return {ours: options[theirs] for theirs, ours in names.items() if options.get(theirs)}

    def unstrip_protocol(self, name):
        if name.startswith("cairn://"):
            return name
        return f"cairn://{self._authority}{self._strip_protocol(name)}"

    # ---- What is there ----

    def info(self, path, **_):
        return _described(self.cluster.status(self._strip_protocol(path)))

    def ls(self, path, detail=True, **_):
        found = [_described(one) for one in self.cluster.list(self._strip_protocol(path))]
        return found if detail else [one["name"] for one in found]

    def exists(self, path, **_):
        # Of what is below a file HDFS says that one may not look at it.
        try:
            self.info(path)
            return True
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return False

    def modified(self, path):
        return datetime.datetime.fromtimestamp(self.info(path)["modified"], datetime.timezone.utc)

    def created(self, path):
        raise NotImplementedError("HDFS does not keep the time when a file was made")

    def ukey(self, path):
        info = self.info(path)
        return f"{info['name']}-{info['size']}-{info['modified']}"

    # ---- Changes ----

    def mkdir(self, path, create_parents=True, **_):
        path = self._strip_protocol(path)
        if self.exists(path):
            raise FileExistsError(errno.EEXIST, "the name is taken", path)
        if not create_parents:
            self.info(self._parent(path))
        self.cluster.make_directory(path)

    def makedirs(self, path, exist_ok=False):
        path = self._strip_protocol(path)
        if not exist_ok and self.exists(path):
            raise FileExistsError(errno.EEXIST, "the name is taken", path)
        self.cluster.make_directory(path)

    def rmdir(self, path):
        path = self._strip_protocol(path)
        if self.info(path)["type"] != "directory":
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", path)
        self.cluster.delete(path, recursive=False)

    def rm_file(self, path):
        path = self._strip_protocol(path)
        if self.info(path)["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, "a directory", path)
        self.cluster.delete(path, recursive=False)

    def rm(self, path, recursive=False, maxdepth=None):
        if maxdepth is not None:
            return super().rm(path, recursive, maxdepth)
        gone = set()
        for one in sorted(self.expand_path(path)):  # a directory before what is in it
            if any(parent in gone for parent in _above(one)):
                continue
            info = self.info(one)
            if info["type"] == "directory" and not recursive:
                raise IsADirectoryError(errno.EISDIR, "a directory", one)
            self.cluster.delete(one, recursive=recursive)
            gone.add(one)

    def cp_file(self, path1, path2, **_):
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if self.info(source)["type"] == "directory":
            self.makedirs(target, exist_ok=True)
        else:
            self.cluster.copy(source, target)

    def mv(self, path1, path2, recursive=False, maxdepth=None, **options):
        if isinstance(path1, str) and isinstance(path2, str) and maxdepth is None:
            self.cluster.move(self._strip_protocol(path1), self._strip_protocol(path2))
        else:
            super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **options)

    def chmod(self, path, mode):
        self.cluster.chmod(self._strip_protocol(path), mode)

    def chown(self, path, owner=None, group=None):
        self.cluster.chown(self._strip_protocol(path), owner, group)

    def _open(
        self, path, mode="rb", block_size=None, autocommit=True, cache_options=None, **options
    ):
        return CairnFile(
            self,
            path,
            mode,
            block_size or CairnFile.DEFAULT_BLOCK_SIZE,
            autocommit,
            cache_options=cache_options,
            **options,
        )


def _above(path):
    while "/" in path.rstrip("/"):
        path = path.rstrip("/").rpartition("/")[0]
        yield path


def _described(status):
    return {**status, "islink": False, "mtime": status["modified"]}


class CairnFile(AbstractBufferedFile):
    """A file in a cluster. Written bytes leave in pieces of the buffer's size."""

    DEFAULT_BLOCK_SIZE = 4 << 20

    def __init__(self, fs, path, mode="rb", block_size="default", autocommit=True, **options):
        self._stream = None
        self._complete = False  # written, closed, and all of it acknowledged
        if mode == "rb":
            self._stream = fs.cluster.open(path, os.O_RDONLY)
        super().__init__(fs, path, mode, block_size, autocommit, **options)
        if mode == "ab":
            self.loc = fs.info(path)["size"] if fs.exists(path) else 0

    def _fetch_range(self, start, end):
        return self._stream.read_at(start, max(0, end - start))

    def _initiate_upload(self):
        flags = os.O_WRONLY
        self.location = self.path
        if self.mode == "ab":
            # In a transaction, too: there is nothing to rename.
            self._stream = self._open_to_append()
            return
        if self.mode == "xb":
            flags |= os.O_CREAT | os.O_EXCL
        elif not self.autocommit:
            self.location = f"{self.path}.{secrets.token_hex(8)}.tmp"
        self._stream = self.fs.cluster.open(
            self.location, flags, self.fs.replication, self.fs.block_size
        )

    def _open_to_append(self):
        try:
            return self.fs.cluster.open(self.path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            return self.fs.cluster.open(
                self.path, flags, self.fs.replication, self.fs.block_size
            )

    def _upload_chunk(self, final=False):
        self._stream.write(self.buffer.getbuffer())
        if final:
            self._stream.close()
            self._complete = True
        return True

    def sync(self):
        """What was written so far is on the datanodes' disks."""
        self.blocksize, kept = 0, self.blocksize
        try:
            self.flush()
        finally:
            self.blocksize = kept
        self._stream.sync()

    def commit(self):
        if not self._complete:
            raise OSError(errno.EIO, "it was not closed, or not all of it was written", self.path)
        if self.location != self.path:
            self.fs.cluster.move(self.location, self.path)

    def discard(self):
        if self.location in (None, self.path):
            return
        if self._stream is not None and not self._complete:
            self._stream.abandon()
        try:
            self.fs.cluster.delete(self.location, recursive=False)
        except FileNotFoundError:
            pass

    def close(self):
        try:
            super().close()
        finally:
            if self._stream is not None and self.mode == "rb":
                self._stream.close()
