#include "fuse/stage/staged_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn::fuse {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kPiece = StagedFile::kPieceBytes;

std::string Pattern(size_t bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

class StagedFileTest : public ::testing::Test {
 protected:
  void Make(std::string base, uint64_t stage_bytes = 64 << 20) {
    base_ = std::move(base);
    file_ = nullptr;
    auto area = StageArea::Open({.directory = temp_.path() + "/stage", .bytes = stage_bytes});
    ASSERT_OK(area.status());
    area_ = *std::move(area);
    ASSERT_OK_AND_ASSIGN(const int fd, area_->NewFile());
    disk_ = ::dup(fd);
    file_ = std::make_unique<StagedFile>(
        *area_, fd,
        [this](uint64_t offset, std::span<std::byte> out) {
          if (!base_error_.ok()) return base_error_;
          EXPECT_LE(offset + out.size(), base_.size());
          std::memcpy(out.data(), base_.data() + offset, out.size());
          return absl::OkStatus();
        },
        base_.size());
  }
  void TearDown() override {
    file_ = nullptr;
    if (disk_ >= 0) ::close(disk_);
  }
  absl::Status Write(uint64_t offset, absl::string_view data) {
    return file_->Write(offset, std::as_bytes(std::span(data)));
  }
  absl::StatusOr<std::string> Read(uint64_t offset, size_t bytes) {
    std::string out(bytes, 'x');
    const auto read = file_->Read(offset, std::as_writable_bytes(std::span(out)));
    if (!read.ok()) return read.status();
    out.resize(*read);
    return out;
  }
  std::string All() { return *Read(0, file_->length() + 1); }

  TempDir temp_;
  std::string base_;
  absl::Status base_error_;
  std::unique_ptr<StageArea> area_;
  std::unique_ptr<StagedFile> file_;
  int disk_ = -1;
};

TEST_F(StagedFileTest, ChangedBytesLieOverTheBase) {
  Make(Pattern(3 * kPiece + 100, 1));
  EXPECT_FALSE(file_->IsChanged());
  std::string model = base_;
  ASSERT_OK(Write(kPiece - 2, "abcd"));
  model.replace(kPiece - 2, 4, "abcd");
  EXPECT_EQ(All(), model);
  EXPECT_TRUE(file_->IsChanged());
  EXPECT_THAT(file_->changed().ranges, ElementsAre(ByteRange{0, 2 * kPiece}));
  ASSERT_OK(Write(3 * kPiece + 99, "z"));
  model.back() = 'z';
  EXPECT_EQ(All(), model);
  EXPECT_THAT(file_->changed().ranges,
              ElementsAre(ByteRange{0, 2 * kPiece}, ByteRange{3 * kPiece, 3 * kPiece + 100}));
  EXPECT_EQ(area_->used(), 3 * kPiece);
}

TEST_F(StagedFileTest, BehindTheEndAreZeros) {
  Make("base");
  ASSERT_OK(Write(10, "x"));
  EXPECT_EQ(All(), std::string("base\0\0\0\0\0\0x", 11));
  ASSERT_OK(file_->Truncate(2));
  ASSERT_OK(file_->Truncate(12));
  EXPECT_EQ(All(), std::string("ba\0\0\0\0\0\0\0\0\0\0", 12));
  EXPECT_EQ(file_->changed().intact, 2u);
  ASSERT_OK(file_->Truncate(uint64_t{1} << 50));
  EXPECT_THAT(Read((uint64_t{1} << 50) - 3, 10), IsOkAndHolds(std::string(3, '\0')));
}

TEST_F(StagedFileTest, WhatTheDiskHasSpoiltIsNotRead) {
  Make(Pattern(kPiece, 2));
  ASSERT_OK(Write(100, "abcd"));
  ASSERT_EQ(::pwrite(disk_, "X", 1, 1000), 1);
  EXPECT_THAT(Read(0, 10), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Write(5, "y"), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_OK(Write(0, Pattern(kPiece, 3)));  // nothing of the old piece is left
  EXPECT_EQ(All(), Pattern(kPiece, 3));
  ASSERT_EQ(::ftruncate(disk_, 0), 0);
  EXPECT_THAT(Read(0, 10), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(StagedFileTest, AFullStageRefusesAndKeepsWhatItHas) {
  Make(Pattern(4 * kPiece, 4), 2 * kPiece);
  ASSERT_OK(Write(0, "a"));
  ASSERT_OK(Write(kPiece, "b"));
  std::string model = base_;
  model[0] = 'a';
  model[kPiece] = 'b';
  EXPECT_THAT(Write(2 * kPiece, "c"), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(All(), model);
  ASSERT_OK(Write(1, "d")) << "there is room for this piece";
  ASSERT_OK(file_->Truncate(kPiece));
  EXPECT_EQ(area_->used(), kPiece);
  ASSERT_OK(Write(kPiece, "e"));
  file_ = nullptr;
  EXPECT_EQ(area_->used(), 0u);
}

TEST_F(StagedFileTest, WhatIsCutOffTakesNoRoomOnTheDisk) {
  const auto pieces_on_disk = [&] {
    struct stat info {};
    EXPECT_EQ(::fsync(disk_), 0);
    EXPECT_EQ(::fstat(disk_, &info), 0);
    return static_cast<uint64_t>(info.st_blocks) * 512 / kPiece;
  };
  Make("");
  const std::string data = Pattern(100 * kPiece, 7);
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(Write(0, data));
    EXPECT_GE(pieces_on_disk(), 100u);
    ASSERT_OK(file_->Truncate(1));
    EXPECT_LE(pieces_on_disk(), 3u);  // one, the one before it, and what the file system needs
  }
  ASSERT_OK(Write(0, data)) << "into the places that are free";
  EXPECT_TRUE(All() == data);
  for (uint64_t pieces = 99; pieces > 0; --pieces) ASSERT_OK(file_->Truncate(pieces * kPiece - 1));
  EXPECT_LE(pieces_on_disk(), 3u) << "piece by piece";
}

TEST_F(StagedFileTest, ABaseThatCannotBeReadRefusesTheWrite) {
  Make(Pattern(2 * kPiece, 5));
  base_error_ = absl::UnavailableError("no replica");
  EXPECT_THAT(Write(10, "a"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(file_->IsChanged());
  EXPECT_EQ(area_->used(), 0u);
  ASSERT_OK(Write(kPiece, Pattern(kPiece, 6))) << "a whole piece needs nothing of it";
}

TEST_F(StagedFileTest, ItIsWhatAStringIsAfterAnyChanges) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  Make(Pattern(random() % (4 * kPiece), seed));
  std::string model = base_;
  for (int step = 0; step < 400; ++step) {
    const uint64_t most = 6 * kPiece;
    if (random() % 5 == 0) {
      const uint64_t length = random() % most;
      ASSERT_OK(file_->Truncate(length));
      model.resize(length, '\0');
    } else {
      const uint64_t offset = random() % most;
      const std::string data = Pattern(random() % (random() % 3 == 0 ? 2 * kPiece : 100), random());
      ASSERT_OK(Write(offset, data));
      if (data.empty()) continue;
      if (model.size() < offset + data.size()) model.resize(offset + data.size(), '\0');
      model.replace(offset, data.size(), data);
    }
    const uint64_t at = random() % most;
    const size_t bytes = random() % (2 * kPiece);
    ASSERT_THAT(Read(at, bytes),
                IsOkAndHolds(at < model.size() ? model.substr(at, bytes) : std::string()))
        << step;
  }
  EXPECT_TRUE(All() == model);
}

}  // namespace
}  // namespace cairn::fuse
