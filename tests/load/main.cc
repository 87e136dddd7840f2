// cairn-load: writers and readers under /load of a cluster, driven by commands on standard input,
// one a line.
//
//   cairn-load --uri URI [--writers N] [--data-writers N] [--readers N] [--replication R]
//             [--trace FILE] [--seed S]
//             [--patience-ms P: how long every second writer waits for a namenode that is away]
//
//   run         writers and readers go on                     running
//   pause       waits until each has finished its operation   paused
//   mark WHAT   notes WHAT in the trace                       inflight calls=N streams=N
//   check       (paused) what changed since the last check    {"paths": ..., "violations": [...]}
//   check all   (paused) everything                           the same
//   stats       (paused)                                      {"acknowledged": {...}, ...}
//   quit
//
// Each command is answered by one line. Exit status: 0 after quit or the end of the input.
#include <unistd.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/file_system.h"
#include "common/mutex.h"
#include "common/thread.h"
#include "nlohmann/json.hpp"
#include "tests/load/checker.h"
#include "tests/load/reader.h"
#include "tests/load/writer.h"

namespace cairn::load {
namespace {

using nlohmann::json;

struct Flags {
  std::string uri, trace;
  int writers = 4, data_writers = 4, readers = 0;
  uint32_t replication = 3;
  uint64_t seed = 1;
  int patience_ms = 300;
};

client::ClientOptions MakeOptions(const Flags& flags, absl::Duration patience) {
  client::ClientOptions options;
  options.replication = flags.replication;
  options.small_file_bytes = 0;  // where files are erasure-coded, the small ones are to be, too
  options.block_bytes = 1 << 20;
  options.rpc_retry_time = patience;
  options.connect_timeout = absl::Seconds(5);
  options.read_timeout = absl::Seconds(10);
  options.read_retry_window = absl::Milliseconds(200);
  return options;
}

// The writers and readers, and the gate that they stop at between operations. Never destroyed: at
// the end writers may be waiting for a cluster that is gone.
class Load {
 public:
  explicit Load(const Flags& flags) : trace_(flags.trace) {
    for (int i = 0; i < flags.writers + flags.data_writers; ++i) {
      // Half of them soon give up on a namenode that is away: outcomes in doubt are wanted, too.
      const absl::Duration patience =
          i % 2 == 0 ? absl::Seconds(60) : absl::Milliseconds(flags.patience_ms);
      auto fs = client::FileSystem::Connect(flags.uri, MakeOptions(flags, patience));
      if (!fs.ok()) throw std::runtime_error(fs.status().ToString());
      file_systems_.push_back(*std::move(fs));
      WriterOptions options;
      options.directory = absl::StrCat("/load/w", i);
      options.seed = flags.seed + static_cast<uint64_t>(i);
      options.data = i < flags.data_writers;
      writers_.push_back(std::make_unique<Writer>(options, *file_systems_.back(), trace_, board_));
      const absl::Status status = writers_.back()->Start();
      if (!status.ok()) throw std::runtime_error(status.ToString());
    }
    for (int i = 0; i < flags.readers; ++i) {
      auto fs = client::FileSystem::Connect(flags.uri, MakeOptions(flags, absl::Seconds(2)));
      if (!fs.ok()) throw std::runtime_error(fs.status().ToString());
      file_systems_.push_back(*std::move(fs));
      readers_.push_back(std::make_unique<Reader>(flags.seed + 1000 + static_cast<uint64_t>(i),
                                                  *file_systems_.back(), board_));
    }
    auto fs = client::FileSystem::Connect(flags.uri, MakeOptions(flags, absl::Seconds(60)));
    if (!fs.ok()) throw std::runtime_error(fs.status().ToString());
    checking_ = *std::move(fs);
    for (auto& writer : writers_) {
      threads_.emplace_back([this, &writer] { Live("writer", *writer); });
    }
    for (auto& reader : readers_) {
      threads_.emplace_back([this, &reader] { Live("reader", *reader); });
    }
  }

  std::string Obey(const std::string& command) {
    if (command == "run") return Run();
    if (command == "pause") return Pause();
    if (command == "check") return Check(false);
    if (command == "check all") return Check(true);
    if (command == "stats") return Stats();
    if (command.rfind("mark ", 0) == 0) return Mark(command);
    return absl::StrCat("what is \"", command, "\"?");
  }

 private:
  template <typename Client>
  void Live(const char* name, Client& client) {
    SetThreadName(name);
    while (true) {
      {
        MutexLock lock(mu_);
        ++standing_;
        changed_.NotifyAll();
        while (!running_) changed_.Wait(mu_);
        --standing_;
      }
      client.Step();
    }
  }

  std::string Run() {
    MutexLock lock(mu_);
    running_ = true;
    changed_.NotifyAll();
    return "running";
  }

  std::string Pause() {
    MutexLock lock(mu_);
    running_ = false;
    while (standing_ < threads_.size()) changed_.Wait(mu_);
    return "paused";
  }

  std::string Mark(const std::string& what) {
    int calls = 0;
    int streams = 0;
    for (const auto& writer : writers_) {
      calls += writer->activity() == Writer::Activity::kCall;
      streams += writer->activity() == Writer::Activity::kStream;
    }
    trace_.Line(what);
    return absl::StrCat("inflight calls=", calls, " streams=", streams);
  }

  std::string Check(bool all) {
    Findings findings;
    for (const auto& writer : writers_) {
      if (all) {
        CheckAll(*checking_, writer->directory(), writer->model(), findings);
      } else {
        CheckRecent(*checking_, writer->model(), findings);
      }
    }
    return json{{"paths", findings.paths},
                {"bytes", findings.bytes},
                {"doubts_happened", findings.doubts_happened},
                {"doubts_did_not", findings.doubts_did_not},
                {"still_open", findings.still_open},
                {"violations", findings.violations}}
        .dump(-1, ' ', false, json::error_handler_t::replace);
  }

  std::string Stats() {
    std::map<std::string, uint64_t> acknowledged;
    std::map<std::string, uint64_t> unclear;
    std::vector<std::string> wrong;
    for (const auto& writer : writers_) {
      for (const auto& [name, count] : writer->acknowledged()) acknowledged[name] += count;
      for (const auto& [name, count] : writer->unclear()) unclear[name] += count;
      wrong.insert(wrong.end(), writer->wrong_answers().begin(), writer->wrong_answers().end());
    }
    uint64_t files = 0;
    uint64_t bytes = 0;
    uint64_t failed = 0;
    for (const auto& reader : readers_) {
      files += reader->files();
      bytes += reader->bytes();
      failed += reader->failed();
      wrong.insert(wrong.end(), reader->wrong_answers().begin(), reader->wrong_answers().end());
    }
    return json{{"acknowledged", acknowledged},
                {"unclear", unclear},
                {"wrong", wrong},
                {"reads", {{"files", files}, {"bytes", bytes}, {"failed", failed}}}}
        .dump(-1, ' ', false, json::error_handler_t::replace);
  }

  Trace trace_;
  Board board_;
  std::vector<std::unique_ptr<client::FileSystem>> file_systems_;
  std::unique_ptr<client::FileSystem> checking_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::vector<std::thread> threads_;
  Mutex mu_;
  CondVar changed_;
  bool running_ ABSL_GUARDED_BY(mu_) = false;
  size_t standing_ ABSL_GUARDED_BY(mu_) = 0;
};

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Writers and readers whose every acknowledged operation can be checked.");
  app.add_option("--uri", flags.uri, "hdfs://host:port")->required();
  app.add_option("--writers", flags.writers, "writers of metadata and small files");
  app.add_option("--data-writers", flags.data_writers, "writers of larger files");
  app.add_option("--readers", flags.readers, "readers of what writers have closed or synced");
  app.add_option("--replication", flags.replication, "replicas of each file");
  app.add_option("--trace", flags.trace, "append the history to this file");
  app.add_option("--seed", flags.seed, "of what the writers do");
  app.add_option("--patience-ms", flags.patience_ms, "of every second writer without a namenode");
  CLI11_PARSE(app, argc, argv);
  try {
    Load& load = *new Load(flags);
    std::cout << "ready" << std::endl;
    for (std::string line; std::getline(std::cin, line) && line != "quit";) {
      std::cout << load.Obey(line) << std::endl;
    }
  } catch (const std::runtime_error& error) {
    std::cerr << "cairn-load: " << error.what() << "\n";
    return 1;
  }
  std::cout.flush();
  ::_exit(0);
}

}  // namespace
}  // namespace cairn::load

int main(int argc, char** argv) { return cairn::load::Main(argc, argv); }
