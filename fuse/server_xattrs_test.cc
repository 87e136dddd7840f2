// The attributes of an Apache HDFS, and of a server that keeps none, against fakes.
#include "fuse/server_xattrs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "client/testing/fake_namenode.h"
#include "common/fs_error.h"
#include "common/testing/status_matchers.h"
#include "fuse/clients.h"

namespace cairn::fuse {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr char kXattrPath[] = "/.reserved/.inodes/17000";

class ServerXattrsTest : public ::testing::Test {
 protected:
  absl::Status Answer(absl::string_view method, const std::string& request,
                      google::protobuf::MessageLite& response) {
    ++calls_;
    if (!error_.ok()) return error_;
    if (method == "getXAttrs") {
      EXPECT_EQ(client::Parse<hdfs::GetXAttrsRequestProto>(request).src(), kXattrPath);
      auto& answer = client::As<hdfs::GetXAttrsResponseProto>(response);
      for (const auto& [name, value] : kept_) {
        hdfs::XAttrProto& xattr = *answer.add_xattrs();
        xattr.set_namespace_(hdfs::XAttrProto::USER);
        xattr.set_name(name);
        xattr.set_value(value);
      }
    } else if (method == "setXAttr") {
      const auto asked = client::Parse<hdfs::SetXAttrRequestProto>(request);
      EXPECT_EQ(asked.xattr().namespace_(), hdfs::XAttrProto::USER);
      flag_ = asked.flag();
      kept_[asked.xattr().name()] = asked.xattr().value();
    } else if (method == "removeXAttr") {
      kept_.erase(client::Parse<hdfs::RemoveXAttrRequestProto>(request).xattr().name());
    } else {
      return absl::InternalError(method);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<std::string>> Get(absl::string_view name) {
    return xattrs_.Get(*fs_, kXattrPath, name);
  }
  absl::Status Set(absl::string_view name, const std::string& value,
                   client::XattrSetting setting = client::XattrSetting::kAny) {
    return xattrs_.Set(*fs_, kXattrPath, name, value, setting);
  }

  std::map<std::string, std::string> kept_;
  absl::Status error_;
  int calls_ = 0;
  uint32_t flag_ = 0;
  const ClientPtr fs_ = client::FileSystem::Over(client::FakeContext(
      [this](absl::string_view method, const std::string& request,
             google::protobuf::MessageLite& response) { return Answer(method, request, response); },
      client::ClientOptions(), SystemClock()));
  ServerXattrs xattrs_;
};

TEST_F(ServerXattrsTest, WhatIsSetIsThereUntilItIsRemoved) {
  ASSERT_OK(Set("user.a", std::string("b\0c", 3)));
  EXPECT_THAT(Get("user.a"), IsOkAndHolds(Optional(std::string("b\0c", 3))));
  EXPECT_THAT(Get("trusted.a"), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(xattrs_.List(*fs_, kXattrPath), IsOkAndHolds(ElementsAre("user.a")));
  ASSERT_OK(xattrs_.Remove(*fs_, kXattrPath, "user.a"));
  EXPECT_THAT(Get("user.a"), IsOkAndHolds(std::nullopt));
}

TEST_F(ServerXattrsTest, TheServerIsToldWhetherItMayOrMustBeThere) {
  ASSERT_OK(Set("user.a", "1"));
  EXPECT_EQ(flag_, hdfs::XATTR_FLAG_CREATE | hdfs::XATTR_FLAG_REPLACE);
  ASSERT_OK(Set("user.a", "1", client::XattrSetting::kNew));
  EXPECT_EQ(flag_, hdfs::XATTR_FLAG_CREATE);
  ASSERT_OK(Set("user.a", "1", client::XattrSetting::kExisting));
  EXPECT_EQ(flag_, hdfs::XATTR_FLAG_REPLACE);
}

// Copying programs ask for every file.
TEST_F(ServerXattrsTest, AServerThatKeepsNoneIsAskedOnce) {
  error_ = MakeFsError(FsError::kNoSuchMethod, "Unknown method getXAttrs");
  EXPECT_THAT(Get("user.a"), IsOkAndHolds(std::nullopt));
  EXPECT_EQ(calls_, 1);
  EXPECT_THAT(Get("user.b"), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(xattrs_.List(*fs_, kXattrPath), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(GetFsError(Set("user.a", "1")), FsError::kUnsupported);
  EXPECT_EQ(GetFsError(xattrs_.Remove(*fs_, kXattrPath, "user.a")), FsError::kUnsupported);
  EXPECT_EQ(calls_, 1);
}

TEST_F(ServerXattrsTest, OneThatIsFirstAskedToSetOneIsAskedOnceToo) {
  error_ = MakeFsError(FsError::kNoSuchMethod, "Unknown method setXAttr");
  EXPECT_EQ(GetFsError(Set("user.a", "1")), FsError::kUnsupported);
  EXPECT_EQ(GetFsError(Set("user.a", "1")), FsError::kUnsupported);
  EXPECT_EQ(calls_, 1);
}

TEST_F(ServerXattrsTest, AnHdfsThatHasThemSwitchedOffKeepsNone) {
  error_ = MakeFsError(FsError::kIo,
                       "The XAttr operation has been rejected.  Support for XAttrs has been "
                       "disabled by setting dfs.namenode.xattrs.enabled to false.");
  EXPECT_EQ(GetFsError(Set("user.a", "1")), FsError::kUnsupported);
  EXPECT_THAT(Get("user.a"), IsOkAndHolds(std::nullopt));
  EXPECT_EQ(calls_, 2);
  EXPECT_THAT(xattrs_.List(*fs_, kXattrPath), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(GetFsError(Set("user.a", "1")), FsError::kUnsupported);
  EXPECT_EQ(calls_, 2);
}

// Else one user could switch them off for all of the mount.
TEST_F(ServerXattrsTest, ANameThatReadsLikeARefusalIsNone) {
  const char kName[] = "user.Support for XAttrs has been disabled";
  ASSERT_OK(Set(kName, "1"));
  error_ = MakeFsError(FsError::kIo,
                       "XAttr: Support for XAttrs has been disabled already exists. The REPLACE "
                       "flag must be specified.");
  EXPECT_FALSE(Set(kName, "1", client::XattrSetting::kNew).ok());
  error_ = absl::OkStatus();
  EXPECT_THAT(Get(kName), IsOkAndHolds(Optional(std::string("1"))));
}

// What ls(1) lists of a file that only others may read is nothing to complain of.
TEST_F(ServerXattrsTest, WhoMayNotReadTheFileSeesNone) {
  error_ = MakeFsError(FsError::kAccessControl, "Permission denied");
  EXPECT_THAT(xattrs_.List(*fs_, kXattrPath), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(GetFsError(Get("user.a").status()), FsError::kAccessControl);
  error_ = absl::UnavailableError("away");
  EXPECT_EQ(xattrs_.List(*fs_, kXattrPath).status().code(), absl::StatusCode::kUnavailable);
}

// A namenode that restarts has its attributes still.
TEST_F(ServerXattrsTest, AnyOtherErrorIsToldAndTheServerAskedAgain) {
  for (const absl::Status& error :
       {absl::UnavailableError("away"), MakeFsError(FsError::kAccessControl, "no"),
        MakeFsError(FsError::kUnsupported, "something else")}) {
    error_ = error;
    EXPECT_EQ(Get("user.a").status().code(), error.code());
  }
  error_ = absl::OkStatus();
  kept_["a"] = "1";
  EXPECT_THAT(Get("user.a"), IsOkAndHolds(Optional(std::string("1"))));
}

// They would stand between a copying program and the mount's own.
TEST_F(ServerXattrsTest, NamesThatAreNotTheServersAreNotListed) {
  kept_ = {{"a", "1"}, {"cairn.health", "2"}, {std::string(300, 'x'), "3"}};
  EXPECT_THAT(xattrs_.List(*fs_, kXattrPath), IsOkAndHolds(ElementsAre("user.a")));
}

TEST_F(ServerXattrsTest, WhatIsNotTheServersIsNotAskedFor) {
  EXPECT_THAT(Get("security.capability"), IsOkAndHolds(std::nullopt));
  EXPECT_EQ(GetFsError(Set("security.capability", "1")), FsError::kUnsupported);
  EXPECT_EQ(calls_, 0);
}

}  // namespace
}  // namespace cairn::fuse
