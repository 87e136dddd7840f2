"""What test_pyarrow.py has pyarrow do, run by the interpreter of its virtual environment.

pyarrow_calls.py FUNCTION CLUSTER: prints the function's result as JSON.
"""

import datetime
import errno
import json
import sys

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs


def connect(cluster):
    if cluster == "default":
        return fs.HadoopFileSystem("default", 0, user="root", replication=1)
    host, port = cluster.removeprefix("hdfs://").split(":")
    return fs.HadoopFileSystem(host, int(port), user="root", replication=1)


def write(hdfs, path, data):
    with hdfs.open_output_stream(path) as out:
        out.write(data)


def read(hdfs, path):
    with hdfs.open_input_stream(path) as file:
        return file.read()


def names(hdfs, path, **options):
    return sorted(info.path for info in hdfs.get_file_info(fs.FileSelector(path, **options)))


def reach(cluster):
    connect(cluster).get_file_info("/")
    return "done"


def file_system(cluster):
    hdfs = connect(cluster)
    hdfs.create_dir("/fs/a/b", recursive=True)
    hdfs.create_dir("/fs/a/b")
    write(hdfs, "/fs/a/one", b"one")
    write(hdfs, "/fs/a/b/name with = and %", b"two")
    assert names(hdfs, "/fs") == ["/fs/a"]
    assert names(hdfs, "/fs", recursive=True) == [
        "/fs/a",
        "/fs/a/b",
        "/fs/a/b/name with = and %",
        "/fs/a/one",
    ]
    info = hdfs.get_file_info("/fs/a/one")
    assert (info.type, info.size) == (fs.FileType.File, 3)
    age = datetime.datetime.now(datetime.timezone.utc) - info.mtime
    assert abs(age) < datetime.timedelta(minutes=10), info.mtime
    assert hdfs.get_file_info("/fs/a").type == fs.FileType.Directory
    assert hdfs.get_file_info("/fs/none").type == fs.FileType.NotFound
    assert names(hdfs, "/fs/none", allow_not_found=True) == []
    hdfs.move("/fs/a/one", "/fs/moved")
    assert read(hdfs, "/fs/moved") == b"one"
    write(hdfs, "/fs/other", b"other")
    hdfs.move("/fs/moved", "/fs/other")  # pyarrow replaces the file
    assert read(hdfs, "/fs/other") == b"one"
    hdfs.copy_file("/fs/other", "/fs/copy")
    assert read(hdfs, "/fs/copy") == b"one"
    hdfs.delete_file("/fs/copy")
    hdfs.delete_dir_contents("/fs/a")
    assert names(hdfs, "/fs/a") == []
    hdfs.delete_dir("/fs")
    assert hdfs.get_file_info("/fs").type == fs.FileType.NotFound
    # Relative paths are below the user's directory.
    write(hdfs, "mine", b"mine")
    assert read(hdfs, "/user/root/mine") == b"mine"
    hdfs.delete_file("mine")
    return "done"


def streams(cluster):
    hdfs = connect(cluster)
    data = bytes(range(256)) * 20_000
    with hdfs.open_output_stream("/streams") as out:
        for start in range(0, len(data), 99_999):
            out.write(data[start : start + 99_999])
        out.flush()
        assert out.tell() == len(data)
    with hdfs.open_append_stream("/streams") as out:
        out.write(b"the end")
    data += b"the end"
    with hdfs.open_input_file("/streams") as file:
        assert file.size() == len(data)
        assert file.read_at(100, 1_000_000) == data[1_000_000:1_000_100]
        file.seek(len(data) - 3)
        assert file.read() == b"end"
        file.seek(5)
        assert file.read(10) == data[5:15]
        assert file.tell() == 15
    assert read(hdfs, "/streams") == data
    with hdfs.open_output_stream("/packed.gz", compression="gzip") as out:
        out.write(data)
    with hdfs.open_input_stream("/packed.gz", compression="gzip") as file:
        assert file.read() == data
    hdfs.delete_file("/streams")
    hdfs.delete_file("/packed.gz")
    return "done"


def dataset(cluster):
    hdfs = connect(cluster)
    count = 30_000
    table = pa.table(
        {
            "id": pa.array(range(count)),
            "year": pa.array([2020 + i % 3 for i in range(count)]),
            "name": pa.array([f"name-{i % 97}" for i in range(count)]),
            "value": pa.array([i / 7 for i in range(count)]),
        }
    )
    pq.write_to_dataset(table, "/dataset", partition_cols=["year"], filesystem=hdfs)
    assert names(hdfs, "/dataset") == [f"/dataset/year={year}" for year in (2020, 2021, 2022)]
    found = ds.dataset("/dataset", filesystem=hdfs, format="parquet", partitioning="hive")
    one = found.to_table(filter=ds.field("year") == 2021, columns=["id"])
    assert sorted(one["id"].to_pylist()) == list(range(1, count, 3))
    back = found.to_table(columns=table.column_names).sort_by("id")
    back = back.set_column(1, "year", back["year"].cast(pa.int64()))
    assert back.equals(table)
    # The same by a URI.
    uri = f"{cluster}/dataset?user=root&replication=1"
    assert ds.dataset(uri, format="parquet", partitioning="hive").count_rows() == count
    hdfs.delete_dir("/dataset")
    return back.num_rows


def number_of(call):
    try:
        call()
    except OSError as error:
        return error.errno
    raise AssertionError("nothing was raised")


def errors(cluster):
    hdfs = connect(cluster)
    write(hdfs, "/plain", b"x")
    assert number_of(lambda: read(hdfs, "/none")) == errno.ENOENT
    assert number_of(lambda: write(hdfs, "/plain/below", b"")) == errno.ENOTDIR
    assert number_of(lambda: hdfs.create_dir("/plain/below")) == errno.ENOTDIR
    hdfs.delete_file("/plain")
    return "done"


def loaded(cluster):
    reach(cluster)
    with open("/proc/self/maps") as maps:
        return sorted({line.split()[-1] for line in maps if ".so" in line})


print(json.dumps(globals()[sys.argv[1]](sys.argv[2])))
