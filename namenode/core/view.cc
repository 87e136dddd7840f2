#include "namenode/core/view.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "common/status_macros.h"

namespace cairn::namenode {
namespace {

constexpr const char* kAccessNames[] = {"NONE", "EXECUTE",      "WRITE",      "WRITE_EXECUTE",
                                        "READ", "READ_EXECUTE", "READ_WRITE", "ALL"};

}  // namespace

std::string ModeText(const Inode& inode) {
  std::string text = inode.is_directory() ? "d" : "-";
  for (int shift = 6; shift >= 0; shift -= 3) {
    const uint32_t bits = inode.mode >> shift;
    text += bits & kRead ? 'r' : '-';
    text += bits & kWrite ? 'w' : '-';
    text += bits & kExecute ? 'x' : '-';
  }
  if (inode.mode & 01000) text.back() = inode.mode & 1 ? 't' : 'T';
  return text;
}

bool View::Allows(const Inode& inode, uint32_t access) const {
  if (who_.superuser || who_.unchecked) return true;
  uint32_t granted;
  if (*inode.owner == who_.user) {
    granted = inode.mode >> 6;
  } else if (who_.IsIn(*inode.group)) {
    granted = inode.mode >> 3;
  } else {
    granted = inode.mode;
  }
  return (granted & access) == access;
}

absl::Status View::Check(const Inode& inode, uint32_t access) const {
  if (Allows(inode, access)) return absl::OkStatus();
  return MakeFsError(FsError::kAccessControl,
                     absl::StrCat("Permission denied: user=", who_.user, ", access=",
                                  kAccessNames[access & 7], ", inode=\"", ForMessage(PathOf(inode)),
                                  "\":", *inode.owner, ":", *inode.group, ":", ModeText(inode)));
}

absl::Status View::CheckRemoval(const Inode& parent, const Inode& child) const {
  RETURN_IF_ERROR(Check(parent, kWrite));
  if (who_.superuser || who_.unchecked || (parent.mode & 01000) == 0) return absl::OkStatus();
  if (*parent.owner == who_.user || *child.owner == who_.user) return absl::OkStatus();
  return MakeFsError(FsError::kAccessControl,
                     absl::StrCat("Permission denied by sticky bit: user=", who_.user, ", path=\"",
                                  ForMessage(PathOf(child)), "\":", *child.owner, ":", *child.group,
                                  ":", ModeText(child), ", parent=\"", ForMessage(PathOf(parent)),
                                  "\":", *parent.owner, ":", *parent.group, ":", ModeText(parent)));
}

absl::Status View::CheckOwner(const Inode& inode) const {
  if (who_.superuser || who_.unchecked || *inode.owner == who_.user) return absl::OkStatus();
  return MakeFsError(FsError::kAccessControl,
                     absl::StrCat("Permission denied. user=", who_.user,
                                  " is not the owner of inode=", ForMessage(PathOf(inode))));
}

absl::Status View::CheckSuperuser() const {
  if (who_.superuser) return absl::OkStatus();
  return MakeFsError(FsError::kAccessControl, absl::StrCat("Access denied for user ", who_.user,
                                                           ". Superuser privilege is required"));
}

absl::StatusOr<Inode*> View::FindById(InodeId id) {
  Inode* const inode = tree_.FindById(id);
  if (inode == nullptr) {
    if (std::find(wanted_.gone.begin(), wanted_.gone.end(), id) != wanted_.gone.end()) {
      SawTx(wanted_.gone_as_of);
      return nullptr;
    }
    wanted_.inodes.push_back(id);
    return NotLoaded();
  }
  const Inode* top = inode;
  while (top->parent != nullptr) top = top->parent;
  if (top != &tree_.root()) {  // below something deleted, or that itself
    Saw(*top);
    return nullptr;
  }
  Saw(*inode);
  return inode;
}

// Paths begin at the root, but /.reserved/.inodes/ID begins at an inode, and with /.. behind it at
// the inode's directory. The root is its own.
absl::StatusOr<size_t> View::ResolveStart(const Path& path, Resolved* out) {
  out->depth = path.components.size();
  if (!path.is_root()) out->last = path.components.back();
  uint64_t id = 0;
  const bool by_id = path.components.size() >= 3 && path.components[0] == ".reserved" &&
                     path.components[1] == ".inodes" && absl::SimpleAtoi(path.components[2], &id);
  if (!by_id) {
    out->chain.push_back(&tree_.root());
    return 0;
  }
  ASSIGN_OR_RETURN(Inode * start, FindById(InodeId{id}));
  if (start == nullptr) {
    out->chain.push_back(&tree_.root());
    return 0;  // "/.reserved" never exists: the path is reported missing
  }
  const bool to_parent = path.components.size() > 3 && path.components[3] == "..";
  if (to_parent && start->parent != nullptr) start = start->parent;
  for (Inode* at = start; at != nullptr; at = at->parent) out->chain.push_back(at);
  std::reverse(out->chain.begin(), out->chain.end());
  const size_t used = to_parent ? 4 : 3;
  out->depth = out->chain.size() - 1 + path.components.size() - used;
  return used;
}

absl::StatusOr<Resolved> View::Resolve(const Path& path, IfBlocked if_blocked) {
  Resolved out;
  ASSIGN_OR_RETURN(const size_t first, ResolveStart(path, &out));
  // A path that begins at an inode passes its ancestors as well.
  for (size_t i = 0; i + 1 < out.chain.size(); ++i) {
    Saw(*out.chain[i]);
    RETURN_IF_ERROR(Check(*out.chain[i], kExecute));
  }
  for (size_t i = first; i < path.components.size(); ++i) {
    Inode* const at = out.chain.back();
    Saw(*at);
    if (!at->is_directory()) {
      if (if_blocked == IfBlocked::kParentNotDirectory) {
        return MakeFsError(FsError::kParentNotDirectory,
                           absl::StrCat(ForMessage(PathOf(*at)), " (is not a directory)"));
      }
      if (if_blocked == IfBlocked::kAccessControl || !who_.superuser) {
        return MakeFsError(FsError::kAccessControl,
                           absl::StrCat(ForMessage(PathOf(*at)), " (is not a directory)"));
      }
      out.blocker = at;
      return out;
    }
    RETURN_IF_ERROR(Check(*at, kExecute));
    const Tree::Found found = tree_.FindChild(*at, path.components[i]);
    if (!found.known) {
      wanted_.entries.emplace_back(at->id, std::string(path.components[i]));
      return NotLoaded();
    }
    if (found.inode == nullptr) return out;
    out.chain.push_back(found.inode);
  }
  Saw(*out.chain.back());
  return out;
}

absl::StatusOr<Resolved> View::ResolveExisting(const Path& path) {
  ASSIGN_OR_RETURN(Resolved out, Resolve(path, IfBlocked::kAccessControl));
  if (!out.exists()) {
    return MakeFsError(FsError::kFileNotFound,
                       absl::StrCat("File does not exist: ", ForMessage(path.text)));
  }
  return out;
}

absl::StatusOr<Resolved> View::ResolveFile(const Path& path) {
  ASSIGN_OR_RETURN(Resolved out, ResolveExisting(path));
  if (out.target()->is_directory()) {
    return MakeFsError(FsError::kFileNotFound,
                       absl::StrCat("Path is not a file: ", ForMessage(path.text)));
  }
  return out;
}

}  // namespace cairn::namenode
