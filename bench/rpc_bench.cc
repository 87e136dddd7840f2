// A namenode over Hadoop RPC, Cairn's or Apache HDFS's, each figure beside its limit in the same
// run.
//
//   rpc_bench -uri hdfs://HOST:PORT [-cluster DIR | -pid PID] [-dir DIR] [-ops LIST] [-rounds N]
//             [-calls N] [-singles N] [-files N] [-conns N] [-depth N] [-user NAME]
//
// -cluster names the directory of a running `cairn mini`, whose D/run/namenode.pid tells which
// process' CPU to count; -pid names that process itself. -dir (else the cluster's, or the current
// directory) must be on the disk that has the namenode's journal. -ops is a list of:
//
//   getFileInfo, getBlockLocations    -files empty files, scattered
//   getListing                        their directories, of 100 files each
//   mkdirs, create, rename, delete    a thousand to a directory; "create" is create and complete,
//                                     "rename" gives a file another name in its directory
//
// which are -calls operations a round, -conns x -depth of them in flight. The limit is the raw rate
// of getFileInfo's bytes, requests and answers: the same client, connections and calls in flight,
// and a server that finds frames and looks into none; for create, half of it.
//
// With a 1 behind its name (mkdirs1), an operation is done -singles times a round, one at a time.
// The limit is, for each of its calls, a raw round trip and, if it changes something, a commit: one
// direct, synchronous write of 4 KiB to a preallocated file of zeros. Goals: 2 or less for mkdirs1,
// better 1.5; 1.3 for getFileInfo1. A round trip takes 6 us if the scheduler puts both ends on one
// core and 60 us if on two, and it may choose differently for limit and figure. To choose for it:
//
//   taskset -a -p -c 1 PID && taskset -c 0 rpc_bench -pid PID ...
//
// as the limits use the CPUs that the namenode may use.
//
// A round is limit, figure, limit, figure ..., for single calls in turns of 100; round 0 is not
// counted. Ratios are of the same round: median (min..max). CPU is user and system time; what the
// kernel does for a process on threads of its own is not in it.
#include <sys/types.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "bench/commit_file.h"
#include "bench/measure.h"
#include "bench/rpc_limits.h"
#include "bench/rpc_load.h"
#include "bench/rpc_operations.h"
#include "common/check.h"
#include "common/user_groups.h"

namespace cairn::bench {
namespace {

constexpr uint64_t kListedFiles = 100;    // in a directory that is listed
constexpr uint64_t kFilesPerDir = 1000;   // in the others
constexpr uint64_t kSinglesTurn = 100;    // single calls between those of the limit
constexpr uint64_t kRawCallsPerCall = 4;  // raw is that much faster: rounds of similar length

struct Flags {
  std::string uri, cluster, directory, user;
  std::string ops =
      "getFileInfo,getBlockLocations,getListing,mkdirs,create,rename,delete,getFileInfo1,mkdirs1";
  uint64_t rounds = 5, calls = 50'000, singles = 2000, files = 10'000, conns = 4, depth = 32;
  uint64_t pid = 0;
};

// ---- Figures ----

struct Figure {
  std::string name;
  Operation operation;
  bool changes = false;
  std::function<void(uint64_t first, uint64_t count)> prepare;  // before these items, untimed
};

// All that is asked and made, under one directory of its own, which goes at the end.
class Subject {
 public:
  Subject(const Load::Options& namenode, const Flags& flags)
      : flags_(flags), load_(namenode), root_(absl::StrCat("/rpc_bench.", ::getpid())) {
    load_.Run(Create(Item("files", kListedFiles)), 0, flags_.files);
  }
  ~Subject() {
    load_.Run(Delete([this](uint64_t) { return root_; }, /*recursive=*/true), 0, 1);
  }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  Load& load() { return load_; }

  Operation StatFiles() const { return GetFileInfo(ScatteredFile()); }
  std::string StatAnswer() {
    std::string answer;
    Operation stat = StatFiles();
    stat.front().check = [&](absl::string_view bytes) {
      answer = std::string(bytes);
      return true;
    };
    load_.Run(stat, 0, 1);
    return answer;
  }

  // `round_items` of it will be done in each round. An empty name: there is no such operation.
  Figure Make(absl::string_view name, uint64_t round_items) {
    Figure figure{.name = std::string(name), .operation = {}, .changes = true, .prepare = {}};
    const absl::string_view kind = absl::StripSuffix(name, "1");
    const PathOf item = Item(absl::StrCat(name, ".", ++trees_), kFilesPerDir);
    const auto make_files = [this, item](uint64_t first, uint64_t count) {
      load_.Run(Create(item), first, count);
    };
    if (kind == "mkdirs") {
      figure.operation = Mkdirs(item);
    } else if (kind == "create") {
      figure.operation = Create(item);
    } else if (kind == "delete") {
      figure.operation = Delete(item, /*recursive=*/false);
      figure.prepare = make_files;
    } else if (kind == "rename") {
      // One round renames all files there, the next one back.
      const auto side = [item, round_items](uint64_t i, bool back) {
        const std::string path = item(i % round_items);
        return (i / round_items % 2 == 1) == back ? path : path + ".r";
      };
      figure.operation = Rename([side](uint64_t i) { return side(i, false); },
                                [side](uint64_t i) { return side(i, true); });
      figure.prepare = [make_files](uint64_t first, uint64_t count) {
        if (first == 0) make_files(0, count);
      };
    } else {
      figure.changes = false;
      if (kind == "getFileInfo") {
        figure.operation = StatFiles();
      } else if (kind == "getBlockLocations") {
        figure.operation = GetBlockLocations(ScatteredFile());
      } else if (kind == "getListing") {
        figure.operation = GetListing(
            [this](uint64_t i) {
              return absl::StrCat(root_, "/files/d", Scatter(i, flags_.files / kListedFiles));
            },
            kListedFiles);
      } else {
        figure.name.clear();
      }
    }
    return figure;
  }

 private:
  static uint64_t Scatter(uint64_t i, uint64_t n) { return i * 2654435761u % n; }
  PathOf Item(absl::string_view tree, uint64_t per_dir) const {
    return [base = absl::StrCat(root_, "/", tree, "/d"), per_dir](uint64_t i) {
      return absl::StrCat(base, i / per_dir, "/f", i % per_dir);
    };
  }
  PathOf ScatteredFile() const {
    return [item = Item("files", kListedFiles), n = flags_.files](uint64_t i) {
      return item(Scatter(i, n));
    };
  }

  const Flags& flags_;
  Load load_;
  const std::string root_;
  int trees_ = 0;  // an operation may be listed twice
};

// ---- Measuring ----

struct Servers {
  Load::Options namenode;
  pid_t namenode_pid = 0;  // 0: not known
  Load::Options raw;
  pid_t raw_pid = 0;
};

void MeasureMany(const Figure& figure, const Servers& servers, Subject& subject,
                 const Flags& flags) {
  Load raw_load(servers.raw);
  const Operation raw_call = subject.StatFiles();
  const auto steps = static_cast<double>(figure.operation.size());
  const auto calls = static_cast<double>(flags.calls);
  const uint64_t raw_calls = kRawCallsPerCall * flags.calls;
  std::vector<double> rates, limits, ratios, cpu, client_cpu, raw_cpu;
  std::vector<float> latencies;
  for (uint64_t round = 0; round <= flags.rounds; ++round) {
    const uint64_t first = round * flags.calls;
    if (figure.prepare) figure.prepare(first, flags.calls);
    const double raw_before = CpuSecondsOf(servers.raw_pid);
    const Result raw = raw_load.Run(raw_call, 0, raw_calls);
    const double before = CpuSecondsOf(servers.namenode_pid);
    const double raw_after = CpuSecondsOf(servers.raw_pid);
    const Result result = subject.load().Run(figure.operation, first, flags.calls);
    const double after = CpuSecondsOf(servers.namenode_pid);
    if (round == 0) continue;
    limits.push_back(static_cast<double>(raw_calls) / raw.seconds / steps);
    rates.push_back(calls / result.seconds);
    ratios.push_back(rates.back() / limits.back());
    cpu.push_back((after - before) / calls);
    raw_cpu.push_back((raw_after - raw_before) / static_cast<double>(raw_calls));
    client_cpu.push_back(result.client_cpu_seconds / calls);
    latencies.insert(latencies.end(), result.latencies.begin(), result.latencies.end());
  }
  const Latencies sorted(std::move(latencies));
  absl::PrintF("%-18s %s /s; limit %s; ratio %s %%\n", figure.name, Spread(rates, 0),
               Spread(limits, 0), Spread(ratios, 1, 100));
  absl::PrintF("                   latency p50 %.0f p99 %.0f us; CPU us: ", sorted.At(0.5) * 1e6,
               sorted.At(0.99) * 1e6);
  if (servers.namenode_pid != 0) absl::PrintF("server %s, ", Spread(cpu, 2, 1e6));
  absl::PrintF("client %s, raw server %s\n", Spread(client_cpu, 2, 1e6), Spread(raw_cpu, 2, 1e6));
  std::fflush(stdout);
}

void MeasureSingles(const Figure& figure, const Servers& servers, Subject& subject,
                    CommitFile& commits, const Flags& flags) {
  const auto one = [](Load::Options options) {
    options.connections = options.depth = 1;
    return options;
  };
  Load load(one(servers.namenode));
  Load raw_load(one(servers.raw));
  const Operation raw_call = subject.StatFiles();
  const auto median = [](const std::vector<float>& values) {
    return Median(std::vector<double>(values.begin(), values.end()));
  };
  const auto append = [](std::vector<float>* all, const std::vector<float>& part) {
    all->insert(all->end(), part.begin(), part.end());
  };
  std::vector<double> medians, raw_medians, commit_medians, ratios, cpu;
  std::vector<float> all;
  for (uint64_t round = 0; round <= flags.rounds; ++round) {
    const uint64_t first = round * flags.singles;
    const uint64_t end = first + flags.singles;
    if (figure.prepare) figure.prepare(first, flags.singles);
    std::vector<float> times, raw_times, commit_times;
    double cpu_seconds = 0;
    for (uint64_t at = first; at < end; at += kSinglesTurn) {
      const uint64_t count = std::min(kSinglesTurn, end - at);
      append(&raw_times, raw_load.Run(raw_call, 0, count).latencies);
      if (figure.changes) append(&commit_times, commits.Run(count));
      const double before = CpuSecondsOf(servers.namenode_pid);
      append(&times, load.Run(figure.operation, at, count).latencies);
      cpu_seconds += CpuSecondsOf(servers.namenode_pid) - before;
    }
    if (round == 0) continue;
    medians.push_back(median(times));
    raw_medians.push_back(median(raw_times));
    commit_medians.push_back(median(commit_times));
    const double limit = raw_medians.back() + commit_medians.back();
    ratios.push_back(medians.back() / limit / static_cast<double>(figure.operation.size()));
    cpu.push_back(cpu_seconds / static_cast<double>(flags.singles));
    append(&all, times);
  }
  absl::PrintF("%-18s %s us; limit %d x (round trip %s", figure.name, Spread(medians, 1, 1e6),
               figure.operation.size(), Spread(raw_medians, 1, 1e6));
  if (figure.changes) absl::PrintF(" + commit %s", Spread(commit_medians, 1, 1e6));
  absl::PrintF("); ratio %s\n                   p99 %.0f us", Spread(ratios, 2),
               Latencies(std::move(all)).At(0.99) * 1e6);
  if (servers.namenode_pid != 0) absl::PrintF("; CPU us: server %s", Spread(cpu, 1, 1e6));
  absl::PrintF("\n");
  std::fflush(stdout);
}

// ---- The program ----

int Usage() {
  absl::FPrintF(stderr,
                "usage: rpc_bench -uri hdfs://HOST:PORT [-cluster DIR | -pid PID] [-dir DIR] "
                "[-ops LIST]\n  [-rounds N] [-calls N] [-singles N] [-files N] [-conns N] "
                "[-depth N] [-user NAME]\n");
  return 2;
}

// False: not HOST:PORT.
bool ParseAddress(absl::string_view uri, Load::Options* options) {
  absl::ConsumePrefix(&uri, "hdfs://");
  absl::ConsumeSuffix(&uri, "/");
  const size_t colon = uri.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(uri.substr(colon + 1), &port)) {
    return false;
  }
  options->host = std::string(uri.substr(0, colon));
  options->port = static_cast<uint16_t>(port);
  return port > 0 && port < 65536;
}

bool ParseFlags(int argc, char** argv, Flags* flags) {
  if (!ParseFlagPairs(argc, argv,
                      {{"-uri", &flags->uri},
                       {"-cluster", &flags->cluster},
                       {"-dir", &flags->directory},
                       {"-ops", &flags->ops},
                       {"-user", &flags->user}},
                      {{"-rounds", &flags->rounds},
                       {"-calls", &flags->calls},
                       {"-singles", &flags->singles},
                       {"-files", &flags->files},
                       {"-conns", &flags->conns},
                       {"-depth", &flags->depth},
                       {"-pid", &flags->pid}})) {
    return false;
  }
  if (flags->directory.empty()) flags->directory = flags->cluster.empty() ? "." : flags->cluster;
  if (flags->user.empty()) {
    const char* const name = std::getenv("HADOOP_USER_NAME");
    flags->user = name != nullptr ? name : ProcessUserName();
  }
  // Whole directories are listed.
  flags->files = std::max<uint64_t>(1, flags->files / kListedFiles) * kListedFiles;
  return true;
}

int Main(int argc, char** argv) {
  Flags flags;
  Servers servers;
  if (!ParseFlags(argc, argv, &flags) || !ParseAddress(flags.uri, &servers.namenode)) {
    return Usage();
  }
  servers.namenode_pid = static_cast<pid_t>(flags.pid);
  if (!flags.cluster.empty()) {
    const std::string path = flags.cluster + "/run/namenode.pid";
    CHECK(std::ifstream(path) >> servers.namenode_pid) << path;
  }
  servers.namenode.user = flags.user;
  servers.namenode.connections = flags.conns;
  servers.namenode.depth = flags.depth;

  Subject subject(servers.namenode, flags);
  const RawServer raw(subject.StatAnswer(), servers.namenode_pid);
  servers.raw = servers.namenode;
  servers.raw.host = "127.0.0.1";
  servers.raw.port = raw.port();
  servers.raw.user.clear();
  servers.raw_pid = raw.pid();
  CommitFile commits(flags.directory, servers.namenode_pid);
  absl::PrintF(
      "%d connections, %d in flight on each; %d calls a round; 1: one at a time, %d a round\n",
      flags.conns, flags.depth, flags.calls, flags.singles);
  for (const absl::string_view op : absl::StrSplit(flags.ops, ',', absl::SkipEmpty())) {
    const bool singles = absl::EndsWith(op, "1");
    const Figure figure = subject.Make(op, singles ? flags.singles : flags.calls);
    if (figure.name.empty()) {
      absl::FPrintF(stderr, "rpc_bench: %s is no operation\n", op);
      return 2;
    }
    if (singles) {
      MeasureSingles(figure, servers, subject, commits, flags);
    } else {
      MeasureMany(figure, servers, subject, flags);
    }
  }
  return 0;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) { return cairn::bench::Main(argc, argv); }
