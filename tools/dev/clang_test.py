#!/usr/bin/env python3
"""Which files tools/dev/clang looks at."""
import os
import types
import unittest

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clang")
clang = types.ModuleType("clang")
with open(PATH, encoding="utf-8") as script:
    exec(compile(script.read(), PATH, "exec"), clang.__dict__)


class ClangTest(unittest.TestCase):
    def looked_at(self, *names):
        users = {"common/a.h": ["common/a.cc", "wire/b.cc"]}
        return clang.to_look_at(list(names), lambda name: users.get(name, []), lambda: ["every.cc"])

    def test_a_source_and_whoever_includes_a_header(self):
        self.assertEqual(self.looked_at("client/c.cc", "README.md"), ["client/c.cc"])
        self.assertEqual(self.looked_at("common/a.h", "common/a.cc"), ["common/a.cc", "wire/b.cc"])
        self.assertEqual(self.looked_at("README.md"), [])

    def test_all_where_nothing_differs(self):
        self.assertEqual(self.looked_at(), ["every.cc"])

    def test_who_includes_a_header(self):
        os.chdir(os.path.join(os.path.dirname(PATH), "..", ".."))
        found = clang.includers("common/utf8.h")
        self.assertIn("common/utf8.cc", found)
        self.assertIn("wire/rpc/remote_exception.cc", found)
        self.assertEqual(clang.includers("common/no_such_header.h"), [])


if __name__ == "__main__":
    unittest.main()
