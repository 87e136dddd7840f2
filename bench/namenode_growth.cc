// How the namenode grows: rate, memory, longest call, and restart, at each size.
//
//   namenode_growth DIR [FILES]...     default 100000 1000000 10000000
//   namenode_growth --restart DIR      opens what is there and times it up to the first read
//
// Files are created and completed by two threads, 1000 to a directory, 64 under way in each,
// durable. While they are, a third thread asks getFileInfo every 200 us: the longest of all these
// calls is what a user would have noticed. The restart is another process, so that its memory is
// its own. Memory bounds are those of cairn-namenode's defaults; CAIRN_INODE_CACHE (bytes) sets the
// inodes' one.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
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

class Grower {
 public:
  explicit Grower(LocalNamenode& local) : local_(local), user_(ProcessUserName()) {}

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

  // The longest time from a call to its durable answer.
  double Create(uint64_t from, uint64_t to) {
    struct Waiting {
      uint64_t ticket;
      double since;
    };
    std::deque<Waiting> waiting;
    double longest = 0;
    namenode::CreateOptions options;
    options.client_name = "growth";
    options.replication = 3;
    for (uint64_t i = from; i < to; ++i) {
      const std::string path = PathOf(i);
      const double start = Now();
      auto created = local_.namenode().Create(caller(), path, options);
      while (absl::IsResourceExhausted(created.value.status())) {  // the disk does not keep up
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        created = local_.namenode().Create(caller(), path, options);
      }
      CHECK_OK(created.value.status());
      const auto completed = local_.namenode().Complete(caller(), path, created.value->id, "growth",
                                                        std::nullopt, nullptr);
      CHECK_OK(completed.value.status());
      waiting.push_back({completed.ticket, start});
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
  const std::string user_;
};

absl::Status Restart(const std::string& directory) {
  const double begin = Now();
  ASSIGN_OR_RETURN(const std::unique_ptr<LocalNamenode> local,
                   LocalNamenode::Open(OptionsFor(directory)));
  const double open = Now() - begin;
  const std::string user = ProcessUserName();
  const auto outcome = local->namenode().GetFileInfo({.user = user}, PathOf(77777));
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

absl::Status Run(const std::string& directory, const std::vector<uint64_t>& sizes) {
  const std::string name_dir = directory + "/name";
  RETURN_IF_ERROR(PosixFileSystem().MakeDirectories(directory));
  RETURN_IF_ERROR(LocalNamenode::Format(name_dir));
  uint64_t files = 0;
  for (const uint64_t size : sizes) {
    {
      ASSIGN_OR_RETURN(const std::unique_ptr<LocalNamenode> local,
                       LocalNamenode::Open(OptionsFor(name_dir)));
      Grower grower(*local);
      const uint64_t before = ResidentBytes();
      const double begin = Now(), cpu = CpuSeconds();
      const Longest longest = grower.Grow(files, size);
      const double seconds = Now() - begin;
      const auto added = static_cast<double>(size - files);
      const uint64_t resident = ResidentBytes();
      std::printf(
          "%10llu files: %8.0f creates/s, cpu %.1f us each, RSS %.0f MiB (+%.0f B a new "
          "file), longest create %.1f ms, longest getFileInfo %.1f ms\n",
          static_cast<unsigned long long>(size), added / seconds,
          (CpuSeconds() - cpu) * 1e6 / added, static_cast<double>(resident) / (1 << 20),
          static_cast<double>(resident - before) / added, longest.create * 1e3, longest.read * 1e3);
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
  if (argc == 3 && std::strcmp(argv[1], "--restart") == 0) {
    status = cairn::bench::Restart(argv[2]);
  } else if (argc < 2 || argv[1][0] == '-') {
    std::fprintf(stderr, "usage: namenode_growth DIR [FILES]...\n");
    return 2;
  } else {
    std::vector<uint64_t> sizes;
    for (int i = 2; i < argc; ++i) {
      uint64_t size = 0;
      if (!absl::SimpleAtoi(argv[i], &size) || size < 100000 ||
          (!sizes.empty() && size <= sizes.back())) {
        std::fprintf(stderr, "namenode_growth: sizes grow, from 100000 on\n");
        return 2;
      }
      sizes.push_back(size);
    }
    if (sizes.empty()) sizes = {100000, 1000000, 10000000};
    status = cairn::bench::Run(argv[1], sizes);
  }
  if (!status.ok()) {
    std::fprintf(stderr, "namenode_growth: %s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
