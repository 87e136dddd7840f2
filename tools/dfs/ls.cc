#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/mode.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/format.h"

namespace cairn::tools {
namespace {

using client::FileStatus;

class Lister {
 public:
  explicit Lister(Shell& shell)
      : shell_(shell), recursive_(shell.Has("R")), paths_only_(shell.Has("C")) {}

  absl::Status ListArgument(const PathItem& item) {
    if (item.is_directory() && !shell_.Has("d")) return ListDirectory(item);
    Print({item});
    return absl::OkStatus();
  }

 private:
  absl::Status ListDirectory(const PathItem& directory) {
    std::vector<PathItem> children;
    RETURN_IF_ERROR(shell_.ForEachChild(directory, [&](PathItem child) {
      children.push_back(std::move(child));
      return absl::OkStatus();
    }));
    Sort(children);
    if (!recursive_) {
      if (!children.empty() && !paths_only_) {
        shell_.out() << "Found " << children.size() << " items\n";
      }
      Print(std::move(children));
      return absl::OkStatus();
    }
    Widen(children);
    for (const PathItem& child : children) {
      PrintLine(child);
      if (!child.is_directory()) continue;
      const absl::Status status = ListDirectory(child);
      if (!status.ok()) shell_.Error(status);
    }
    return absl::OkStatus();
  }

  void Sort(std::vector<PathItem>& items) const {
    const auto before = [this](const PathItem& a, const PathItem& b) {
      if (shell_.Has("t")) return Time(*a.status) > Time(*b.status);
      if (shell_.Has("S")) return a.status->length > b.status->length;
      return a.path < b.path;
    };
    if (shell_.Has("r")) {
      std::stable_sort(items.begin(), items.end(),
                       [&](const PathItem& a, const PathItem& b) { return before(b, a); });
    } else {
      std::stable_sort(items.begin(), items.end(), before);
    }
  }

  absl::Time Time(const FileStatus& status) const {
    return shell_.Has("u") ? status.accessed : status.modified;
  }
  std::string Size(const FileStatus& status) const {
    return SizeText(status.length, shell_.Has("h"));
  }
  static std::string Replication(const FileStatus& status) {
    return status.is_directory() ? "-" : absl::StrCat(status.replication);
  }
  static std::string EcPolicy(const FileStatus& status) {
    if (!status.ec_policy.empty()) return status.ec_policy;
    return status.is_directory() ? "" : "Replicated";
  }

  // Columns never get narrower again, so that one run's lines stand below each other. That of the
  // coding policies goes away where there are none, as HDFS's does.
  void Widen(const std::vector<PathItem>& items) {
    if (!items.empty()) ec_width_ = 0;
    for (const PathItem& item : items) {
      const FileStatus& s = *item.status;
      replication_width_ = std::max(replication_width_, Replication(s).size());
      owner_width_ = std::max(owner_width_, s.owner.size());
      group_width_ = std::max(group_width_, s.group.size());
      size_width_ = std::max(size_width_, Size(s).size());
      ec_width_ = std::max(ec_width_, EcPolicy(s).size());
    }
  }

  void Print(std::vector<PathItem> items) {
    Widen(items);
    for (const PathItem& item : items) PrintLine(item);
  }

  void PrintLine(const PathItem& item) {
    const std::string name = shell_.Has("q") ? Printable(item.text) : item.text;
    if (paths_only_) {
      shell_.out() << name << "\n";
      return;
    }
    const FileStatus& s = *item.status;
    const char* type = s.is_directory() ? "d" : s.type == client::FileType::kSymlink ? "l" : "-";
    shell_.out() << type << client::ModeText(s.mode) << (s.has_acl ? "+" : " ")
                 << PadLeft(Replication(s), replication_width_) << " "
                 << PadRight(s.owner, owner_width_) << " " << PadRight(s.group, group_width_)
                 << " ";
    if (shell_.Has("e") && ec_width_ > 0) shell_.out() << PadRight(EcPolicy(s), ec_width_) << " ";
    shell_.out() << PadLeft(Size(s), size_width_) << " " << MinuteText(Time(s)) << " " << name
                 << "\n";
  }

  Shell& shell_;
  const bool recursive_;
  const bool paths_only_;
  size_t replication_width_ = 3;
  size_t size_width_ = 10;
  size_t owner_width_ = 0;
  size_t group_width_ = 0;
  size_t ec_width_ = 0;
};

}  // namespace

absl::Status RunLs(Shell& shell) {
  RETURN_IF_ERROR(
      shell.TakeOptions({"C", "d", "h", "q", "R", "t", "S", "r", "u", "e"}, {}, 0, SIZE_MAX));
  if (shell.args().empty()) shell.args().push_back(".");
  Lister lister(shell);
  return shell.ForEach(shell.args(), [&](PathItem& item) { return lister.ListArgument(item); });
}

}  // namespace cairn::tools
