#include "tests/sim/history.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>

#include "absl/strings/str_cat.h"
#include "tests/sim/limits.h"

namespace cairn::sim {
namespace {

using Kind = Fault::Kind;

constexpr absl::Duration kFinishLimit = absl::Seconds(20);  // for applications, after the mending
constexpr absl::Duration kBetweenLooks = absl::Seconds(15);
constexpr int kLooks = 40;  // longer than all clocks together take

class Run {
 public:
  explicit Run(const RunOptions& options)
      : options_(options), setting_(MakeSetting(options.seed)), cluster_(options, setting_) {}

  Result Go() {
    World& world = cluster_.world;
    cluster_.namenode->Start();
    for (const auto& node : cluster_.datanodes) node->Start();
    for (const auto& application : cluster_.applications) {
      world.After(absl::Milliseconds(100), [&] { application->Start(); });
    }
    for (size_t i = 0; i < setting_.faults.size(); ++i) {
      if (options_.without.contains(i)) continue;
      const Fault& fault = setting_.faults[i];
      world.After(fault.when, [this, &fault] { Happen(fault); });
    }
    if (world.RunUntil(setting_.length)) Mend();
    Result result;
    result.failure = world.failure();
    result.trace_hash = world.trace_hash();
    result.events = world.events();
    result.time = world.now();
    return result;
  }

 private:
  DatanodeNode& Node(int host) { return *cluster_.datanodes[static_cast<size_t>(host - 1)]; }

  void StartLater(DatanodeNode& node, absl::Duration delay) {
    cluster_.world.After(delay, [&node] {
      if (!node.occupied()) node.Start();
    });
  }
  void StartNamenodeLater(absl::Duration delay) {
    cluster_.world.After(delay, [this] {
      if (!cluster_.namenode->running()) cluster_.namenode->Start();
    });
  }

  void Happen(const Fault& fault) {
    World& world = cluster_.world;
    if (mended_) return;
    world.Trace("FAULT %s", fault.ToString());
    switch (fault.kind) {
      case Kind::kKillDatanode:
        Node(fault.host).Kill();
        return StartLater(Node(fault.host), fault.time);
      case Kind::kPowerCutDatanode:
        Node(fault.host).PowerCut();
        return StartLater(Node(fault.host), fault.time);
      case Kind::kPowerCutInDatanode:
        Node(fault.host).PowerCutAfter(fault.number);
        // If nothing is written until then it goes at once.
        return world.After(absl::Seconds(5), [this, fault] {
          if (mended_) return;
          Node(fault.host).PowerCut();
          StartLater(Node(fault.host), fault.time);
        });
      case Kind::kPauseDatanode:
        return Node(fault.host).Pause(fault.time);
      case Kind::kDiskError:
        return Node(fault.host).FailCall(fault.number);
      case Kind::kFlipBit:
        return FlipBit(Node(fault.host));
      case Kind::kPowerCutNamenode:
        cluster_.namenode->PowerCut();
        return StartNamenodeLater(fault.time);
      case Kind::kPauseNamenode:
        return cluster_.namenode->Pause(fault.time);
      case Kind::kPowerCutAll:
        cluster_.namenode->PowerCut();
        StartNamenodeLater(fault.time);
        for (const auto& node : cluster_.datanodes) {
          node->PowerCut();
          StartLater(*node, world.Between(absl::Milliseconds(10), fault.time));
        }
        return;
      case Kind::kCut:
        return Cut(fault.host, fault.other, fault.time);
      case Kind::kIsolate:
        for (int other = 0; other <= setting_.datanodes; ++other) {
          if (other == fault.host) continue;
          Cut(fault.host, other, fault.time);
          Cut(other, fault.host, fault.time);
        }
        return;
      case Kind::kSlow:
        cluster_.network.SetSlowest(absl::Seconds(1));
        return world.After(fault.time, [this] { cluster_.network.SetSlowest(kUsual); });
      case Kind::kKillWriter:
        return cluster_.applications[static_cast<size_t>(fault.host)]->Kill();
      case Kind::kPauseWriter:
        return cluster_.applications[static_cast<size_t>(fault.host)]->Pause(fault.time);
    }
  }

  void Cut(Host from, Host to, absl::Duration time) {
    cluster_.network.Cut(from, to);
    cluster_.world.After(std::min(time, setting_.length - cluster_.world.now()),
                         [this, from, to] { cluster_.network.Mend(from, to); });
  }

  // Only where others have it too: a rotten last replica is a loss that nobody can prevent.
  void FlipBit(DatanodeNode& node) {
    if (!node.running()) return;
    std::vector<BlockId> choice;
    for (const datanode::ReplicaInfo& replica : node.store().List(0)) {
      int copies = 0;
      for (const auto& other : cluster_.datanodes) {
        if (other.get() == &node || !other->running()) continue;
        const auto theirs = other->store().Find(replica.block);
        if (theirs.has_value() && theirs->stamp == replica.stamp &&
            theirs->state == datanode::ReplicaState::kFinalized &&
            !cluster_.rotten.contains({other->host(), replica.block})) {
          ++copies;
        }
      }
      if (copies > 0) choice.push_back(replica.block);
    }
    if (choice.empty()) return;
    const BlockId block = choice[cluster_.world.Random(choice.size())];
    const GenerationStamp stamp = node.store().Find(block)->stamp;
    if (node.FlipBit(block)) cluster_.rotten[{node.host(), block}] = stamp;
  }

  // Everything is mended; applications may finish; then there is nothing but time.
  void Mend() {
    World& world = cluster_.world;
    mended_ = true;
    world.Trace("everything is mended");
    cluster_.network.SetSlowest(kUsual);
    if (!cluster_.namenode->running()) cluster_.namenode->Start();
    cluster_.namenode->Pause(absl::ZeroDuration());
    for (const auto& node : cluster_.datanodes) {
      // A disk that has failed is replaced, or checked, by a start.
      node->Kill();
      node->Repair();
      node->Start();
    }
    for (const auto& application : cluster_.applications) application->Finish();
    if (!world.RunUntil(world.now() + kFinishLimit)) return;
    for (const auto& application : cluster_.applications) application->Kill();
    for (int look = 1; look <= kLooks; ++look) {
      if (!world.RunUntil(world.now() + kBetweenLooks)) return;
      const std::string problem = Examine(cluster_);
      if (problem.empty()) return;
      world.Trace("look %d: %s", look, problem);
      // What a datanode told before the namenode could make sense of it is not told again by
      // itself.
      if (look % 4 == 0) {
        for (const auto& node : cluster_.datanodes) node->TriggerReport();
      }
      if (look == kLooks) world.Fail(problem);
    }
  }

  static constexpr absl::Duration kUsual = absl::Milliseconds(2);

  const RunOptions options_;
  const Setting setting_;
  Cluster cluster_;
  bool mended_ = false;
};

}  // namespace

Cluster::Cluster(const RunOptions& options, const Setting& setting)
    : world(options.seed, options.verbose) {
  namenode = std::make_unique<NamenodeNode>(world, network, options.planted);
  for (int host = 1; host <= setting.datanodes; ++host) {
    datanodes.push_back(std::make_unique<DatanodeNode>(world, network, *namenode, datanodes, host,
                                                       options.planted));
  }
  for (int writer = 0; writer < setting.writers; ++writer) {
    applications.push_back(
        std::make_unique<Application>(world, network, *namenode, datanodes, oracle, writer));
  }
}

namespace {

std::atomic<uint64_t> seed_running{0};

// Async-signal-safe: a CHECK has failed, or worse.
void SayWhichHistory(int signal) {
  std::array<char, 48> text{};
  size_t at = text.size();
  text[--at] = '\n';
  for (uint64_t n = seed_running.load(); n > 0 || at == text.size() - 1; n /= 10) {
    text[--at] = static_cast<char>('0' + n % 10);
  }
  constexpr absl::string_view kWhat = "sim: this was seed ";
  at -= kWhat.size();
  std::copy(kWhat.begin(), kWhat.end(), text.begin() + static_cast<std::ptrdiff_t>(at));
  [[maybe_unused]] const ssize_t ignored =
      ::write(STDERR_FILENO, text.data() + at, text.size() - at);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

Result RunHistory(const RunOptions& options) {
  seed_running = options.seed;
  std::signal(SIGABRT, SayWhichHistory);
  std::signal(SIGSEGV, SayWhichHistory);
  return Run(options).Go();
}

std::set<size_t> Shrink(RunOptions options) {
  options.verbose = false;
  const size_t faults = MakeSetting(options.seed).faults.size();
  for (size_t i = 0; i < faults; ++i) {
    RunOptions fewer = options;
    fewer.without.insert(i);
    if (!RunHistory(fewer).failure.empty()) options = fewer;
  }
  return options.without;
}

}  // namespace cairn::sim
