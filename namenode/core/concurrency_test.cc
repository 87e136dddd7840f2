// Threads that create, write, rename, delete and list, while the store flushes and maintenance
// runs, with caches that hold little. At the end all records fit together, the counts are those of
// the answers, and a restart finds the same.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/reference_tree.h"

namespace cairn::namenode {
namespace {

TestNamenode::Options Busy() {
  TestNamenode::Options options;
  options.namenode.tree.cache_bytes = 8192;
  options.namenode.blocks.cache_bytes = 2048;
  options.namenode.listing_limit = 7;
  options.tail_bytes = 16 << 10;  // a flush every some dozen edits
  options.datanodes = 2;
  return options;
}

// Flushes and maintains in the background until it is destroyed.
class Background {
 public:
  explicit Background(TestNamenode& nn)
      : thread_([this, &nn] {
          while (!stop_.load()) {
            nn->RunMaintenance();
            nn->RunHealing();
            nn->WithLock([&] { nn.store().Freeze(); });
            EXPECT_OK(nn.store().WaitFlushed());
          }
        }) {}
  ~Background() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

void RunThreads(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

void ExpectSameAfterRestart(TestNamenode& nn) {
  nn.ExpectConsistent();
  const Dump before = nn.Records();
  nn.Crash();
  ASSERT_OK(nn.Start());
  EXPECT_EQ(Difference(before, nn.Records()), "");
}

TEST(ConcurrencyTest, RandomCallsFromManyThreads) {
  const uint64_t seed = TestSeed();
  TestNamenode nn(Busy());
  {
    Background background(nn);
    RunThreads(4, [&](int thread) {
      Rng rng(seed + static_cast<uint64_t>(thread));
      const std::string client = absl::StrCat("client", thread);
      CreateOptions create = CreateFlags(true, true);
      create.client_name = client;
      for (int i = 0; i < 1500; ++i) {
        const std::string path = RandomPath(rng), other = RandomPath(rng);
        switch (rng() % 10) {
          case 0:
            nn->Mkdirs(kSuper, path, 0755, true);
            break;
          case 1:
          case 2:
            nn->Create(kSuper, path, create);
            break;
          case 3:
            nn->Delete(kSuper, path, rng() % 2 == 0);
            break;
          case 4:
            nn->Rename(kSuper, path, other);
            break;
          case 5:
            nn->Rename2(kSuper, path, other, true, false);
            break;
          case 6: {
            AddBlockRequest request;
            request.path = path;
            request.client_name = client;
            const auto block = nn->AddBlock(kSuper, request, nullptr);
            if (block.value.ok()) {
              nn->Fsync(kSuper, path, kNoInode, client, rng() % 1000);
            }
            break;
          }
          case 7:
            nn->Complete(kSuper, path, kNoInode, client, std::nullopt, nullptr);
            break;
          case 8: {
            const auto listing = nn->GetListing(kSuper, path, "", true);
            EXPECT_OK(listing.value);
            break;
          }
          default:
            nn->GetFileInfo(kSuper, path);
            nn->GetContentSummary(kSuper, path);
            nn->GetBlockLocations(kSuper, path, 0, 1000);
            break;
        }
      }
    });
  }
  ExpectSameAfterRestart(nn);
}

// Set by mkdir, lock by create: acknowledged names are there, each made by one.
TEST(ConcurrencyTest, EveryNameHasOneMaker) {
  constexpr int kNames = 300;
  TestNamenode nn(Busy());
  std::atomic<int> made{0}, refused{0};
  {
    Background background(nn);
    RunThreads(4, [&](int thread) {
      CreateOptions create = CreateFlags(true, false);
      const std::string client = absl::StrCat("client", thread);
      create.client_name = client;
      for (int i = 0; i < kNames; ++i) {
        const auto created = nn->Create(kSuper, absl::StrCat("/locks/", i), create);
        if (created.value.ok()) {
          ++made;
        } else {
          EXPECT_THAT(created.value, IsFsError(FsError::kAlreadyBeingCreated));
          ++refused;
        }
        EXPECT_OK(nn->Mkdirs(kSuper, absl::StrCat("/set/", thread, "/", i), 0755, true).value);
      }
    });
  }
  EXPECT_EQ(made, kNames);
  EXPECT_EQ(refused, 3 * kNames);
  EXPECT_EQ(nn.List("/locks").size(), static_cast<size_t>(kNames));
  for (int thread = 0; thread < 4; ++thread) {
    EXPECT_EQ(nn.List(absl::StrCat("/set/", thread)).size(), static_cast<size_t>(kNames));
  }
  ExpectSameAfterRestart(nn);
}

// A reader sees the directory under one name or under the other, and all of it.
TEST(ConcurrencyTest, ARenamedDirectoryIsNeverHalfThere) {
  TestNamenode nn(Busy());
  for (int i = 0; i < 30; ++i) nn.WriteFile(absl::StrCat("/x/d/", i));
  nn.Mkdir("/y");
  std::atomic<bool> stop{false};
  {
    Background background(nn);
    RunThreads(3, [&](int thread) {
      if (thread == 0) {
        for (int i = 0; i < 300; ++i) {
          EXPECT_THAT(nn->Rename(kSuper, "/x/d", "/y/d").value, IsOkAndHolds(true));
          EXPECT_THAT(nn->Rename(kSuper, "/y/d", "/x/d").value, IsOkAndHolds(true));
        }
        stop = true;
        return;
      }
      const std::string path = thread == 1 ? "/x/d" : "/y/d";
      while (!stop.load()) {
        const auto sums = nn->GetContentSummary(kSuper, path);
        if (sums.value.ok()) {
          EXPECT_EQ(sums.value->files, 30u);
        } else {
          EXPECT_THAT(sums.value, IsFsError(FsError::kFileNotFound));
        }
        const auto all = nn->GetContentSummary(kSuper, "/");
        ASSERT_OK(all.value);
        EXPECT_EQ(all.value->files, 30u);
      }
    });
  }
  ExpectSameAfterRestart(nn);
}

// A directory that moves below itself by way of another one would be cut off from the tree, and all
// that is in it with it: somebody would miss it at once.
TEST(ConcurrencyTest, RenamesThatCrossEachOtherNeverMakeACycle) {
  constexpr size_t kDirectories = 6;
  const uint64_t seed = TestSeed();
  TestNamenode nn(Busy());
  for (size_t i = 0; i < kDirectories; ++i) nn.WriteFile(absl::StrCat("/s/d", i, "/f", i));
  // Where directory `last` may lie just now.
  const auto place = [](Rng& rng, size_t last) {
    std::string path = "/s";
    for (size_t depth = rng() % 3; depth > 0; --depth) {
      absl::StrAppend(&path, "/d", rng() % kDirectories);
    }
    return absl::StrCat(path, "/d", last);
  };
  std::atomic<int> moved{0}, running{3};
  {
    Background background(nn);
    RunThreads(4, [&](int thread) {
      if (thread == 3) {
        while (running.load() > 0) {
          const auto sums = nn->GetContentSummary(kSuper, "/s");
          ASSERT_OK(sums.value);
          ASSERT_EQ(sums.value->files, kDirectories);
          ASSERT_EQ(sums.value->directories, kDirectories + 1);
        }
        return;
      }
      Rng rng(seed + static_cast<uint64_t>(thread));
      for (int i = 0; i < 4000; ++i) {
        const size_t directory = rng() % kDirectories;
        const std::string from = place(rng, directory), to = place(rng, directory);
        if (rng() % 2 == 0) {
          const auto done = nn->Rename(kSuper, from, to);
          if (done.value.ok() && *done.value) ++moved;
        } else if (nn->Rename2(kSuper, from, to, rng() % 2 == 0, false).value.ok()) {
          ++moved;
        }
      }
      --running;
    });
  }
  EXPECT_GT(moved, 100);
  // Each of them is somewhere, once, with its own file in it.
  std::map<std::string, int> seen;
  for (const auto& [path, text] : Everything(nn)) ++seen[path.substr(path.rfind('/') + 1)];
  for (size_t i = 0; i < kDirectories; ++i) {
    EXPECT_EQ(seen[absl::StrCat("d", i)], 1) << "d" << i;
    EXPECT_EQ(seen[absl::StrCat("f", i)], 1) << "f" << i;
  }
  ExpectSameAfterRestart(nn);
}

// Directories move into one another while others delete them: what is acknowledged to be gone is
// gone with all that was in it, the rest is a tree, and nothing is left over.
TEST(ConcurrencyTest, RenamesCrossDeletions) {
  const uint64_t seed = TestSeed();
  TestNamenode nn(Busy());
  {
    Background background(nn);
    RunThreads(4, [&](int thread) {
      Rng rng(seed + static_cast<uint64_t>(thread));
      for (int i = 0; i < 2500; ++i) RunOp(nn, RandomRename(rng));
    });
  }
  nn.ExpectConsistent();
  uint64_t files = 0, directories = 0;
  for (const auto& [path, text] : Everything(nn)) {
    const auto status = nn.Stat(path);
    ASSERT_TRUE(status.has_value()) << path;
    ++(status->directory ? directories : files);
  }
  const auto sums = nn->GetContentSummary(kSuper, "/");
  ASSERT_OK(sums.value);
  EXPECT_EQ(sums.value->files, files);
  EXPECT_EQ(sums.value->directories, directories);
  while (nn->HasBackgroundWork()) nn->RunMaintenance();
  ExpectSameAfterRestart(nn);
  for (const std::string& name : nn.List("/")) {
    EXPECT_THAT(nn->Delete(kSuper, "/" + name, true).value, IsOkAndHolds(true));
  }
  while (nn->HasBackgroundWork()) nn->RunMaintenance();
  EXPECT_EQ(nn.Records().size(), 4u + 2u) << "what a new namespace has, and two storages";
}

// Datanodes report while writers write and others read where the blocks are.
TEST(ConcurrencyTest, WritersReportersAndReaders) {
  TestNamenode nn(Busy());
  constexpr int kFiles = 60;
  {
    Background background(nn);
    RunThreads(3, [&](int thread) {
      if (thread == 2) {
        for (int i = 0; i < 300; ++i) {
          nn->GetListing(kSuper, absl::StrCat("/w", i % 2), "", true);
          nn->GetContentSummary(kSuper, "/");
        }
        return;
      }
      const std::string client = absl::StrCat("client", thread);
      for (int i = 0; i < kFiles; ++i) {
        const std::string path = absl::StrCat("/w", thread, "/", i);
        nn.Create(path, kSuper, client);
        std::optional<BlockVersion> last;
        for (int b = 0; b < 3; ++b) {
          BlockVersion block = nn.AddBlock(path, last, client).block;
          block.length = 100;
          // Each thread speaks for one datanode.
          EXPECT_OK(nn.Report(thread, block, ReplicaState::kFinalized));
          last = block;
        }
        EXPECT_THAT(nn->Complete(kSuper, path, kNoInode, client, last, nullptr).value,
                    IsOkAndHolds(true));
        if (i % 5 == 0) {
          EXPECT_THAT(nn->Delete(kSuper, path, false).value, IsOkAndHolds(true));
        }
      }
    });
  }
  const auto sums = nn->GetContentSummary(kSuper, "/");
  EXPECT_EQ(sums.value->files, 2u * kFiles * 4 / 5);
  EXPECT_EQ(sums.value->length, 2u * kFiles * 4 / 5 * 300);
  ExpectSameAfterRestart(nn);
}

}  // namespace
}  // namespace cairn::namenode
