#include "fuse/virtual_files.h"

#include <unistd.h>

#include <sstream>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/mount_report.h"
#include "common/version.h"

namespace cairn::fuse {
namespace {

enum : fuse_ino_t { kStatus = kVirtualDirectory + 1, kStatusJson, kMetrics, kVersionText };

std::string ReportText(const std::string& json,
                       void (*show)(const MountReport& report, std::ostream& out)) {
  const absl::StatusOr<MountReport> report = ParseMountReport(json);
  if (!report.ok()) return absl::StrCat("# ", report.status().message(), "\n");
  std::ostringstream out;
  show(*report, out);
  return out.str();
}

}  // namespace

const std::vector<std::pair<std::string, fuse_ino_t>>& VirtualFiles() {
  static const std::vector<std::pair<std::string, fuse_ino_t>> kFiles = {
      {"metrics", kMetrics},
      {"status", kStatus},
      {"status.json", kStatusJson},
      {"version", kVersionText}};
  return kFiles;
}

std::optional<fuse_ino_t> FindVirtualFile(absl::string_view name) {
  for (const auto& [known, ino] : VirtualFiles()) {
    if (known == name) return ino;
  }
  return std::nullopt;
}

struct stat VirtualAttributes(fuse_ino_t ino, uid_t owner, absl::Time begun) {
  struct stat s {};
  s.st_ino = ino;
  s.st_mode = ino == kVirtualDirectory ? S_IFDIR | 0555 : S_IFREG | 0444;
  s.st_nlink = 1;
  s.st_uid = owner;
  s.st_gid = ::getegid();
  s.st_mtim = s.st_ctim = s.st_atim = absl::ToTimespec(begun);
  return s;
}

std::string VirtualText(fuse_ino_t ino, const MountStatus& status, const Statistics& statistics) {
  switch (ino) {
    case kStatus:
      return ReportText(StatusText(status, statistics), &ShowMountReport);
    case kMetrics:
      return ReportText(StatusText(status, statistics), &ShowMountMetrics);
    case kStatusJson:
      return absl::StrCat(StatusText(status, statistics), "\n");
    case kVersionText:
      return absl::StrCat("cairn-fuse ", kVersion, ", libfuse ", fuse_pkgversion(), "\n");
    default:
      return "";
  }
}

std::unique_ptr<OpenVirtualFile> OpenVirtualFile::Open(std::string text,
                                                       std::atomic<size_t>& open) {
  if (++open > kMost) {
    --open;
    return nullptr;
  }
  return std::unique_ptr<OpenVirtualFile>(new OpenVirtualFile(std::move(text), open));
}

absl::string_view OpenVirtualFile::Read(uint64_t offset, size_t size) const {
  const absl::string_view text = text_;
  return offset < text.size() ? text.substr(offset, size) : absl::string_view();
}

}  // namespace cairn::fuse
