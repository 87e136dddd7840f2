// namenode/core/view.h - one attempt of an operation at the namespace, under its lock.
//
// Resolves paths over resident inodes, checks permissions on the way as HDFS does, and remembers
// two things: what was not in memory (the attempt is then repeated after loading it), and the
// newest edit among the records it saw (the reply waits until that one is durable).
#pragma once

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "namenode/core/identity.h"
#include "namenode/namespace/path.h"
#include "namenode/namespace/tree.h"

namespace cairn::namenode {

enum Access : uint32_t { kExecute = 1, kWrite = 2, kRead = 4 };

// A path as far as it exists.
struct Resolved {
  absl::InlinedVector<Inode*, 16> chain;  // from the root; at least the root
  size_t depth = 0;                       // components asked for
  Inode* blocker = nullptr;               // a file where a directory should be
  absl::string_view last;                 // the path's last component

  bool exists() const { return chain.size() == depth + 1; }
  Inode* target() const { return exists() ? chain.back() : nullptr; }
  // The name that the target has, or would get. Not always the last component: that of
  // /.reserved/.inodes/ID is a number. Good as long as the path's text and the lock.
  absl::string_view leaf() const { return exists() ? target()->name : last; }
  // Parent of the last component; null if it does not exist either (or for the root).
  Inode* parent() const { return depth != 0 && chain.size() >= depth ? chain[depth - 1] : nullptr; }
};

class View {
 public:
  View(const Tree& tree, const Identity& who, Wanted& wanted)
      : tree_(tree), who_(who), wanted_(wanted) {}

  // The status of an attempt that must be repeated after loading; it never reaches a caller.
  static absl::Status NotLoaded() { return absl::Status(absl::StatusCode::kCancelled, ""); }

  // What to do when a component in the middle is a file.
  enum class IfBlocked { kAccessControl, kParentNotDirectory, kMissing };

  // Checks search permission on every directory passed. Errors: NotLoaded(); kAccessControl;
  // what `if_blocked` says (kMissing for users who may search: Resolved::blocker is set).
  absl::StatusOr<Resolved> Resolve(const Path& path, IfBlocked if_blocked);

  // As above, and the target must exist: FsError::kFileNotFound "File does not exist: PATH".
  absl::StatusOr<Resolved> ResolveExisting(const Path& path);
  // As above, and it must be a file: FsError::kFileNotFound "Path is not a file: PATH".
  absl::StatusOr<Resolved> ResolveFile(const Path& path);

  // FsError::kAccessControl with HDFS's text unless `who` has all of `access` on `inode`.
  absl::Status Check(const Inode& inode, uint32_t access) const;
  // May `who` remove or rename `child` of `parent` (write on parent, sticky bit)?
  absl::Status CheckRemoval(const Inode& parent, const Inode& child) const;
  absl::Status CheckOwner(const Inode& inode) const;
  absl::Status CheckSuperuser() const;

  // A file by id, wherever it was moved; null: there is none.
  absl::StatusOr<Inode*> FindById(InodeId id);

  const Identity& who() const { return who_; }
  Wanted& wanted() { return wanted_; }
  const Tree& tree() const { return tree_; }
  void Saw(const Inode& inode) { ticket_ = std::max(ticket_, ToInt(inode.txid)); }
  void SawTx(TxId txid) { ticket_ = std::max(ticket_, ToInt(txid)); }
  uint64_t ticket() const { return ticket_; }

 private:
  bool Allows(const Inode& inode, uint32_t access) const;
  absl::StatusOr<size_t> ResolveStart(const Path& path, Resolved* out);

  const Tree& tree_;
  const Identity& who_;
  Wanted& wanted_;
  uint64_t ticket_ = 0;
};

// "drwxr-xr-x"
std::string ModeText(const Inode& inode);

}  // namespace cairn::namenode
