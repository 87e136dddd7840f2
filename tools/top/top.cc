#include "tools/top/top.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "client/cluster_admin.h"
#include "common/status_macros.h"
#include "tools/cluster_options.h"
#include "tools/json.h"
#include "tools/top/judge.h"
#include "tools/top/keys.h"

namespace cairn::tools {
namespace {

struct TopOptions {
  bool once = false, json = false;
  absl::Duration interval = absl::Seconds(2);
};

absl::StatusOr<TopOptions> ParseTopOptions(const std::vector<std::string>& args) {
  TopOptions o;
  for (size_t i = 0; i < args.size(); ++i) {
    double seconds = 0;
    if (args[i] == "--once") {
      o.once = true;
    } else if (args[i] == "--json") {
      o.json = true;
    } else if (args[i] == "--interval" && i + 1 < args.size() &&
               absl::SimpleAtod(args[i + 1], &seconds) && seconds >= 0.1 && seconds <= 3600) {
      o.interval = absl::Seconds(seconds);
      ++i;
    } else {
      return absl::InvalidArgumentError(args[i]);
    }
  }
  return o;
}

size_t TerminalRows() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row - 1u : 24u;
}

absl::Status ShowOnce(client::ClusterAdmin& admin, const TopOptions& o, std::ostream& out) {
  ASSIGN_OR_RETURN(const client::Operations before, admin.GetOperations());
  absl::SleepFor(o.interval);
  ASSIGN_OR_RETURN(const client::Operations after, admin.GetOperations());
  ASSIGN_OR_RETURN(client::ClusterFacts cluster, admin.DescribeCluster());
  const TopSample sample = MakeSample(std::move(cluster), before, after);
  if (o.json) {
    JsonWriter json(out);
    WriteTop(sample, json);
  } else {
    PrintTop(sample, admin.authority(), 0, out);
  }
  return absl::OkStatus();
}

absl::Status ShowLive(client::ClusterAdmin& admin, const TopOptions& o, std::ostream& out) {
  constexpr char kHomeAndClear[] = "\x1b[H\x1b[J";
  Keys keys(STDIN_FILENO);
  ASSIGN_OR_RETURN(client::Operations before, admin.GetOperations());
  while (!keys.QuitWithin(o.interval)) {
    ASSIGN_OR_RETURN(client::Operations after, admin.GetOperations());
    ASSIGN_OR_RETURN(client::ClusterFacts cluster, admin.DescribeCluster());
    out << kHomeAndClear;
    PrintTop(MakeSample(std::move(cluster), before, after), admin.authority(), TerminalRows(), out);
    if (!out.flush()) return absl::UnavailableError("Unable to write to output stream.");
    before = std::move(after);
  }
  return absl::OkStatus();
}

}  // namespace

int RunTop(CommandContext& ctx) {
  std::vector<std::string> args = ctx.args;
  const absl::StatusOr<client::ClientOptions> options = TakeClusterOptions(args);
  const absl::StatusOr<TopOptions> top = ParseTopOptions(args);
  if (!options.ok() || !top.ok()) {
    if (!options.ok()) ctx.err << "top: " << options.status().message() << "\n";
    if (!top.ok()) ctx.err << "top: what is \"" << top.status().message() << "\"?\n";
    ctx.err << "usage: cairn top [-conf DIR] [-fs URI] [-D KEY=VALUE]... [--once] "
               "[--interval SECONDS] [--json]\n";
    return kExitUsage;
  }
  const std::string uri = options->default_uri.empty() ? "hdfs://" : options->default_uri;
  const auto admin = client::ClusterAdmin::Connect(uri, *options);
  absl::Status status = admin.status();
  if (status.ok()) {
    const bool live = !top->once && !top->json && ::isatty(STDOUT_FILENO) == 1;
    status = live ? ShowLive(**admin, *top, ctx.out) : ShowOnce(**admin, *top, ctx.out);
  }
  if (status.ok()) return kExitOk;
  ctx.err << "top: " << status.message() << "\n";
  return kExitFailed;
}

}  // namespace cairn::tools
