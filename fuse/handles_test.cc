// What stands behind a descriptor, against a cluster in memory.
#include "fuse/handles.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <functional>
#include <span>
#include <string>
#include <utility>

#include "client/testing/fake_cluster.h"
#include "client/testing/fake_namenode.h"
#include "common/status_macros.h"
#include "common/testing/status_matchers.h"
#include "fuse/paths.h"

namespace cairn::fuse {
namespace {

constexpr uint64_t kInode = 17'000;

class FileHandleTest : public ::testing::Test {
 protected:
  static client::ClientOptions Options() {
    client::ClientOptions options;
    options.block_bytes = 1 << 20;
    options.replication = 1;
    return options;
  }

  // A client that does `then_`, once, when the namenode has told it where the blocks of a file are.
  ClientPtr Reader() {
    return client::FileSystem::Over(client::FakeContext(
        [this](absl::string_view method, const std::string& request,
               google::protobuf::MessageLite& response) -> absl::Status {
          if (method != "getBlockLocations") return absl::InternalError("a reader asks no more");
          RETURN_IF_ERROR(cluster_context_->namenode->Call(
              method, client::Parse<hdfs::GetBlockLocationsRequestProto>(request), response));
          if (then_) std::exchange(then_, nullptr)();
          return absl::OkStatus();
        },
        Options(), SystemClock()));
  }

  absl::Status WriteAndClose(absl::string_view data) {
    const auto file = files_.Open(kInode, /*writer=*/true);
    const absl::Status written =
        file->Write(writer_, {.at_end = true}, std::as_bytes(std::span(data)), /*sync=*/false,
                    [] { return false; });
    files_.Close(*file, /*writer=*/true, *writer_);
    return written;
  }

  client::FakeCluster cluster_{1};
  const std::shared_ptr<client::ClientContext> cluster_context_ = cluster_.NewContext(Options());
  const ClientPtr writer_ = client::FileSystem::Over(cluster_context_);
  std::function<void()> then_;
  OpenFiles files_;
};

// The kernel knows of the bytes by then, and shows zeros where the answer has none.
TEST_F(FileHandleTest, WhatIsAddedWhileTheEndIsReadIsNotMissing) {
  ASSERT_OK_AND_ASSIGN(const auto out, writer_->Create(PathOf(kInode)));
  ASSERT_OK(out->Write("there"));
  ASSERT_OK(out->Close());
  FileHandle handle(files_, Reader(), kInode, O_RDONLY);
  std::string bytes(100, '-');
  const auto read = [&](uint64_t offset) -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const size_t got,
                     handle.Read(offset, std::as_writable_bytes(std::span(bytes))));
    return bytes.substr(0, got);
  };
  ASSERT_THAT(read(0), IsOkAndHolds("there"));
  absl::Status written = absl::UnknownError("nothing was asked");
  then_ = [&] { written = WriteAndClose(" and more"); };
  EXPECT_THAT(read(5), IsOkAndHolds(" and more"));
  EXPECT_OK(written);
}

}  // namespace
}  // namespace cairn::fuse
