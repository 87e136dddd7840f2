// A session over two volumes in memory, between which a replica moves.
#include "datanode/heartbeat/namenode_session.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/testing/eventually.h"
#include "common/testing/faulty_file_system.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/fake_namenode.h"
#include "datanode/testing/test_store.h"

namespace cairn::datanode {
namespace {

using testing::FakeNamenode;
using testing::TestStore;

constexpr BlockId kBlock{7};
constexpr GenerationStamp kStamp{1001};

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    std::vector<std::unique_ptr<Volume>> volumes;
    for (const char* path : {"/v0", "/v1"}) {
      auto volume = Volume::Open(fs_, {.path = path}, 0, "dn-uuid");
      EXPECT_OK(volume);
      volumes.push_back(*std::move(volume));
    }
    store_.emplace(std::move(volumes), StoreOptions{}, session_);
    EXPECT_OK(store_->Load());
    EXPECT_OK(WriteOn(0, kBlock));
  }
  ~SessionTest() override { session_.Stop(); }

  std::string uuid(int volume) { return store_->VolumeAt(volume).identity().storage_uuid; }
  absl::Status WriteOn(int volume, BlockId block) {
    ASSIGN_OR_RETURN(
        const auto writer,
        store_->Create({.block = block, .stamp = kStamp, .storage_uuid = uuid(volume)}));
    RETURN_IF_ERROR(TestStore::WriteTo(*writer, 1000));
    return writer->Finalize();
  }
  void Move(int to) {
    EXPECT_OK(store_->Move(*store_->Find(kBlock), to, [](uint64_t) { return true; }));
  }
  void Start() {
    ASSERT_OK(session_.Start(
        {.datanode_uuid = "dn-uuid"}, *store_, [] { return 0; }, [](const internal::Command&) {}));
  }
  // When the namenode heard of the block for the last time from this volume in this state: the
  // number of the report.
  uint64_t HeardIn(int volume, internal::ReplicaState state) {
    uint64_t last = 0;
    for (const auto& request : namenode_.changes()) {
      for (const auto& storage : request.storages()) {
        if (storage.storage_uuid() != uuid(volume)) continue;
        for (const auto& report : storage.replicas()) {
          const bool it_is = report.block().block_id() == ToInt(kBlock) && report.state() == state;
          if (it_is) last = request.sequence();
        }
      }
    }
    return last;
  }
  // The list that names it on this volume; 0: none does.
  uint64_t ListedIn(int volume) {
    for (const auto& part : namenode_.parts()) {
      for (const auto& report : part.replicas()) {
        const bool it_is = report.block().block_id() == ToInt(kBlock);
        if (it_is && part.storage_uuid() == uuid(volume)) return part.sequence();
      }
    }
    return 0;
  }
  // Takes all that was reported, in its order, as a namenode does. The first report tells of the
  // block; nothing that follows may put it on two volumes, nor a list leave it on none.
  void ExpectAlwaysOnOneVolume() {
    std::set<std::string> holders;
    std::map<uint64_t, std::function<void()>> steps;  // by the reports' numbers
    for (const auto& part : namenode_.parts()) {
      steps[part.sequence()] = [&holders, part] {
        holders.erase(part.storage_uuid());
        for (const auto& report : part.replicas()) {
          if (report.block().block_id() == ToInt(kBlock)) holders.insert(part.storage_uuid());
        }
        EXPECT_EQ(holders.size(), 1u) << "after the list in report " << part.sequence();
      };
    }
    for (const auto& request : namenode_.changes()) {
      steps[request.sequence()] = [&holders, request] {
        for (const auto& storage : request.storages()) {
          for (const auto& report : storage.replicas()) {
            if (report.block().block_id() != ToInt(kBlock)) continue;
            if (report.state() == internal::DELETED) {
              holders.erase(storage.storage_uuid());
            } else {
              holders.insert(storage.storage_uuid());
            }
            EXPECT_LE(holders.size(), 1u) << "after a change in report " << request.sequence();
          }
        }
      };
    }
    for (const auto& [number, step] : steps) step();
    EXPECT_EQ(holders.size(), 1u);
  }

  FaultyFileSystem fs_;
  FakeNamenode namenode_;
  NamenodeSession session_{namenode_};
  std::optional<ReplicaStore> store_;
};

TEST_F(SessionTest, AMoveBetweenTwoVolumesReportsIsToldBeforeTheSecond) {
  namenode_.on_part = [this, parts = 0]() mutable {
    if (++parts == 1) Move(1);
  };
  Start();
  EVENTUALLY(ListedIn(1) != 0);
  EXPECT_NE(ListedIn(0), 0u);
  EXPECT_LT(HeardIn(0, internal::DELETED), ListedIn(1));
  ExpectAlwaysOnOneVolume();
}

// Whoever counts two replicas on one node may have either of them deleted.
TEST_F(SessionTest, AMoveBehindAnEarlierChangeOfItsTargetIsADeletionFirst) {
  namenode_.on_changes = [this, calls = 0]() mutable {
    if (++calls == 1) {  // all of it waits to be sent together
      EXPECT_OK(WriteOn(1, BlockId{8}));
      Move(1);
    }
  };
  Start();
  EVENTUALLY(HeardIn(1, internal::FINALIZED) != 0);
  EXPECT_EQ(HeardIn(0, internal::DELETED), HeardIn(1, internal::FINALIZED));
  ExpectAlwaysOnOneVolume();
}

TEST_F(SessionTest, AReplicaOnTheMoveIsNeverToldOfOnTwoVolumesNorOnNone) {
  Start();
  std::thread mover([this] {
    for (int i = 0; i < 300; ++i) Move(1 - i % 2);
  });
  for (int i = 0; i < 100; ++i) {
    const size_t parts = namenode_.parts().size();
    session_.TriggerReport(/*full=*/true);
    EVENTUALLY(namenode_.parts().size() > parts);
  }
  mover.join();
  session_.Stop();
  ExpectAlwaysOnOneVolume();
}

TEST_F(SessionTest, AReplicaThatMovesDuringEveryReportHoldsUpNoRound) {
  namenode_.on_changes = [this, left = 1000]() mutable {
    if (left-- > 0) Move(1 - store_->Find(kBlock)->volume);
  };
  Start();
  EVENTUALLY(namenode_.heartbeats() > 0);  // the round is over
  const auto parts = namenode_.parts();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_LT(parts[1].sequence(), 10u);
  session_.Stop();
  ExpectAlwaysOnOneVolume();
}

// What it held is dropped while it is looked at: an empty list would have the namenode count all of
// it as lost from a disk that is well.
TEST_F(SessionTest, AVolumeThatFailsWhileItIsDescribedIsNotListed) {
  ASSERT_OK(WriteOn(1, BlockId{8}));
  const auto listed = std::make_shared<bool>(false);
  namenode_.on_part = [this, listed] {
    if (!*listed) {
      EXPECT_OK(WriteOn(0, BlockId{9}));  // it waits to be told
    }
    *listed = true;
  };
  namenode_.on_changes = [this, listed] {
    if (*listed) store_->VolumeAt(1).MarkFailed(absl::DataLossError("for a test"));
  };
  Start();
  EVENTUALLY(namenode_.heartbeats() > 0);  // the round is over
  EXPECT_NE(ListedIn(0), 0u);
  EXPECT_TRUE(store_->VolumeAt(1).failed());
  for (const auto& part : namenode_.parts()) EXPECT_NE(part.storage_uuid(), uuid(1));
}

TEST_F(SessionTest, WhatIsToldBeforeDigestsIsNotToldWithThemAgain) {
  internal::ReportDigestsReply differs;
  differs.add_differing(0);
  namenode_.WantDigests(10, {differs});
  std::unique_ptr<ReplicaWriter> writer;
  namenode_.on_part = [this, &writer] {  // of the first volume, and there is no other
    auto created = store_->Create({.block = BlockId{8}, .stamp = kStamp, .storage_uuid = uuid(1)});
    EXPECT_OK(created);
    if (created.ok()) writer = *std::move(created);
  };
  Start();
  EVENTUALLY(namenode_.heartbeats() > 0);  // the round is over
  const auto digests = namenode_.digests();
  ASSERT_EQ(digests.size(), 2u);
  EXPECT_EQ(digests[1].storage_uuid(), uuid(1));
  EXPECT_TRUE(namenode_.Heard(8, internal::BEING_WRITTEN));
  EXPECT_EQ(digests[1].others_size(), 0);
}

}  // namespace
}  // namespace cairn::datanode
