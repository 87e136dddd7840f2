#include "tools/mount/mount.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/mount_report.h"
#include "common/mount_status.h"
#include "common/status_macros.h"

namespace cairn::tools {
namespace {

enum class Form { kText, kJson, kPrometheus };

absl::StatusOr<std::string> Ask(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, directory);
  const auto answer = std::make_unique<MountStatusText>();
  const int result = ::ioctl(fd, kMountStatusIoctl, answer.get());
  const int error = errno;
  ::close(fd);
  if (result != 0 && (error == ENOTTY || error == EINVAL || error == EOPNOTSUPP)) {
    return absl::FailedPreconditionError(absl::StrCat(directory, ": is no mount of cairn-fuse"));
  }
  if (result != 0) return absl::ErrnoToStatus(error, directory);
  if (answer->bytes > sizeof(answer->text)) {
    return absl::InternalError(absl::StrCat(directory, ": the mount's answer is not understood"));
  }
  return std::string(answer->text, answer->bytes);
}

absl::Status Show(const std::string& directory, Form form, std::ostream& out) {
  ASSIGN_OR_RETURN(const std::string text, Ask(directory));
  ASSIGN_OR_RETURN(const MountReport report, ParseMountReport(text));
  switch (form) {
    case Form::kText:
      ShowMountReport(report, out);
      break;
    case Form::kJson:
      out << text << "\n";
      break;
    case Form::kPrometheus:
      ShowMountMetrics(report, out);
      break;
  }
  return absl::OkStatus();
}

}  // namespace

int RunMount(CommandContext& ctx) {
  const auto usage = [&](const std::string& why) {
    ctx.err << "cairn mount: " << why
            << "\nusage: cairn mount status DIRECTORY [--json | --prometheus]\n";
    return kExitUsage;
  };
  Form form = Form::kText;
  std::vector<std::string> words;
  for (const std::string& arg : ctx.args) {
    if (arg == "--json") {
      form = Form::kJson;
    } else if (arg == "--prometheus") {
      form = Form::kPrometheus;
    } else if (absl::StartsWith(arg, "-")) {
      return usage(absl::StrCat("no such option: ", arg));
    } else {
      words.push_back(arg);
    }
  }
  if (words.size() != 2 || words[0] != "status") {
    return usage("\"status\" and the directory of a mount are needed");
  }
  const absl::Status shown = Show(words[1], form, ctx.out);
  if (shown.ok()) return kExitOk;
  ctx.err << "cairn mount: " << shown.message() << "\n";
  return kExitFailed;
}

}  // namespace cairn::tools
