#include "fuse/open_files.h"

#include <utility>

#include "common/logging.h"
#include "fuse/paths.h"

namespace cairn::fuse {

std::shared_ptr<OpenFile> OpenFiles::Open(uint64_t inode, bool writer) {
  MutexLock lock(mu_);
  Entry& entry = entries_[inode];
  if (entry.file == nullptr) entry.file = std::make_shared<OpenFile>(inode, around_);
  ++entry.users;
  entry.writers += writer ? 1 : 0;
  return entry.file;
}

void OpenFiles::Close(OpenFile& file, bool writer, client::FileSystem& fs) {
  bool last_writer = false;
  {
    MutexLock lock(mu_);
    if (all_closed_) return;
    last_writer = writer && --entries_[file.inode()].writers == 0;
  }
  // Before the entry goes: who opens the file meanwhile must find this stream, not a locked file.
  if (last_writer) {
    const bool failed = !file.Complete(OpenFile::Reason::kLastWriterGone).ok();
    // Who has opened it meanwhile may have written what is lost, and must hear of it. Who opens it
    // later has written nothing: whether he still meets the error does not matter.
    if (failed && !HasWriters(file.inode())) file.GiveUp(fs);
  }
  Entry closed;
  {
    MutexLock lock(mu_);
    const auto entry = entries_.find(file.inode());
    if (--entry->second.users > 0) return;
    closed = entry->second;
    if (closed.hidden_in == 0) entries_.erase(entry);
  }
  if (closed.hidden_in == 0) return;
  // It counts as open until its last name is gone: who removes the directory looks for it.
  RemoveHidden(closed);
  MutexLock lock(mu_);
  const auto entry = entries_.find(file.inode());
  if (entry != entries_.end() && entry->second.users == 0) entries_.erase(entry);
}

bool OpenFiles::HasWriters(uint64_t inode) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(inode);
  return entry != entries_.end() && entry->second.writers > 0;
}

void OpenFiles::RemoveHidden(const Entry& entry) {
  // By that name and not by id: a file that somebody has given another name is his.
  const uint64_t inode = entry.file->inode();
  const absl::Status removed =
      entry.remover->Delete(ChildPath(entry.hidden_in, HiddenName(inode)), /*recursive=*/false)
          .status();
  if (!removed.ok()) {
    LOG_WARN("inode {}: was unlinked while open, and cannot be removed: {}", inode, removed);
  }
}

std::shared_ptr<OpenFile> OpenFiles::Find(uint64_t inode) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(inode);
  return entry == entries_.end() ? nullptr : entry->second.file;
}

bool OpenFiles::empty() {
  MutexLock lock(mu_);
  return entries_.empty();
}

OpenFiles::Counts OpenFiles::counts() {
  MutexLock lock(mu_);
  Counts counts = {.open = entries_.size()};
  for (const auto& [inode, entry] : entries_) counts.written += entry.writers > 0 ? 1 : 0;
  return counts;
}

bool OpenFiles::RemoveAtLastClose(uint64_t inode, uint64_t directory, ClientPtr remover) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(inode);
  if (entry == entries_.end() || entry->second.users == 0) return false;
  entry->second.hidden_in = directory;
  entry->second.remover = std::move(remover);
  return true;
}

absl::Status OpenFiles::CloseAll(client::FileSystem& fs) {
  std::vector<Entry> entries;
  {
    MutexLock lock(mu_);
    for (const auto& [inode, entry] : entries_) entries.push_back(entry);
  }
  absl::Status all;
  for (const Entry& entry : entries) {
    if (absl::Status status = entry.file->Complete(OpenFile::Reason::kLastWriterGone);
        !status.ok()) {
      entry.file->GiveUp(fs);
      all.Update(status);
    }
    if (entry.hidden_in != 0) RemoveHidden(entry);
  }
  MutexLock lock(mu_);
  all_closed_ = true;
  return all;
}

}  // namespace cairn::fuse
