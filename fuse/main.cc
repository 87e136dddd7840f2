// The `cairn-fuse` program. Exit status: 0 mounted (in the foreground: unmounted again), 1 an
// error, which is printed, 2 bad usage.
#include <iostream>
#include <optional>

#include "common/descriptors.h"
#include "common/logging.h"
#include "common/protobuf_log.h"
#include "common/version.h"
#include "fuse/background.h"
#include "fuse/mount.h"
#include "fuse/options.h"
#include "fuse/session.h"

namespace cairn::fuse {
namespace {

int Explain(const absl::Status& status) {
  std::cerr << "cairn-fuse: " << status.message() << "\n";
  return 1;
}

int Run(const CommandLine& line) {
  const absl::StatusOr<MountSettings> settings = ToSettings(line);
  if (!settings.ok()) return Explain(settings.status());
  const absl::Status logging =
      InitLogging({.program = "fuse", .level = line.log_level, .file = line.log_file});
  if (!logging.ok()) return Explain(logging);
  LogProtobufErrors();

  std::optional<Background> background;
  if (!line.foreground && !line.fake) {
    absl::StatusOr<Background> entered = Background::Enter();
    if (!entered.ok()) return Explain(entered.status());
    background.emplace(*std::move(entered));
  }
  HoldEndingSignals();
  RaiseDescriptorLimit();  // each file that is read or written holds a connection or more
  const absl::StatusOr<std::unique_ptr<Mount>> mount = Mount::Create(*settings);
  if (!mount.ok()) return Explain(mount.status());
  if (line.fake) return 0;
  const absl::Status served = RunSession(line, **mount, [&] {
    if (line.foreground) std::cout << "ready fuse mountpoint=" << line.mountpoint << std::endl;
    if (background.has_value()) background->Ready();
    LOG_INFO("{} is mounted at {}", line.source, line.mountpoint);
  });
  return served.ok() ? 0 : Explain(served);
}

int Main(int argc, char** argv) {
  const absl::StatusOr<CommandLine> line =
      ParseCommandLine(argc > 0 ? argv[0] : "", {argv + 1, argv + argc});
  if (!line.ok()) {
    std::cerr << "cairn-fuse: " << line.status().message() << "\n" << kUsage;
    return 2;
  }
  if (line->help) {
    std::cout << kUsage;
    return 0;
  }
  if (line->version) {
    std::cout << "cairn-fuse " << kVersion << ", libfuse " << fuse_pkgversion() << "\n";
    return 0;
  }
  return Run(*line);
}

}  // namespace
}  // namespace cairn::fuse

int main(int argc, char** argv) { return cairn::fuse::Main(argc, argv); }
