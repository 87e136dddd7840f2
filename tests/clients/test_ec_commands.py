"""`cairn ec` beside Hadoop's ECAdmin, on one Cairn cluster: standard output, exit code and standard
error of each command, and what it leaves behind.

In a command "@" is the tree that it works on, "#" a directory of this machine, and "URI" the
cluster. A command that changes what is set at paths is run by ECAdmin on one tree and by `cairn ec`
on another that is the same; one that changes the cluster's policies, by both from the same state.
"""

import json
import os
import re
import shlex
import subprocess

from harness import env, hadoop
from harness.case import Case
from harness.cluster import MiniCluster, run

ECADMIN = "@org.apache.hadoop.hdfs.tools.ECAdmin"
TREES = ("/treeA", "/treeB")  # ECAdmin's, and that of `cairn ec`
OWN = "XOR-2-1-128k"  # a policy that was added
ENABLED = "RS-6-3-1024k"  # the one that is, at the beginning

GOOD = """<?xml version="1.0"?>
<configuration>
<layoutversion>1</layoutversion>
<schemas>
  <schema id="narrow"><codec>xor</codec><k>2</k><m>1</m></schema>
  <schema id="wide"><codec>rs</codec><k>12</k><m>4</m></schema>
  <schema id="wider"><codec>rs</codec><k>14</k><m>4</m></schema>
  <schema id="unknown"><codec>none</codec><k>4</k><m>2</m></schema>
</schemas>
<policies>
  <policy><schema>narrow</schema><cellsize>131072</cellsize></policy>
</policies>
</configuration>
"""


def policies(*schemas_and_cells):
    """A file of these policies alone."""
    rows = "".join(
        f"<policy><schema>{schema}</schema><cellsize>{cell}</cellsize></policy>\n"
        for schema, cell in schemas_and_cells
    )
    return re.sub(r"(?s)(?<=<policies>\n).*(?=</policies>)", rows, GOOD)


FILES = {
    "good.xml": GOOD,
    "empty.xml": policies(),
    "one.xml": policies(("wide", 65536), ("wide", 131072), ("wide", 65536)),
    "two.xml": policies(("wide", 262144), ("wide", 65536)),
    "system.xml": policies(("narrow", 1 << 20)),
    "wider.xml": policies(("wider", 65536), ("unknown", 65536), ("wide", 8 << 20)),
    "other.xml": "<other/>",
    "nolayout.xml": "<configuration/>",
    "layout2.xml": GOOD.replace(">1</layout", ">2</layout"),
    "layoutx.xml": GOOD.replace(">1</layout", ">x</layout"),
    "noschemas.xml": GOOD.replace("schemas>", "plans>"),
    "nopolicies.xml": GOOD.replace("policies>", "rules>"),
    "missing-schema.xml": GOOD.replace("<schema>narrow<", "<schema>gone<"),
    "cell.xml": GOOD.replace("131072", "1000"),
    "cellx.xml": GOOD.replace("131072", "128k"),
    "kx.xml": GOOD.replace("<k>2<", "<k>two<"),
    "k0.xml": GOOD.replace("<k>2<", "<k>0<"),
    "nok.xml": GOOD.replace("<k>2</k>", ""),
    "nocodec.xml": GOOD.replace("<codec>xor</codec>", ""),
    "tag.xml": GOOD.replace("</cellsize>", "</cellsize><rack>1</rack>"),
}


class Row:
    """A command, who runs it, and where Cairn does otherwise on purpose: `reason`, and what of its
    out, err and code is another than Hadoop's."""

    def __init__(self, command, user="root", reason=None, **ours):
        assert bool(reason) == bool(ours), command
        self.command = command
        self.user = user
        self.ours = ours


# ---- Commands that need no cluster ----

USAGE = [
    Row(""),
    Row("nosuch"),
    Row("-nosuch"),
    Row("listPolicies"),
    Row("-help nosuch"),
    Row("-help a b"),
    *(
        Row(f"-{command}{more}")
        for command in (
            "listPolicies",
            "listCodecs",
            "addPolicies",
            "getPolicy",
            "setPolicy",
            "unsetPolicy",
            "removePolicy",
            "enablePolicy",
            "disablePolicy",
            "verifyClusterSetup",
        )
        for more in (" word", " -bogus word")
    ),
    *(
        Row(f"-{command}{more}")
        for command in ("getPolicy", "setPolicy", "unsetPolicy")
        for more in ("", " -path", " -path ''", " -path / word", " -path / -path /")
    ),
    *(
        Row(f"-{command}{more}")
        for command in ("removePolicy", "enablePolicy", "disablePolicy")
        for more in ("", " -policy", " -policy p word", " -policy p -policy q")
    ),
    Row("-addPolicies"),
    Row("-addPolicies -policyFile"),
    Row("-addPolicies -policyFile #/good.xml word"),
    Row("-addPolicies -policyFile #/empty.xml"),
    Row("-addPolicies -policyFile file://#/empty.xml"),
    Row("-setPolicy -path / -policy"),
    Row("-setPolicy -path / -policy p word"),
    Row("-setPolicy -path / -policy p -replicate"),
    Row("-setPolicy -replicate"),
    Row("-verifyClusterSetup -policy"),
    Row("-verifyClusterSetup -policy -bogus p"),
    Row(
        "-help -setPolicy",
        reason="a command's name is taken with its dash, too, as `dfsadmin -help` does",
        code=0,
        err=["[-setPolicy -path <path> [-policy <policy>] [-replicate]]"],
    ),
    Row(
        "-getPolicy -path file:///tmp",
        reason="no Java class is named",
        err=["IllegalArgumentException: FileSystem file:/// is not an HDFS file system"],
    ),
    Row(
        "-getPolicy -path foo:///tmp",
        reason="HDFS's runs into an exception",
        code=255,
        err=['IllegalArgumentException: No FileSystem for scheme "foo"'],
    ),
    Row(
        "-getPolicy -path :x",
        reason="no Java class is named",
        err=["IllegalArgumentException: no scheme name before the colon: :x"],
    ),
]

_EXCEPTION = "HDFS's runs into an exception"
_PLACE = "HDFS names neither the file nor the line"
_NO_CELL = "expected a number of 1 to 2147483647"

BAD_FILES = [
    Row(
        f"-addPolicies -policyFile #/{name}.xml",
        reason=reason,
        err=[f"IllegalArgumentException: #/{name}.xml:{what}"],
        **({"code": 255} if reason == _EXCEPTION else {}),
    )
    for name, reason, what in (
        ("other", _EXCEPTION, "1: the root element is <other>, expected <configuration>"),
        ("nolayout", _EXCEPTION, "1: <configuration> without <layoutversion>"),
        ("layout2", _EXCEPTION, '3: <layoutversion> is "2", expected 1'),
        ("layoutx", _PLACE, '3: <layoutversion> is "x", expected 1'),
        ("noschemas", _EXCEPTION, "2: <configuration> without <schemas>"),
        ("nopolicies", _EXCEPTION, "2: <configuration> without <policies>"),
        ("missing-schema", _EXCEPTION, '11: there is no schema "gone"'),
        ("cell", _PLACE, "11: <cellsize> is 1000, expected a multiple of 1024"),
        ("cellx", _PLACE, f'11: <cellsize> is "128k", {_NO_CELL}'),
        ("kx", _PLACE, f'5: <k> is "two", {_NO_CELL}'),
        ("k0", _PLACE, f'5: <k> is "0", {_NO_CELL}'),
        ("nok", _PLACE, "5: <schema> without <k>"),
        ("nocodec", _PLACE, "5: <schema> without <codec>"),
    )
] + [
    Row(
        "-addPolicies -policyFile #/missing.xml",
        reason="HDFS's succeeds",
        code=255,
        out="",
        err=["IllegalArgumentException: open #/missing.xml: No such file or directory"],
    ),
    Row(
        "-addPolicies -policyFile empty.xml",
        reason="HDFS takes no relative path",
        code=0,
        out="No EC policy parsed out from empty.xml\n",
        err=[],
    ),
    Row(
        "-addPolicies -policyFile #/tag.xml",
        reason="HDFS overlooks elements that mean nothing",
        code=255,
        out="",
        err=[
            "IllegalArgumentException: #/tag.xml:11: <rack> in <policy>, expected <schema> and "
            "<cellsize>"
        ],
    ),
]

# ---- Commands about paths, each program on its own tree ----

# {path in the tree: mode}
DIRECTORIES = {
    "": "755",
    "/dir": "755",
    "/full": "755",
    "/full/sub": "755",
    "/open": "777",
    "/drop": "733",
    "/private": "700",
}

PATHS = [
    Row("-getPolicy -path @/dir"),
    Row("-getPolicy -path @/dir/"),
    Row("-getPolicy -path URI@/dir"),
    Row("-getPolicy -path hdfs://@/dir"),
    Row("-getPolicy -path @/dir/../full/./sub"),
    Row("-getPolicy -path @/full/file"),
    Row("-getPolicy -path @/full/file/below"),
    Row("-getPolicy -path @/missing"),
    Row("-getPolicy -path nowhere"),
    Row("-getPolicy -path /"),
    Row("-getPolicy -path //"),
    Row("-unsetPolicy -path @/dir"),
    Row("-setPolicy -path @/dir"),
    Row("-getPolicy -path @/dir"),
    Row("-setPolicy -path @/dir"),
    Row(f"-setPolicy -path @/dir/ -policy {ENABLED}"),
    Row(f"-setPolicy -policy {ENABLED} -path URI@/full"),
    Row("-getPolicy -path @/full/sub"),
    Row("-getPolicy -path @/full/file"),
    Row("-setPolicy -path @/full/sub -replicate"),
    Row("-getPolicy -path @/full/sub"),
    Row("-unsetPolicy -path @/full/sub"),
    Row("-setPolicy -path @/full"),
    Row("-setPolicy -replicate -path @/full"),
    Row("-setPolicy -path @/full -policy REPLICATION"),
    Row("-unsetPolicy -path @/full"),
    Row("-unsetPolicy -path @/full"),
    Row("-unsetPolicy -path URI@/dir"),
    Row("-setPolicy -path @/full/file"),
    Row("-unsetPolicy -path @/full/file"),
    Row("-setPolicy -path @/missing"),
    Row("-unsetPolicy -path @/missing"),
    Row("-setPolicy -path @/dir -policy nosuch"),
    Row("-setPolicy -path @/dir -policy XOR-2-1-1024k"),
    Row(f"-setPolicy -path @/dir -policy {ENABLED.lower()}"),
    Row("-setPolicy -path @/dir", user="bob"),
    Row("-setPolicy -path @/open", user="bob"),
    Row("-getPolicy -path @/open", user="bob"),
    Row("-unsetPolicy -path @/open", user="bob"),
    Row("-setPolicy -path @/drop", user="bob"),  # is set; whether it is empty he may not see
    Row("-unsetPolicy -path @/drop", user="bob"),
    Row("-unsetPolicy -path @/full", user="bob"),
    Row("-getPolicy -path @/private/x", user="bob"),
]

# ---- Commands about the cluster's policies ----

POLICIES = [
    Row("-listPolicies"),
    Row("-listPolicies", user="bob"),
    Row("-listCodecs"),
    Row("-listCodecs", user="bob"),
    *(
        Row(f"-{command}Policy -policy {policy}", user=user)
        for command in ("enable", "disable")
        for policy, user in (
            (ENABLED, "root"),
            ("RS-3-2-1024k", "root"),
            (OWN, "root"),
            ("nosuch", "root"),
            ("''", "root"),
            ("XOR-2-1-1024k", "bob"),
        )
    ),
    Row(f"-removePolicy -policy {ENABLED}"),
    Row("-removePolicy -policy nosuch"),
    Row(f"-removePolicy -policy {OWN}", user="bob"),
    Row(
        f"-removePolicy -policy {OWN}",
        reason="HDFS forgets the blank",
        out=f"Erasure coding policy {OWN} is removed\n",
    ),
    Row("-verifyClusterSetup"),
    Row("-verifyClusterSetup -policy RS-3-2-1024k"),
    Row("-verifyClusterSetup -policy XOR-2-1-1024k"),
    Row(f"-verifyClusterSetup RS-3-2-1024k -policy {OWN}"),
    Row("-verifyClusterSetup -policy nosuch"),
    Row("-verifyClusterSetup -policy RS-3-2-1024k -bogus"),
    Row("-addPolicies -policyFile #/good.xml", user="bob"),
]

ADDITIONS = [
    Row("-addPolicies -policyFile #/system.xml"),
    Row("-addPolicies -policyFile #/wider.xml"),
]

IN_SAFE_MODE = [
    Row("-listPolicies"),
    Row("-getPolicy -path @/dir"),
    Row("-setPolicy -path @/dir"),
    Row("-unsetPolicy -path @/dir"),
    Row("-enablePolicy -policy RS-3-2-1024k"),
    Row(f"-disablePolicy -policy {ENABLED}"),
    Row(f"-removePolicy -policy {OWN}"),
    Row("-addPolicies -policyFile #/good.xml"),
    Row(f"-verifyClusterSetup -policy {ENABLED}"),
]


def said(err):
    """What a command complained of, with the usage that it shows: what usage texts explain is in
    words of our own, and traces are of Java's."""
    err = err.replace(" [--json]", "").replace("bin/hdfs ec", "cairn ec")
    err = err.replace(", convert\n", "\n")  # which HDFS has not
    lines = []
    for line in err.splitlines():
        if line.startswith("          [-convert "):
            continue
        if not line and lines:  # behind it the explanation begins
            break
        if not re.match(r"\s+at |Caused by: |\t\.\.\. ", line):
            lines.append(line)
    return lines


class EcCommands(Case):
    limit_seconds = 200

    @classmethod
    def setUpClass(cls):
        cls.reason = hadoop.why_not()
        if cls.reason is not None:
            return
        cls.cluster = MiniCluster(
            datanodes=3,
            racks=["/a", "/b", "/c"],
            conf={"cairn.namenode.erasure.coding": "true"},
        )
        cls.addClassCleanup(cls.cluster.close)
        cls.java = hadoop.Shell(cls.cluster.uri)
        cls.addClassCleanup(cls.java.close)
        cls.java.run("-ls", "/")  # the classes load, and say what they have to say
        cls.local = env.new_directory("ec")
        for name, content in FILES.items():
            with open(os.path.join(cls.local, name), "w") as file:
                file.write(content)
        cls.java.run(ECADMIN, "-addPolicies", "-policyFile", os.path.join(cls.local, "good.xml"))

    def setUp(self):
        if self.reason:
            self.skipTest(self.reason)

    def make_trees(self):
        self.cluster.dfs("-rm", "-r", "-f", "-skipTrash", *TREES)
        for tree in TREES:
            self.cluster.dfs("-mkdir", "-p", *(tree + path for path in DIRECTORIES))
            for path, mode in DIRECTORIES.items():
                self.cluster.dfs("-chmod", mode, tree + path)
            self.cluster.put(b"replicated", f"{tree}/full/file")

    # ---- One command of each ----

    def words(self, row, tree):
        return [
            word.replace("URI", self.cluster.uri).replace("@", tree).replace("#", self.local)
            for word in shlex.split(row.command)
        ]

    def plain(self, text):
        """Without what differs from run to run, and from ECAdmin's tree to Cairn's."""
        text = text.replace(self.cluster.uri, "URI").replace(self.local, "#")
        return text.replace(TREES[1], TREES[0])

    def outcome(self, code, out, err):
        return {"code": code & 255, "out": self.plain(out), "err": said(self.plain(err))}

    def theirs(self, row, tree=TREES[0]):
        user = [] if row.user == "root" else ["=" + row.user]
        return self.outcome(*self.java.run(*user, ECADMIN, *self.words(row, tree), check=False))

    def ours(self, row, tree=TREES[1]):
        result = run(
            [env.program("cairn"), "ec", *self.words(row, tree)],
            check=False,
            cwd=self.local,
            stdin=subprocess.DEVNULL,
            env=self.cluster.environment(HADOOP_USER_NAME=row.user),
        )
        return self.outcome(result.returncode, result.stdout.decode(), result.stderr.decode())

    def compare(self, row, theirs, ours):
        for key, said_there in theirs.items():
            if key in row.ours:
                self.assertEqual(ours[key], row.ours[key], f"{key} of cairn")
                self.assertNotEqual(ours[key], said_there, f"{key}: no difference any more")
            else:
                self.assertEqual(ours[key], said_there, key)

    def all_alike(self, rows):
        for row in rows:
            with self.subTest(row.command, user=row.user):
                self.compare(row, self.theirs(row), self.ours(row))
        self.note(f"{len(rows)} commands")

    # ---- What is there, by ECAdmin ----

    def states(self):
        """{policy: its state}."""
        listing = self.java.run(ECADMIN, "-listPolicies")[1]
        return dict(re.findall(r"Name=([^,]+), .*State=(\w+)", listing))

    def restore_states(self):
        for name, state in self.states().items():
            if name == ENABLED or state == "REMOVED":
                self.java.run(ECADMIN, "-enablePolicy", "-policy", name)
            if name != ENABLED and state != "DISABLED":
                self.java.run(ECADMIN, "-disablePolicy", "-policy", name)

    def set_at(self, tree):
        """What holds at each path."""
        return [
            self.plain(self.java.run(ECADMIN, "-getPolicy", "-path", tree + path)[1])
            for path in (*DIRECTORIES, "/full/file")
        ]

    # ---- The tables ----

    def test_bad_usage(self):
        self.all_alike(USAGE)

    def test_files_that_are_wrong(self):
        self.all_alike(BAD_FILES)

    def test_paths(self):
        self.restore_states()
        self.make_trees()
        for row in PATHS:
            with self.subTest(row.command, user=row.user):
                theirs, ours = self.theirs(row), self.ours(row)
                self.assertEqual(self.set_at(TREES[1]), self.set_at(TREES[0]), "what is set now")
                self.compare(row, theirs, ours)
        self.note(f"{len(PATHS)} commands")

    def test_policies(self):
        for row in POLICIES:
            with self.subTest(row.command, user=row.user):
                self.restore_states()
                theirs, after_theirs = self.theirs(row), self.states()
                self.restore_states()
                ours, after_ours = self.ours(row), self.states()
                self.assertEqual(after_ours, after_theirs, "the policies' states now")
                self.compare(row, theirs, ours)
        self.restore_states()
        self.note(f"{len(POLICIES)} commands")

    def test_in_safe_mode(self):
        self.restore_states()
        self.make_trees()
        self.cluster.cairn("dfsadmin", "-safemode", "enter")
        try:
            self.all_alike(IN_SAFE_MODE)
        finally:
            self.cluster.cairn("dfsadmin", "-safemode", "leave")

    # ---- What tables cannot tell ----

    def test_policies_that_are_added(self):
        """Whichever program is the first finds the policy missing, the other one finds it there."""
        self.all_alike(ADDITIONS)
        for file, programs in (
            ("one.xml", (self.ours, self.theirs)),
            ("two.xml", (self.theirs, self.ours)),
        ):
            with self.subTest(file):
                row = Row(f"-addPolicies -policyFile #/{file}")
                first, second = (program(row) for program in programs)
                self.assertEqual(second, first)
                self.assertEqual(first["code"], 0)
                self.assertEqual(first["out"].count(" succeed.\n"), 2)
        listing = self.ours(Row("-listPolicies"))["out"]
        for cell in (64, 128, 256):
            self.assertRegex(
                listing,
                rf"ErasureCodingPolicy=\[Name=RS-12-4-{cell}k, Schema=\[ECSchema=\[Codec=rs, "
                r"numDataUnits=12, numParityUnits=4\]\], "
                rf"CellSize={cell << 10}, Id=\d+\], State=DISABLED\n",
            )

    def test_a_cluster_that_is_large_enough_is_told_so(self):
        """Three datanodes in three racks are enough for the smallest policy alone."""
        for policy, code in (("XOR-2-1-1024k", 0), ("RS-3-2-1024k", 2)):
            with self.subTest(policy):
                row = Row(f"-verifyClusterSetup -policy {policy}")
                self.assertEqual(self.ours(row)["code"], code)
                warned = self.ours(Row(f"-enablePolicy -policy {policy}"))["err"]
                self.assertEqual(len(warned), 0 if code == 0 else 1, warned)

    def test_help(self):
        """The same on the same stream, but for the words that explain."""

        def usages(program, row):
            found = program(row)
            return found["code"], found["out"], found["err"][:1]

        for words in ("", "listPolicies", "setPolicy", "verifyClusterSetup", "help"):
            with self.subTest(words):
                row = Row(f"-help {words}")
                self.assertEqual(usages(self.ours, row), usages(self.theirs, row))

    def test_who_may_not_verify(self):
        """ECAdmin ends in Java's exception: exit code 1 of a JVM, 99 of the one that we talk to."""
        row = Row("-verifyClusterSetup", user="bob")
        theirs, ours = self.theirs(row), self.ours(row)
        self.assertEqual((theirs["code"], ours["code"], ours["out"]), (99, 1, ""))
        self.assertRegex(ours["err"][0], "^AccessControlException: .*bob")
        self.assertEqual("org.apache.hadoop.security." + ours["err"][0], theirs["err"][0])

    def test_reports_for_programs(self):
        self.restore_states()
        self.make_trees()

        def report(command):
            return json.loads(self.ours(Row(command))["out"])

        found = {policy["name"]: policy for policy in report("-listPolicies --json")["policies"]}
        self.assertEqual({name: p["state"] for name, p in found.items()}, self.states())
        self.assertEqual(
            found[ENABLED],
            {
                "name": ENABLED,
                "id": 1,
                "state": "ENABLED",
                "codec": "rs",
                "data_units": 6,
                "parity_units": 3,
                "cell": 1 << 20,
                "options": {},
            },
        )
        listed = "Erasure Coding Codecs: Codec [Coder List]\n" + "".join(
            f"\t{codec['codec']} [{', '.join(codec['coders'])}]\n".upper()
            for codec in report("-listCodecs --json")["codecs"]
        )
        self.assertEqual(listed, self.theirs(Row("-listCodecs"))["out"])
        at = {"path": f"{TREES[0]}/dir", "policy": None}
        self.assertEqual(report("-getPolicy -path @/dir --json"), at)
        self.ours(Row("-setPolicy -path @/dir"))
        self.assertEqual(report("-getPolicy --json -path URI@/dir"), {**at, "policy": ENABLED})
