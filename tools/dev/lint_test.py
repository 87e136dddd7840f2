#!/usr/bin/env python3
"""What tools/dev/lint finds and what it lets pass, on a small tree of made-up files."""
import os
import types
import unittest

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lint")
lint = types.ModuleType("lint")
with open(PATH, encoding="utf-8") as script:
    exec(compile(script.read(), PATH, "exec"), lint.__dict__)

TREE = {
    "common/CMakeLists.txt": "cairn_library(cairn_common SRCS clock.cc DEPS absl::time)\n"
                             "cairn_library(cairn_common_testing SRCS testing/fake.cc DEPS cairn_common)\n",
    "wire/CMakeLists.txt": "# cairn_library(cairn_none SRCS x.cc)\n"
                           "cairn_headers(cairn_wire HDRS parse.h DEPS cairn_proto)\n"
                           "cairn_library(cairn_wire_rpc SRCS rpc.cc DEPS cairn_common cairn_wire)\n",
    "client/CMakeLists.txt": "cairn_library(cairn_client ASIO\n"
                             "  PUBLIC_HDRS file_system.h types.h\n"
                             "  SRCS file_system.cc socket.cc\n  DEPS cairn_common cairn_wire_rpc)\n",
    "client/file_system.h": '#pragma once\n#include "client/types.h"\n',
    "client/types.h": "#pragma once\n",
    "namenode/store/CMakeLists.txt": "cairn_library(cairn_store SRCS store.cc DEPS cairn_common)\n",
    "namenode/blocks/CMakeLists.txt": "cairn_library(cairn_blocks SRCS map.cc DEPS cairn_store)\n",
    "namenode/core/CMakeLists.txt":
        'file(GLOB OPS CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/../ops/*.cc")\n'
        "cairn_library(cairn_core SRCS impl.cc ${OPS} DEPS cairn_blocks cairn_grpc)\n",
    "namenode/service/rpc/CMakeLists.txt": "cairn_library(cairn_rpc SRCS read.cc DEPS cairn_core cairn_wire_rpc)\n",
    "namenode/ops/mkdirs.cc": '#include "namenode/blocks/map.h"\n',
}


class LintTest(unittest.TestCase):
    def findings(self, files):
        return lint.Lint({**TREE, **files}).run()

    def expect(self, path, line, what):
        """`line`, the second one of `path`, is refused: once, there, and by words with `what` in them."""
        head = "#pragma once\n" if path.endswith(".h") else "// A file.\n"
        found = self.findings({path: f"{head}{line}\n"})
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{path}:2: "), found[0])
        self.assertIn(what, found[0])

    def expect_nothing(self, path, line):
        head = "#pragma once\n" if path.endswith(".h") else ""
        self.assertEqual(self.findings({path: f"{head}{line}\n"}), [])

    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(self.findings({}), [])
        self.expect_nothing("namenode/service/rpc/read.cc", "#include <grpcpp/grpcpp.h>")
        self.expect_nothing("namenode/service/rpc/read.cc", '#include "wire/rpc.h"')
        self.expect_nothing("namenode/core/impl_test.cc", '#include "wire/rpc.h"')
        self.expect_nothing("tests/sim/history.cc", '#include "datanode/datanode.h"')
        self.expect_nothing("wire/rpc.cc", '#include "wire/parse.h"')

    def test_the_arrow_between_folders_in_every_form_of_an_include(self):
        for form in ('#include "datanode/x.h"', '# include "datanode/x.h"', '#include  "datanode/x.h"',
                     ' #\tinclude\t"datanode/x.h"', '#include"datanode/x.h"', "#include <datanode/x.h>"):
            with self.subTest(form):
                self.expect("namenode/core/impl.cc", form, "namenode/ may not include datanode/")
        self.expect("common/clock.cc", '#include "wire/rpc.h"', "common/ may not include wire/")
        self.expect("common/clock_test.cc", '#include "wire/rpc.h"', "common/ may not include wire/")

    def test_ours_has_quotes(self):
        self.expect("client/file_system.cc", "#include <client/types.h>", "with quotes")
        self.expect("client/file_system.cc", "#include <proto/hdfs/hdfs.pb.h>", "with quotes")

    def test_paths_begin_at_the_root(self):
        for name in ("../common/clock.h", "./types.h", "types.h", "client/../common/clock.h"):
            with self.subTest(name):
                self.expect("client/file_system.cc", f'#include "{name}"', "from the root")
        self.expect_nothing("client/file_system.cc", "#include <vector>")

    def test_the_core_knows_no_protocol(self):
        for name in ("<grpcpp/grpcpp.h>", '"grpcpp/grpcpp.h"', "<grpc/grpc.h>", "<boost/asio.hpp>",
                     '"boost/asio/io_context.hpp"', '"proto/cairn/datanode.pb.h"', '"proto/client.pb.h"'):
            for path in ("namenode/core/impl.cc", "namenode/ops/create.cc"):
                with self.subTest(name, path=path):
                    self.expect(path, f"#include {name}", "the core knows no protocol")

    def test_what_no_deps_line_leads_to(self):
        self.expect("namenode/store/store.cc", '#include "namenode/blocks/map.h"', "DEPS of cairn_store")
        self.expect("namenode/blocks/map.h", '#include "namenode/core/impl.h"', "DEPS of cairn_blocks")
        # A header that has no .cc is its folder's library's.
        self.expect("namenode/store/keys.h", '#include "namenode/blocks/ids.h"', "DEPS of cairn_store")
        # From one line to the next.
        self.expect_nothing("namenode/ops/mkdirs.cc", '#include "namenode/store/store.h"')
        self.expect("client/socket.cc", '#include "erasure/policy.h"', "erasure/policy.h belongs to no library")

    def test_what_is_for_tests(self):
        self.expect("wire/rpc.cc", '#include "common/testing/fake.h"', "for tests alone")
        self.expect("wire/rpc.cc", '#include "wire/rpc_fixture.h"', "for tests alone")
        self.expect_nothing("wire/rpc_test.cc", '#include "common/testing/fake.h"')

    def test_libraries_that_need_one_another(self):
        cyclic = "cairn_library(cairn_store SRCS store.cc DEPS cairn_common cairn_blocks)\n"
        found = self.findings({"namenode/store/CMakeLists.txt": cyclic})
        self.assertTrue(any("cairn_store and cairn_blocks need one another" in line for line in found), found)

    def test_public_headers(self):
        for name in ("<boost/asio.hpp>", '"boost/asio.hpp"', "<google/protobuf/message.h>", "<grpcpp/grpcpp.h>",
                     '"proto/hdfs/hdfs.pb.h"'):
            with self.subTest(name):
                self.expect("client/types.h", f"#include {name}", "public headers of libcairn show no")
                self.expect_nothing("client/socket.h", f"#include {name}")
        found = self.findings({
            "client/types.h": '#pragma once\n#include "client/socket.h"\n',
            "client/socket.h": '#pragma once\n#include "boost/asio.hpp"\n',
        })
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith("client/types.h:1: boost/asio.hpp: "), found[0])
        self.assertIn("(through client/socket.h)", found[0])
        without = {path: text for path, text in TREE.items() if path != "client/types.h"}
        self.assertIn("client/types.h:1: there is no such header", "".join(lint.Lint(without).run()))

    def test_text(self):
        self.assertEqual(self.findings({"common/a.cc": "int a;"}), ["common/a.cc:1: no newline at the end: add one"])
        self.assertEqual(len(self.findings({"common/a.cc": "int a; \n"})), 1)
        self.assertIn("#pragma once", self.findings({"common/a.h": "int a;\n"})[0])


if __name__ == "__main__":
    unittest.main()
