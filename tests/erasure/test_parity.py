"""What Hadoop's own coders make of known data is what tests/golden/erasure/parity.txt says.

The unit tests compare our coder with that file; this one compares the file with Hadoop.
"""

import os

from harness import env, hadoop
from harness.case import Case
from harness.cluster import run

GOLDEN = os.path.join(env.SOURCE, "tests", "golden", "erasure", "parity.txt")
SCHEMAS = [
    *("rs 6 3", "rs 3 2", "rs 10 4", "rs 1 1", "rs 2 14", "rs 12 4"),
    *("rs-legacy 6 3", "rs-legacy 10 4", "xor 2 1", "xor 15 1"),
]
BYTES = 48


def made_by_hadoop():
    conf = hadoop.write_conf(env.new_directory("conf"))
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Parity.java")
    arguments = [f"{schema} {BYTES}" for schema in SCHEMAS]
    result = run(hadoop.java(conf, source, *arguments), timeout=120)
    return result.stdout.decode().splitlines()


class Parity(Case):
    limit_seconds = 150

    def test_hadoops_coders_make_what_the_golden_file_says(self):
        self.need(hadoop.why_not())
        with open(GOLDEN) as file:
            kept = [line.strip() for line in file if line.strip() and not line.startswith("#")]
        self.assertEqual(made_by_hadoop(), kept)
