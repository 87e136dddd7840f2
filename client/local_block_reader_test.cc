#include "client/local_block_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <random>
#include <string>

#include "common/check.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "wire/transfer/meta_file.h"

namespace cairn::client {
namespace {

using absl::StatusCode;
using transfer::ChecksumType;
using transfer::DataChecksum;

std::string Random(size_t size) {
  std::mt19937_64 random(size);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

class LocalBlockReaderTest : public ::testing::Test {
 protected:
  void Write(const std::string& data, const DataChecksum& checksum = {}) {
    data_ = data;
    std::string meta(transfer::MetaFileBytes(checksum, data.size()), '\0');
    const auto bytes = std::as_writable_bytes(std::span(meta));
    transfer::EncodeMetaHeader(checksum, bytes.first<transfer::kMetaHeaderBytes>());
    checksum.Compute(std::as_bytes(std::span(data)), bytes.subspan(transfer::kMetaHeaderBytes));
    Put("blk", data);
    Put("blk.meta", meta);
  }
  void Put(const std::string& name, const std::string& bytes) {
    const int fd = Open(name, O_CREAT | O_TRUNC | O_WRONLY);
    CHECK(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    ::close(fd);
  }
  void Overwrite(const std::string& name, off_t offset, const std::string& bytes) {
    const int fd = Open(name, O_WRONLY);
    CHECK(::pwrite(fd, bytes.data(), bytes.size(), offset) == static_cast<ssize_t>(bytes.size()));
    ::close(fd);
  }
  int Open(const std::string& name, int flags = O_RDONLY) {
    const int fd = ::open(dir_.Path(name).c_str(), flags | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    return fd;
  }
  std::shared_ptr<const LocalReplica> OpenReplica() {
    auto replica = LocalReplica::Open(Open("blk"), Open("blk.meta"));
    CHECK(replica.ok()) << replica.status();
    return *replica;
  }
  // In calls of `step` bytes; the first error.
  absl::StatusOr<std::string> Read(const std::shared_ptr<const LocalReplica>& replica,
                                   uint64_t offset, uint64_t length, size_t step,
                                   bool verify = true) {
    LocalBlockReader reader(replica, offset, length, verify);
    std::string all;
    std::string piece(step, '\0');
    while (true) {
      EXPECT_EQ(reader.remaining(), length - all.size());
      const auto bytes = reader.Read(std::as_writable_bytes(std::span(piece)));
      if (!bytes.ok()) return bytes.status();
      if (*bytes == 0) return all;
      all.append(piece, 0, *bytes);
    }
  }

  TempDir dir_;
  std::string data_;
};

TEST_F(LocalBlockReaderTest, EveryRangeIsWhatTheFileHolds) {
  std::mt19937_64 random(7);
  for (const DataChecksum& checksum :
       {DataChecksum(), DataChecksum(ChecksumType::kCrc32, 4096),
        DataChecksum(ChecksumType::kNull, 512), DataChecksum(ChecksumType::kCrc32c, 1 << 20)}) {
    for (const size_t size : {1u, 511u, 512u, 513u, 65'536u, 700'001u}) {
      Write(Random(size), checksum);
      const auto replica = OpenReplica();
      ASSERT_EQ(replica->length(), size);
      for (int i = 0; i < 40; ++i) {
        const uint64_t offset = random() % size;
        const uint64_t length = i % 4 == 0 ? size - offset : random() % (size - offset + 1);
        const size_t step = std::array<size_t, 5>{1 << 20, 512, 4096, 100'000, 7'777}[random() % 5];
        for (const bool verify : {true, false}) {
          EXPECT_THAT(Read(replica, offset, length, step, verify),
                      IsOkAndHolds(data_.substr(offset, length)))
              << size << " " << offset << " " << length << " " << step;
        }
      }
    }
  }
}

TEST_F(LocalBlockReaderTest, AWrongByteIsFoundWhereverItIs) {
  Write(Random(300'000));
  for (const size_t at : {0u, 511u, 150'000u, 299'999u}) {
    Overwrite("blk", static_cast<off_t>(at), std::string(1, static_cast<char>(data_[at] ^ 4)));
    for (const size_t step : {1u << 20, 4096u}) {
      EXPECT_THAT(Read(OpenReplica(), 0, 300'000, step), StatusIs(StatusCode::kDataLoss));
    }
    // Also where the range ends in the middle of its chunk.
    EXPECT_THAT(Read(OpenReplica(), at / 512 * 512, 1, 1), StatusIs(StatusCode::kDataLoss));
    Overwrite("blk", static_cast<off_t>(at), data_.substr(at, 1));
  }
  Overwrite("blk.meta", 7 + 4 * 3, "\1\2\3\4");
  EXPECT_THAT(Read(OpenReplica(), 3 * 512, 512, 512), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(Read(OpenReplica(), 4 * 512, 512, 512), IsOkAndHolds(data_.substr(4 * 512, 512)));
  EXPECT_THAT(Read(OpenReplica(), 3 * 512, 512, 512, /*verify=*/false),
              IsOkAndHolds(data_.substr(3 * 512, 512)));
}

// The datanode goes on working on the file: what is read is right, or an error.
TEST_F(LocalBlockReaderTest, AFileThatChangesUnderTheReaderGivesNoWrongByte) {
  const std::string whole = Random(10'300);
  Write(whole.substr(0, 10'000));
  const auto replica = OpenReplica();
  // An append: the last chunk's CRC is that of more bytes now.
  Write(whole);
  EXPECT_THAT(Read(replica, 0, 9'728, 1 << 20), IsOkAndHolds(whole.substr(0, 9'728)));
  EXPECT_THAT(Read(replica, 9'728, 272, 1 << 20), StatusIs(StatusCode::kDataLoss));
  Write(whole.substr(0, 5'000));
  EXPECT_THAT(Read(replica, 0, 10'000, 1 << 20), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(Read(replica, 0, 10'000, 1 << 20, /*verify=*/false),
              StatusIs(StatusCode::kUnavailable));
  // Deleted: the descriptors keep it.
  Write(whole.substr(0, 10'000));
  ASSERT_EQ(::unlink(dir_.Path("blk").c_str()), 0);
  ASSERT_EQ(::unlink(dir_.Path("blk.meta").c_str()), 0);
  EXPECT_THAT(Read(replica, 0, 10'000, 1 << 20), IsOkAndHolds(whole.substr(0, 10'000)));
}

TEST_F(LocalBlockReaderTest, WhatIsNoReplicaIsRefused) {
  Write("data");
  Put("blk.meta", "");
  EXPECT_FALSE(LocalReplica::Open(Open("blk"), Open("blk.meta")).ok());
  Put("blk.meta", std::string(7, '\x7F'));
  EXPECT_FALSE(LocalReplica::Open(Open("blk"), Open("blk.meta")).ok());
  Write("data");
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  EXPECT_THAT(LocalReplica::Open(pipe[0], Open("blk.meta")), StatusIs(StatusCode::kUnavailable));
  ::close(pipe[1]);
  // Fewer checksums than the data call for.
  Write(Random(2'000));
  ASSERT_EQ(::truncate(dir_.Path("blk.meta").c_str(), 7 + 8), 0);
  EXPECT_THAT(Read(OpenReplica(), 0, 2'000, 4096), StatusIs(StatusCode::kUnavailable));
}

}  // namespace
}  // namespace cairn::client
