"""`cairn dfs` beside Hadoop's FsShell, on one Cairn cluster: standard output, exit code and
standard error of each command, and what it leaves behind.

In a command "@" is the tree that it works on and "#" a directory of this machine. A command that
changes something is run by FsShell on one tree and by `cairn dfs` on another that is the same.
"""

import gzip
import os
import re
import shlex
import shutil
import subprocess
import zlib

from harness import env, hadoop
from harness.case import Case
from harness.cluster import MiniCluster, run

BLOCK = 1 << 20
TREES = ("/treeA", "/treeB")  # FsShell's, and that of `cairn dfs`

# {name in the tree: bytes}; None: a directory that stays empty.
FILES = {
    "file": b"hello, world\n",
    "empty": b"",
    "long": b"".join(b"line %d\n" % number for number in range(400)),
    "blocks": b"0123456789abcdef" * (BLOCK * 5 // 32),  # two and a half
    "dir/one.txt": b"1\n",
    "dir/two.TXT": b"22",
    "dir/sub/three.txt": b"333\n",
    "hollow": None,
    "zip/packed.gz": gzip.compress(b"packed\n" * 500, mtime=0),
    "zip/unnamed": gzip.compress(b"first\n", mtime=0) + gzip.compress(b"second\n", mtime=0),
    "zip/packed.deflate": zlib.compress(b"deflated\n" * 500),
    "times/old": b"333",
    "times/mid": b"1",
    "times/new": b"22",
    "odd/a*b": b"star",
    "odd/axb": b"x",
    "odd/sp ace": b"blank",
    "odd/tab\there": b"tab",
    "private/secret": b"secret",
    "open/theirs": b"theirs",
    "parts/a": b"a",
    "parts/b": b"",
    "parts/c": b"c\n",
}
MODES = {"file": "640", "dir/two.TXT": "755", "private": "700", "open": "1777", "zip": "772"}
TIMES = {
    "times/old": "20010203:040506",
    "times/mid": "20110203:040506",
    "times/new": "20210203:040506",
    "file": "20200101:000001",
    "dir": "20200101:000002",
}

# The same in the form of files of this machine, in "#".
LOCAL_FILES = {
    "file": b"from here\n",
    "more": b"and more\n",
    "empty": b"",
    "tree/leaf": b"leaf",
    "tree/below/twig": b"twig",
    "into/file": b"older\n",
}


class Row:
    """A command, who runs it, the paths whose times it sets, and where Cairn does otherwise on
    purpose: `reason`, and what of its out, err and code is another than Hadoop's."""

    def __init__(self, command, user="root", times="", reason=None, **ours):
        assert bool(reason) == bool(ours), command
        self.command = command
        self.user = user
        self.times = times.split()
        self.ours = ours

    def words(self, tree, local):
        words = shlex.split(self.command)
        return [re.sub("^#", local, re.sub("^@", tree, word)) for word in words]


# ---- Commands that change nothing: both programs look at the same tree ----

LISTINGS = [
    Row("-ls @"),
    Row("-ls @/"),
    Row("-ls @/file"),
    Row("-ls @/file @/dir @/empty"),
    Row("-ls @/hollow"),
    Row("-ls -R @"),
    Row("-ls -R -h @"),
    Row("-ls -h @"),
    Row("-ls -t @/times"),
    Row("-ls -t -r @/times"),
    Row("-ls -S @/times"),
    Row("-ls -S -r @/times"),
    Row("-ls -r @/times"),
    Row("-ls -u @/times"),
    Row("-ls -u -t @/times"),
    Row("-ls -d @"),
    Row("-ls -d @/*"),
    Row("-ls -d -C @/dir"),
    Row("-ls -C @"),
    Row("-ls -C -R @/dir"),
    Row("-ls -q @/odd"),
    Row("-ls @/odd"),
    Row("-ls -e @/dir"),
    Row("-ls @/missing"),
    Row("-ls @/missing @/file @/nor-this"),
    Row("-ls @/file/below"),
    Row("-ls -Z @"),
    Row("-ls -Rh @"),
    Row("-ls @/private", user="bob"),
    Row("-ls -R -C @", user="bob"),
    Row("-ls @/private/secret", user="bob"),
]

PATTERNS = [
    Row("-ls -d '@/{dir,empty}'"),
    Row("-ls -d '@/{dir/one.txt,times/old}'"),
    Row("-ls -d '@/{missing,empty}'"),
    Row("-ls -d '@/[de]*'"),
    Row("-ls -d '@/[^de]*'"),
    Row("-ls -d '@/[a-e]*'"),
    Row("-ls -d '@/f?le'"),
    Row("-ls -d '@/*/*.txt'"),
    Row("-ls -d '@/*/*/*.txt'"),
    Row("-ls -d '@/*.{txt,TXT}'"),
    Row("-ls -d '@/dir/{one,two}.{txt,TXT}'"),
    Row("-ls -C '@/t*'"),
    Row("-ls -d '@/odd/a*b'"),
    Row("-ls -d '@/odd/a\\*b'"),
    Row("-ls -d '@/odd/sp ace'"),
    Row("-ls -d '@/odd/sp?ace'"),
    Row("-cat '@/dir/*.txt'"),
    Row("-cat '@/nothing*'"),
    Row("-cat '@/nothing*' @/file"),
    Row("-cat '@/file/*'"),
    Row(
        "-ls '@/['",
        reason="HDFS names the regular expression that it makes of the pattern",
        err=["ls: Illegal file pattern: unclosed character class in ["],
    ),
    Row("-stat %n '@/{dir,times}/*'"),
    Row("-du -s '@/*'"),
    Row("-count '@/[dt]i*'"),
]

CONTENTS = [
    *(
        Row(f"{command} {path}")
        for command in ("-cat", "-text", "-head", "-tail", "-checksum")
        for path in ("@/file", "@/empty", "@/dir", "@/missing", "@/long", "@/file/below")
    ),
    Row("-cat @/file @/dir @/missing @/long"),
    Row("-cat -ignoreCrc @/file"),
    Row("-cat -bogus @/file"),
    Row("-cat"),
    Row("-cat @/blocks"),
    Row("-cat @/private/secret", user="bob"),
    Row("-cat @/file", user="bob"),
    Row("-text @/zip/packed.gz"),
    Row("-text @/zip/unnamed"),
    Row("-text @/zip/packed.deflate"),
    Row("-text '@/zip/*'"),
    Row("-text -ignoreCrc @/zip/packed.gz"),
    Row("-text @/parts/a"),
    Row("-text"),
    Row("-head"),
    Row("-head @/file @/long"),
    Row("-head -n @/file"),
    Row("-head @/blocks"),
    Row("-tail"),
    Row("-tail @/file @/long"),
    Row("-tail -n @/file"),
    Row("-tail -s 100 @/file"),
    Row("-tail @/blocks"),
    Row("-checksum -v @/file"),
    Row("-checksum @/blocks @/long"),
    Row("-checksum"),
    Row("-checksum @/private/secret", user="bob"),
]

FACTS = [
    Row("-stat @/file"),
    Row("-stat @/file @/dir @/missing"),
    *(
        Row(f"-stat '<%{letter}>' @/{name}")
        for letter in "aAbFgnoruyYxX"
        for name in ("times/old", "dir")
    ),
    Row("-stat '%a %A' @/open @/private @/zip"),
    Row("-stat 'name %n, %b bytes, %q %%' @/file"),
    Row("-stat %n @/"),
    Row("-stat %n /"),
    Row("-stat"),
    Row("-stat %y"),
    Row("-stat -x @/file"),
    Row("-stat -R @/dir"),
    Row("-stat -R '%n %b' @/dir @/file"),
    Row("-stat '%n %b' -R @/dir @/file"),
    Row("-stat -R '%n %b' -R @/dir @/file"),
    Row("-stat -x '%n' @/file"),
    Row("-stat %b @/private/secret", user="bob"),
    *(
        Row(f"-test -{flag} @/{name}")
        for flag in "defswzr"
        for name in ("file", "empty", "dir", "missing")
    ),
    *(
        Row(f"-test -{flag} @/{name}", user="bob")
        for flag in "rwe"
        for name in ("file", "long", "private", "open", "missing")
    ),
    Row("-test -e @/private/secret", user="bob"),
    Row("-test @/file"),
    Row("-test -e -d @/file"),
    Row("-test -q @/file"),
    Row("-test -e @/file @/dir"),
    Row("-test -e"),
    Row("-test -f '@/f*'"),
    Row("-test -d '@/nothing*'"),
]

SUMS = [
    Row("-du @"),
    Row("-du -s @"),
    Row("-du -h @"),
    Row("-du -v @"),
    Row("-du -s -h -v @ @/dir"),
    Row("-du -x @/dir"),
    Row("-du @/file"),
    Row("-du @/hollow"),
    Row("-du @/missing"),
    Row("-du @/missing @/dir"),
    Row("-du -q @"),
    Row("-du @", user="bob"),
    Row("-count @"),
    Row("-count @ @/file @/hollow"),
    Row("-count -q @"),
    Row("-count -h @"),
    Row("-count -v @"),
    Row("-count -q -h -v @ @/dir"),
    Row("-count -u -v @"),
    Row("-count -u -h @"),
    Row("-count -x @"),
    Row("-count -s -v @"),
    Row("-count @/missing"),
    Row("-count"),
    Row("-count -z @"),
    Row("-count @", user="bob"),
    Row("-df -z"),
    Row("-df @/missing"),
]

FINDS = [
    Row("-find @"),
    Row("-find @ -print"),
    Row("-find @/dir @/times"),
    Row("-find @/file"),
    Row("-find @ -name '*.txt'"),
    Row("-find @ -name '*.TXT'"),
    Row("-find @ -iname '*.txt'"),
    Row("-find @ -iname 'ONE.*'"),
    Row("-find @ -name 'sub'"),
    Row("-find @ -name '{one,two}*'"),
    Row("-find @ -name 'a\\*b'"),
    Row("-find @ -name nothing"),
    Row("-find @ -name '*.txt' -print0"),
    Row("-find @ -print0 -name '*.txt'"),
    Row("-find @ -name '*.txt' -a -name 'one*' -print"),
    Row("-find @ -name '*.txt' -and -iname 'ONE*'"),
    Row("-find @ -name '*.txt' -name 'three*'"),
    Row("-find '@/{dir,times}' -name '*e*'"),
    Row("-find -L @/dir"),
    Row("-find @/missing"),
    Row("-find @/missing @/dir"),
    Row(
        "-find @ -name",
        reason="HDFS's runs into an exception",
        code=1,
        err=["find: Missing argument for -name"],
    ),
    Row("-find @ -type f"),
    Row("-find @ -print more"),
    Row("-find"),
    Row("-find @", user="bob"),
]

# ---- Commands that change something, each group on fresh trees ----

MAKING = [
    Row("-mkdir @/new"),
    Row("-mkdir @/dir"),
    Row("-mkdir @/file"),
    Row("-mkdir @/no/such/parent"),
    Row("-mkdir @/file/below"),
    Row("-mkdir @/dir @/second @/no/third @/fourth"),
    Row("-mkdir -p @/p/q/r @/dir"),
    Row("-mkdir -p @/file"),
    Row("-mkdir -p @/file/below"),
    Row("-mkdir"),
    Row("-mkdir -x @/x"),
    Row("-mkdir @/bobs", user="bob"),
    Row("-mkdir @/open/bobs", user="bob"),
    Row("-touchz @/z1 @/z2"),
    Row("-touchz @/empty"),
    Row("-touchz @/file"),
    Row("-touchz @/dir"),
    Row("-touchz @/no/parent"),
    Row("-touchz @/nodir/"),
    Row("-touchz"),
    Row("-touchz @/bobs", user="bob"),
]

TOUCHING = [
    Row("-touch @/t1"),
    Row("-touch @/file"),
    Row("-touch -c @/not-made"),
    Row("-touch -t 20190203:040506 @/file @/t2", times="@/file @/t2"),
    Row("-touch -m -t 20180203:040506 @/file", times="@/file"),
    Row("-touch -a -t 20170203:040506 @/file", times="@/file"),
    Row("-touch -a -m -t 20160203:040506 @/file", times="@/file"),
    Row("-touch -c -t 20150203:040506 @/not-made @/long", times="@/long"),
    Row("-touch -t 20140203:040506 @/dir", times="@/dir"),
    Row("-touch -t nonsense @/file", times="@/file"),
    Row(
        "-touch -t 20140203:040506",
        reason="refused as well; what may be the path is not taken for the time",
        err=[
            "-touch: Unable to parse the specified timestamp . "
            "The expected format is yyyyMMdd:HHmmss"
        ],
    ),
    Row("-touch @/no/parent"),
    Row("-touch"),
    Row("-touch -q @/file"),
    Row("-touch @/file", user="bob", times="@/file"),
    Row("-touch -t 20130203:040506 @/long", user="bob", times="@/long"),
]

COPYING = [
    Row("-cp @/file @/copy"),
    Row("-cp @/file @/hollow"),
    Row("-cp @/file @/hollow"),
    Row("-cp @/file @/empty"),
    Row("-cp -f @/file @/empty"),
    Row("-cp -f @/file @/dir"),
    Row("-cp -p @/times/old @/dir/kept", times="@/dir/kept"),
    Row("-cp -pt @/times/mid @/dir/timed", times="@/dir/timed"),
    Row("-cp -ptop @/dir/two.TXT @/dir/whole", times="@/dir/whole"),
    Row("-cp -p @/times @/times2", times="@/times2/old @/times2/mid @/times2/new"),
    Row("-cp @/dir @/dir2"),
    Row("-cp @/dir @/dir2"),
    Row("-cp @/dir @/dir2"),
    Row("-cp -f @/dir @/dir2"),
    Row("-cp -d @/file @/direct"),
    Row("-cp -t 3 @/dir @/threads"),
    Row("-cp @/dir @/dir/sub"),
    Row("-cp @/dir @/file"),
    Row("-cp @/file @/file"),
    Row("-cp @/missing @/x"),
    Row("-cp @/file @/no/parent"),
    Row("-cp @/file @/long @/no-dir"),
    Row("-cp @/file @/long @/blocks"),
    Row("-cp @/file @/missing @/long @/open"),
    Row("-cp '@/times/*' @/hollow"),
    Row("-cp '@/nothing*' @/hollow"),
    Row("-cp @/file '@/{dir,hollow}'"),
    Row("-cp @/file"),
    Row("-cp -x @/file @/y"),
    Row("-cp @/long @/bobs", user="bob"),
    Row("-cp @/private/secret @/open/bobs", user="bob"),
    Row("-cp @/long @/open/bobs", user="bob"),
]

MOVING = [
    Row("-mv @/file @/moved"),
    Row("-mv @/moved @/hollow"),
    Row("-mv @/long @/hollow/moved"),
    Row("-mv @/long @/empty"),
    Row("-mv @/dir @/renamed"),
    Row("-mv @/renamed @/hollow"),
    Row("-mv @/missing @/x"),
    Row("-mv @/long @/no/parent"),
    Row("-mv @/times @/times/below"),
    Row("-mv @/times @/times"),
    Row("-mv @/long @/long"),
    Row("-mv @/long @/long/below"),
    Row("-mv @/times/old @/times/new @/open"),
    Row("-mv @/parts/a @/parts/b @/no-dir"),
    Row("-mv @/parts/a @/parts/b @/long"),
    Row("-mv @/parts/a @/missing @/parts/b @/open"),
    Row("-mv '@/odd/a*' @/open"),
    Row("-mv '@/nothing*' @/open"),
    Row("-mv @/long"),
    Row("-mv -f @/long @/x"),
    Row("-mv @/long @/bobs", user="bob"),
    Row("-mv @/open/theirs @/open/bobs", user="bob"),
]

REMOVING = [
    Row("-rm -skipTrash @/file"),
    Row("-rm -skipTrash @/missing"),
    Row("-rm -skipTrash -f @/missing '@/nothing*'"),
    Row("-rm -skipTrash '@/nothing*'"),
    Row("-rm -skipTrash @/dir"),
    Row("-rm -skipTrash -r @/dir"),
    Row("-rm -skipTrash -R @/times/old @/missing @/odd"),
    Row("-rm -skipTrash -f @/zip"),
    Row("-rm -skipTrash '@/parts/*'"),
    Row("-rm -skipTrash -r -safely @/zip"),
    Row("-rm"),
    Row("-rm -x @/long"),
    Row("-rm -skipTrash @/long", user="bob"),
    Row("-rm -skipTrash @/open/theirs", user="bob"),
    Row("-rm -skipTrash -r @/private", user="bob"),
    Row("-rmdir @/hollow"),
    Row("-rmdir @/private"),
    Row("-rmdir --ignore-fail-on-non-empty @/private"),
    Row("-rmdir @/long"),
    Row("-rmdir @/missing"),
    Row("-rmdir @/parts @/missing"),
    Row("-rmdir"),
    Row("-rmdir -r @/open"),
]

PERMISSIONS = [
    Row("-chmod 600 @/file"),
    Row("-chmod 1777 @/dir"),
    Row("-chmod 755 @/dir"),
    Row("-chmod u+x,go-w @/file"),
    Row("-chmod a=r @/file"),
    Row("-chmod +w @/file"),
    Row("-chmod -w @/file"),
    Row("-chmod g+rw,o-x @/long"),
    Row("-chmod o-rwx @/private"),
    Row(
        "-chmod o= @/private",
        reason="as chmod(1) writes it",
        code=0,
        err=[],
    ),
    Row("-chmod ug=rwx,o=x @/long"),
    Row("-chmod +t @/hollow"),
    Row("-chmod -t @/hollow"),
    Row("-chmod -R a+X @/dir"),
    Row("-chmod -R 700 @/dir"),
    Row("-chmod -R go+rX @/dir @/missing"),
    Row("-chmod 999 @/file"),
    Row("-chmod 77777 @/file"),
    Row("-chmod u+q @/file"),
    Row("-chmod 644 @/missing"),
    Row("-chmod 644"),
    Row("-chmod"),
    Row("-chmod 777 @/long", user="bob"),
    Row("-chmod -R 777 @/private", user="bob"),
    Row("-chown bob @/file"),
    Row("-chown bob:staff @/long"),
    Row("-chown :others @/long"),
    Row("-chown alice: @/long"),
    Row("-chown -R bob:staff @/dir"),
    Row("-chown -R carol @/dir @/missing"),
    Row("-chown : @/file"),
    Row("-chown 'a b' @/file"),
    Row("-chown bob @/missing"),
    Row("-chown bob"),
    Row("-chown bob @/empty", user="bob"),
    Row("-chgrp staff @/empty"),
    Row("-chgrp -R staff @/times"),
    Row("-chgrp 'a b' @/empty"),
    Row("-chgrp staff @/missing"),
    Row("-chgrp staff"),
    Row("-chgrp others @/empty", user="bob"),
]

BLOCKS = [
    Row("-setrep 2 @/file"),
    Row("-setrep 1 @/file @/long"),
    Row("-setrep 3 @/dir"),
    Row("-setrep -R 1 @/dir"),
    Row("-setrep 0 @/file"),
    Row("-setrep many @/file"),
    Row("-setrep 30000 @/file"),
    Row("-setrep 2 @/missing"),
    Row("-setrep 2"),
    Row("-setrep"),
    Row("-setrep 2 @/long", user="bob"),
    Row("-concat @/parts/a @/parts/c @/file"),
    Row("-concat @/parts/a @/long"),
    Row("-concat @/missing @/long @/blocks"),
    Row("-concat @/dir @/long @/blocks"),
    Row("-concat @/long @/missing @/blocks"),
    Row("-concat @/long"),
    Row("-concat"),
    Row("-concat '@/times/*'"),
    Row("-concat '@/nothing*'"),
    Row("-concat @/odd/axb @/zip/packed.gz @/zip/unnamed", user="bob"),
    Row(f"-truncate {BLOCK} @/blocks"),
    Row("-truncate -w 5 @/long"),
    Row("-truncate 100000000 @/zip/unnamed"),
    Row("-truncate few @/zip/unnamed"),
    Row("-truncate 1 @/dir"),
    Row("-truncate 1 @/missing"),
    Row("-truncate 1"),
    Row("-truncate 0 @/zip/unnamed", user="bob"),
]

UPLOADS = [
    Row("-put #/file @/put"),
    Row("-put #/file @/hollow"),
    Row("-put #/file @/hollow"),
    Row("-put #/file @/empty"),
    Row("-put -f #/file @/empty"),
    Row("-put -d #/file @/direct"),
    Row("-put #/tree @/tree"),
    Row("-put #/tree @/dir"),
    Row("-put #/tree @/dir"),
    Row("-put #/file #/more @/open"),
    Row("-put #/file #/more @/no-dir"),
    Row("-put #/file #/more @/long"),
    Row("-put #/file @/no/parent"),
    Row("-put #/missing @/x"),
    Row("-put #/missing #/more @/dir"),
    Row("-put"),
    Row("-put -x #/file @/x"),
    Row("-put #/file @/bobs", user="bob"),
    Row("-copyFromLocal #/file @/copied"),
    Row("-copyFromLocal #/file @/copied"),
    Row("-copyFromLocal -f #/more @/copied"),
    Row("-copyFromLocal -t 2 #/tree @/copied-tree"),
    Row("-copyFromLocal #/missing @/x"),
    Row("-copyFromLocal #/file @/bobs", user="bob"),
    Row("-appendToFile #/file @/file"),
    Row("-appendToFile #/file #/more @/appended"),
    Row("-appendToFile #/missing @/file"),
    Row("-appendToFile #/file @/dir"),
    Row("-appendToFile #/file"),
    Row("-appendToFile"),
    Row("-appendToFile #/file @/long", user="bob"),
    Row("-moveFromLocal #/file @/come"),
    Row("-moveFromLocal #/more @/empty"),
    Row("-moveFromLocal #/missing @/x"),
    Row("-moveFromLocal #/tree @/tree2"),
    Row("-moveFromLocal"),
]

DOWNLOADS = [
    Row("-get @/file #/got"),
    Row("-get @/file #/into"),
    Row("-get @/long #/into"),
    Row("-get -f @/file #/into"),
    Row("-get @/dir #/tree"),
    Row("-get @/dir #/got-tree"),
    Row("-get @/file @/long #/into"),
    Row("-get @/file @/long #/no-dir"),
    Row("-get @/file #/no/parent"),
    Row("-get @/missing #/x"),
    Row("-get '@/dir/*.txt' #/into"),
    Row("-get '@/nothing*' #/into"),
    Row("-get"),
    Row("-get -x @/file #/x"),
    Row("-get @/private/secret #/x", user="bob"),
    Row("-copyToLocal @/file #/copied"),
    Row("-copyToLocal @/file #/copied"),
    Row("-copyToLocal -f @/long #/copied"),
    Row(
        "-copyToLocal -p @/times/old #/kept",
        reason="HDFS shows what chown(1) says",
        err=["copyToLocal: no local group supergroup"],
    ),
    Row("-copyToLocal -t 2 @/dir #/copied-tree"),
    Row("-copyToLocal @/missing #/x"),
    Row("-copyToLocal"),
    Row("-moveToLocal @/file #/x"),
    Row("-getmerge @/parts #/merged"),
    Row("-getmerge -nl @/parts #/merged-nl"),
    Row("-getmerge -nl -skip-empty-file @/parts #/merged-skip"),
    Row("-getmerge @/dir #/merged-dir"),
    Row("-getmerge @/parts/c @/file #/merged-two"),
    Row("-getmerge '@/parts/*' #/merged-glob"),
    Row("-getmerge @/hollow #/merged-none"),
    Row("-getmerge @/parts #/file"),
    Row("-getmerge @/parts #/into"),
    Row("-getmerge @/missing #/x"),
    Row("-getmerge @/parts"),
]

USAGE = [
    Row("-nosuch"),
    Row("ls @"),
    Row("-moveToLocal"),
    Row("-du -sh @"),
    Row("-chmod -R 644"),
    Row("-getmerge -nl @"),
    Row("-cp -t some @/file @/x"),
    Row(
        "-expunge more",
        reason="HDFS overlooks words that mean nothing",
        code=255,
        err=["-expunge: Too many arguments: expected 0 but got 1"],
    ),
]


def said(err):
    """What a command complained of: usage texts name the program, and traces are of Java's."""
    lines = err.split("Usage: ", 1)[0].splitlines()
    return [line for line in lines if not re.match(r"\s+at |Caused by: ", line)]


def without_times(listing):
    return re.sub(r" \d{4}-\d\d-\d\d \d\d:\d\d ", " ", listing)


def write_local(directory, files):
    for name, data in files.items():
        path = os.path.join(directory, name)
        if data is None:
            os.makedirs(path)
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def read_local(directory):
    """{path: content, or None of a directory} of all below."""
    found = {}
    for where, directories, files in os.walk(directory):
        for name in directories:
            found[os.path.relpath(os.path.join(where, name), directory)] = None
        for name in files:
            with open(os.path.join(where, name), "rb") as file:
                found[os.path.relpath(os.path.join(where, name), directory)] = file.read()
    return found


class DfsCommands(Case):
    limit_seconds = 300
    changed = True  # the trees, since they were made

    @classmethod
    def setUpClass(cls):
        cls.reason = hadoop.why_not()
        if cls.reason is not None:
            return
        cls.cluster = MiniCluster(
            datanodes=1,
            conf={
                "dfs.blocksize": str(BLOCK),
                "fs.trash.interval": "60",
                # Copying /base reads it: its old access times are to be those of both trees.
                "dfs.namenode.accesstime.precision": "0",
            },
        )
        cls.addClassCleanup(cls.cluster.close)
        cls.java = hadoop.Shell(
            cls.cluster.uri,
            {"dfs.blocksize": str(BLOCK), "dfs.replication": "1", "fs.trash.interval": "60"},
        )
        cls.addClassCleanup(cls.java.close)
        cls.java.run("-ls", "/")  # the classes load, and say what they have to say
        cls.scratch = env.new_directory("dfs")
        cls.locals = [os.path.join(cls.scratch, name) for name in ("localA", "localB")]
        source = os.path.join(cls.scratch, "base")
        write_local(source, FILES)
        cls.cluster.dfs("-put", source, "/base")
        for name, mode in MODES.items():
            cls.java.run("-chmod", mode, f"/base/{name}")
        for name, time in TIMES.items():
            cls.cluster.dfs("-touch", "-t", time, f"/base/{name}")

    def setUp(self):
        if self.reason:
            self.skipTest(self.reason)
        if self.changed:
            self.make_trees()

    def make_trees(self):
        self.cluster.dfs("-rm", "-r", "-f", "-skipTrash", *TREES)
        for tree in TREES:
            self.cluster.dfs("-cp", "-p", "-t", "4", "/base", tree)
        for local in self.locals:
            shutil.rmtree(local, ignore_errors=True)
            write_local(local, LOCAL_FILES)
        type(self).changed = False

    # ---- One command of each ----

    def plain(self, text):
        """Without what differs from run to run, and from FsShell's tree to Cairn's."""
        text = text.replace(self.cluster.uri, "hdfs://cluster").replace(self.scratch, "")
        return text.replace("treeB", "treeA").replace("localB", "localA")

    def theirs(self, row, tree, local):
        user = [] if row.user == "root" else ["=" + row.user]
        code, out, err = self.java.run(*user, *row.words(tree, local), check=False)
        return {"code": code & 255, "out": self.plain(out), "err": said(self.plain(err))}

    def ours(self, row, tree, local):
        result = run(
            [env.program("cairn"), "dfs", *row.words(tree, local)],
            check=False,
            stdin=subprocess.DEVNULL,
            env=self.cluster.environment(HADOOP_USER_NAME=row.user),
        )
        out, err = (text.decode(errors="replace") for text in (result.stdout, result.stderr))
        return {"code": result.returncode, "out": self.plain(out), "err": said(self.plain(err))}

    def compare(self, row, theirs, ours):
        for key, said_there in theirs.items():
            if key in row.ours:
                self.assertEqual(ours[key], row.ours[key], f"{key} of cairn")
                self.assertNotEqual(ours[key], said_there, f"{key}: no difference any more")
            else:
                self.assertEqual(ours[key], said_there, key)

    def all_alike(self, rows):
        """Of rows that change nothing."""
        for row in rows:
            with self.subTest(row.command, user=row.user):
                theirs = self.theirs(row, TREES[0], self.locals[0])
                self.compare(row, theirs, self.ours(row, TREES[0], self.locals[0]))
        self.note(f"{len(rows)} commands")

    def all_do_alike(self, rows):
        """Of rows that change something."""
        unlike = False
        for row in rows:
            with self.subTest(row.command, user=row.user):
                if unlike:  # by the row before
                    self.make_trees()
                unlike = type(self).changed = True
                theirs = self.theirs(row, TREES[0], self.locals[0])
                self.compare(row, theirs, self.ours(row, TREES[1], self.locals[1]))
                self.assertEqual(self.state(TREES[1]), self.state(TREES[0]), "what is there now")
                if row.times:
                    self.assertEqual(*(self.times(row, tree) for tree in TREES))
                self.assertEqual(*(read_local(local) for local in self.locals))
                unlike = False
        self.note(f"{len(rows)} commands")

    def state(self, tree):
        out = self.java.run("-ls", "-R", tree)[1]
        return without_times(self.plain(out)).splitlines()

    def times(self, row, tree):
        paths = [re.sub("^@", tree, path) for path in row.times]
        return self.java.run("-stat", "%n %y %x", *paths)[1].splitlines()

    # ---- The tables ----

    def test_listings(self):
        self.all_alike(LISTINGS)

    def test_patterns(self):
        self.all_alike(PATTERNS)

    def test_contents(self):
        self.all_alike(CONTENTS)

    def test_stat_and_test(self):
        self.all_alike(FACTS)

    def test_sums(self):
        self.all_alike(SUMS)

    def test_find(self):
        self.all_alike(FINDS)

    def test_bad_usage(self):
        self.all_alike(USAGE)

    def test_making(self):
        self.all_do_alike(MAKING)

    def test_touching(self):
        self.all_do_alike(TOUCHING)

    def test_copying(self):
        self.all_do_alike(COPYING)

    def test_moving(self):
        self.all_do_alike(MOVING)

    def test_removing(self):
        self.all_do_alike(REMOVING)

    def test_permissions_and_owners(self):
        self.all_do_alike(PERMISSIONS)

    def test_replication_and_blocks(self):
        self.all_do_alike(BLOCKS)

    def test_uploads(self):
        self.all_do_alike(UPLOADS)

    def test_downloads(self):
        self.all_do_alike(DOWNLOADS)

    # ---- What tables cannot tell ----

    def test_free_space(self):
        """Other programs use the disk meanwhile: numbers need only be close to each other."""

        def rows(said):
            self.assertEqual((said["code"], said["err"]), (0, []))
            return [re.split(r"\s{2,}", line.strip()) for line in said["out"].splitlines()]

        for command in ("-df", "-df /", "-df -h", "-df @/dir @/file"):
            with self.subTest(command):
                theirs = rows(self.theirs(Row(command), TREES[0], self.locals[0]))
                ours = rows(self.ours(Row(command), TREES[0], self.locals[0]))
                self.assertEqual(ours[0], ["Filesystem", "Size", "Used", "Available", "Use%"])
                self.assertEqual(ours[0], theirs[0])
                self.assertEqual(len(ours), len(theirs))
                for our, their in zip(ours[1:], theirs[1:]):
                    self.assertEqual(our[:2], their[:2])
                    self.assertEqual(our[4], their[4])
                    if command != "-df -h":
                        for mine, other in zip(our[2:4], their[2:4]):
                            self.assertAlmostEqual(int(mine), int(other), delta=1 << 30)

    def through_the_trash(self, do, tree):
        """What each command printed and what the trash held then."""
        type(self).changed = True
        trash = "/user/root/.Trash"
        self.java.run("-rm", "-r", "-f", "-skipTrash", trash)
        found = []
        for command in (
            "-rm @/file @/missing",
            "-rm -f @/missing",
            "-rm @/dir",
            "-rm -r @/dir @/times/old",
            "-mkdir @/dir",
            "-rm -r @/dir",
            f"-rm -r {trash}/Current{tree}/times",
            "-expunge",
            "-expunge",
            "-rm @/long",
            "-expunge",
            "-rm @/empty",
            "-expunge -immediate",
            "-expunge",
            "-rm -r @/parts",
            "-rm -r /user/root",
            "-expunge -immediate -fs " + self.cluster.uri,
            f"-rm -r {trash}",
            "-expunge",
        ):
            said = do(Row(command), tree, self.locals[0])
            listing = self.java.run("-ls", "-R", "-C", "/user/root")[1]
            found.append((command.replace(tree, TREES[0]), said, self.nameless(listing)))
        return found

    def nameless(self, text):
        """Without the times in the names of checkpoints and of what was deleted twice."""
        text = re.sub(r"/\d{12}(-\d+)?(?=/|$)", "/CHECKPOINT", text, flags=re.MULTILINE)
        return re.sub(r"(?<=\D)\d{13}(?=/|$)", "TIME", self.plain(text), flags=re.MULTILINE)

    def test_the_trash(self):
        """HDFS logs what it moves there; `cairn dfs` says it on standard error."""
        theirs = self.through_the_trash(self.theirs, TREES[0])
        ours = self.through_the_trash(self.ours, TREES[1])
        moved = 0
        for (command, our, our_listing), (_, their, their_listing) in zip(ours, theirs):
            with self.subTest(command):
                told = [line for line in our["err"] if line.startswith("Moved: ")]
                moved += len(told)
                self.assertEqual([x for x in our["err"] if x not in told], their["err"])
                self.assertEqual((our["code"], our["out"]), (their["code"], their["out"]))
                self.assertEqual(our_listing, their_listing)
        self.assertEqual(moved, 7)
        first = "Moved: 'hdfs://cluster/treeA/file' to trash at: hdfs://cluster/user/root/.Trash"
        self.assertEqual(ours[0][1]["err"][0], first + "/Current/treeA/file")
        held = [listing for _, _, listing in ours]
        self.assertIn("/user/root/.Trash/Current/treeA/dirTIME", held[5])
        self.assertIn("/user/root/.Trash/CHECKPOINT/treeA/file", held[7])
        self.assertNotIn("Current", held[7])
        self.assertNotIn("CHECKPOINT", held[12])
