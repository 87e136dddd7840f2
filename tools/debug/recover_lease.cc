#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/file_system.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "tools/cluster_options.h"
#include "tools/debug/debug.h"

namespace cairn::tools {
namespace {

constexpr absl::Duration kPause = absl::Seconds(5);

struct Target {
  std::unique_ptr<client::FileSystem> fs;
  std::string path;
};

absl::StatusOr<Target> Resolve(const std::string& text, client::ClientOptions options) {
  ASSIGN_OR_RETURN(const client::PathUri uri, client::ParsePathUri(text));
  if (!uri.scheme.empty()) options.default_uri = absl::StrCat(uri.scheme, "://", uri.authority);
  Target target;
  const std::string cluster = options.default_uri.empty() ? "hdfs://" : options.default_uri;
  ASSIGN_OR_RETURN(target.fs, client::FileSystem::Connect(cluster, std::move(options)));
  target.path = client::NormalizePath(client::JoinPath(target.fs->HomeDirectory(), uri.path));
  return target;
}

}  // namespace

int RunRecoverLease(CommandContext& ctx) {
  absl::StatusOr<client::ClientOptions> options = TakeClusterOptions(ctx.args);
  const std::string path = TakeDebugOption(ctx, "-path");
  const std::string retries = TakeDebugOption(ctx, "-retries");
  if (path.empty()) {
    ctx.err << "You must supply a -path argument to recoverLease.\n";
    return kExitFailed;
  }
  if (ArgumentsAreLeft(ctx)) return kExitFailed;
  int tries = 1;
  if (!retries.empty() && !absl::SimpleAtoi(retries, &tries)) {
    ctx.err << "Failed to parse the argument to -retries: " << retries << "\n";
    return kExitFailed;
  }
  const absl::StatusOr<Target> target =
      options.ok() ? Resolve(path, *std::move(options)) : options.status();
  if (!target.ok()) {
    ctx.err << "recoverLease: " << target.status().message() << "\n";
    return kExitFailed;
  }
  for (int done = 1;; ++done) {
    const absl::StatusOr<bool> closed = target->fs->RecoverLease(target->path);
    if (closed.ok() && *closed) {
      ctx.out << "recoverLease SUCCEEDED on " << path << "\n";
      return kExitOk;
    }
    if (closed.ok()) {
      ctx.err << "recoverLease returned false.\n";
    } else {
      ctx.err << "recoverLease got exception: " << closed.status().message() << "\n";
    }
    if (done >= tries) break;
    ctx.err << "Retrying in 5000 ms...\nRetry #" << done << "\n";
    absl::SleepFor(kPause);
  }
  ctx.err << "Giving up on recoverLease for " << path << " after " << tries
          << (tries == 1 ? " try\n" : " tries.\n");
  return kExitFailed;
}

}  // namespace cairn::tools
