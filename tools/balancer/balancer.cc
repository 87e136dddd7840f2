#include "tools/balancer/balancer.h"

#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cluster_admin.h"
#include "common/fs_error.h"
#include "tools/balancer/follower.h"
#include "tools/balancer/options.h"
#include "tools/cluster_options.h"
#include "tools/hadoop_text.h"
#include "tools/json.h"

namespace cairn::tools {
namespace {

// Far below the life of a job that is not renewed.
constexpr absl::Duration kPollInterval = absl::Milliseconds(500);

volatile std::sig_atomic_t interrupted = 0;

// A first signal ends the job in order; the second one ends the process.
void CatchSignals() {
  for (const int signal : {SIGINT, SIGTERM}) {
    std::signal(signal, [](int caught) {
      interrupted = 1;
      std::signal(caught, SIG_DFL);
    });
  }
}

std::string Holder() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return absl::StrCat("cairn balancer, process ", ::getpid(), " on ", host);
}

class BalancerRun {
 public:
  BalancerRun(client::ClusterAdmin& admin, const BalancerOptions& options, std::ostream& out)
      : admin_(admin),
        options_(options),
        out_(out),
        follower_(options.idle_iterations),
        namenode_(absl::StrCat("hdfs://", admin.authority())) {}

  int Run() {
    const absl::Time began = absl::Now();
    if (!options_.json) out_ << kBalanceHeader << std::flush;
    const BalanceEnd end = Follow();
    if (end != BalanceEnd::kAlreadyRunning) {
      admin_.Balance(options_.job, 0, /*stop=*/true).IgnoreError();  // else it ends by itself
    }
    const absl::Duration elapsed = absl::Now() - began;
    if (options_.json) {
      Line([&](JsonWriter& json) {
        WriteEnd(end, message_, follower_.bytes_moved(), elapsed, json);
      });
    } else {
      out_ << BalanceTime(absl::Now()) << " Balancing took " << ElapsedText(elapsed) << "\n";
    }
    return ExitCodeOf(end);
  }

 private:
  BalanceEnd Follow() {
    std::string shown;
    for (;; absl::SleepFor(kPollInterval)) {
      if (interrupted != 0) return End(BalanceEnd::kInterrupted, "Interrupted.  Exiting ...");
      const auto progress = admin_.Balance(options_.job, follower_.asked_from(), /*stop=*/false);
      if (!progress.ok()) return Failed(progress.status());
      if (!progress->busy_with.empty()) {
        return End(
            BalanceEnd::kAlreadyRunning,
            absl::StrCat("Another Balancer is running: ", progress->busy_with, ".  Exiting ..."));
      }
      if (progress->begun) follower_.Begun();
      for (const client::BalanceIteration& iteration : progress->iterations) {
        const BalanceEnd end = TakeIteration(iteration);
        if (end != BalanceEnd::kInProgress) return end;
      }
      if (options_.json) ShowProgress(*progress, &shown);
    }
  }

  BalanceEnd TakeIteration(const client::BalanceIteration& iteration) {
    const BalanceEnd end = follower_.Take(iteration);
    // As HDFS: why nothing moves comes before the iteration's row, that all is well after it.
    if (end == BalanceEnd::kNoMoveBlock) {
      End(end, "No block can be moved. Exiting...");
    } else if (end == BalanceEnd::kNoMoveProgress) {
      End(end, absl::StrCat("No block has been moved for ", follower_.idle(),
                            " iterations. Exiting..."));
    }
    if (options_.json) {
      Line([&](JsonWriter& json) { WriteIteration(iteration, follower_, json); });
    } else {
      PrintIteration(iteration, follower_, namenode_, out_);
      out_.flush();
    }
    if (end == BalanceEnd::kSuccess) End(end, "The cluster is balanced. Exiting...");
    return end;
  }

  void ShowProgress(const client::BalanceProgress& progress, std::string* shown) {
    const std::string facts =
        absl::StrCat(progress.iteration, " ", progress.bytes_moved, " ", progress.blocks_failed,
                     " ", progress.moves, " ", progress.waiting_for);
    if (facts == *shown) return;
    *shown = facts;
    Line([&](JsonWriter& json) { WriteProgress(progress, follower_, json); });
  }

  BalanceEnd Failed(const absl::Status& status) {
    const FsError error = GetFsError(status);
    const bool not_cairn = error == FsError::kNoSuchProtocol || error == FsError::kNoSuchMethod;
    return End(
        BalanceEnd::kIoException,
        absl::StrCat(not_cairn ? "this namenode moves no blocks by itself: it is no Cairn, or "
                                 "an older one. An Apache HDFS is balanced by hdfs balancer"
                               : status.message(),
                     ".  Exiting ..."));
  }

  BalanceEnd End(BalanceEnd end, std::string message) {
    message_ = std::move(message);
    if (!options_.json) out_ << Escaped(message_) << "\n";
    return end;
  }

  template <typename Write>
  void Line(Write write) {
    JsonWriter json(out_);
    write(json);
    out_.flush();  // each is a line
  }

  client::ClusterAdmin& admin_;
  const BalancerOptions& options_;
  std::ostream& out_;
  BalanceFollower follower_;
  const std::string namenode_;
  std::string message_;
};

int UsageFailed(std::ostream& err, absl::string_view why) {
  err << "balancer: " << why << "\n" << kBalancerUsage;
  return ExitCodeOf(BalanceEnd::kIllegalArguments);
}

}  // namespace

int RunBalancer(CommandContext& ctx) {
  std::vector<std::string> args = ctx.args;
  if (!args.empty() && (args[0] == "-help" || args[0] == "-h" || args[0] == "--help")) {
    ctx.out << kBalancerUsage;
    return kExitOk;
  }
  absl::StatusOr<ClusterConfig> cluster = TakeClusterConfig(args, BalancerConfigKeys());
  if (!cluster.ok()) return UsageFailed(ctx.err, cluster.status().message());
  absl::StatusOr<BalancerOptions> options = ParseBalancerOptions(args, cluster->config);
  if (!options.ok()) return UsageFailed(ctx.err, options.status().message());
  for (const std::string& remark : options->remarks) ctx.err << "balancer: " << remark << "\n";
  absl::BitGen random;
  options->job.id = absl::Uniform<uint64_t>(absl::IntervalClosed, random, 1, UINT64_MAX);
  options->job.holder = Holder();
  const client::ClientOptions& client = cluster->options;
  const auto admin = client::ClusterAdmin::Connect(
      client.default_uri.empty() ? "hdfs://" : client.default_uri, client);
  if (!admin.ok()) return UsageFailed(ctx.err, admin.status().message());
  CatchSignals();
  return BalancerRun(**admin, *options, ctx.out).Run();
}

}  // namespace cairn::tools
