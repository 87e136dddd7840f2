#include "tools/dfs/copy.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/path.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/dfs/acl_spec.h"

namespace cairn::tools {
namespace {

constexpr char kTemporarySuffix[] = "._COPYING_";
constexpr int kMaxThreads = 256;
constexpr size_t kMaxQueuedJobs = 1024;

absl::Status ToItself(const PathItem& source, const std::string& target, absl::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat("`", source.text, "' to `", target, "': ", what));
}

}  // namespace

absl::StatusOr<CopyOptions> ToCopyOptions(const Shell& shell) {
  CopyOptions options;
  options.overwrite = shell.Has("f");
  options.direct = shell.Has("d");
  options.lazy_persist = shell.Has("l");
  options.keep_times = options.keep_owner = options.keep_mode = shell.Has("p");
  if (const auto threads = shell.Value("t")) {
    if (!absl::SimpleAtoi(*threads, &options.threads) || options.threads < 1) {
      return UsageStatus(absl::StrCat("For input string: \"", *threads, "\""));
    }
    options.threads = std::min(options.threads, kMaxThreads);
  }
  return options;
}

absl::StatusOr<PathItem> TakeDestination(Shell& shell, std::vector<std::string>& sources) {
  std::string text = ".";
  sources = shell.args();
  if (sources.size() > 1) {
    text = sources.back();
    sources.pop_back();
  }
  ASSIGN_OR_RETURN(std::vector<PathItem> items, shell.Expand(text));
  if (items.size() > 1) return PathError({.text = text}, "Too many matches");
  return items[0];
}

absl::Status CheckDestination(const PathItem& destination, size_t sources, bool overwrite) {
  if (sources > 1) {
    if (!destination.exists()) return NotFound(destination);
    return destination.is_directory() ? absl::OkStatus() : NotADirectory(destination);
  }
  if (destination.exists()) {
    return destination.is_directory() || overwrite ? absl::OkStatus() : AlreadyExists(destination);
  }
  return CheckParent(destination);
}

Copier::Copier(Shell& shell, CopyOptions options) : shell_(shell), options_(options) {
  for (int i = 0; options_.threads > 1 && i < options_.threads; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

Copier::~Copier() { Finish(); }

void Copier::Finish() {
  {
    MutexLock lock(mu_);
    finishing_ = true;
  }
  changed_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  for (const auto& [source, target] : std::exchange(directories_, {})) {
    if (const absl::Status status = FinishTree(source, target); !status.ok()) shell_.Error(status);
  }
}

void Copier::Work() {
  while (true) {
    std::function<absl::Status()> job;
    {
      MutexLock lock(mu_);
      while (jobs_.empty() && !finishing_) changed_.Wait(mu_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    changed_.NotifyAll();
    const absl::Status status = job();
    if (!status.ok()) shell_.Error(status);
  }
}

void Copier::Submit(std::function<absl::Status()> job) {
  if (threads_.empty()) {
    const absl::Status status = job();
    if (!status.ok()) shell_.Error(status);
    return;
  }
  {
    MutexLock lock(mu_);
    while (jobs_.size() >= kMaxQueuedJobs) changed_.Wait(mu_);
    jobs_.push_back(std::move(job));
  }
  changed_.NotifyAll();
}

absl::Status Copier::Copy(const PathItem& source, const PathItem& destination) {
  PathItem target = destination;
  if (destination.is_directory()) {
    target = destination.Child(client::BaseName(source.path));
    RETURN_IF_ERROR(target.Refresh());
  }
  if (source.is_directory() && source.volume == target.volume) {
    if (source.path == target.path) {
      return ToItself(source, target.volume->Qualify(target.path), "are identical");
    }
    if (absl::StartsWith(target.path, client::JoinPath(source.path, "")) &&
        target.path[source.path.size()] == '/') {
      return ToItself(source, target.text, "is a subdirectory of itself");
    }
  }
  return CopyItem(source, target);
}

absl::Status Copier::CopyItem(const PathItem& source, const PathItem& target) {
  if (source.is_directory()) return CopyTree(source, target);
  if (!source.is_file()) return PathError(source, "Operation not supported");
  Submit([this, source, target] { return CopyFile(source, target); });
  return absl::OkStatus();
}

absl::Status Copier::CopyTree(const PathItem& source, PathItem target) {
  // A move joins no trees: what was there before could not be told from what came.
  if (target.is_directory() && options_.delete_source) return AlreadyExists(target);
  if (!target.exists()) {
    RETURN_IF_ERROR(target.volume->Mkdirs(target.path));
    RETURN_IF_ERROR(target.Refresh());
  }
  if (!target.is_directory()) return NotADirectory(target);
  const absl::Status listed = shell_.ForEachChild(source, [&](PathItem child) {
    PathItem child_target = target.Child(client::BaseName(child.path));
    absl::Status status = child_target.Refresh();
    if (status.ok()) status = CopyItem(child, child_target);
    if (!status.ok()) shell_.Error(status);
    return absl::OkStatus();
  });
  RETURN_IF_ERROR(listed);
  if (threads_.empty()) return FinishTree(source, target);
  // Some of its files are still to come: those change its times, and need a mode that lets them.
  directories_.emplace_back(source, target);
  return absl::OkStatus();
}

absl::Status Copier::FinishTree(const PathItem& source, const PathItem& target) {
  RETURN_IF_ERROR(KeepAttributes(source, target));
  // Empty by now, unless something in it was not copied: that stays, and so does its directory.
  return options_.delete_source ? source.volume->Delete(source.path, false) : absl::OkStatus();
}

absl::Status Copier::CopyFile(const PathItem& source, const PathItem& target) {
  if (target.exists() && (target.is_directory() || !options_.overwrite)) {
    return AlreadyExists(target);
  }
  // Written in place the source's blocks are deleted while they are read, and removed as the
  // source of its own copy it is gone afterwards. By way of a temporary name no harm is done.
  if ((options_.direct || options_.delete_source) && target.exists()) {
    const std::string to = target.volume->Qualify(target.path);
    if (source.volume->Qualify(source.path) == to) return ToItself(source, to, "are identical");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader, source.volume->Open(source.path));
  progress_.SetFile(source.text, source.status->length);
  RETURN_IF_ERROR(CopyStream(*reader, target));
  RETURN_IF_ERROR(KeepAttributes(source, target));
  return options_.delete_source ? source.volume->Delete(source.path, false) : absl::OkStatus();
}

absl::Status Copier::CopyStream(Reader& reader, const PathItem& target) {
  if (target.exists() && (target.is_directory() || !options_.overwrite)) {
    return AlreadyExists(target);
  }
  Volume& volume = *target.volume;
  const std::string written =
      options_.direct ? target.path : absl::StrCat(target.path, kTemporarySuffix);
  absl::Status status = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(auto writer, volume.Create(written, {.overwrite = true,
                                                          .lazy_persist = options_.lazy_persist}));
    RETURN_IF_ERROR(CopyAll(reader, [&](std::span<const std::byte> piece) {
      progress_.Add(piece.size());
      return writer->Write(piece);
    }));
    return writer->Close();
  }();
  if (status.ok() && !options_.direct) status = Publish(written, target);
  // What is half there under the temporary name helps nobody; the first error is the one that
  // counts.
  if (!status.ok() && !options_.direct) volume.Delete(written, false).IgnoreError();
  return status;
}

absl::Status Copier::Publish(const std::string& written, const PathItem& target) {
  Volume& volume = *target.volume;
  // In one step, where HDFS deletes first. Its error is that of the deletion, without a frame.
  if (target.exists()) return volume.Replace(written, target.path);
  const absl::Status renamed = volume.Rename(written, target.path);
  if (renamed.ok()) return renamed;
  return absl::Status(renamed.code(),
                      absl::StrCat("rename `", target.text, kTemporarySuffix, "' to `", target.text,
                                   "': ", renamed.message()));
}

absl::Status Copier::KeepAttributes(const PathItem& source, const PathItem& target) {
  const client::FileStatus& s = *source.status;
  Volume& volume = *target.volume;
  if (options_.keep_times) RETURN_IF_ERROR(volume.SetTimes(target.path, s.modified, s.accessed));
  if (options_.keep_owner) RETURN_IF_ERROR(volume.SetOwner(target.path, s.owner, s.group));
  if (options_.keep_mode || options_.keep_acl) {
    RETURN_IF_ERROR(volume.SetMode(target.path, s.mode));
  }
  if (options_.keep_acl && s.has_acl) RETURN_IF_ERROR(KeepAcl(source, target));
  return options_.keep_xattrs ? KeepXattrs(source, target) : absl::OkStatus();
}

absl::Status Copier::KeepAcl(const PathItem& source, const PathItem& target) {
  ASSIGN_OR_RETURN(client::FileSystem* const from, Cluster(source));
  ASSIGN_OR_RETURN(client::FileSystem* const to, Cluster(target));
  ASSIGN_OR_RETURN(const client::AclStatus acl, from->GetAcl(source.path));
  return to->SetAcl(target.path, WholeAcl(acl.entries, source.status->mode));
}

absl::Status Copier::KeepXattrs(const PathItem& source, const PathItem& target) {
  ASSIGN_OR_RETURN(client::FileSystem* const from, Cluster(source));
  const absl::StatusOr<std::vector<client::Xattr>> xattrs = from->GetXattrs(source.path);
  // A server without extended attributes has none to lose.
  if (GetFsError(xattrs.status()) == FsError::kNoSuchMethod) return absl::OkStatus();
  RETURN_IF_ERROR(xattrs.status());
  for (const client::Xattr& xattr : *xattrs) {
    ASSIGN_OR_RETURN(client::FileSystem* const to, Cluster(target));
    RETURN_IF_ERROR(to->SetXattr(target.path, xattr));
  }
  return absl::OkStatus();
}

}  // namespace cairn::tools
