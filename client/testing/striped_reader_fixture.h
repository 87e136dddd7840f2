// client/testing/striped_reader_fixture.h - ranges of one block group whose units lie in memory,
// with any of them lost.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/block_reader.h"
#include "client/striped_block_reader.h"
#include "client/striping.h"
#include "client/testing/striped_data.h"
#include "common/status_macros.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"

namespace cairn::client {

// A request for bytes [begin, end) of a unit.
struct Opened {
  uint32_t unit = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  bool operator==(const Opened&) const = default;
};

struct Trouble {
  uint64_t from = 0;  // bytes of the unit before it can be read
  absl::Status status = absl::UnavailableError("gone");
  bool has_other = false;     // a replica of the unit without trouble, which is not local
  bool ends = false;          // its stream ends, and no error says why
  bool is_held_back = false;  // until it is recalled
};

// What the units hold, what is wrong with them, and what was asked of them.
struct Memory {
  std::vector<std::string> units;
  std::map<uint32_t, Trouble> troubles;
  std::set<uint32_t> local;  // are read from files
  std::vector<Opened> opened;
  std::vector<std::pair<uint32_t, absl::Status>> failures;
  std::vector<uint32_t> recalled;
  int finished = 0;
};

class MemoryStream final : public BlockReader {
 public:
  MemoryStream(const Memory& memory, const Opened& range)
      : memory_(memory), unit_(range.unit), position_(range.begin), end_(range.end) {}

  // 700 bytes at most, so that pieces end anywhere.
  absl::StatusOr<size_t> Read(std::span<std::byte> out) override {
    size_t bytes = std::min({out.size(), size_t{700}, static_cast<size_t>(end_ - position_)});
    if (const auto found = memory_.troubles.find(unit_); found != memory_.troubles.end()) {
      if (position_ >= found->second.from) return End(found->second);
      bytes = std::min<size_t>(bytes, found->second.from - position_);
    }
    std::memcpy(out.data(), memory_.units[unit_].data() + position_, bytes);
    position_ += bytes;
    return bytes;
  }
  uint64_t remaining() const override { return end_ - position_; }
  bool is_local() const override { return memory_.local.contains(unit_); }

 private:
  static absl::StatusOr<size_t> End(const Trouble& trouble) {
    if (trouble.ends) return 0;
    return trouble.status;
  }

  const Memory& memory_;
  const uint32_t unit_;
  uint64_t position_;
  const uint64_t end_;
};

class MemoryUnits final : public UnitSource {
 public:
  explicit MemoryUnits(Memory& memory) : memory_(memory) {}

  absl::StatusOr<std::unique_ptr<BlockReader>> Open(uint32_t unit, uint64_t offset,
                                                    uint64_t bytes) override {
    const Opened range = {.unit = unit, .begin = offset, .end = offset + bytes};
    memory_.opened.push_back(range);
    EXPECT_GT(bytes, 0u);
    EXPECT_LE(range.end, memory_.units[unit].size()) << "of unit " << unit;
    const auto found = memory_.troubles.find(unit);
    if (found != memory_.troubles.end() && found->second.from <= offset) {
      return found->second.status;
    }
    return std::make_unique<MemoryStream>(memory_, range);
  }
  bool Failed(uint32_t unit, const absl::Status& why, absl::Duration) override {
    memory_.failures.emplace_back(unit, why);
    const bool has_other = memory_.troubles.at(unit).has_other;
    if (has_other) memory_.troubles.erase(unit);
    if (has_other) memory_.local.erase(unit);
    return has_other;
  }
  bool Recall(uint32_t unit) override {
    if (!memory_.troubles.at(unit).is_held_back) return false;
    memory_.recalled.push_back(unit);
    memory_.troubles.erase(unit);
    return true;
  }
  void Finished(BlockReader& stream) override {
    EXPECT_EQ(stream.remaining(), 0u);
    ++memory_.finished;
  }

 private:
  Memory& memory_;
};

class StripedBlockReaderTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kGroupId = uint64_t{0} - 1008;

  void MakeGroup(const erasure::Policy& policy, size_t bytes) {
    auto striping = Striping::Create(policy);
    ASSERT_OK(striping);
    striping_ = *std::move(striping);
    data_.resize(bytes);
    for (char& c : data_) c = static_cast<char>(random_());
    memory_ = Memory{.units = MakeUnits(policy, data_)};
  }

  void Lose(uint32_t unit, absl::Status why = absl::UnavailableError("gone")) {
    memory_.troubles[unit] = {.status = std::move(why)};
  }

  absl::StatusOr<std::unique_ptr<StripedBlockReader>> Open(uint64_t offset, uint64_t length) {
    return StripedBlockReader::Open(
        striping_, {.id = kGroupId, .bytes = data_.size(), .being_written = being_written_}, offset,
        length, std::make_unique<MemoryUnits>(memory_), clock_);
  }

  // In pieces of any size. What came before an error is compared as well.
  absl::StatusOr<std::string> ReadRange(uint64_t offset, uint64_t length) {
    ASSIGN_OR_RETURN(const auto reader, Open(offset, length));
    std::string all;
    local_ = 0;
    while (reader->remaining() > 0) {
      std::string part(1 + random_() % 3000, '\0');
      const auto bytes = reader->Read(std::as_writable_bytes(std::span(part)));
      if (!bytes.ok()) {
        EXPECT_EQ(all, data_.substr(offset, all.size()));
        delivered_ = all.size();
        return bytes.status();
      }
      EXPECT_GT(*bytes, 0u);
      if (reader->is_local()) local_ += *bytes;
      all += part.substr(0, *bytes);
      EXPECT_EQ(reader->remaining(), length - all.size());
    }
    std::byte more;
    EXPECT_THAT(reader->Read(std::span(&more, 1)), IsOkAndHolds(0u));
    return all;
  }

  // The whole group, and some ranges of it.
  void ExpectReadable(const std::string& what) {
    ASSERT_THAT(ReadRange(0, data_.size()), IsOkAndHolds(data_)) << what;
    for (int i = 0; i < 5; ++i) {
      const uint64_t offset = random_() % data_.size();
      const uint64_t length = 1 + random_() % (data_.size() - offset);
      ASSERT_THAT(ReadRange(offset, length), IsOkAndHolds(data_.substr(offset, length)))
          << what << ", " << offset << "+" << length;
    }
  }

  std::mt19937 random_{20};
  FakeClock clock_;
  std::shared_ptr<const Striping> striping_;
  std::string data_;
  Memory memory_;
  bool being_written_ = false;
  size_t delivered_ = 0;  // before the last error
  size_t local_ = 0;      // of the last range, what came from files
};

}  // namespace cairn::client
