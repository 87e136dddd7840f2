"""What the datanodes of a cluster have on their disks, and what cairn-flusher has written."""

import array
import collections
import hashlib
import os
import re
import sys
import time

from harness import coded, env
from harness.cluster import Failed

Replica = collections.namedtuple("Replica", "node block stamp state bytes path")


def replicas_of(cluster, *names):
    """Every replica in the directories of the datanodes `names`, of all if there are none."""
    found = []
    for name in names or cluster.datanodes:
        for directory, _, files in os.walk(cluster.data(name)):
            state = "finalized" if "/finalized" in directory else os.path.basename(directory)
            stamps = {}
            for file in files:
                meta = re.fullmatch(r"blk_(-?\d+)_(\d+)\.meta", file)
                if meta:
                    # A second one is of an earlier replica: the datanode goes by the newest.
                    stamps[meta.group(1)] = max(stamps.get(meta.group(1), 0), int(meta.group(2)))
            for file in files:
                data = re.fullmatch(r"blk_(-?\d+)", file)
                if data is None:
                    continue
                path = os.path.join(directory, file)
                try:
                    size = os.path.getsize(path)
                except FileNotFoundError:
                    continue  # moved on
                found.append(
                    Replica(name, int(data.group(1)), stamps.get(data.group(1)), state, size, path)
                )
    return found


def live_units(cluster):
    """{block id: replica} of the units that are finalized on datanodes that run; one of each."""
    alive = [name for name in cluster.datanodes if cluster.alive(name)]
    return {
        replica.block: replica
        for replica in (replicas_of(cluster, *alive) if alive else [])
        if replica.block < 0 and replica.state == "finalized"
    }


def differences(cluster):
    """What is not equal among the replicas of each block: length, stamp, state, bytes."""
    blocks = collections.defaultdict(list)
    for replica in replicas_of(cluster):
        blocks[replica.block].append(replica)
    found = []
    for block, replicas in blocks.items():
        try:
            seen = {(r.stamp, r.state, r.bytes, digest(r.path)) for r in replicas}
        except FileNotFoundError:
            seen = {"one was deleted or moved"}, {}
        if len(seen) != 1 or replicas[0].state != "finalized":
            found.append((block, [(r.node, r.stamp, r.state, r.bytes) for r in replicas]))
    return found


def digest(path):
    with open(path, "rb") as file:
        return hashlib.md5(file.read()).hexdigest()


def words(identity, length):
    """The first `length` bytes of a cairn-flusher's file."""
    base = identity << 32
    content = array.array("Q", range(base, base + (length + 7) // 8))
    if sys.byteorder == "big":
        content.byteswap()
    return content.tobytes()[:length]


def survey(cluster, copies):
    """(replicas looked at, [what is not as it should be]): of each finalized block at least so many
    replicas, all of one stamp, with the same bytes and the same checksums; of each unit of a block
    group at least one, and the units of each group are all there and fit each other."""
    blocks = collections.defaultdict(list)
    units = {}
    for replica in replicas_of(cluster):
        if replica.state != "finalized":
            continue
        try:
            with open(replica.path, "rb") as data, open(meta_path(replica), "rb") as meta:
                content = data.read()
                digest = hash(content), hash(meta.read())
        except FileNotFoundError:  # deleted meanwhile, or one of the two is missing
            continue
        if replica.block < 0:
            units[replica.block] = (replica, content)
        blocks[replica.block].append((replica, digest))
    wrong = []
    for block, found in blocks.items():
        where = ", ".join(f"stamp {replica.stamp} on {replica.node}" for replica, _ in found)
        if len({(replica.stamp, digest) for replica, digest in found}) > 1:
            wrong.append(f"replicas of blk_{block} differ: {where}")
        elif block > 0 and len(found) < copies:
            wrong.append(f"too few replicas of blk_{block}: {where}")
    wrong += coded.wrong_groups(units.values())
    return sum(len(found) for found in blocks.values()), wrong


def when_whole(cluster, copies, seconds):
    """How many replicas survey() has looked at when it found nothing wrong; Failed if it still does."""
    until = time.monotonic() + seconds * env.SLOW
    while True:
        count, wrong = survey(cluster, copies)
        if not wrong:
            return count
        if time.monotonic() > until:
            listed = "\n".join(wrong[:20])
            raise Failed(f"{len(wrong)} blocks are not whole after {seconds} s:\n{listed}")
        time.sleep(0.5)


def meta_path(replica):
    return f"{replica.path}_{replica.stamp}.meta"


META_HEADER_BYTES = 7


def spoil(replica, offset, byte=None):
    """Writes `byte`, another one than what is there if none is given, into a finalized replica, and
    the checksum that goes with it: nobody who looks at the replica alone can tell. What was there."""
    meta = meta_path(replica)
    with open(replica.path, "r+b") as data, open(meta, "r+b") as sums:
        header = sums.read(META_HEADER_BYTES)
        if header[:3] != b"\x00\x01\x02":
            raise ValueError(f"{meta}: not of version 1 with CRC32C")
        chunk_bytes = int.from_bytes(header[3:], "big")
        chunk = offset // chunk_bytes
        data.seek(chunk * chunk_bytes)
        values = bytearray(data.read(chunk_bytes))
        at = offset % chunk_bytes
        before = values[at]
        values[at] = before ^ 0x41 if byte is None else byte
        data.seek(offset)
        data.write(values[at : at + 1])
        sums.seek(META_HEADER_BYTES + 4 * chunk)
        sums.write(crc32c(values).to_bytes(4, "big"))
    return before


def crc32c(data):
    """Castagnoli's, bit by bit: for a chunk or a few."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
