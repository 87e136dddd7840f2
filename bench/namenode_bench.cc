// The namenode's operations in this process, without sockets: names and parameters are those of
// Hadoop's NNThroughputBenchmark.
//
//   namenode_bench -op create|mkdirs|open|fileStatus|rename|delete|listing|blockReport|all
//                  [-threads N] [-files N] [-filesPerDir N] [-depth N] [-rounds N]
//                  [-datanodes N] [-blocksPerReport N] [-journal file|memory] [-dir DIR]
//
// An operation that changes something counts when its edit is durable; -depth of them are under way
// in each thread (1: one after the other, as NNThroughputBenchmark does it). "create" is create
// and complete. Each round also measures its limit: for changes, how many edits of 200 bytes the
// journal alone makes durable with as many in flight; for reads, how often a plain hash table
// resolves the same paths. CPU is the whole process': journal, store and LevelDB included.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "bench/local_namenode.h"
#include "bench/measure.h"
#include "common/check.h"
#include "common/replica_digest.h"
#include "common/status_macros.h"
#include "common/user_groups.h"

namespace cairn::bench {
namespace {

using namenode::BlockVersion;
using namenode::Caller;
using namenode::CreateOptions;
using namenode::NamenodeImpl;

constexpr char kRoot[] = "/nnThroughputBenchmark";
constexpr uint64_t kBlockBytes = uint64_t{1} << 20;
constexpr size_t kLimitEditBytes = 200;
constexpr size_t kListedEntries = 100;

struct Flags {
  std::string op = "all", journal = "file", directory;
  uint64_t threads = 2, files = 200000, files_per_dir = 1000, depth = 64, rounds = 3;
  uint64_t datanodes = 3, blocks_per_report = 1000;
};

// One operation on item `i`; gives the ticket to wait for.
using Operation = std::function<uint64_t(uint64_t i)>;

struct Result {
  double seconds = 0, cpu_seconds = 0;
  std::vector<float> latencies;
};

std::string Item(absl::string_view kind, uint64_t i, uint64_t per_dir) {
  return absl::StrFormat("%s/%s/d%06d/f%05d", kRoot, kind, i / per_dir, i % per_dir);
}

template <typename T>
uint64_t Ticket(const namenode::Outcome<T>& outcome, absl::string_view what) {
  CHECK(outcome.value.ok()) << std::string(what) << ": " << outcome.value.status().ToString();
  return outcome.ticket;
}

class Bench {
 public:
  Bench(Flags flags, LocalNamenode& local)
      : flags_(std::move(flags)), local_(local), user_(ProcessUserName()) {}

  absl::Status Run(const std::string& op);

 private:
  NamenodeImpl& nn() { return local_.namenode(); }
  Caller caller() const { return {.user = user_, .remote_ip = "127.0.0.1"}; }
  uint64_t Durable() const { return ToInt(local_.journal().durable()); }

  // Calls `operation` for [0, count), split among the threads, each with `depth` under way.
  Result Measure(uint64_t count, const Operation& operation);
  void Worker(uint64_t begin, uint64_t end, const Operation& operation, std::vector<float>& out);
  uint64_t CreateFile(const std::string& path);
  void RemoveTree(absl::string_view kind);
  double JournalLimit();
  double ResolveLimit(absl::string_view kind);
  void Report(const std::string& op, uint64_t count, std::vector<Result> rounds,
              absl::string_view limit_name, const std::vector<double>& limits);
  void BlockReports();

  const Flags flags_;
  LocalNamenode& local_;
  const std::string user_;
};

void Bench::Worker(uint64_t begin, uint64_t end, const Operation& operation,
                   std::vector<float>& out) {
  struct Waiting {
    uint64_t ticket;
    double since;
  };
  std::deque<Waiting> waiting;
  out.reserve(end - begin);
  const auto settle = [&](uint64_t durable) {
    if (waiting.empty() || waiting.front().ticket > durable) return;
    const double now = Now();
    while (!waiting.empty() && waiting.front().ticket <= durable) {
      out.push_back(static_cast<float>(now - waiting.front().since));
      waiting.pop_front();
    }
  };
  for (uint64_t i = begin; i < end; ++i) {
    const double start = Now();
    const uint64_t ticket = operation(i);
    const uint64_t durable = Durable();
    if (ticket <= durable && waiting.empty()) {
      out.push_back(static_cast<float>(Now() - start));
      continue;
    }
    waiting.push_back({ticket, start});
    settle(durable);
    if (waiting.size() >= flags_.depth) {
      CHECK_OK(local_.journal().WaitDurable(TxId{waiting.front().ticket}));
      settle(Durable());
    }
  }
  while (!waiting.empty()) {
    CHECK_OK(local_.journal().WaitDurable(TxId{waiting.front().ticket}));
    settle(Durable());
  }
}

Result Bench::Measure(uint64_t count, const Operation& operation) {
  std::vector<std::vector<float>> latencies(flags_.threads);
  std::vector<std::thread> threads;
  Result result;
  const double begin = Now();
  const double cpu = CpuSeconds();
  for (uint64_t t = 0; t < flags_.threads; ++t) {
    threads.emplace_back([&, t] {
      Worker(count * t / flags_.threads, count * (t + 1) / flags_.threads, operation, latencies[t]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  result.seconds = Now() - begin;
  result.cpu_seconds = CpuSeconds() - cpu;
  for (const auto& part : latencies) {
    result.latencies.insert(result.latencies.end(), part.begin(), part.end());
  }
  return result;
}

uint64_t Bench::CreateFile(const std::string& path) {
  CreateOptions options;
  options.client_name = "bench";
  options.replication = 1;
  options.block_bytes = kBlockBytes;
  const auto created = nn().Create(caller(), path, options);
  Ticket(created, path);
  return Ticket(nn().Complete(caller(), path, created.value->id, "bench", std::nullopt, nullptr),
                path);
}

void Bench::RemoveTree(absl::string_view kind) {
  const std::string path = absl::StrCat(kRoot, "/", kind);
  Ticket(nn().Delete(caller(), path, true), path);
  // What is left to do behind the scenes would be charged to the next measurement.
  while (nn().HasBackgroundWork()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK_OK(local_.store().Flush());
}

double Bench::JournalLimit() {
  if (flags_.journal != "file") return 0;
  const std::string directory = flags_.directory + "/limit";
  FileSystem& fs = PosixFileSystem();
  namenode::JournalOptions options;
  options.directory = directory;
  options.keep = absl::ZeroDuration();
  CHECK_OK(namenode::FormatFileJournal(fs, SystemClock(), options));
  double rate = 0;
  {
    auto journal =
        namenode::OpenFileJournal(fs, SystemClock(), options, kNoTx, TxId{1},
                                  [](TxId, absl::string_view) { return absl::OkStatus(); });
    CHECK_OK(journal.status());
    const std::string edit(kLimitEditBytes, 'e');
    const uint64_t in_flight = flags_.threads * flags_.depth;
    uint64_t last = 0;
    const double begin = Now();
    while (Now() - begin < 1.0) {
      (*journal)->Append(TxId{++last}, edit);
      // Waiting for half of them: a wake-up for each edit would be what is measured.
      if (last - ToInt((*journal)->durable()) >= in_flight) {
        CHECK_OK((*journal)->WaitDurable(TxId{last - in_flight / 2}));
      }
    }
    CHECK_OK((*journal)->WaitDurable(TxId{last}));
    rate = static_cast<double>(last) / (Now() - begin);
  }
  auto names = fs.List(directory);
  CHECK_OK(names.status());
  for (const std::string& name : *names) CHECK_OK(fs.Remove(directory + "/" + name));
  CHECK_OK(fs.RemoveDirectory(directory));
  return rate;
}

// The same paths in a hash table of (parent, name) -> number: what resolution costs when nothing
// else is done. All threads at once, as in the measurement.
double Bench::ResolveLimit(absl::string_view kind) {
  using Key = std::pair<uint64_t, absl::string_view>;
  std::vector<std::string> paths;
  for (uint64_t i = 0; i < flags_.files; ++i) {
    paths.push_back(Item(kind, i, flags_.files_per_dir));
  }
  absl::flat_hash_map<Key, uint64_t> table;
  uint64_t next = 1;
  for (const std::string& path : paths) {
    uint64_t at = 0;
    for (const absl::string_view name : absl::StrSplit(absl::string_view(path).substr(1), '/')) {
      const auto [entry, added] = table.try_emplace(Key{at, name}, next);
      if (added) ++next;
      at = entry->second;
    }
  }
  std::atomic<uint64_t> missing{0};
  std::vector<std::thread> threads;
  const double begin = Now();
  for (uint64_t t = 0; t < flags_.threads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = t; i < flags_.files; i += flags_.threads) {
        const absl::string_view path = paths[i * 2654435761u % flags_.files];
        uint64_t at = 0;
        for (size_t from = 1; from < path.size();) {
          const size_t to = std::min(path.find('/', from), path.size());
          const auto found = table.find(Key{at, path.substr(from, to - from)});
          if (found == table.end()) missing.fetch_add(1);
          at = found->second;
          from = to + 1;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = Now() - begin;
  CHECK_EQ(missing.load(), 0u);
  return static_cast<double>(flags_.files) / seconds;
}

void Bench::Report(const std::string& op, uint64_t count, std::vector<Result> rounds,
                   absl::string_view limit_name, const std::vector<double>& limits) {
  std::vector<double> rates, cpus;
  std::vector<float> all;
  for (Result& round : rounds) {
    rates.push_back(static_cast<double>(count) / round.seconds);
    cpus.push_back(round.cpu_seconds * 1e6 / static_cast<double>(count));
    all.insert(all.end(), round.latencies.begin(), round.latencies.end());
  }
  const Latencies latencies(std::move(all));
  std::printf("%-11s %9.0f ops/s  cpu %6.2f us/op  mean %8.1f p50 %8.1f p99 %8.1f max %9.1f us",
              op.c_str(), Median(rates), Median(cpus), latencies.Mean() * 1e6,
              latencies.At(0.5) * 1e6, latencies.At(0.99) * 1e6, latencies.At(1) * 1e6);
  const double limit = Median(limits);
  if (limit > 0) {
    std::printf("  %s %.0f/s, ratio %.2f", std::string(limit_name).c_str(), limit,
                Median(rates) / limit);
  }
  std::printf("\n");
  std::fflush(stdout);
}

// ---- block reports

// What a datanode that has these replicas, all finalized, tells of them.
namenode::DigestReport DigestsOf(const namenode::DatanodeRegistration& node, uint64_t session,
                                 uint64_t sequence, uint32_t shift,
                                 const std::vector<namenode::ReportedReplica>& replicas) {
  namenode::DigestReport report;
  report.datanode_uuid = node.datanode_uuid;
  report.session = session;
  report.sequence = sequence;
  report.storage_uuid = node.storages[0].uuid;
  report.shift = shift;
  for (const auto& [block, state] : replicas) {
    const uint64_t bucket = DigestBucket(block.id, shift);
    if (report.buckets.empty() || report.buckets.back().number != bucket) {
      report.buckets.push_back({bucket, {}});
    }
    report.buckets.back().digest += ReplicaDigest::Of(block.id, block.stamp, block.length);
  }
  return report;
}

// Datanodes that exist in this process only; each has one storage.
void Bench::BlockReports() {
  std::vector<namenode::DatanodeRegistration> nodes;
  std::vector<uint64_t> sessions;
  uint32_t shift = 0;
  for (uint64_t n = 0; n < flags_.datanodes; ++n) {
    namenode::DatanodeRegistration node;
    node.layout_version = namenode::kDatanodeLayoutVersion;
    node.datanode_uuid = absl::StrCat("bench-node-", n);
    node.address = {"127.0.0.1", "localhost", static_cast<uint32_t>(20000 + 3 * n),
                    static_cast<uint32_t>(20001 + 3 * n), static_cast<uint32_t>(20002 + 3 * n)};
    namenode::StorageInfo storage;
    storage.uuid = absl::StrCat("bench-storage-", n);
    storage.capacity_bytes = uint64_t{1} << 50;
    storage.remaining_bytes = uint64_t{1} << 50;
    node.storages.push_back(storage);
    const auto welcome = nn().Register(node);
    CHECK_OK(welcome.status());
    sessions.push_back(welcome->session);
    shift = welcome->digest_shift;
    nodes.push_back(std::move(node));
  }
  CHECK_OK(local_.journal().WaitDurable(local_.journal().last_appended()));
  // Each datanode reports `blocks_per_report` blocks of its own; written with one replica each.
  std::vector<std::vector<namenode::ReportedReplica>> replicas(flags_.datanodes);
  std::vector<InodeId> files;
  const uint64_t blocks = flags_.blocks_per_report * flags_.datanodes;
  CreateOptions options;
  options.client_name = "bench";
  options.replication = static_cast<uint32_t>(flags_.datanodes);
  options.block_bytes = kBlockBytes;
  for (uint64_t i = 0; i < flags_.blocks_per_report; ++i) {
    const std::string path = Item("blockReport", i, flags_.files_per_dir);
    const auto created = nn().Create(caller(), path, options);
    Ticket(created, path);
    namenode::AddBlockRequest add;
    add.path = path;
    add.client_name = "bench";
    add.file = created.value->id;
    const auto block = nn().AddBlock(caller(), add, nullptr);
    Ticket(block, path);
    files.push_back(created.value->id);
    for (uint64_t n = 0; n < flags_.datanodes; ++n) {
      BlockVersion version = block.value->block;
      version.length = 4096;
      replicas[n].push_back({version, namenode::ReplicaState::kFinalized});
    }
  }
  CHECK_OK(local_.journal().WaitDurable(local_.journal().last_appended()));
  const auto report = [&](uint64_t n, uint64_t sequence) {
    namenode::ReplicasReport full;
    full.datanode_uuid = nodes[n].datanode_uuid;
    full.session = sessions[n];
    full.sequence = sequence;
    full.storage_uuid = nodes[n].storages[0].uuid;
    full.report_id = sequence;
    full.last = true;
    full.replicas = replicas[n];
    CHECK_OK(nn().ReportReplicas(full));
    return uint64_t{0};
  };
  for (uint64_t sequence = 1; sequence <= 2; ++sequence) {
    const double begin = Now(), cpu = CpuSeconds();
    for (uint64_t n = 0; n < flags_.datanodes; ++n) report(n, sequence);
    const double seconds = Now() - begin;
    std::printf("blockReport %s: %9.0f replicas/s  cpu %6.2f us/replica  (%llu nodes x %llu)\n",
                sequence == 1 ? "first    " : "unchanged", static_cast<double>(blocks) / seconds,
                (CpuSeconds() - cpu) * 1e6 / static_cast<double>(blocks),
                static_cast<unsigned long long>(flags_.datanodes),
                static_cast<unsigned long long>(flags_.blocks_per_report));
    for (uint64_t i = 0; sequence == 1 && i < files.size(); ++i) {
      const std::string path = Item("blockReport", i, flags_.files_per_dir);
      Ticket(nn().Complete(caller(), path, files[i], "bench", replicas[0][i].block, nullptr), path);
    }
    CHECK_OK(local_.store().Flush());
  }
  while (nn().IsWalkingReplicas()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  // The same as digests: the message is made beforehand, as it comes from the wire.
  std::vector<double> millis;
  uint64_t buckets = 0;
  for (uint64_t round = 0; round < std::max<uint64_t>(flags_.rounds, 3); ++round) {
    for (uint64_t n = 0; n < flags_.datanodes; ++n) {
      const namenode::DigestReport report =
          DigestsOf(nodes[n], sessions[n], 3 + round, shift, replicas[n]);
      buckets = report.buckets.size();
      const double begin = Now();
      const auto answer = nn().ReportDigests(report);
      millis.push_back((Now() - begin) * 1e3);
      CHECK_OK(answer.status());
      CHECK(answer->result == namenode::DigestAnswer::Result::kCompared);
      CHECK(answer->differing.empty());
    }
  }
  std::printf(
      "blockReport digests:  %s ms of the namenode for %llu unchanged replicas, %llu buckets\n",
      Spread(millis, 3).c_str(), static_cast<unsigned long long>(flags_.blocks_per_report),
      static_cast<unsigned long long>(buckets));
}

absl::Status Bench::Run(const std::string& op) {
  if (op == "blockReport") {
    BlockReports();
    return absl::OkStatus();
  }
  const uint64_t per_dir = op == "listing" ? kListedEntries : flags_.files_per_dir;
  const auto item = [&](uint64_t i) { return Item(op, i, per_dir); };
  const auto scattered = [&](uint64_t i) {
    return Item(op, i * 2654435761u % flags_.files, per_dir);
  };
  const bool reads = op == "open" || op == "fileStatus" || op == "listing";
  Operation operation;
  uint64_t count = flags_.files;
  if (op == "create") {
    operation = [&](uint64_t i) { return CreateFile(item(i)); };
  } else if (op == "mkdirs") {
    operation = [&](uint64_t i) {
      return Ticket(nn().Mkdirs(caller(), item(i), 0755, true), "mkdirs");
    };
  } else if (op == "open") {
    operation = [&](uint64_t i) {
      return Ticket(nn().GetBlockLocations(caller(), scattered(i), 0, kBlockBytes), "open");
    };
  } else if (op == "fileStatus") {
    operation = [&](uint64_t i) {
      const auto outcome = nn().GetFileInfo(caller(), scattered(i));
      CHECK(outcome.value.ok() && outcome.value->has_value());
      return outcome.ticket;
    };
  } else if (op == "listing") {
    count = std::min<uint64_t>(flags_.files, 50000);
    operation = [&](uint64_t i) {
      const std::string path =
          absl::StrFormat("%s/%s/d%06d", kRoot, op, i * 2654435761u % (flags_.files / per_dir));
      const auto outcome = nn().GetListing(caller(), path, "", false);
      CHECK(outcome.value.ok() && outcome.value->has_value() &&
            (*outcome.value)->entries.size() == kListedEntries);
      return outcome.ticket;
    };
  } else if (op == "rename") {
    operation = [&](uint64_t i) {
      const std::string from = item(i);
      return Ticket(nn().Rename(caller(), from, from + ".r"), "rename");
    };
  } else if (op == "delete") {
    operation = [&](uint64_t i) { return Ticket(nn().Delete(caller(), item(i), false), "delete"); };
  } else {
    return absl::InvalidArgumentError(absl::StrCat("no such -op: ", op));
  }

  std::vector<Result> rounds;
  std::vector<double> limits;
  for (uint64_t round = 0; round < flags_.rounds; ++round) {
    const bool prepare = op == "rename" || op == "delete" || (reads && round == 0);
    if (prepare) {
      Measure(flags_.files, [&](uint64_t i) { return CreateFile(item(i)); });
      CHECK_OK(local_.store().Flush());
    }
    limits.push_back(op == "listing" ? 0 : reads ? ResolveLimit(op) : JournalLimit());
    rounds.push_back(Measure(count, operation));
    if (!reads || round + 1 == flags_.rounds) RemoveTree(op);
  }
  Report(op, count, std::move(rounds), reads ? "plain hash table" : "journal alone", limits);
  return absl::OkStatus();
}

bool ParseFlags(int argc, char** argv, Flags* flags) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const absl::string_view name = argv[i];
    const std::string value = argv[i + 1];
    const std::pair<absl::string_view, uint64_t*> numbers[] = {
        {"-threads", &flags->threads},
        {"-files", &flags->files},
        {"-filesPerDir", &flags->files_per_dir},
        {"-depth", &flags->depth},
        {"-rounds", &flags->rounds},
        {"-datanodes", &flags->datanodes},
        {"-blocksPerReport", &flags->blocks_per_report}};
    const std::pair<absl::string_view, std::string*> texts[] = {
        {"-op", &flags->op}, {"-journal", &flags->journal}, {"-dir", &flags->directory}};
    bool known = false;
    for (const auto& [key, number] : numbers) {
      if (name != key) continue;
      known = absl::SimpleAtoi(value, number) && *number > 0;
    }
    for (const auto& [key, text] : texts) {
      if (name != key) continue;
      *text = value;
      known = true;
    }
    if (!known) return false;
  }
  return argc % 2 == 1 && (flags->journal == "file" || flags->journal == "memory");
}

absl::Status Main(Flags flags) {
  if (flags.directory.empty()) {
    const char* const temporary = std::getenv("TMPDIR");
    flags.directory =
        absl::StrCat(temporary != nullptr ? temporary : "/tmp", "/cairn-namenode-bench");
  }
  const std::string name_dir = flags.directory + "/name";
  RETURN_IF_ERROR(PosixFileSystem().MakeDirectories(flags.directory));
  RETURN_IF_ERROR(LocalNamenode::Format(name_dir));
  LocalOptions options;
  options.directory = name_dir;
  options.durable = flags.journal == "file";
  ASSIGN_OR_RETURN(const std::unique_ptr<LocalNamenode> local, LocalNamenode::Open(options));
  std::printf(
      "%llu threads, %llu under way in each, %llu files, %llu in a directory, journal: %s\n",
      static_cast<unsigned long long>(flags.threads), static_cast<unsigned long long>(flags.depth),
      static_cast<unsigned long long>(flags.files),
      static_cast<unsigned long long>(flags.files_per_dir),
      options.durable ? "file, O_DIRECT|O_DSYNC, replies when durable" : "in memory");
  Bench bench(flags, *local);
  if (flags.op != "all") return bench.Run(flags.op);
  for (const char* op :
       {"fileStatus", "open", "listing", "mkdirs", "create", "rename", "delete", "blockReport"}) {
    RETURN_IF_ERROR(bench.Run(op));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Flags flags;
  if (!cairn::bench::ParseFlags(argc, argv, &flags)) {
    std::fprintf(
        stderr,
        "usage: namenode_bench -op create|mkdirs|open|fileStatus|listing|rename|delete|"
        "blockReport|all\n  [-threads N] [-files N] [-filesPerDir N] [-depth N] [-rounds N] "
        "[-datanodes N]\n  [-blocksPerReport N] [-journal file|memory] [-dir DIR]\n");
    return 2;
  }
  const absl::Status status = cairn::bench::Main(flags);
  if (!status.ok()) {
    std::fprintf(stderr, "namenode_bench: %s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
