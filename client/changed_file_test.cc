// Files that others replace, change, cut or append to while they are read.
#include <atomic>
#include <thread>

#include "client/testing/streams_fixture.h"

namespace cairn::client {
namespace {

using ::testing::HasSubstr;

class ChangedFileTest : public StreamsTest {
 protected:
  static constexpr uint64_t kBlocks = 4;

  void SetUp() override {
    ASSERT_OK(WriteFile("/f", data_));
    ASSERT_OK(WriteFile("/other", std::string(data_.size(), 'x')));
  }

  // A reader that has read the first block; it asks for the places of `prefetch` bytes at a time.
  void OpenAndRead(uint64_t prefetch) {
    ClientOptions options = Options();
    options.prefetch_bytes = prefetch;
    in_ = nullptr;
    fs_ = cluster_.Connect(options);
    ASSERT_OK_AND_ASSIGN(in_, fs_->Open("/f"));
    EXPECT_THAT(Next(kBlockBytes), IsOkAndHolds(data_.substr(0, kBlockBytes)));
  }

  absl::StatusOr<std::string> Next(size_t bytes) {
    std::string text(bytes, '\0');
    ASSIGN_OR_RETURN(const size_t got, in_->ReadFully(std::as_writable_bytes(std::span(text))));
    text.resize(got);
    return text;
  }

  void ExpectChanged() {
    std::vector<std::byte> out(1000);
    EXPECT_THAT(in_->Read(out), IsFsError(FsError::kChanged));
    EXPECT_THAT(in_->ReadAt(3 * kBlockBytes, out), IsFsError(FsError::kChanged));
    EXPECT_THAT(in_->RefreshLength(),
                StatusIs(absl::StatusCode::kAborted, HasSubstr("/f: was replaced or changed")));
  }

  const std::string data_ = RandomBytes(kBlocks * kBlockBytes);
  std::unique_ptr<InputStream> in_;
};

TEST_F(ChangedFileTest, AFileThatTookItsPlaceIsNotReadInItsStead) {
  OpenAndRead(Options().prefetch_bytes);
  cluster_.Move("/other", "/f");
  ExpectChanged();
  EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(std::string(data_.size(), 'x')));
}

// Nothing has failed: the places of the next blocks are asked for by the path.
TEST_F(ChangedFileTest, NorInALongFileOfWhichNotAllPlacesAreKnown) {
  OpenAndRead(/*prefetch=*/1);
  cluster_.Move("/other", "/f");
  ExpectChanged();
}

TEST_F(ChangedFileTest, NorIsALongerOneWithOtherBlocks) {
  OpenAndRead(/*prefetch=*/1);
  ClientOptions options = Options();
  options.block_bytes = kBlockBytes / 2;
  const auto another = cluster_.Connect(options);
  ASSERT_OK_AND_ASSIGN(auto out, another->Create("/other"));
  ASSERT_OK(out->Write(std::string(2 * data_.size(), 'x')));
  ASSERT_OK(out->Close());
  cluster_.Move("/other", "/f");
  ExpectChanged();
}

TEST_F(ChangedFileTest, AChangeInPlaceOfBlocksNotYetSeenIsNotMixedIn) {
  OpenAndRead(/*prefetch=*/1);
  cluster_.PutBlock("/f", 2, "/other");
  std::vector<std::byte> out(1000);
  EXPECT_THAT(in_->Read(out), IsFsError(FsError::kChanged));
  EXPECT_THAT(in_->RefreshLength(), IsFsError(FsError::kChanged));
}

TEST_F(ChangedFileTest, AnAppendIsNoSuchChange) {
  for (const uint64_t prefetch : {uint64_t{1}, 64 * kBlockBytes}) {
    ASSERT_OK(WriteFile("/f", data_));
    OpenAndRead(prefetch);
    const std::string more = RandomBytes(2 * kBlockBytes + 1000);
    ASSERT_OK_AND_ASSIGN(auto out, fs_->Append("/f"));
    ASSERT_OK(out->Write(more));
    ASSERT_OK(out->Close());
    EXPECT_THAT(Next(data_.size()), IsOkAndHolds(data_.substr(kBlockBytes)));
    EXPECT_THAT(in_->RefreshLength(), IsOkAndHolds(data_.size() + more.size()));
    EXPECT_THAT(Next(2 * more.size()), IsOkAndHolds(more));
  }
}

TEST_F(ChangedFileTest, NorIsACut) {
  for (const uint64_t prefetch : {uint64_t{1}, 64 * kBlockBytes}) {
    ASSERT_OK(WriteFile("/f", data_));
    OpenAndRead(prefetch);
    const uint64_t length = 2 * kBlockBytes + 1000;
    cluster_.Cut("/f", length);
    EXPECT_THAT(Next(kBlockBytes), IsOkAndHolds(data_.substr(kBlockBytes, kBlockBytes)));
    EXPECT_THAT(in_->RefreshLength(), IsOkAndHolds(length));
    EXPECT_THAT(Next(data_.size()), IsOkAndHolds(data_.substr(2 * kBlockBytes, 1000)));
  }
}

// The datanode still sends what it was asked for before.
TEST_F(ChangedFileTest, NothingBehindACutThatWasSeenIsDelivered) {
  ASSERT_OK_AND_ASSIGN(in_, fs_->Open("/f"));
  EXPECT_THAT(Next(1000), IsOkAndHolds(data_.substr(0, 1000)));
  cluster_.Cut("/f", 1500);
  EXPECT_THAT(in_->RefreshLength(), IsOkAndHolds(1500u));
  EXPECT_THAT(Next(5000), IsOkAndHolds(data_.substr(1000, 500)));
}

// Both in one look: the length tells of neither.
TEST_F(ChangedFileTest, WhatIsAppendedAfterACutInTheSameBlockIsReadAnew) {
  ASSERT_OK(WriteFile("/g", data_.substr(0, 300'000)));
  ASSERT_OK_AND_ASSIGN(in_, fs_->Open("/g"));
  EXPECT_THAT(Next(1000), IsOkAndHolds(data_.substr(0, 1000)));
  cluster_.Cut("/g", 1500);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Append("/g"));
  ASSERT_OK(out->Write(data_.substr(500'000, 300'000)));
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.BlockCount("/g"), 1u);
  EXPECT_THAT(in_->RefreshLength(), IsOkAndHolds(301'500u));
  EXPECT_THAT(Next(301'500), IsOkAndHolds(cluster_.Contents("/g").substr(1000)));
}

// Whoever asks for the length does not pull the reader from under who reads.
TEST_F(ChangedFileTest, TheLengthIsAskedForWhileItIsRead) {
  ASSERT_OK_AND_ASSIGN(in_, fs_->Open("/f"));
  std::atomic<bool> done = false;
  std::thread asking([&] {
    uint64_t length = data_.size();
    for (int round = 0; !done; ++round) {
      // Another stamp of the last block each time, and now and then a shorter file.
      if (round % 2 == 1) cluster_.Cut("/f", length -= 10);
      EXPECT_THAT(in_->RefreshLength(), IsOkAndHolds(length));
    }
  });
  EXPECT_THAT(Next(3 * kBlockBytes), IsOkAndHolds(data_.substr(0, 3 * kBlockBytes)));
  done = true;
  asking.join();
}

}  // namespace
}  // namespace cairn::client
