// The data path through libcairn, each figure beside its limit in the same run.
//
//   data_bench [-uri hdfs://HOST:PORT [-cluster DIR]] [-dir DIR] [-ops LIST] [-rounds N] [-mib N]
//              [-files N] [-inflight N] [-congestion NAME] [-daemonKeys k=v,k=v]
//
// Without -uri it starts `cairn mini` with three datanodes under -dir (a new directory in /tmp) and
// ends it afterwards. -cluster names the directory of a running `cairn mini`, whose D/run/*.pid
// tell which processes' CPU to count. -ops is a list of:
//
//   write1, write3  one stream of -mib MiB, 1 or 3 replicas, durable at close
//                   limit: 1 MiB direct writes to a new file on the same disk, divided by replicas
//   warm            one stream read through TCP, checksums verified, bytes in the page cache
//                   limit: sendfile of 64 KiB at a time through loopback TCP to a reader
//   cold            the same after the page cache was dropped (root only)
//                   limit: 1 MiB direct reads
//   local           the same from the datanode's files, warm; with -uri, -cluster tells where its
//                   sockets are
//                   limit: pread of 1 MiB at a time of a file in the page cache
//   unchecked       the same without verifying checksums
//   small1, small3  4 KiB files, -inflight at a time, durable at close
//                   limit: local files as many at a time: create, write, fsync file and directory
//
// A round is limit, figure, limit, figure ...; round 0 is not counted. Ratios are figure / limit of
// the same round: median (min..max). CPU is user and system time of processes; what the kernel does
// for them on threads of its own is not in it.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "bench/disk.h"
#include "bench/local_cluster.h"
#include "bench/measure.h"
#include "client/file_system.h"
#include "common/check.h"
#include "common/status_macros.h"

namespace cairn::bench {
namespace {

using client::FileSystem;

constexpr size_t kSmallFileBytes = 4096;
constexpr size_t kSendfileBytes = size_t{64} << 10;
constexpr size_t kReceiveBytes = size_t{256} << 10;

struct Flags {
  std::string uri, cluster, directory, congestion, daemon_keys;
  std::string ops = "write1,write3,warm,cold,local,unchecked,small1,small3";
  uint64_t rounds = 5, mib = 1024, files = 4000, inflight = 32;
};

// ---- Limits: each gives bytes, or files, per second ----

class Limits {
 public:
  Limits(std::string directory, const Flags& flags)
      : directory_(std::move(directory)), flags_(flags), block_(Pattern(kMiB)) {
    std::filesystem::create_directories(directory_);
  }

  double DirectWrite() { return bench::DirectWrite(path(), flags_.mib); }
  double DirectRead() {
    EnsureFile();
    return bench::DirectRead(path(), flags_.mib);
  }

  double Pread() {
    EnsureFile();
    const Fd file(::open(path().c_str(), O_RDONLY | O_CLOEXEC));
    double rate = 0;
    for (int pass = 0; pass < 2; ++pass) {  // the first one fills the page cache
      const double start = Now();
      for (uint64_t i = 0; i < flags_.mib; ++i) {
        CHECK(::pread(file, block_.get(), kMiB, static_cast<off_t>(i * kMiB)) == ssize_t{kMiB});
      }
      rate = Rate(start);
    }
    return rate;
  }

  double Sendfile() {
    EnsureFile();
    const Fd file(::open(path().c_str(), O_RDONLY | O_CLOEXEC));
    for (uint64_t i = 0; i < flags_.mib; ++i) {  // into the page cache
      CHECK(::pread(file, block_.get(), kMiB, static_cast<off_t>(i * kMiB)) == ssize_t{kMiB});
    }
    const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    CHECK(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    CHECK(::listen(listener, 1) == 0);
    CHECK(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    const Fd receiver(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(::connect(receiver, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    const Fd sender(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!flags_.congestion.empty()) {
      CHECK(::setsockopt(sender, IPPROTO_TCP, TCP_CONGESTION, flags_.congestion.data(),
                         static_cast<socklen_t>(flags_.congestion.size())) == 0);
    }
    const double start = Now();
    std::thread reader([&] {
      std::vector<std::byte> buffer(kReceiveBytes);
      uint64_t left = flags_.mib * kMiB;
      while (left > 0) {
        const ssize_t count = ::recv(receiver, buffer.data(), buffer.size(), 0);
        CHECK(count > 0);
        left -= static_cast<uint64_t>(count);
      }
    });
    off_t at = 0;
    while (at < static_cast<off_t>(flags_.mib * kMiB)) {
      CHECK(::sendfile(sender, file, &at, kSendfileBytes) > 0);
    }
    reader.join();
    return Rate(start);
  }

  double SmallFiles() {
    const std::string base = absl::StrCat(directory_, "/small");
    std::filesystem::remove_all(base);
    std::filesystem::create_directories(base);
    const Fd folder(::open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    std::atomic<uint64_t> next{0};
    const double start = Now();
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < flags_.inflight; ++t) {
      threads.emplace_back([&] {
        for (uint64_t i; (i = next.fetch_add(1)) < flags_.files;) {
          const Fd fd(
              ::open(absl::StrCat(base, "/", i).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
          CHECK(::pwrite(fd, block_.get(), kSmallFileBytes, 0) == ssize_t{kSmallFileBytes});
          CHECK(::fsync(fd) == 0);
          CHECK(::fsync(folder) == 0);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return static_cast<double>(flags_.files) / (Now() - start);
  }

 private:
  std::string path() const { return directory_ + "/limit"; }
  double Rate(double start) const {
    return static_cast<double>(flags_.mib * kMiB) / (Now() - start);
  }
  void EnsureFile() {
    if (!std::filesystem::exists(path())) DirectWrite();
  }

  const std::string directory_;
  const Flags& flags_;
  const AlignedBytes block_;
};

// ---- Figures ----

class Subject {
 public:
  Subject(FileSystem& fs, const Flags& flags)
      : fs_(fs), flags_(flags), base_(absl::StrCat("/data_bench.", ::getpid())) {
    block_ = Pattern(kMiB);
    CHECK_OK(fs_.Mkdirs(base_));
  }
  ~Subject() { Delete(base_); }

  void Write(const std::string& name, uint32_t replicas) {
    auto out = fs_.Create(PathOf(name), {.overwrite = true, .replication = replicas});
    CHECK_OK(out.status());
    for (uint64_t i = 0; i < flags_.mib; ++i) {
      std::memcpy(block_.get(), &i, sizeof(i));
      CHECK_OK((*out)->Write(std::span<const std::byte>(block_.get(), kMiB)));
    }
    CHECK_OK((*out)->Close());
  }

  void Read(const std::string& name, FileSystem& fs, bool local = false) {
    auto in = fs.Open(PathOf(name));
    CHECK_OK(in.status());
    const AlignedBytes buffer(static_cast<std::byte*>(std::aligned_alloc(4096, kMiB)));
    for (uint64_t i = 0; i < flags_.mib; ++i) {
      const auto count = (*in)->ReadFully(std::span(buffer.get(), kMiB));
      CHECK_OK(count.status());
      uint64_t stamp = 0;
      std::memcpy(&stamp, buffer.get(), sizeof(stamp));
      CHECK(*count == kMiB && stamp == i) << "wrong bytes in MiB " << i;
    }
    CHECK((*in)->local_bytes() == (local ? flags_.mib * kMiB : 0)) << "read by the other way";
  }

  void SmallFiles(const std::string& name, uint32_t replicas) {
    CHECK_OK(fs_.Mkdirs(PathOf(name)));
    std::atomic<uint64_t> next{0};
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < flags_.inflight; ++t) {
      threads.emplace_back([&] {
        for (uint64_t i; (i = next.fetch_add(1)) < flags_.files;) {
          auto out = fs_.Create(absl::StrCat(PathOf(name), "/", i), {.replication = replicas});
          CHECK_OK(out.status());
          CHECK_OK((*out)->Write(std::span<const std::byte>(block_.get(), kSmallFileBytes)));
          CHECK_OK((*out)->Close());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void Delete(const std::string& path) {
    const auto deleted = fs_.Delete(path, /*recursive=*/true);
    if (!deleted.ok()) absl::FPrintF(stderr, "%s\n", deleted.status().ToString());
  }
  void DeleteAll() { Delete(base_); }
  std::string PathOf(const std::string& name) const { return absl::StrCat(base_, "/", name); }

 private:
  FileSystem& fs_;
  const Flags& flags_;
  const std::string base_;
  AlignedBytes block_;
};

struct Figure {
  std::function<void()> prepare;
  std::function<double()> limit;
  std::function<void(uint64_t round)> run;
  std::function<void(uint64_t round)> clean_up;
  double units = 0;  // bytes, or files
  double limit_divisor = 1;
  bool bytes = true;
};

void Measure(absl::string_view name, const Figure& figure, const Flags& flags,
             const std::vector<Process>& processes) {
  std::vector<double> rates, limits, ratios;
  std::vector<std::vector<double>> cpu(processes.size() + 1);
  std::vector<double> servers;
  for (uint64_t round = 0; round <= flags.rounds; ++round) {
    ::sync();
    const double limit = figure.limit() / figure.limit_divisor;
    ::sync();
    if (figure.prepare) figure.prepare();
    const std::vector<double> before = CpuNow(processes);
    const double start = Now();
    figure.run(round);
    const double rate = figure.units / (Now() - start);
    const std::vector<double> after = CpuNow(processes);
    if (figure.clean_up) figure.clean_up(round);
    if (round == 0) continue;
    rates.push_back(rate);
    limits.push_back(limit);
    ratios.push_back(rate / limit);
    double sum = 0;
    for (size_t i = 0; i < cpu.size(); ++i) {
      // Per GB, or microseconds per file.
      const double used = (after[i] - before[i]) / figure.units * (figure.bytes ? 1e9 : 1e6);
      cpu[i].push_back(used);
      if (i > 0) sum += used;
    }
    servers.push_back(sum);
  }
  const char* const unit = figure.bytes ? "MB/s" : "files/s";
  const double scale = figure.bytes ? 1e-6 : 1;
  absl::PrintF("%-7s %s %s; limit %s; ratio %s %%\n", name, Spread(rates, 0, scale), unit,
               Spread(limits, 0, scale), Spread(ratios, 0, 100));
  absl::PrintF("        CPU %s: client %s", figure.bytes ? "s/GB" : "us/file",
               Spread(cpu[0], figure.bytes ? 2 : 0));
  if (!processes.empty()) {
    absl::PrintF("; servers %s:", Spread(servers, figure.bytes ? 2 : 0));
  }
  for (size_t i = 0; i < processes.size(); ++i) {
    absl::PrintF(" %s %.*f", processes[i].name, figure.bytes ? 2 : 0, Median(cpu[i + 1]));
  }
  absl::PrintF("\n");
  std::fflush(stdout);
}

int Usage() {
  absl::FPrintF(stderr,
                "usage: data_bench [-uri URI [-cluster DIR]] [-dir DIR] [-ops LIST] [-rounds N] "
                "[-mib N] [-files N] [-inflight N] [-congestion NAME] [-daemonKeys k=v,...]\n");
  return 2;
}

int Main(int argc, char** argv) {
  Flags flags;
  if (!ParseFlagPairs(argc, argv,
                      {{"-uri", &flags.uri},
                       {"-cluster", &flags.cluster},
                       {"-dir", &flags.directory},
                       {"-ops", &flags.ops},
                       {"-daemonKeys", &flags.daemon_keys},
                       {"-congestion", &flags.congestion}},
                      {{"-rounds", &flags.rounds},
                       {"-mib", &flags.mib},
                       {"-files", &flags.files},
                       {"-inflight", &flags.inflight}})) {
    return Usage();
  }
  if (flags.directory.empty()) flags.directory = absl::StrCat("/tmp/data_bench.", ::getpid());
  std::filesystem::create_directories(flags.directory);
  std::unique_ptr<LocalCluster> own;
  if (flags.uri.empty()) {
    flags.cluster = flags.directory + "/cluster";
    std::vector<std::string> keys = absl::StrSplit(flags.daemon_keys, ',', absl::SkipEmpty());
    if (!flags.congestion.empty()) {
      keys.push_back(absl::StrCat("cairn.datanode.tcp.congestion=", flags.congestion));
    }
    own = std::make_unique<LocalCluster>(flags.cluster, 3, keys);
    flags.uri = own->uri();
  }
  const std::vector<Process> processes = ProcessesOf(flags.cluster);
  client::ClientOptions options;
  options.congestion_control = flags.congestion;
  options.domain_socket_path = flags.cluster + "/run/dn._PORT";
  const auto local = FileSystem::Connect(flags.uri, options);
  CHECK_OK(local.status());
  options.verify_local = false;
  const auto unchecked = FileSystem::Connect(flags.uri, options);
  CHECK_OK(unchecked.status());
  options.short_circuit = false;
  const auto fs = FileSystem::Connect(flags.uri, options);
  CHECK_OK(fs.status());
  {
    Limits limits(flags.directory + "/limits", flags);
    Subject subject(**fs, flags);
    const auto stream_bytes = static_cast<double>(flags.mib * kMiB);
    for (absl::string_view op : absl::StrSplit(flags.ops, ',', absl::SkipEmpty())) {
      Figure figure{.units = stream_bytes};
      const auto file = [](uint64_t round) { return absl::StrCat("f", round); };
      if (op == "write1" || op == "write3") {
        const uint32_t replicas = op == "write3" ? 3 : 1;
        figure.limit_divisor = replicas;
        figure.limit = [&] { return limits.DirectWrite(); };
        figure.run = [&, replicas](uint64_t round) { subject.Write(file(round), replicas); };
        figure.clean_up = [&](uint64_t round) { subject.Delete(subject.PathOf(file(round))); };
      } else if (op == "warm" || op == "cold") {
        subject.Write("read", 1);
        if (op == "cold") {
          figure.prepare = DropCaches;
          figure.limit = [&] { return limits.DirectRead(); };
        } else {
          figure.prepare = [&] { subject.Read("read", **fs); };
          figure.limit = [&] { return limits.Sendfile(); };
        }
        figure.run = [&](uint64_t) { subject.Read("read", **fs); };
      } else if (op == "local" || op == "unchecked") {
        subject.Write("read", 1);
        FileSystem& reader = op == "local" ? **local : **unchecked;
        figure.limit = [&] { return limits.Pread(); };
        figure.prepare = [&] { subject.Read("read", reader, /*local=*/true); };
        figure.run = [&](uint64_t) { subject.Read("read", reader, /*local=*/true); };
      } else if (op == "small1" || op == "small3") {
        const uint32_t replicas = op == "small3" ? 3 : 1;
        figure.units = static_cast<double>(flags.files);
        figure.bytes = false;
        figure.limit = [&] { return limits.SmallFiles(); };
        // Deleted at the end only: the work of it would fall into the next round.
        figure.run = [&, replicas](uint64_t round) { subject.SmallFiles(file(round), replicas); };
      } else {
        absl::FPrintF(stderr, "data_bench: %s is no operation\n", op);
        return 2;
      }
      Measure(op, figure, flags, processes);
    }
    subject.DeleteAll();
  }
  std::filesystem::remove_all(flags.directory + "/limits");
  return 0;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) { return cairn::bench::Main(argc, argv); }
