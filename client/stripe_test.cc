#include "client/stripe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "client/testing/streams_fixture.h"
#include "client/testing/striped_data.h"

namespace cairn::client {
namespace {

using ::testing::IsEmpty;

constexpr uint64_t kUnitOffset = 7 << 20;

erasure::Policy Policy() {
  erasure::Policy policy = SmallCells(3, 2);
  policy.cell_bytes = 4096;
  return policy;
}

class StripeTest : public ::testing::Test {
 protected:
  // What the packets of `unit` hold. They follow one another, and none is longer than `most`.
  std::string Joined(Stripe& stripe, uint32_t unit, size_t most) {
    std::string bytes;
    for (const auto& packet : stripe.TakeCell(unit)) {
      EXPECT_EQ(packet->offset(), kUnitOffset + bytes.size());
      EXPECT_LE(packet->size(), most);
      bytes.append(reinterpret_cast<const char*>(packet->data().data()), packet->size());
    }
    return bytes;
  }
  static std::span<const std::byte> Bytes(absl::string_view text) {
    return std::as_bytes(std::span(text));
  }

  std::shared_ptr<const Striping> striping_ = *Striping::Create(Policy());
  OutPacketPool pool_;
};

TEST_F(StripeTest, HasDataAndParityOfEveryUnitHoweverTheCellsAreCut) {
  for (const size_t packet_bytes : {size_t{512}, size_t{1536}, size_t{4096}, size_t{65536}}) {
    for (const size_t size : {1, 511, 513, 4095, 4096, 4097, 6000, 8192, 8193, 12287, 12288}) {
      const std::string data = RandomBytes(size);
      Stripe stripe(*striping_, pool_, kUnitOffset, packet_bytes);
      for (size_t at = 0; at < size; at += 777) {
        const auto piece = Bytes(absl::string_view(data).substr(at, 777));
        EXPECT_EQ(stripe.Append(piece), piece.size());
      }
      EXPECT_EQ(stripe.bytes(), size);
      stripe.Encode();
      const std::vector<std::string> expected = MakeUnits(Policy(), data);
      for (uint32_t unit = 0; unit < expected.size(); ++unit) {
        EXPECT_EQ(Joined(stripe, unit, packet_bytes), expected[unit])
            << size << " bytes in packets of " << packet_bytes << ", unit " << unit;
      }
    }
  }
}

TEST_F(StripeTest, CanBeMovedWhileItIsFilled) {
  const std::string data = RandomBytes(9000);
  Stripe stripe(*striping_, pool_, /*unit_offset=*/3 * 4096, 1024);
  stripe.Append(Bytes(data).first(5000));
  stripe.MoveTo(kUnitOffset);
  stripe.Append(Bytes(data).subspan(5000));
  stripe.Encode();
  const std::vector<std::string> expected = MakeUnits(Policy(), data);
  for (uint32_t unit = 0; unit < expected.size(); ++unit) {
    EXPECT_EQ(Joined(stripe, unit, 1024), expected[unit]) << "unit " << unit;
  }
}

TEST_F(StripeTest, KnowsWhichUnitsWillHaveACell) {
  Stripe stripe(*striping_, pool_, kUnitOffset, 1024);
  stripe.Append(Bytes(RandomBytes(4097)));
  for (uint32_t unit = 0; unit < 5; ++unit) EXPECT_EQ(stripe.HasCell(unit), unit != 2) << unit;
}

TEST_F(StripeTest, TakesNoMoreThanItsCellsHold) {
  const std::string data = RandomBytes(20'000);
  Stripe stripe(*striping_, pool_, kUnitOffset, 512);
  EXPECT_FALSE(stripe.is_full());
  EXPECT_EQ(stripe.Append(Bytes(data)), 12288u);
  EXPECT_TRUE(stripe.is_full());
  EXPECT_EQ(stripe.Append(Bytes(data)), 0u);
}

TEST_F(StripeTest, AUnitWithoutBytesHasNoPacket) {
  Stripe stripe(*striping_, pool_, kUnitOffset, 512);
  stripe.Append(Bytes("one byte or two"));
  stripe.Encode();
  EXPECT_THAT(stripe.TakeCell(1), IsEmpty());
  EXPECT_THAT(stripe.TakeCell(2), IsEmpty());
}

// A pool gives memory back that has held other bytes.
TEST_F(StripeTest, WhatIsMissingCountsAsZerosInMemoryThatWasUsed) {
  for (const size_t size : {12288, 5000}) {
    const std::string data = RandomBytes(size);
    Stripe stripe(*striping_, pool_, kUnitOffset, 1024);
    stripe.Append(Bytes(data));
    stripe.Encode();
    const std::vector<std::string> expected = MakeUnits(Policy(), data);
    for (uint32_t unit = 0; unit < expected.size(); ++unit) {
      std::string bytes;
      for (auto& packet : stripe.TakeCell(unit)) {
        bytes.append(reinterpret_cast<const char*>(packet->data().data()), packet->size());
        pool_.Give(std::move(packet));
      }
      EXPECT_EQ(bytes, expected[unit]) << size << ", unit " << unit;
    }
  }
}

}  // namespace
}  // namespace cairn::client
