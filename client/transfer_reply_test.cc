#include "client/transfer_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/status_matchers.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/transfer/op.h"

namespace cairn::client {
namespace {

using ::testing::HasSubstr;

class DelimitedReceiverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    here_ = Socket(ends[0], "the peer", {});
    there_ = Socket(ends[1], "the client", {});
  }
  void Send(absl::string_view bytes) { ASSERT_OK(there_.Send(std::as_bytes(std::span(bytes)))); }
  static hdfs::BlockOpResponseProto Reply(const std::string& message) {
    hdfs::BlockOpResponseProto reply;
    reply.set_status(hdfs::STATUS_SUCCESS);
    reply.set_message(message);
    return reply;
  }

  Socket here_;
  Socket there_;
  DelimitedReceiver receiver_;
  hdfs::BlockOpResponseProto got_;
};

TEST_F(DelimitedReceiverTest, AMessageMayComeInPiecesAndNothingBehindItIsTaken) {
  const std::string first = transfer::EncodeDelimited(Reply(std::string(300, 'x')));
  for (size_t i = 0; i + 1 < first.size(); ++i) {
    Send(absl::string_view(first).substr(i, 1));
    ASSERT_THAT(receiver_.Receive(here_, got_), IsOkAndHolds(false)) << i;
  }
  Send(first.substr(first.size() - 1) + transfer::EncodeDelimited(Reply("second")) + "rest");
  ASSERT_THAT(receiver_.Receive(here_, got_), IsOkAndHolds(true));
  EXPECT_EQ(got_.message(), std::string(300, 'x'));
  ASSERT_THAT(receiver_.Receive(here_, got_), IsOkAndHolds(true));
  EXPECT_EQ(got_.message(), "second");
  std::string rest(4, '\0');
  ASSERT_OK(here_.Receive(std::as_writable_bytes(std::span(rest))));
  EXPECT_EQ(rest, "rest");
}

TEST_F(DelimitedReceiverTest, WhatIsNoMessageIsAnError) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xff\xff\xff\xff\xff", "length"}, {"\xff\xff\xff\x7f", "bytes"}, {"\x01\xff", "malformed"}};
  for (const auto& [bytes, why] : cases) {
    SetUp();
    receiver_ = {};
    Send(bytes);
    EXPECT_THAT(receiver_.Receive(here_, got_),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(why)));
  }
}

TEST_F(DelimitedReceiverTest, TheEndOfTheConnectionIsAnError) {
  Send("\x05");
  there_.Close();
  EXPECT_THAT(receiver_.Receive(here_, got_), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace cairn::client
