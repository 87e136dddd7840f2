#include "fuse/names.h"

#include <gtest/gtest.h>

#include "common/testing/fake_clock.h"

namespace cairn::fuse {
namespace {

class NamesTest : public ::testing::Test {
 protected:
  NameDatabase Database() {
    return {.name_of = [this](uint32_t id) -> std::optional<std::string> {
              ++look_ups_;
              return id == 1000 ? std::optional<std::string>("alice") : std::nullopt;
            },
            .id_of = [this](const std::string& name) -> std::optional<uint32_t> {
              ++look_ups_;
              return name == "alice" ? std::optional<uint32_t>(1000) : std::nullopt;
            }};
  }

  int look_ups_ = 0;
  FakeClock clock_;
  Names names_{Database(), clock_};
};

TEST_F(NamesTest, WhoIsInTheDatabaseIsMappedBothWays) {
  EXPECT_EQ(names_.NameOf(1000), "alice");
  EXPECT_EQ(names_.IdOf("alice"), 1000u);
}

// A container's user without an entry writes a file: it must be his when he looks again.
TEST_F(NamesTest, ANumberWithoutANameIsItsOwnName) {
  EXPECT_EQ(names_.NameOf(4711), "4711");
  EXPECT_EQ(names_.IdOf("4711"), 4711u);
}

TEST_F(NamesTest, AnUnknownNameIsNobody) {
  EXPECT_EQ(names_.IdOf("hive"), kNobody);
  EXPECT_EQ(names_.IdOf("-5"), kNobody);
  EXPECT_EQ(names_.IdOf("4294967295"), kNobody);  // means "unchanged" to the kernel
}

TEST_F(NamesTest, AnswersAreKeptForAWhileAndUnknownOnesForLess) {
  names_.NameOf(1000);
  names_.NameOf(4711);
  EXPECT_EQ(look_ups_, 2);
  clock_.Advance(Names::kUnknownLife - absl::Milliseconds(1));
  names_.NameOf(1000);
  names_.NameOf(4711);
  EXPECT_EQ(look_ups_, 2);
  clock_.Advance(absl::Milliseconds(1));
  names_.NameOf(1000);
  names_.NameOf(4711);
  EXPECT_EQ(look_ups_, 3);
}

}  // namespace
}  // namespace cairn::fuse
