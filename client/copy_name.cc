#include "client/copy_name.h"

#include <unistd.h>

#include <array>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace cairn::client {
namespace {

constexpr absl::Duration kLeftAfter = absl::Hours(1);

std::string ThisHost() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

}  // namespace

std::string ToName(const CopyName& copy) {
  return absl::StrCat(kCopyPrefix, copy.inode, ".", copy.pid, ".", copy.host);
}

CopyName CopyNameOf(uint64_t inode) {
  return {.inode = inode, .pid = ::getpid(), .host = ThisHost()};
}

std::optional<CopyName> ParseCopyName(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, kCopyPrefix)) return std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(name, absl::MaxSplits('.', 2));
  CopyName copy;
  if (parts.size() != 3 || parts[2].empty() ||
      !absl::SimpleAtoi(std::string(parts[0]), &copy.inode) ||
      !absl::SimpleAtoi(std::string(parts[1]), &copy.pid) || copy.pid <= 0) {
    return std::nullopt;
  }
  copy.host = std::string(parts[2]);
  // Numbers in another spelling are of another maker.
  if (ToName(copy) != absl::StrCat(kCopyPrefix, name)) return std::nullopt;
  return copy;
}

bool IsLeftOver(const CopyName& copy, const FileStatus& found, absl::string_view this_host,
                const std::function<bool(pid_t)>& is_running, absl::Time now) {
  if (!found.is_file()) return false;
  if (copy.host == this_host) return !is_running(copy.pid);
  return found.open == false && found.modified + kLeftAfter < now;
}

}  // namespace cairn::client
