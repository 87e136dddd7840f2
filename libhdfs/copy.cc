#include "libhdfs/copy.h"

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/path.h"
#include "common/status_macros.h"

namespace cairn::libhdfs {
namespace {

constexpr size_t kPieceBytes = 1 << 20;

bool IsOneCluster(const Place& a, const Place& b) {
  return absl::EqualsIgnoreCase(a->authority(), b->authority()) && a->user() == b->user();
}

// One thing under two names of its cluster ("localhost" and "127.0.0.1"). Another cluster may have
// given the same id, but hardly to the same path with the same time and length.
bool IsOneThing(const Place& a, const Place& b) {
  if (a.path != b.path) return false;
  const absl::StatusOr<client::FileStatus> one = a->Stat(a.path);
  const absl::StatusOr<client::FileStatus> other = b->Stat(b.path);
  return one.ok() && other.ok() && one->inode == other->inode && one->length == other->length &&
         one->modified == other->modified;
}

uint64_t InodeOf(const Place& place, const std::string& path) {
  const absl::StatusOr<client::FileStatus> status = place->Stat(path);
  return status.ok() ? status->inode : 0;
}

// Whether `target`, of the same cluster, is `from` or below it. An inode has another name,
// /.reserved/.inodes/ID, by which what is below it may be named too.
bool IsWithin(const Place& from, const Place& target) {
  if (target.path == from.path || from.path == "/" ||
      absl::StartsWith(target.path, absl::StrCat(from.path, "/"))) {
    return true;
  }
  constexpr absl::string_view kReserved = "/.reserved/";
  if (!absl::StartsWith(from.path, kReserved) && !absl::StartsWith(target.path, kReserved)) {
    return false;
  }
  const uint64_t inode = InodeOf(from, from.path);
  if (inode == 0) return false;
  for (std::string path = target.path; path.size() > 1; path = client::ParentPath(path)) {
    if (InodeOf(target, path) == inode) return true;
  }
  return false;
}

// `to`, or the name of `from` in it.
absl::StatusOr<Place> TargetOf(const Place& from, Place to) {
  const absl::StatusOr<client::FileStatus> status = to->Stat(to.path);
  if (absl::IsNotFound(status.status())) return to;
  RETURN_IF_ERROR(status.status());
  if (status->is_directory()) {
    to.path = client::JoinPath(to.path, client::BaseName(from.path));
  }
  return to;
}

absl::Status RefuseItself(const Place& from, const Place& target) {
  const bool one_cluster = absl::EqualsIgnoreCase(from->authority(), target->authority());
  if ((one_cluster && IsWithin(from, target)) || IsOneThing(from, target)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot copy ", from.path, " to itself or into itself, ", target.path));
  }
  return absl::OkStatus();
}

absl::Status Pour(client::InputStream& in, client::OutputStream& out) {
  std::vector<std::byte> piece(kPieceBytes);
  while (true) {
    ASSIGN_OR_RETURN(const size_t bytes, in.Read(piece));
    if (bytes == 0) return out.Close();
    RETURN_IF_ERROR(out.Write(std::span(piece).first(bytes)));
  }
}

absl::Status CopyFile(const Place& from, const Place& target) {
  ASSIGN_OR_RETURN(const auto in, from->Open(from.path));
  ASSIGN_OR_RETURN(const auto out, target->Create(target.path, {.overwrite = true}));
  const absl::Status poured = Pour(*in, *out);
  if (!poured.ok()) {
    out->Close().IgnoreError();  // the first error is told
    // Another may have put a file of his in its place.
    const absl::StatusOr<client::FileStatus> there = target->Stat(target.path);
    if (there.ok() && there->inode == out->status().inode) {
      target->Delete(target.path, false).status().IgnoreError();
    }
  }
  return poured;
}

// `top`: the directory that the whole copy began with; 0: this is it. A copy that meets it, by
// whatever name, has been sent into itself.
absl::Status CopyTree(const Place& from, const Place& target, uint64_t top) {
  ASSIGN_OR_RETURN(const client::FileStatus status, from->Stat(from.path));
  if (!status.is_directory()) return CopyFile(from, target);
  RETURN_IF_ERROR(target->Mkdirs(target.path));
  ASSIGN_OR_RETURN(const client::FileStatus made, target->Stat(target.path));
  if (top == 0) top = made.inode;
  client::DirectoryIterator entries = from->List(from.path);
  while (true) {
    ASSIGN_OR_RETURN(const auto entry, entries.Next());
    if (!entry.has_value()) return absl::OkStatus();
    if (entry->is_directory() && entry->inode == top && IsOneCluster(from, target)) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot copy ", from.path, " into itself, ", target.path));
    }
    const Place inner{from.instance, entry->path};
    const Place copy{target.instance, client::JoinPath(target.path, client::BaseName(entry->path))};
    RETURN_IF_ERROR(CopyTree(inner, copy, top));
  }
}

}  // namespace

absl::Status Copy(const Place& from, const Place& to) {
  RETURN_IF_ERROR(from->Stat(from.path).status());
  ASSIGN_OR_RETURN(const Place target, TargetOf(from, to));
  RETURN_IF_ERROR(RefuseItself(from, target));
  return CopyTree(from, target, /*top=*/0);
}

absl::Status Move(const Place& from, const Place& to) {
  RETURN_IF_ERROR(from->Stat(from.path).status());
  ASSIGN_OR_RETURN(const Place target, TargetOf(from, to));
  RETURN_IF_ERROR(RefuseItself(from, target));
  if (IsOneCluster(from, target)) {
    RETURN_IF_ERROR(target->Mkdirs(client::ParentPath(target.path)));
    return from->Rename2(from.path, target.path, client::RenameOption::kOverwrite);
  }
  RETURN_IF_ERROR(CopyTree(from, target, /*top=*/0));
  return from->Delete(from.path, /*recursive=*/true).status();
}

}  // namespace cairn::libhdfs
