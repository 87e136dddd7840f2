#include "namenode/service/rpc/backward_writer.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::namenode {
namespace {

TEST(BackwardWriterTest, NestedMessagesAreWhatTheGeneratedCodeWrites) {
  hdfs::MkdirsRequestProto request;
  request.set_src("/some/where");
  request.mutable_masked()->set_perm(0755);
  request.set_createparent(true);

  BackwardWriter w;
  w.Varint(3, 1);
  const size_t mark = w.size();
  w.Varint(1, 0755);
  w.CloseMessage(2, mark);
  w.Bytes(1, "/some/where");
  EXPECT_EQ(w.view(), request.SerializeAsString());
}

TEST(BackwardWriterTest, VarintsOfEverySizeAndTagsOfTwoBytes) {
  for (int shift = 0; shift < 64; ++shift) {
    hdfs::DatanodeInfoProto info;
    const uint64_t value = std::numeric_limits<uint64_t>::max() >> shift;
    info.set_lastblockreportmonotonic(value);  // field 16
    BackwardWriter w;
    w.Varint(16, value);
    EXPECT_EQ(w.view(), info.SerializePartialAsString());
  }
}

TEST(BackwardWriterTest, GrowsAndKeepsWhatWasWritten) {
  BackwardWriter w;
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    w.Bytes(1, "0123456789");
    expected +=
        "\x0a\x0a"
        "0123456789";
  }
  EXPECT_EQ(w.view(), expected);
  w.Clear(/*keep=*/1 << 20);
  EXPECT_EQ(w.size(), 0u);
  w.Bytes(1, "a");
  EXPECT_EQ(w.view(),
            "\x0a\x01"
            "a");
  w.Clear(/*keep=*/0);
  w.Bytes(1, "b");
  EXPECT_EQ(w.view(),
            "\x0a\x01"
            "b");
}

TEST(BackwardWriterTest, NoElementsLeaveNoPackedField) {
  BackwardWriter w;
  w.PackedZeros(6, 0);
  w.Bytes(1, "");
  EXPECT_EQ(w.view(), absl::string_view("\x0a\x00", 2));
}

}  // namespace
}  // namespace cairn::namenode
