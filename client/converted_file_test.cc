// Files that are converted, replicated to erasure-coded or back, while they are read.
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "client/testing/streams_fixture.h"
#include "client/testing/striped_data.h"
#include "common/testing/eventually.h"

namespace cairn::client {
namespace {

class ConvertedFileTest : public StreamsTest {
 protected:
  // Groups and blocks begin at other bytes, but for the first.
  static constexpr uint64_t kUnit = 300 << 10;
  static constexpr uint64_t kStretches[] = {1, 64 * kBlockBytes};  // asked for at a time

  ConvertedFileTest() : StreamsTest(/*datanodes=*/5) {}

  void PutReplicated(const std::string& path) { ASSERT_OK(WriteFile(path, data_)); }
  void PutCoded(const std::string& path) {
    cluster_.PutStriped(path, SmallCells(3, 2), data_, kUnit);
  }
  void Put(const std::string& path, bool coded) { coded ? PutCoded(path) : PutReplicated(path); }
  void Convert(bool to_coded) {
    Put("/copy", to_coded);
    cluster_.Convert("/f", "/copy");
  }

  // Of /f, with the first bytes read.
  void OpenAndRead(uint64_t prefetch) {
    ClientOptions options = Options();
    options.prefetch_bytes = prefetch;
    options.read_rounds = 10;  // readers take one another's failures for their own
    in_ = nullptr;
    reader_ = cluster_.Connect(options);
    ASSERT_OK_AND_ASSIGN(in_, reader_->Open("/f"));
    EXPECT_THAT(Next(kRead), IsOkAndHolds(data_.substr(0, kRead)));
  }
  absl::StatusOr<std::string> Next(size_t bytes) {
    std::string text(bytes, '\0');
    ASSIGN_OR_RETURN(const size_t got, in_->ReadFully(std::as_writable_bytes(std::span(text))));
    text.resize(got);
    return text;
  }
  absl::StatusOr<std::string> At(uint64_t offset, size_t bytes) {
    std::string text(bytes, '\0');
    ASSIGN_OR_RETURN(const size_t got,
                     in_->ReadAt(offset, std::as_writable_bytes(std::span(text))));
    text.resize(got);
    return text;
  }

  static constexpr size_t kRead = kBlockBytes + 12345;
  const std::string data_ = RandomBytes(5 * kBlockBytes + 777);
  std::unique_ptr<FileSystem> reader_;
  std::unique_ptr<InputStream> in_;
};

TEST_F(ConvertedFileTest, AReaderGoesOnAtTheSameByteInTheNewBlocks) {
  for (const bool to_coded : {true, false}) {
    for (const uint64_t prefetch : kStretches) {
      SCOPED_TRACE(absl::StrCat(to_coded, " ", prefetch));
      Put("/f", !to_coded);
      OpenAndRead(prefetch);
      Convert(to_coded);
      EXPECT_THAT(At(3 * kBlockBytes - 7, 5000),
                  IsOkAndHolds(data_.substr(3 * kBlockBytes - 7, 5000)));
      EXPECT_THAT(Next(data_.size()), IsOkAndHolds(data_.substr(kRead)));
      EXPECT_THAT(in_->RefreshLength(), IsOkAndHolds(data_.size()));
      ASSERT_OK(in_->Seek(10));
      EXPECT_THAT(Next(100), IsOkAndHolds(data_.substr(10, 100)));
      EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data_));
    }
  }
}

TEST_F(ConvertedFileTest, AlsoAfterTwoConversionsOfWhichItSawNoneOrOne) {
  for (const bool sees_one : {true, false}) {
    for (const uint64_t prefetch : kStretches) {
      PutReplicated("/f");
      OpenAndRead(prefetch);
      Convert(/*to_coded=*/true);
      if (sees_one) {
        EXPECT_THAT(At(4 * kBlockBytes, 10), IsOkAndHolds(data_.substr(4 * kBlockBytes, 10)));
      }
      Convert(/*to_coded=*/false);
      EXPECT_THAT(Next(data_.size()), IsOkAndHolds(data_.substr(kRead)));
    }
  }
}

TEST_F(ConvertedFileTest, AReaderOfAConvertedFileStaysWithIt) {
  PutReplicated("/f");
  Convert(/*to_coded=*/true);
  OpenAndRead(/*prefetch=*/1);
  EXPECT_THAT(Next(data_.size()), IsOkAndHolds(data_.substr(kRead)));
  OpenAndRead(/*prefetch=*/1);
  ASSERT_OK(WriteFile("/other", std::string(data_.size(), 'x')));
  cluster_.Move("/other", "/f");
  EXPECT_THAT(At(3 * kBlockBytes, 10), IsFsError(FsError::kChanged));
}

TEST_F(ConvertedFileTest, AChangeAfterItIsAChange) {
  PutReplicated("/f");
  OpenAndRead(/*prefetch=*/1);
  Convert(/*to_coded=*/false);
  cluster_.Cut("/f", data_.size() - 1);
  EXPECT_THAT(At(3 * kBlockBytes, 10), IsFsError(FsError::kChanged));
  EXPECT_THAT(in_->RefreshLength(), IsFsError(FsError::kChanged));
}

// As that of a file that was small until it grew.
TEST_F(ConvertedFileTest, AReaderGoesOnWhileAWriterAddsToTheNewBlocks) {
  for (const uint64_t prefetch : kStretches) {
    PutReplicated("/f");
    OpenAndRead(prefetch);
    Convert(/*to_coded=*/true);
    const std::string more = RandomBytes(10'000);
    cluster_.AppendGroup("/f", more);
    cluster_.OpenLastGroup("/f", 4000);
    EXPECT_THAT(in_->RefreshLength(), IsOkAndHolds(data_.size() + 4000));
    EXPECT_THAT(Next(data_.size() - kRead), IsOkAndHolds(data_.substr(kRead)));
    cluster_.CloseLastGroup("/f");
    EXPECT_THAT(in_->RefreshLength(), IsOkAndHolds(data_.size() + more.size()));
    EXPECT_THAT(At(data_.size(), more.size()), IsOkAndHolds(more));
  }
}

// Each has its own part of what is known in hand when the form changes.
TEST_F(ConvertedFileTest, ManyReadersOfOneStreamSeeNoWrongByte) {
  PutReplicated("/f");
  OpenAndRead(/*prefetch=*/1);
  std::atomic<bool> done = false;
  std::array<std::atomic<int>, 4> reads{};
  std::vector<std::thread> readers;
  const absl::Cleanup join = [&] {
    done = true;
    for (std::thread& thread : readers) thread.join();
  };
  for (std::atomic<int>& mine : reads) {
    readers.emplace_back([&, seed = static_cast<uint64_t>(readers.size())] {
      std::mt19937_64 random(seed);
      while (!done) {
        const uint64_t offset = random() % (data_.size() - 50'000);
        EXPECT_THAT(At(offset, 50'000), IsOkAndHolds(data_.substr(offset, 50'000))) << offset;
        ++mine;
      }
    });
  }
  for (int round = 0; round < 6; ++round) {
    std::array<int, 4> before{};
    for (size_t i = 0; i < reads.size(); ++i) before[i] = reads[i];
    Convert(/*to_coded=*/round % 2 == 0);
    for (size_t i = 0; i < reads.size(); ++i) EVENTUALLY(reads[i] > before[i] + 2);
  }
}

}  // namespace
}  // namespace cairn::client
