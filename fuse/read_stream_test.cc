// Reads of one file in the orders in which a kernel that reads ahead makes them.
#include "fuse/read_stream.h"

#include <gtest/gtest.h>

#include <random>

#include "client/testing/fake_cluster.h"
#include "common/testing/status_matchers.h"

namespace cairn::fuse {
namespace {

constexpr uint64_t kBlockBytes = 1 << 20;
constexpr size_t kRequest = 128 << 10;  // the kernel's

class ReadStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::mt19937_64 random(1);
    data_.resize(3 * kBlockBytes + 1000);
    for (char& c : data_) c = static_cast<char>(random());
    ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
    ASSERT_OK(out->Write(data_));
    ASSERT_OK(out->Close());
    ASSERT_OK_AND_ASSIGN(auto in, fs_->Open("/f"));
    stream_ = std::make_unique<ReadStream>(std::move(in));
  }

  static client::ClientOptions Options() {
    client::ClientOptions options;
    options.block_bytes = kBlockBytes;
    return options;
  }

  void ExpectRead(uint64_t offset, size_t size) {
    std::string out(size, '\0');
    ASSERT_OK_AND_ASSIGN(const size_t bytes,
                         stream_->Read(offset, std::as_writable_bytes(std::span(out))));
    out.resize(bytes);
    EXPECT_TRUE(out == (offset < data_.size() ? data_.substr(offset, size) : ""))
        << size << " bytes at " << offset << ", got " << bytes;
  }

  client::FakeCluster cluster_{1};
  std::unique_ptr<client::FileSystem> fs_ = cluster_.Connect(Options());
  std::string data_;
  std::unique_ptr<ReadStream> stream_;
};

TEST_F(ReadStreamTest, ReadsInOrderGiveTheFile) {
  for (uint64_t at = 0; at < data_.size() + kRequest; at += kRequest) ExpectRead(at, kRequest);
}

// Two requests that were on their way together, the later one first.
TEST_F(ReadStreamTest, ReadsThatSwappedPlacesGiveTheFile) {
  ExpectRead(0, kRequest);
  for (uint64_t at = kRequest; at < data_.size(); at += 2 * kRequest) {
    ExpectRead(at + kRequest, kRequest);
    ExpectRead(at, kRequest);
  }
}

TEST_F(ReadStreamTest, EightRequestsInAnyOrderGiveTheFile) {
  std::mt19937_64 random(2);
  std::vector<uint64_t> places;
  for (uint64_t at = 0; at < data_.size(); at += kRequest) places.push_back(at);
  for (size_t begin = 1; begin < places.size(); begin += 8) {
    const auto end = places.begin() + static_cast<ptrdiff_t>(std::min(begin + 8, places.size()));
    std::shuffle(places.begin() + static_cast<ptrdiff_t>(begin), end, random);
  }
  for (const uint64_t at : places) ExpectRead(at, kRequest);
  for (const uint64_t at : places) ExpectRead(at, kRequest);  // what was kept is gone: read again
}

TEST_F(ReadStreamTest, ReadsAnywhereGiveWhatIsThere) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 300; ++i) {
    ExpectRead(random() % (data_.size() + 100), 1 + random() % (i % 3 == 0 ? 300'000 : 5'000));
  }
}

TEST_F(ReadStreamTest, AReaderThatMovedElsewhereStreamsThere) {
  ExpectRead(2 * kBlockBytes, 4096);
  for (uint64_t at = 2 * kBlockBytes + 4096; at < 3 * kBlockBytes; at += 4096) {
    ExpectRead(at, 4096);
  }
  ExpectRead(0, kRequest);
}

}  // namespace
}  // namespace cairn::fuse
