"""Directories whose files are erasure coded, and whether what lies on the disks is right.

Cells of 64 KiB: files of a few hundred KiB have several stripes, and those of blocks of 1 MiB a few
groups.
"""

import collections
import functools
import json
import os

from harness import env
from harness.cluster import Failed, MiniCluster

# Also files of a few bytes are coded: a test that wants them replicated says so.
SWITCH = {"cairn.namenode.erasure.coding": "true", "cairn.ec.small.file.bytes": "0"}
CONF = {
    **SWITCH,
    # What is of an old stamp goes soon.
    "dfs.namenode.startup.delay.block.deletion.sec": "2",
}
# A dead datanode's units are computed again within seconds.
GIVEN_UP_SOON = {
    "cairn.namenode.stale.interval": "2s",
    "cairn.namenode.dead.interval": "4s",
    "dfs.heartbeat.interval": "1s",
}
DATA, PARITY = 3, 2
UNITS = DATA + PARITY
CELL = 64 << 10
POLICY = "RS-3-2-64k"

_POLICIES = """<?xml version="1.0"?>
<configuration>
<layoutversion>1</layoutversion>
<schemas><schema id="made"><codec>rs</codec><k>{data}</k><m>{parity}</m></schema></schemas>
<policies><policy><schema>made</schema><cellsize>{cell}</cellsize></policy></policies>
</configuration>
"""


def make(cluster, *paths, parity=PARITY):
    """Directories of a policy with DATA data units, in a cluster with CONF."""
    file = os.path.join(env.new_directory("policies"), "policies.xml")
    with open(file, "w") as out:
        out.write(_POLICIES.format(data=DATA, parity=parity, cell=CELL))
    policy = f"RS-{DATA}-{parity}-{CELL >> 10}k"
    _ec(cluster, "-addPolicies", "-policyFile", file)
    enable(cluster, policy)
    set_policy(cluster, policy, *paths)


def start(add_cleanup, datanodes, policies, *paths, conf=None):
    """A cluster that lives as long as the test, or class, whose `add_cleanup` it is. `policies`, some
    of those that every cluster knows, are enabled; the first one is that of the directories."""
    cluster = MiniCluster(datanodes=datanodes, conf={**SWITCH, **(conf or {})})
    add_cleanup(cluster.close)
    enable(cluster, *policies)
    set_policy(cluster, policies[0], *paths)
    return cluster


def enable(cluster, *policies):
    for policy in policies:
        _ec(cluster, "-enablePolicy", "-policy", policy)


def set_policy(cluster, policy, *paths):
    """Makes the directories that are not there yet."""
    for path in paths:
        if path != "/":
            cluster.dfs("-mkdir", "-p", path)
        _ec(cluster, "-setPolicy", "-path", path, "-policy", policy)


def sizes(cell, stripe, group):
    """Of files: none, one and some bytes, and what is just below, at and above each border."""
    borders = [border + more for border in (cell, stripe, group) for more in (-1, 0, 1)]
    return (0, 1, *borders, 3 * group + group // 2)


def _ec(cluster, *words):
    result = cluster.cairn("ec", *words)
    if result.returncode != 0:
        raise Failed(f"cairn ec {' '.join(words)}: {(result.stdout + result.stderr).decode()}")


# ---- What fsck says ----


def groups(cluster, path="/"):
    """The block groups of the files below `path` that nobody writes, as in its --json."""
    words = ("-files", "-blocks", "-locations", "--json")
    files = json.loads(cluster.cairn("fsck", path, *words).stdout)["files"]
    return [block for file in files for block in file["blocks"] if "units" in block]


def crowded(found):
    """The (group, datanode) where a datanode has two units of one of these groups."""
    crowds = []
    for group in found:
        nodes = collections.Counter(
            replica["datanode"] for unit in group["units"] for replica in unit["replicas"]
        )
        crowds += [(group["block"], node) for node, count in nodes.items() if count > 1]
    return crowds


def verification(cluster, path="/"):
    """{what -ec-verify found: of how many groups}; {"verified": all of them} is what is wanted."""
    totals = json.loads(cluster.cairn("fsck", path, "-ec-verify", "--json").stdout)["totals"]
    return {what: count for what, count in totals["verification"].items() if count}


# ---- Parity, computed in another way than the product's: byte for byte by tables ----


def _times(a, b):
    """In GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= 0x11D
        b >>= 1
    return product


@functools.cache
def _table(parity, data):
    """What a byte of a data unit gives to a parity unit: its product with an element of the Cauchy
    matrix, which is the inverse of row xor column."""
    (factor,) = (x for x in range(256) if _times(x, (DATA + parity) ^ data) == 1)
    return bytes(_times(factor, x) for x in range(256))


def parity_of(units):
    """The parity units of data units, which are given by number; the first is the longest."""
    size = len(units[0])
    made = []
    for parity in range(PARITY):
        total = 0
        for data, unit in units.items():
            total ^= int.from_bytes(unit.ljust(size, b"\0").translate(_table(parity, data)), "little")
        made.append(total.to_bytes(size, "little"))
    return made


def wrong_groups(units):
    """What is not as it should be, given (replica, bytes) of each finalized unit, one of each: a group
    has all its units, of one stamp, and its parity is that of its data."""
    groups = collections.defaultdict(dict)
    for replica, data in units:
        groups[replica.block & ~15][replica.block & 15] = (replica, data)
    wrong = []
    for group, found in groups.items():
        data = {number: content for number, (_, content) in found.items() if number < DATA}
        parity = [found[number][1] for number in range(DATA, UNITS) if number in found]
        stamps = {replica.stamp for replica, _ in found.values()}
        where = ", ".join(
            f"unit {number} of {len(content)} bytes, stamp {replica.stamp} on {replica.node}"
            for number, (replica, content) in sorted(found.items())
        )
        if len(stamps) > 1:
            wrong.append(f"stamps of blk_{group} differ: {where}")
        elif 0 not in data or len(parity) < PARITY:
            wrong.append(f"blk_{group} lacks units: {where}")
        elif any(len(unit) > len(data[0]) for unit in data.values()) or parity != parity_of(data):
            # Or a data unit is missing: its bytes are taken for zeros.
            wrong.append(f"parity of blk_{group} is not that of its data: {where}")
    return wrong
