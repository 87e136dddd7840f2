#include "fuse/directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

#include "client/context.h"
#include "client/hadoop_rpc.h"
#include "common/fs_error.h"
#include "common/testing/status_matchers.h"
#include "fuse/paths.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::fuse {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A namenode that lists one directory, two names at a time.
class Namenode final : public client::RpcChannel {
 public:
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite& response) override {
    if (method != "getListing") return absl::UnimplementedError(method);
    hdfs::GetListingRequestProto asked;
    asked.ParseFromString(request.SerializeAsString());
    EXPECT_EQ(asked.src(), PathOf(16'400));
    ++calls;
    if (missing) return absl::OkStatus();
    hdfs::GetListingResponseProto answer;
    hdfs::DirectoryListingProto& list = *answer.mutable_dirlist();
    size_t at = 0;
    while (at < names.size() && !asked.startafter().empty() && names[at] <= asked.startafter()) {
      ++at;
    }
    for (size_t end = std::min(at + 2, names.size()); at < end; ++at) {
      hdfs::HdfsFileStatusProto& entry = *list.add_partiallisting();
      entry.set_filetype(hdfs::HdfsFileStatusProto::IS_FILE);
      entry.set_path(names[at]);
      entry.set_length(0);
      entry.mutable_permission()->set_perm(0644);
      entry.set_owner("o");
      entry.set_group("g");
      entry.set_modification_time(0);
      entry.set_access_time(0);
      entry.set_fileid(20'000 + at);
    }
    list.set_remainingentries(static_cast<uint32_t>(names.size() - at));
    response.ParseFromString(answer.SerializeAsString());
    return absl::OkStatus();
  }

  std::vector<std::string> names;
  bool missing = false;
  int calls = 0;
};

class DirectoryTest : public ::testing::Test {
 protected:
  explicit DirectoryTest(std::optional<Directory::Own> own = std::nullopt)
      : directory_(fs_, 16'400, changes_, std::move(own)) {}

  ClientPtr Connect() {
    auto channel = std::make_unique<Namenode>();
    namenode_ = channel.get();
    client::ClientOptions options;
    return client::FileSystem::Over(std::make_shared<client::ClientContext>(
        options, "user", "fake:0", std::move(channel), client::NewDatanodeRpc("user", options),
        SystemClock()));
  }

  // Up to `count` names from `place` on.
  std::vector<std::string> Names(uint64_t place, size_t count) {
    std::vector<std::string> names;
    const absl::Status status =
        directory_.Read(place, [&](const Directory::Entry& entry, uint64_t next) {
          if (names.size() == count) return false;
          EXPECT_EQ(next, place + names.size() + 1);
          names.push_back(entry.name);
          return true;
        });
    if (!status.ok()) names.push_back(std::string(status.message()));
    return names;
  }

  Namenode* namenode_ = nullptr;
  ClientPtr fs_ = Connect();
  Changes changes_;
  Directory directory_;
};

TEST_F(DirectoryTest, ItIsReadAPieceAtATimeWithoutAskingTwice) {
  namenode_->names = {"a", "b", "c", "d", "e"};
  ASSERT_OK(directory_.Open());
  EXPECT_THAT(Names(0, 3), ElementsAre(".", "..", "a"));
  EXPECT_THAT(Names(3, 3), ElementsAre("b", "c", "d"));
  EXPECT_THAT(Names(6, 3), ElementsAre("e"));
  EXPECT_THAT(Names(7, 3), IsEmpty());
  EXPECT_EQ(namenode_->calls, 3);
}

TEST_F(DirectoryTest, ItTellsWhichEntriesAreOlderThanAChange) {
  namenode_->names = {"a", "b", "c", "d"};
  ASSERT_OK(directory_.Open());
  { const Changes::UnderWay change(changes_); }
  std::vector<bool> fresh;
  ASSERT_OK(directory_.Read(0, [&](const Directory::Entry& entry, uint64_t /*next*/) {
    if (entry.status.has_value()) fresh.push_back(changes_.NoneSince(entry.asked));
    return true;
  }));
  EXPECT_THAT(fresh, ElementsAre(false, false, true, true));  // a page has two
}

TEST_F(DirectoryTest, AnEmptyOneHasItsDots) {
  ASSERT_OK(directory_.Open());
  EXPECT_THAT(Names(0, 9), ElementsAre(".", ".."));
  EXPECT_THAT(Names(2, 9), IsEmpty());
}

class RootTest : public DirectoryTest {
 protected:
  RootTest() : DirectoryTest(Directory::Own{.name = ".cairn", .inode = 2}) {}
};

// The root of a mount with virtual files.
TEST_F(RootTest, TheMountsOwnEntryComesAfterTheDots) {
  namenode_->names = {"a", "b", "c"};
  ASSERT_OK(directory_.Open());
  EXPECT_THAT(Names(0, 9), ElementsAre(".", "..", ".cairn", "a", "b", "c"));
  EXPECT_THAT(Names(4, 1), ElementsAre("b"));
  EXPECT_THAT(Names(2, 2), ElementsAre(".cairn", "a"));
  EXPECT_THAT(Names(0, 9), ElementsAre(".", "..", ".cairn", "a", "b", "c"));
  uint64_t own_inode = 0;
  ASSERT_OK(directory_.Read(2, [&](const Directory::Entry& entry, uint64_t next) {
    EXPECT_EQ(next, 3u);
    EXPECT_FALSE(entry.status.has_value());
    own_inode = entry.own_inode;
    return false;
  }));
  EXPECT_EQ(own_inode, 2u);
}

TEST_F(RootTest, WhatTheClusterHasUnderThatNameIsLeftOut) {
  namenode_->names = {".a", ".cairn", "b", "c"};
  ASSERT_OK(directory_.Open());
  EXPECT_THAT(Names(0, 9), ElementsAre(".", "..", ".cairn", ".a", "b", "c"));
  EXPECT_THAT(Names(5, 9), ElementsAre("c"));
  namenode_->names = {".cairn"};
  EXPECT_THAT(Names(0, 9), ElementsAre(".", "..", ".cairn"));
}

TEST_F(DirectoryTest, RewindingListsAnew) {
  namenode_->names = {"a", "b", "c"};
  ASSERT_OK(directory_.Open());
  EXPECT_THAT(Names(0, 9), ElementsAre(".", "..", "a", "b", "c"));
  namenode_->names = {"a", "c", "d"};
  EXPECT_THAT(Names(0, 9), ElementsAre(".", "..", "a", "c", "d"));
}

TEST_F(DirectoryTest, AnEarlierPlaceIsFoundAgain) {
  namenode_->names = {"a", "b", "c"};
  ASSERT_OK(directory_.Open());
  EXPECT_THAT(Names(0, 9), ElementsAre(".", "..", "a", "b", "c"));
  EXPECT_THAT(Names(3, 1), ElementsAre("b"));
}

// The kernel's reply is larger than the program's buffer: it goes back for what did not fit.
TEST_F(DirectoryTest, GoingBackWithinTheLastReplyAsksNobody) {
  namenode_->names = {"a", "b", "c", "d"};
  ASSERT_OK(directory_.Open());
  EXPECT_THAT(Names(0, 9), ElementsAre(".", "..", "a", "b", "c", "d"));
  const int calls = namenode_->calls;
  namenode_->names = {"d"};
  EXPECT_THAT(Names(3, 9), ElementsAre("b", "c", "d"));
  EXPECT_THAT(Names(4, 1), ElementsAre("c"));
  EXPECT_EQ(namenode_->calls, calls);
}

TEST_F(DirectoryTest, WhatStaysIsFoundFromAnyPlaceWhateverElseIsRemoved) {
  namenode_->names = {"a", "b", "c", "d", "e", "f", "g"};
  ASSERT_OK(directory_.Open());
  EXPECT_THAT(Names(0, 5), ElementsAre(".", "..", "a", "b", "c"));
  EXPECT_THAT(Names(5, 3), ElementsAre("d", "e", "f"));
  namenode_->names = {"c", "d", "e", "g"};
  EXPECT_THAT(Names(4, 9), ElementsAre("c", "d", "e", "g"));  // back by name
  EXPECT_THAT(Names(6, 9), ElementsAre("e", "g"));
  EXPECT_THAT(Names(2, 1), ElementsAre("c"));
  EXPECT_THAT(Names(6, 9), ElementsAre("e", "g"));  // and on by name
}

TEST_F(DirectoryTest, OneThatIsGoneSaysSoAtOnce) {
  namenode_->missing = true;
  EXPECT_EQ(GetFsError(directory_.Open()), FsError::kFileNotFound);
}

// The kernel would take the empty reply for the end.
TEST_F(DirectoryTest, ANameThatNoReplyCanHoldIsAnError) {
  namenode_->names = {"a", std::string(256, 'b'), "c"};
  ASSERT_OK(directory_.Open());
  EXPECT_THAT(Names(0, 9), ElementsAre(".", "..", "a", ::testing::HasSubstr("in disorder")));
}

// Programs that walk trees loop, or do things twice, when a name comes again.
TEST_F(DirectoryTest, AListingInDisorderIsAnErrorAndStaysOne) {
  namenode_->names = {"b", "a"};
  ASSERT_OK(directory_.Open());
  EXPECT_THAT(Names(0, 9), ElementsAre(".", "..", "b", ::testing::HasSubstr("in disorder")));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Names(3, 9), ElementsAre(::testing::HasSubstr("in disorder")));
  }
}

}  // namespace
}  // namespace cairn::fuse
