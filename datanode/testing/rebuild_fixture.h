// datanode/testing/rebuild_fixture.h - block groups whose units are with datanodes of their own,
// one that rebuilds, and one that takes what is rebuilt.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/use_future.hpp"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "datanode/rebuild/rebuild.h"
#include "datanode/testing/coded_group.h"
#include "datanode/testing/transfer_test.h"

namespace cairn::datanode::testing {

inline constexpr uint32_t kCell = 4096;

class RebuildFixture : public TransferTest {
 protected:
  static constexpr StoreOptions kUnsynced{.sync_on_finalize = false};

  explicit RebuildFixture(const erasure::Schema& schema) : schema_(schema) {
    for (uint32_t unit = 0; unit < schema.units(); ++unit) {
      holders_.push_back(NewNode(absl::StrCat("holder", unit)));
    }
  }

  std::unique_ptr<TestNode> NewNode(const std::string& name, TransferOptions options = {}) {
    return std::make_unique<TestNode>(dir_.Path(name), options, PosixFileSystem(), kUnsynced);
  }
  CodedGroup NewGroup(uint64_t length, uint32_t cell_bytes = kCell) {
    return CodedGroup(MakeGroupId(++groups_), schema_, cell_bytes, length);
  }
  // Each unit that has bytes is with its holder.
  void Store(const CodedGroup& group) {
    for (uint32_t unit = 0; unit < schema_.units(); ++unit) {
      if (group.units[unit].empty()) continue;
      ASSERT_OK(Write({holders_[unit].get()}, group.Block(unit), group.units[unit]));
    }
  }
  static void Spoil(CodedGroup& group, uint32_t unit, uint64_t offset) {
    char& byte = group.units[unit][offset];
    byte = static_cast<char>(byte ^ 1);
  }
  static TransferAddress AddressOf(const TestNode& node) {
    return {.ip = "127.0.0.1", .port = node.port()};
  }
  RebuildOrder Order(const CodedGroup& group, const std::vector<uint32_t>& sources,
                     const std::vector<uint32_t>& wanted) {
    RebuildOrder order{.group = group.group,
                       .stamp = GenerationStamp{1001},
                       .group_bytes = group.length,
                       .schema = schema_,
                       .cell_bytes = group.layout.cell_bytes()};
    for (const uint32_t unit : sources) {
      order.sources.push_back({.unit = unit, .address = AddressOf(*holders_[unit])});
    }
    for (const uint32_t unit : wanted) {
      order.targets.push_back(
          {.unit = unit, .address = AddressOf(target_), .storage_uuid = "", .storage_type = 1});
    }
    return order;
  }
  static RebuildOutcome RunWhole(
      TestNode& at, const RebuildOrder& order,
      std::function<bool()> stopping = [] { return false; }) {
    return boost::asio::co_spawn(at.threads.Next(), RebuildUnits(*at.context, order, stopping),
                                 boost::asio::use_future)
        .get();
  }
  RebuildOutcome RunWhole(const RebuildOrder& order) { return RunWhole(rebuilder_, order); }
  // Nothing is said to be wrong.
  static std::vector<absl::Status> Run(
      TestNode& at, const RebuildOrder& order,
      std::function<bool()> stopping = [] { return false; }) {
    const RebuildOutcome outcome = RunWhole(at, order, std::move(stopping));
    EXPECT_FALSE(outcome.wrong.has_value()) << outcome.wrong->why;
    return outcome.targets;
  }
  std::vector<absl::Status> Run(const RebuildOrder& order) { return Run(rebuilder_, order); }

  // `node` has the unit as it was, and nothing more.
  static void ExpectRebuilt(TestNode& node, const CodedGroup& group, uint32_t unit) {
    SCOPED_TRACE(absl::StrCat("unit ", unit, " of a group of ", group.length));
    const auto info = node.store->Find(UnitOf(group.group, unit));
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->state, ReplicaState::kFinalized);
    EXPECT_EQ(info->stamp, GenerationStamp{1001});
    ASSERT_EQ(info->length, group.layout.UnitBytes(group.length, unit));
    EXPECT_THAT(Read(node, group.Block(unit), 0, info->length),
                IsOkAndHolds(::testing::Eq(group.units[unit])));
  }
  // Of what was sent to the target nobody hears, and nothing stays.
  void ExpectNothingRegistered() {
    EVENTUALLY(target_.store->size() == 0);
    EXPECT_THAT(target_.events.Of(ReplicaEvents::Kind::kFinalized), ::testing::SizeIs(0));
  }

  const erasure::Schema schema_;
  uint64_t groups_ = 0;
  std::vector<std::unique_ptr<TestNode>> holders_;  // by unit
  TestNode target_{dir_.Path("target"), {}, PosixFileSystem(), kUnsynced};
  TestNode rebuilder_{dir_.Path("rebuilder"), {}, PosixFileSystem(), kUnsynced};
};

}  // namespace cairn::datanode::testing
