// What a restart of the namenode costs: time to the first read, to the end of safe mode and to the
// last report, and the bytes that datanodes send.
//
//   restart_bench [-dir DIR] [-blocks N] [-datanodes N] [-rounds N] [-port P] [-rest S]
//
// N files of one block, with three replicas each on datanodes that have no files, but sessions and
// maps of replicas as cairn-datanode has them (report_only_datanode.h). They are made by a namenode
// inside a forked process (block_maker.h), which is killed at the moment at which the last file is
// closed: it had not written the last seconds' locations to its store. From then on the namenode is
// build/PRESET/bin/cairn-namenode, killed with SIGKILL and started again: after the crash amid the
// writing; then, each -rounds times, after some seconds without a change, with its files in the
// page cache and without. In the end all datanodes send lists of everything, as they would have to
// without digests. Times are from the start of the program. The limit beside them is the disk: how
// long it takes to read all of the namenode's files past the page cache, 1 MiB at a time.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/block_maker.h"
#include "bench/disk.h"
#include "bench/measure.h"
#include "bench/report_only_datanode.h"
#include "common/check.h"
#include "common/io/file_system.h"
#include "common/logging.h"
#include "common/net/io_threads.h"
#include "common/user_groups.h"
#include "proto/hdfs/client_namenode.pb.h"
#include "wire/rpc/client.h"

namespace cairn::bench {
namespace {

struct Flags {
  std::string base = "/tmp";
  uint64_t blocks = 1'000'000, datanodes = 10, rounds = 3, port = 18020;
  uint64_t rest = 12;  // seconds without a change: the tail's age, and time for what it sets off

  std::string directory() const { return base + "/cairn-restart-bench"; }
  std::string name_dir() const { return directory() + "/name"; }
  std::string internal_address() const { return absl::StrCat("127.0.0.1:", port + 1); }
};

using Datanodes = std::vector<std::unique_ptr<ReportOnlyDatanode>>;

// ---- cairn-namenode

class NamenodeProcess {
 public:
  explicit NamenodeProcess(const Flags& flags) {
    const auto program =
        std::filesystem::read_symlink("/proc/self/exe").replace_filename("cairn-namenode");
    std::vector<std::string> words = {program.string()};
    for (const std::string& setting : {
             absl::StrCat("dfs.namenode.name.dir=", flags.name_dir()),
             absl::StrCat("dfs.namenode.rpc-address=127.0.0.1:", flags.port),
             absl::StrCat("cairn.namenode.internal.address=", flags.internal_address()),
             absl::StrCat("cairn.log.file=", flags.directory(), "/namenode.log"),
         }) {
      words.insert(words.end(), {"-D", setting});
    }
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    started_ = Now();
    posix_spawn_file_actions_t quiet;  // what it has to say is in its log
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    CHECK_EQ(::posix_spawn(&pid_, words[0].c_str(), &quiet, nullptr, arguments.data(), environ), 0)
        << words[0];
    posix_spawn_file_actions_destroy(&quiet);
  }
  ~NamenodeProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  NamenodeProcess(const NamenodeProcess&) = delete;
  NamenodeProcess& operator=(const NamenodeProcess&) = delete;

  double started() const { return started_; }
  double cpu_seconds() const { return CpuSecondsOf(pid_); }
  void CheckAlive() const { CHECK_EQ(::waitpid(pid_, nullptr, WNOHANG), 0) << "it has ended"; }

 private:
  pid_t pid_ = 0;
  double started_ = 0;
};

// Asks again and again.
class Client {
 public:
  explicit Client(const Flags& flags) : flags_(flags), threads_(1, "client") { Connect(); }

  // nullopt: no answer.
  std::optional<bool> InSafeMode() {
    hdfs::SetSafeModeRequestProto request;
    request.set_action(hdfs::SAFEMODE_GET);
    hdfs::SetSafeModeResponseProto reply;
    if (!Call("setSafeMode", request, &reply)) return std::nullopt;
    return reply.result();
  }
  bool CanBeRead(const std::string& path) {
    hdfs::GetBlockLocationsRequestProto request;
    request.set_src(path);
    request.set_offset(0);
    request.set_length(kBlockBytes);
    hdfs::GetBlockLocationsResponseProto reply;
    if (!Call("getBlockLocations", request, &reply)) return false;
    CHECK_EQ(reply.locations().blocks_size(), 1) << path;
    return reply.locations().blocks(0).locs_size() > 0;
  }

 private:
  bool Call(absl::string_view method, const google::protobuf::MessageLite& request,
            google::protobuf::MessageLite* reply) {
    const absl::Status status = client_->Call(method, request, reply);
    if (absl::IsUnavailable(status)) Connect();  // at once, without its back-off
    return status.ok();
  }
  void Connect() {
    rpc::RpcClientOptions options;
    options.host = "127.0.0.1";
    options.port = static_cast<uint16_t>(flags_.port);
    options.protocol = "org.apache.hadoop.hdfs.protocol.ClientProtocol";
    options.user = ProcessUserName();
    options.retry_time = absl::ZeroDuration();
    options.retry_busy = false;
    client_ = std::make_unique<rpc::RpcClient>(options, threads_);
  }

  const Flags& flags_;
  IoThreads threads_;
  std::unique_ptr<rpc::RpcClient> client_;
};

// ---- One restart

struct Restart {
  double answers = 0;      // the first call
  double first_read = 0;   // an old file's locations
  double newest_read = 0;  // those of the file that was made last
  double safe_mode_off = 0;
  double reported = 0;     // by all datanodes
  double cpu_seconds = 0;  // of the namenode, up to then
  Traffic traffic;
};

Traffic TrafficOf(const Datanodes& datanodes) {
  Traffic sum;
  for (const auto& node : datanodes) sum += node->traffic();
  return sum;
}

// When the last one had reported; 0: not yet all.
double ReportedAt(const Datanodes& datanodes) {
  double last = 0;
  for (const auto& node : datanodes) {
    if (node->reported_at() == 0) return 0;
    last = std::max(last, node->reported_at());
  }
  return last;
}

Restart Watch(const Flags& flags, const NamenodeProcess& namenode, const Datanodes& datanodes) {
  Restart seen;
  Client client(flags);
  const auto note = [&](double& when) {
    if (when == 0) when = Now() - namenode.started();
  };
  while (seen.first_read == 0 || seen.newest_read == 0 || seen.safe_mode_off == 0 ||
         seen.reported == 0) {
    namenode.CheckAlive();
    CHECK_LT(Now() - namenode.started(), 300) << "the restart does not end";
    const std::optional<bool> safe = client.InSafeMode();
    if (safe.has_value()) {
      note(seen.answers);
      if (!*safe) note(seen.safe_mode_off);
      if (seen.first_read == 0 && client.CanBeRead(PathOfFile(flags.blocks / 3)))
        note(seen.first_read);
      if (seen.newest_read == 0 && client.CanBeRead(PathOfFile(flags.blocks - 1))) {
        note(seen.newest_read);
      }
    }
    const double reported = ReportedAt(datanodes);
    if (reported != 0 && seen.reported == 0) {
      seen.reported = reported - namenode.started();
      seen.cpu_seconds = namenode.cpu_seconds();
      seen.traffic = TrafficOf(datanodes);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return seen;
}

// ---- What is printed

std::string Bytes(uint64_t bytes) {
  if (bytes < 10'000) return absl::StrCat(bytes, " B");
  if (bytes < 10'000'000) return absl::StrFormat("%.0f kB", static_cast<double>(bytes) * 1e-3);
  return absl::StrFormat("%.1f MB", static_cast<double>(bytes) * 1e-6);
}

uint64_t ReportBytes(const Traffic& traffic) {
  return traffic[Message::kRegister].sent_bytes + traffic[Message::kDigests].sent_bytes +
         traffic[Message::kList].sent_bytes + traffic[Message::kChanges].sent_bytes;
}

// What no restart beats whose files are not in the page cache.
struct Limit {
  uint64_t bytes = 0;  // of the namenode's files
  double seconds = 0;  // for the disk to read as many
};

// No namenode runs.
Limit MeasureLimit(const Flags& flags) {
  constexpr uint64_t kMeasuredMib = 64;
  Limit limit{.bytes = BytesBelow(flags.name_dir())};
  const std::string file = flags.directory() + "/disk";
  DirectWrite(file, kMeasuredMib);
  limit.seconds = static_cast<double>(limit.bytes) / DirectRead(file, kMeasuredMib);
  std::filesystem::remove(file);
  return limit;
}

void Print(const char* what, const std::vector<Restart>& restarts, const Limit& limit) {
  const auto spread = [&](double Restart::*field, double scale = 1) {
    std::vector<double> values;
    for (const Restart& restart : restarts) values.push_back(restart.*field);
    return Spread(values, 2, scale);
  };
  absl::PrintF("%s, %d restart(s), seconds:\n", what, restarts.size());
  absl::PrintF("  answers %s, first read %s, of the newest file %s, safe mode off %s\n",
               spread(&Restart::answers), spread(&Restart::first_read),
               spread(&Restart::newest_read), spread(&Restart::safe_mode_off));
  absl::PrintF("  limit: the disk reads the namenode's %s in %.3f s; ratio of the first read %s\n",
               Bytes(limit.bytes), limit.seconds, spread(&Restart::first_read, 1 / limit.seconds));
  absl::PrintF("  all reported %s, namenode's CPU up to then %s\n", spread(&Restart::reported),
               spread(&Restart::cpu_seconds));
  const Traffic& last = restarts.back().traffic;
  absl::PrintF(
      "  received: %s = registrations %s, digests %s in %d calls (%d too early), lists %s of %d "
      "replicas; answered %s\n",
      Bytes(ReportBytes(last)), Bytes(last[Message::kRegister].sent_bytes),
      Bytes(last[Message::kDigests].sent_bytes), last[Message::kDigests].calls, last.too_early,
      Bytes(last[Message::kList].sent_bytes), last.replicas_listed,
      Bytes(last[Message::kDigests].received_bytes));
  std::fflush(stdout);
}

// ---- All of it

void Run(const Flags& flags) {
  std::filesystem::remove_all(flags.directory());
  CHECK_OK(PosixFileSystem().MakeDirectories(flags.directory()));
  Datanodes datanodes;
  for (uint64_t n = 0; n < flags.datanodes; ++n) {
    const std::string directory = absl::StrCat(flags.directory(), "/datanode-", n);
    datanodes.push_back(std::make_unique<ReportOnlyDatanode>(static_cast<int>(n), directory));
  }
  std::vector<HolderIds> holders;
  for (const auto& node : datanodes) holders.push_back({node->uuid(), node->storage_uuid()});
  const double begin = Now();
  const std::span<const MadeBlock> made = MakeBlocks(flags.name_dir(), flags.blocks, holders);
  absl::PrintF("%d files of one block, %d replicas each on %d datanodes; made in %.0f s\n",
               flags.blocks, kReplication, flags.datanodes, Now() - begin);
  std::fflush(stdout);

  std::vector<std::vector<datanode::ReplicaInfo>> replicas(flags.datanodes);
  for (const MadeBlock& block : made) {
    for (const uint32_t node : block.holders) {
      replicas[node].push_back({.block = BlockId{block.id},
                                .stamp = GenerationStamp{block.stamp},
                                .length = kBlockBytes});
    }
  }
  for (uint64_t n = 0; n < flags.datanodes; ++n) {
    datanodes[n]->Start(flags.internal_address(), replicas[n]);
  }

  Limit limit = MeasureLimit(flags);
  auto namenode = std::make_unique<NamenodeProcess>(flags);
  Print("killed amid the writing", {Watch(flags, *namenode, datanodes)}, limit);
  for (const bool cold : {false, true}) {
    std::vector<Restart> restarts;
    for (uint64_t round = 0; round < flags.rounds; ++round) {
      std::this_thread::sleep_for(std::chrono::seconds(flags.rest));
      namenode.reset();
      if (round == 0) limit = MeasureLimit(flags);
      if (cold) DropFromPageCache(flags.name_dir());
      for (const auto& node : datanodes) node->Reset();
      namenode = std::make_unique<NamenodeProcess>(flags);
      restarts.push_back(Watch(flags, *namenode, datanodes));
    }
    Print(cold ? "killed at rest, files not in the page cache" : "killed at rest", restarts, limit);
  }

  std::this_thread::sleep_for(std::chrono::seconds(flags.rest));
  for (const auto& node : datanodes) node->Reset();
  const double start = Now(), cpu = namenode->cpu_seconds();
  for (const auto& node : datanodes) node->SendLists();
  while (ReportedAt(datanodes) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const Traffic lists = TrafficOf(datanodes);
  absl::PrintF(
      "lists of everything, for comparison: %s, %d replicas, %.2f s, namenode's CPU %.2f s\n",
      Bytes(lists[Message::kList].sent_bytes), lists.replicas_listed, ReportedAt(datanodes) - start,
      namenode->cpu_seconds() - cpu);
  uint64_t orders = 0;
  for (const auto& node : datanodes) orders += node->orders();
  CHECK_EQ(orders, 0u) << "nothing was wrong, and yet the namenode gave orders";
}

int Main(int argc, char** argv) {
  Flags flags;
  if (!ParseFlagPairs(argc, argv, {{"-dir", &flags.base}},
                      {{"-blocks", &flags.blocks},
                       {"-datanodes", &flags.datanodes},
                       {"-rounds", &flags.rounds},
                       {"-port", &flags.port},
                       {"-rest", &flags.rest}}) ||
      flags.datanodes < kReplication) {
    std::fprintf(stderr,
                 "restart_bench [-dir DIR] [-blocks N] [-datanodes N, at least 3] [-rounds N] "
                 "[-port P] [-rest S]\n");
    return 2;
  }
  SetLogLevel(LogLevel::kError);  // that the namenode is away, and back, is no news here
  Run(flags);
  std::filesystem::remove_all(flags.directory());
  return 0;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) { return cairn::bench::Main(argc, argv); }
