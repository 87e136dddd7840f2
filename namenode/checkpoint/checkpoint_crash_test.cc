// Real processes killed at every named point of making and removing a checkpoint: an older one is
// whole at every moment, what was begun is cleaned away, and the next one succeeds.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "common/crash_point.h"
#include "common/testing/fake_clock.h"
#include "namenode/checkpoint/checkpoint.h"
#include "namenode/store/store_testing.h"

namespace cairn::namenode {
namespace {

constexpr const char* kPoints[] = {
    "checkpoint_directory_made", "checkpoint_before_listing", "checkpoint_tables_linked",
    "checkpoint_logs_copied",    "checkpoint_store_copied",   "checkpoint_described",
    "checkpoint_renamed",        "checkpoint_made",           "checkpoint_being_removed"};

class CheckpointCrashTest : public StoreTestBase,
                            public ::testing::WithParamInterface<const char*> {
 protected:
  absl::StatusOr<Checkpoint> Make() {
    RETURN_IF_ERROR(store_->Flush());
    return MakeCheckpoint(files_, clock_,
                          {.parent = parent_,
                           .cluster_id = "CID-1",
                           .block_pool_id = "BP-1",
                           .layout_version = 1,
                           .copy = [this](const std::string& to) { return store_->CopyTo(to); }});
  }
  // Makes the second checkpoint and removes the first, unless it dies before.
  [[noreturn]] void Work(absl::string_view point) {
    SetCrashPointHook([&](absl::string_view name) {
      if (name == point) ::kill(::getpid(), SIGKILL);
    });
    CHECK_OK(Open());
    txid_ = ToInt(store_->applied());
    Edit("d2", "two");
    CHECK_OK(Make().status());
    CHECK_OK(RemoveCheckpoint(files_, ListCheckpoints(files_, parent_)->whole.front()));
    ::_exit(0);
  }

  FileSystem& files_ = PosixFileSystem();
  FakeClock clock_;
  const std::string parent_ = temp_.Path("checkpoints");
};

TEST_P(CheckpointCrashTest, AWholeOneIsAlwaysThere) {
  FormatAndOpen();
  Edit("d1", "one");
  ASSERT_OK(Make());
  store_.reset();

  const pid_t child = ::fork();
  if (child == 0) Work(GetParam());
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "never came to " << GetParam();

  const auto list = ListCheckpoints(files_, parent_);
  ASSERT_OK(list);
  EXPECT_TRUE(list->damaged.empty());
  ASSERT_FALSE(list->whole.empty());
  for (const Checkpoint& checkpoint : list->whole) EXPECT_OK(VerifyCheckpoint(files_, checkpoint));

  ASSERT_OK(Open());
  txid_ = ToInt(store_->applied());
  Edit("d3", "three");
  const auto next = Make();
  ASSERT_OK(next);
  EXPECT_OK(VerifyCheckpoint(files_, *next));
  EXPECT_FALSE(files_.Exists(parent_ + "/making"));
  EXPECT_FALSE(files_.Exists(parent_ + "/removing"));
}

INSTANTIATE_TEST_SUITE_P(EveryPoint, CheckpointCrashTest, ::testing::ValuesIn(kPoints),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace cairn::namenode
