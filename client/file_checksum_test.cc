// What a namenode answers about the blocks of a file is checked.
#include "client/file_checksum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/rpc_channel.h"
#include "common/testing/status_matchers.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

using ::testing::HasSubstr;

// Names one block, at the beginning of a file of two, whatever it is asked for.
class Namenode final : public RpcChannel {
 public:
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite&,
                    google::protobuf::MessageLite& response) override {
    if (++calls_ > 10) return absl::ResourceExhaustedError("asked for ever");
    if (method != "getBlockLocations") return absl::UnimplementedError(method);
    hdfs::LocatedBlocksProto& found =
        *static_cast<hdfs::GetBlockLocationsResponseProto&>(response).mutable_locations();
    found.set_filelength(200);
    found.set_underconstruction(false);
    found.set_islastblockcomplete(true);
    hdfs::LocatedBlockProto& block = *found.add_blocks();
    block.set_offset(0);
    block.mutable_b()->set_blockid(7);
    block.mutable_b()->set_numbytes(100);
    return absl::OkStatus();
  }

 private:
  int calls_ = 0;
};

TEST(FileChecksumTest, BlocksThatNeverCoverWhatIsAskedForAreAnError) {
  const auto context = std::make_shared<ClientContext>(
      ClientOptions{}, "user", "fake:0", std::make_unique<Namenode>(), nullptr, SystemClock());
  EXPECT_THAT(
      ComputeFileChecksum(context, "/f", ChecksumCombine::kMd5OfMd5, 200, LostUnits::kCompute),
      StatusIs(absl::StatusCode::kInternal, HasSubstr("too few blocks")));
}

}  // namespace
}  // namespace cairn::client
