// How the namenode grows: rate, memory, longest call, and restart, at each size.
//
//   namenode_growth [--blocks] DIR [FILES]...     default 100000 1000000 10000000
//   namenode_growth --restart DIR      opens what is there and times it up to the first read
//
// Files are created and completed by two threads, 1000 to a directory, 64 under way in each,
// durable; with --blocks each has one block in three replicas, reported for ten datanodes, so that
// memory is that of blocks and replicas as well. While they are made, a third thread asks
// getFileInfo every 200 us: the longest of all these calls is what a user would have noticed. The
// restart is another process, so that its memory is its own. Memory bounds are those of
// cairn-namenode's defaults; CAIRN_INODE_CACHE (bytes) sets the inodes' one.
//
// The limit beside each step is the disk: 4 KiB written directly and synchronously, one after the
// other, 300 times before the step and 300 times after. The ratio is that of the journal's commits,
// of all edits that were waiting each time, to it.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/commit_file.h"
#include "bench/file_maker.h"
#include "bench/local_namenode.h"
#include "bench/measure.h"
#include "common/check.h"
#include "common/status_macros.h"
#include "common/user_groups.h"

namespace cairn::bench {
namespace {

constexpr uint64_t kPerDirectory = 1000;
constexpr size_t kDepth = 64;
constexpr uint64_t kThreads = 2;
constexpr uint64_t kLeastFiles = 1000;
constexpr uint64_t kDatanodes = 10;
constexpr uint64_t kRawCommits = 300;

std::string PathOf(uint64_t i) {
  return absl::StrFormat("/growth/p%04d/d%06d/f%03d", i / kPerDirectory / 1000, i / kPerDirectory,
                         i % kPerDirectory);
}

LocalOptions OptionsFor(const std::string& directory) {
  LocalOptions options;
  options.directory = directory;
  if (const char* const bytes = std::getenv("CAIRN_INODE_CACHE")) {
    options.inode_cache_bytes = std::strtoull(bytes, nullptr, 10);
  }
  return options;
}

struct Longest {
  double create = 0, read = 0;
};

std::vector<HolderIds> Holders() {
  std::vector<HolderIds> holders;
  for (uint64_t n = 0; n < kDatanodes; ++n) {
    holders.push_back({absl::StrCat("growth-", n), absl::StrCat("DS-growth-", n)});
  }
  return holders;
}

class Grower {
 public:
  Grower(LocalNamenode& local, bool with_blocks)
      : local_(local), files_(local, "growth"), user_(ProcessUserName()) {
    if (with_blocks) datanodes_.emplace(local, Holders());
  }

  // Creates files [from, to).
  Longest Grow(uint64_t from, uint64_t to) {
    Longest longest;
    std::atomic<bool> done{false};
    std::thread reader([&] { longest.read = Probe(from, done); });
    std::vector<std::thread> writers;
    std::vector<double> slowest(kThreads);
    for (uint64_t t = 0; t < kThreads; ++t) {
      writers.emplace_back([&, t] {
        slowest[t] =
            Create(from + (to - from) * t / kThreads, from + (to - from) * (t + 1) / kThreads);
      });
    }
    for (std::thread& writer : writers) writer.join();
    done = true;
    reader.join();
    longest.create = *std::max_element(slowest.begin(), slowest.end());
    return longest;
  }

 private:
  namenode::Caller caller() const { return {.user = user_, .remote_ip = "127.0.0.1"}; }

  struct Waiting {
    uint64_t ticket;
    double since;
  };

  // Files [first, end), complete; what is to be waited for goes to `waiting`.
  void Make(uint64_t first, uint64_t end, std::deque<Waiting>& waiting) {
    std::vector<InodeId> ids;
    std::vector<double> starts;
    std::vector<namenode::BlockVersion> blocks;
    for (uint64_t i = first; i < end; ++i) {
      const std::string path = PathOf(i);
      starts.push_back(Now());
      ids.push_back(files_.Create(path));
      if (datanodes_.has_value()) blocks.push_back(files_.AddBlock(path));
    }
    if (datanodes_.has_value()) datanodes_->Report(first, blocks);
    for (uint64_t i = 0; i < ids.size(); ++i) {
      const auto last = blocks.empty() ? std::nullopt : std::make_optional(blocks[i]);
      waiting.push_back({files_.Complete(PathOf(first + i), ids[i], last), starts[i]});
    }
  }

  // The longest time from a call to its durable answer.
  double Create(uint64_t from, uint64_t to) {
    const uint64_t at_once = datanodes_.has_value() ? kDepth : 1;  // in one report
    std::deque<Waiting> waiting;
    double longest = 0;
    for (uint64_t first = from; first < to; first += at_once) {
      Make(first, std::min(first + at_once, to), waiting);
      if (waiting.size() < kDepth) continue;
      CHECK_OK(local_.journal().WaitDurable(TxId{waiting.front().ticket}));
      const double now = Now();
      while (!waiting.empty() && waiting.front().ticket <= ToInt(local_.journal().durable())) {
        longest = std::max(longest, now - waiting.front().since);
        waiting.pop_front();
      }
    }
    CHECK_OK(local_.journal().WaitDurable(local_.journal().last_appended()));
    return longest;
  }

  double Probe(uint64_t existing, const std::atomic<bool>& done) {
    double longest = 0;
    uint64_t random = 1;
    while (!done) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      const double start = Now();
      const auto outcome = local_.namenode().GetFileInfo(
          caller(), existing == 0 ? "/growth" : PathOf((random >> 20) % existing));
      CHECK_OK(outcome.value.status());
      longest = std::max(longest, Now() - start);
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return longest;
  }

  LocalNamenode& local_;
  FileMaker files_;
  std::optional<ToldDatanodes> datanodes_;
  const std::string user_;
};

absl::Status Restart(const std::string& directory) {
  const double begin = Now();
  ASSIGN_OR_RETURN(const std::unique_ptr<LocalNamenode> local,
                   LocalNamenode::Open(OptionsFor(directory)));
  const double open = Now() - begin;
  const std::string user = ProcessUserName();
  const auto outcome = local->namenode().GetFileInfo({.user = user}, PathOf(kLeastFiles - 1));
  RETURN_IF_ERROR(outcome.value.status());
  if (!outcome.value->has_value()) return absl::DataLossError("a file is missing");
  std::printf("  restart: open %.3f s, first read after %.3f s, RSS %.0f MiB\n", open,
              Now() - begin, static_cast<double>(ResidentBytes()) / (1 << 20));
  std::fflush(stdout);
  std::_Exit(0);  // the next size goes on from what is on disk; nothing here is to be saved
}

void RestartInAnotherProcess(const std::string& directory) {
  std::fflush(stdout);
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    execl("/proc/self/exe", "namenode_growth", "--restart", directory.c_str(), nullptr);
    std::_Exit(127);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0) << "the restart failed";
}

absl::Status Run(const std::string& directory, const std::vector<uint64_t>& sizes,
                 bool with_blocks) {
  const std::string name_dir = directory + "/name";
  RETURN_IF_ERROR(PosixFileSystem().MakeDirectories(directory));
  RETURN_IF_ERROR(LocalNamenode::Format(name_dir));
  CommitFile commits(directory, 0);
  uint64_t files = 0;
  for (const uint64_t size : sizes) {
    {
      ASSIGN_OR_RETURN(const std::unique_ptr<LocalNamenode> local,
                       LocalNamenode::Open(OptionsFor(name_dir)));
      Grower grower(*local, with_blocks);
      std::vector<double> raw = {commits.Rate(kRawCommits)};
      const uint64_t before = ResidentBytes();
      const namenode::JournalStats journal_before = local->journal().stats();
      const double begin = Now(), cpu = CpuSeconds();
      const Longest longest = grower.Grow(files, size);
      const double seconds = Now() - begin;
      const auto added = static_cast<double>(size - files);
      const uint64_t resident = ResidentBytes();
      const namenode::JournalStats journal = local->journal().stats();
      raw.push_back(commits.Rate(kRawCommits));
      std::printf(
          "%10llu files: %8.0f creates/s, cpu %.1f us each, RSS %.0f MiB (+%.0f B a new "
          "file), longest create %.1f ms, longest getFileInfo %.1f ms\n",
          static_cast<unsigned long long>(size), added / seconds,
          (CpuSeconds() - cpu) * 1e6 / added, static_cast<double>(resident) / (1 << 20),
          static_cast<double>(resident - before) / added, longest.create * 1e3, longest.read * 1e3);
      const auto batches = static_cast<double>(journal.batches - journal_before.batches);
      const double limit = (raw[0] + raw[1]) / 2;
      std::printf(
          "  limit: raw commits %.0f and %.0f/s; the journal's %.0f/s, of %.1f edits each, ratio "
          "%.2f\n",
          raw[0], raw[1], batches / seconds,
          static_cast<double>(journal.edits - journal_before.edits) / batches,
          batches / seconds / limit);
    }
    files = size;
    RestartInAnotherProcess(name_dir);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  absl::Status status;
  const bool with_blocks = argc > 1 && std::strcmp(argv[1], "--blocks") == 0;
  const int directory = with_blocks ? 2 : 1;
  if (argc == 3 && std::strcmp(argv[1], "--restart") == 0) {
    status = cairn::bench::Restart(argv[2]);
  } else if (argc <= directory || argv[directory][0] == '-') {
    std::fprintf(stderr, "usage: namenode_growth [--blocks] DIR [FILES]...\n");
    return 2;
  } else {
    std::vector<uint64_t> sizes;
    for (int i = directory + 1; i < argc; ++i) {
      uint64_t size = 0;
      if (!absl::SimpleAtoi(argv[i], &size) || size < cairn::bench::kLeastFiles ||
          (!sizes.empty() && size <= sizes.back())) {
        std::fprintf(stderr, "namenode_growth: sizes grow, from %d on\n",
                     static_cast<int>(cairn::bench::kLeastFiles));
        return 2;
      }
      sizes.push_back(size);
    }
    if (sizes.empty()) sizes = {100000, 1000000, 10000000};
    status = cairn::bench::Run(argv[directory], sizes, with_blocks);
  }
  if (!status.ok()) {
    std::fprintf(stderr, "namenode_growth: %s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
