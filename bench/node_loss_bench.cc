// What the loss of a datanode costs: one of four, with its share of -mib MiB in three replicas, is
// killed, and the cluster makes the third replicas anew.
//
//   node_loss_bench [-dir DIR] [-gib N | -mib N] [-fileMib N] [-limitMib N] [-quiet S]
//
// By default 13 GiB in files of 256 MiB: about 10 GB are lost; direct writes of 2048 MiB as limit;
// 20 seconds of calls before the loss.
//
// Everything lies on one disk. Printed: how fast what was lost is copied, beside direct writes to
// the same disk before and after; and how long getFileInfo and reads of 64 KiB at random places
// take meanwhile, beside the same before. Intervals for stale and dead datanodes are short ones,
// and counted is from the moment at which the namenode knows. The cluster's files are dropped from
// the page cache before the loss.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/disk.h"
#include "bench/local_cluster.h"
#include "bench/measure.h"
#include "client/file_system.h"
#include "common/check.h"

namespace cairn::bench {
namespace {

using client::FileSystem;

constexpr size_t kReadBytes = size_t{64} << 10;
constexpr int kWriters = 2;

struct Flags {
  std::string directory;
  uint64_t mib = 13 * 1024, file_mib = 256, limit_mib = 2048;
  uint64_t quiet = 20;  // seconds

  uint64_t files() const { return std::max<uint64_t>(1, mib / file_mib); }
};

std::string PathOf(uint64_t file) { return absl::StrCat("/data/", file); }

void Fill(FileSystem& fs, const Flags& flags) {
  std::atomic<uint64_t> next{0};
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&] {
      const AlignedBytes block = Pattern(kMiB);
      for (uint64_t file; (file = next.fetch_add(1)) < flags.files();) {
        auto out = fs.Create(PathOf(file), {.replication = 3});
        CHECK_OK(out.status());
        for (uint64_t mib = 0; mib < flags.file_mib; ++mib) {
          CHECK_OK((*out)->Write(std::span<const std::byte>(block.get(), kMiB)));
        }
        CHECK_OK((*out)->Close());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
}

// Calls in the foreground, one of each kind every few milliseconds, from now until Stop.
class Foreground {
 public:
  Foreground(FileSystem& fs, const Flags& flags) : fs_(fs), flags_(flags) {
    threads_.emplace_back([this] {
      Repeat(0.002, stats_, [this](std::mt19937_64& random) {
        CHECK_OK(fs_.Stat(PathOf(random() % flags_.files())).status());
      });
    });
    threads_.emplace_back([this] {
      std::vector<std::byte> buffer(kReadBytes);
      Repeat(0.02, reads_, [this, &buffer](std::mt19937_64& random) {
        auto in = fs_.Open(PathOf(random() % flags_.files()));
        CHECK_OK(in.status());
        const uint64_t places = flags_.file_mib * kMiB / kReadBytes;
        CHECK_OK((*in)->ReadAt(random() % places * kReadBytes, buffer).status());
      });
    });
  }
  ~Foreground() { Stop(); }

  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  Latencies stats() const { return Latencies(stats_); }
  Latencies reads() const { return Latencies(reads_); }

 private:
  template <typename Call>
  void Repeat(double pause, std::vector<float>& took, const Call& call) {
    std::mt19937_64 random(44070589);
    while (!stop_) {
      const double begin = Now();
      call(random);
      took.push_back(static_cast<float>(Now() - begin));
      std::this_thread::sleep_for(std::chrono::duration<double>(pause));
    }
  }

  FileSystem& fs_;
  const Flags& flags_;
  std::atomic<bool> stop_{false};
  std::vector<float> stats_, reads_;  // each its thread's until Stop
  std::vector<std::thread> threads_;
};

uint64_t MissingReplicas(FileSystem& fs) {
  const auto stats = fs.GetReplicatedBlockStats();
  CHECK_OK(stats.status());
  return stats->low_redundancy;
}

void PrintCalls(const char* what, const Latencies& before, const Latencies& during) {
  absl::PrintF("%s: p50 %.2f ms, p99 %.2f ms; before the loss %.2f, %.2f: p99 %.1f times\n", what,
               during.At(0.5) * 1e3, during.At(0.99) * 1e3, before.At(0.5) * 1e3,
               before.At(0.99) * 1e3, during.At(0.99) / before.At(0.99));
}

void Run(const Flags& flags) {
  const std::string& directory = flags.directory;
  std::filesystem::create_directories(directory);
  LocalCluster cluster(directory + "/cluster", 4,
                       {"dfs.replication=3", "dfs.heartbeat.interval=1s",
                        "cairn.namenode.stale.interval=3s", "cairn.namenode.dead.interval=6s"});
  auto fs = FileSystem::Connect(cluster.uri());
  CHECK_OK(fs.status());
  const double limit_before = DirectWrite(directory + "/limit", flags.limit_mib);
  Fill(**fs, flags);
  DropFromPageCache(directory + "/cluster");

  Foreground quiet(**fs, flags);
  std::this_thread::sleep_for(std::chrono::seconds(flags.quiet));
  quiet.Stop();

  const uint64_t lost = BytesBelow(directory + "/cluster/datanode-1");
  cluster.Mini("kill datanode-1");
  const double killed = Now();
  while (MissingReplicas(**fs) == 0) {
    CHECK_LT(Now() - killed, 60) << "no replica is missing, or they were copied in a moment";
    usleep(5'000);
  }
  Foreground busy(**fs, flags);
  const double begin = Now();
  for (uint64_t left; (left = MissingReplicas(**fs)) > 0; usleep(50'000)) {
    CHECK(Now() - begin < 1800) << left << " blocks still lack a replica";
  }
  const double took = Now() - begin;
  busy.Stop();
  ::sync();
  const double limit_after = DirectWrite(directory + "/limit", flags.limit_mib);

  const double rate = static_cast<double>(lost) / took;
  absl::PrintF(
      "%.1f GB made anew in %.1f s: %.0f MB/s; direct writes %.0f and %.0f MB/s: %.0f %%\n",
      static_cast<double>(lost) * 1e-9, took, rate * 1e-6, limit_before * 1e-6, limit_after * 1e-6,
      rate * 2 / (limit_before + limit_after) * 100);
  PrintCalls("getFileInfo", quiet.stats(), busy.stats());
  PrintCalls("read of 64 KiB", quiet.reads(), busy.reads());
  std::filesystem::remove(directory + "/limit");
}

int Main(int argc, char** argv) {
  Flags flags;
  flags.directory = absl::StrCat("/tmp/node_loss_bench.", ::getpid());
  uint64_t gib = 0;
  if (!ParseFlagPairs(argc, argv, {{"-dir", &flags.directory}},
                      {{"-gib", &gib},
                       {"-mib", &flags.mib},
                       {"-fileMib", &flags.file_mib},
                       {"-limitMib", &flags.limit_mib},
                       {"-quiet", &flags.quiet}})) {
    std::fprintf(stderr,
                 "usage: node_loss_bench [-dir DIR] [-gib N | -mib N] [-fileMib N] [-limitMib N] "
                 "[-quiet S]\n");
    return 2;
  }
  if (gib > 0) flags.mib = gib * 1024;
  Run(flags);
  std::error_code not_empty;
  std::filesystem::remove(flags.directory, not_empty);
  return 0;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) { return cairn::bench::Main(argc, argv); }
