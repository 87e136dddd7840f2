"""What test_python_package.py has the package `cairn` do, in its virtual environment.

python_package_calls.py FUNCTION URL: prints the function's result as JSON.
"""

import concurrent.futures
import errno
import gc
import json
import os
import sys

import fsspec


def connect(url):
    fs, _ = fsspec.url_to_fs(url + "/")
    assert type(fs).__name__ == "CairnFileSystem"
    return fs


def raised(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def files(url):
    fs = connect(url)
    assert connect(url) is fs  # fsspec keeps it
    assert fs.unstrip_protocol("/a") == f"{url}/a"
    fs.makedirs("/files/a/b")
    fs.pipe("/files/a/one", b"one")
    with fsspec.open(f"{url}/files/a/b/two", "wt") as file:
        file.write("zwei\n")
    assert fs.ls("/files", detail=False) == ["/files/a"]
    assert sorted(fs.find("/files")) == ["/files/a/b/two", "/files/a/one"]
    assert fs.glob("/files/*/o*") == ["/files/a/one"]
    info = fs.info("/files/a/one")
    assert (info["type"], info["size"], info["replication"]) == ("file", 3, 1)
    assert fs.isdir("/files/a") and fs.isfile("/files/a/one") and not fs.exists("/files/none")
    assert fs.modified("/files/a/one").year > 2000
    assert fs.cat("/files/a/one") == b"one" and fs.cat_file("/files/a/one", 1, 2) == b"n"
    fs.cp("/files/a", "/files/copy", recursive=True)
    assert fs.cat("/files/copy/b/two") == b"zwei\n"
    fs.mv("/files/copy/b/two", "/files/three")
    assert fs.cat("/files/three") == b"zwei\n" and not fs.exists("/files/copy/b/two")
    fs.rm_file("/files/three")
    fs.mkdir("/files/empty")
    fs.rmdir("/files/empty")
    assert fs.ls("/files/copy/b") == []
    assert fs.du("/files") == 3 + 3 + 5
    fs.chmod("/files/a/one", 0o600)
    assert fs.info("/files/a/one")["mode"] == 0o600
    fs.rm("/files", recursive=True)
    assert not fs.exists("/files")
    return "done"


def writing(url):
    fs = connect(url)
    data = bytes(range(256)) * 50_000  # 12.8 MB, more than a buffer
    with fs.open("/written", "wb") as file:
        for start in range(0, len(data), 999_999):
            file.write(data[start : start + 999_999])
        assert file.tell() == len(data)
    assert fs.cat("/written") == data
    with fs.open("/written", "ab") as file:
        assert file.tell() == len(data)
        file.write(b"more")
    data += b"more"
    with fs.open("/written") as file:
        file.seek(-4, 2)
        assert file.read() == b"more"
        file.seek(5_000_000)
        assert file.read(10) == data[5_000_000:5_000_010]
    raised(FileExistsError, lambda: fs.open("/written", "xb").close())
    with fs.open("/new", "xb") as file:
        file.write(b"new")
    assert fs.cat("/new") == b"new"
    fs.touch("/empty")
    assert fs.info("/empty")["size"] == 0
    synced = fs.open("/synced", "wb")
    synced.write(b"on disk")
    synced.sync()
    assert fs.cat("/synced") == b"on disk"
    synced.close()
    with fs.transaction:
        with fs.open("/whole", "wb") as file:
            file.write(b"whole")
        assert not fs.exists("/whole")
    assert fs.cat("/whole") == b"whole"
    try:
        with fs.transaction:
            with fs.open("/dropped", "wb") as file:
                file.write(b"x")
            raise KeyError
    except KeyError:
        pass
    assert [name for name in fs.ls("/", detail=False) if "dropped" in name] == []
    for name in ("/written", "/new", "/empty", "/synced", "/whole"):
        fs.rm(name)
    return "done"


def errors(url):
    fs = connect(url)
    fs.pipe("/plain", b"x")
    error = raised(FileNotFoundError, lambda: fs.open("/none"))
    assert error.filename == "/none", error
    raised(FileNotFoundError, lambda: fs.ls("/none"))
    raised(FileNotFoundError, lambda: fs.info("/none"))
    raised(FileExistsError, lambda: fs.mkdir("/plain"))
    raised(FileExistsError, lambda: fs.makedirs("/plain"))
    raised(NotADirectoryError, lambda: fs.makedirs("/plain/below"))
    raised(NotADirectoryError, lambda: fs.rmdir("/plain"))
    fs.makedirs("/full/inner", exist_ok=True)
    assert raised(OSError, lambda: fs.rmdir("/full")).errno == errno.ENOTEMPTY
    raised(IsADirectoryError, lambda: fs.rm("/full"))
    raised(IsADirectoryError, lambda: fs.rm_file("/full"))
    fs.pipe("/full/file", b"x")
    fs.rm(["/full/inner", "/full", "/full/file"], recursive=True)
    assert not fs.exists("/full")
    fs.chmod("/plain", 0o600)
    other = fsspec.filesystem("cairn", **{**fs.storage_options, "user": "bob"})
    raised(PermissionError, lambda: other.cat("/plain"))
    raised(PermissionError, lambda: other.pipe("/bobs", b""))
    raised(ValueError, lambda: fs.rm("/plain\0x"))
    assert fs.cat("/plain") == b"x"
    raised(ValueError, lambda: fs.cluster.open("/big", os.O_WRONLY, 1, 1 << 32))
    raised(ValueError, lambda: fs.cluster.set_replication("/plain", 65537))
    fs.rm("/plain")
    return "done"


def forked_child(url):
    """What it has of the parent is refused, and neither waited for nor closed; it can connect anew."""
    fs = connect(url)
    fs.pipe("/parent", b"bytes")
    kept = fs.open("/parent")
    child = os.fork()
    if child == 0:
        try:
            raised(OSError, lambda: fs.cat("/parent"))
            raised(OSError, lambda: kept.read())
            assert connect(url).cat("/parent") == b"bytes"
            gc.collect()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert kept.read() == b"bytes"
    kept.close()
    fs.rm("/parent")
    return "done"


def forked_children(url):
    """What one has asked for is no answer to the other."""
    connect(url).pipe("/parent", b"bytes")
    names = ["/made_by_first", "/made_by_second"]
    for name in names:
        child = os.fork()
        if child == 0:
            try:
                connect(url).mkdir(name)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
    fs = connect(url)
    assert [name for name in names if not fs.isdir(name)] == []
    for name in ["/parent", *names]:
        fs.rm(name, recursive=True)
    return "done"


def pandas_urls(url):
    import pandas as pd

    table = pd.DataFrame({"id": range(1000), "name": [f"name {i}" for i in range(1000)]})
    table.to_csv(f"{url}/pandas/table.csv", index=False)
    assert pd.read_csv(f"{url}/pandas/table.csv").equals(table)
    table.to_csv(f"{url}/pandas/table.csv.gz", index=False)
    assert pd.read_csv(f"{url}/pandas/table.csv.gz").equals(table)
    table.to_parquet(f"{url}/pandas/table.parquet")
    assert len(pd.read_parquet(f"{url}/pandas/table.parquet", columns=["id"])) == 1000
    table["part"] = table["id"] % 3
    table.to_parquet(f"{url}/pandas/parts", partition_cols=["part"])
    one = pd.read_parquet(f"{url}/pandas/parts", filters=[("part", "==", 1)])
    assert sorted(one["id"]) == list(range(1, 1000, 3))
    connect(url).rm("/pandas", recursive=True)
    return "done"


def duckdb_queries(url):
    import duckdb

    fs = connect(url)
    fs.makedirs("/duckdb", exist_ok=True)
    database = duckdb.connect()
    database.register_filesystem(fs)
    database.execute(
        f"COPY (SELECT i AS id, i % 5 AS part, 'name ' || i AS name FROM range(20000) t(i)) "
        f"TO '{url}/duckdb/table.parquet' (FORMAT parquet)"
    )
    rows = database.execute(
        f"SELECT part, count(*), sum(id) FROM '{url}/duckdb/table.parquet' GROUP BY part ORDER BY part"
    ).fetchall()
    assert rows == [(p, 4000, sum(range(p, 20000, 5))) for p in range(5)], rows
    fs.pipe("/duckdb/a.csv", b"x,y\n1,2\n")
    fs.pipe("/duckdb/b.csv", b"x,y\n3,4\n")
    rows = database.execute(f"SELECT sum(x), sum(y) FROM read_csv('{url}/duckdb/*.csv')").fetchall()
    assert rows == [(4, 6)], rows
    fs.rm("/duckdb", recursive=True)
    return "done"


def threads(url):
    fs = connect(url)
    data = bytes(range(256)) * 10_000
    fs.pipe("/shared", data)

    def read(i):
        start = i * 7919 % len(data)
        return fs.cat_file("/shared", start, start + 5000) == data[start : start + 5000]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(200)))
    fs.rm("/shared")
    return "done"


print(json.dumps(globals()[sys.argv[1]](sys.argv[2])))
