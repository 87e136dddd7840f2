// Listing a directory: one page by one range scan. The range is taken under the lock and read
// without it, so that a page of a thousand entries holds up nobody.
#include "namenode/core/run.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

// The status that a record in a listing shows: no inode is made for it.
FileStatus StatusOfRecord(const store::Inode& record, NameTable& names) {
  Inode inode;
  DecodeInode(record, names, &inode);
  return StatusOf(inode);
}

}  // namespace

Outcome<std::optional<Listing>> NamenodeImpl::GetListing(const Caller& caller,
                                                         absl::string_view text,
                                                         absl::string_view after, bool locations) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};

  struct Start {
    bool exists = false;
    InodeId directory = kNoInode;
    uint64_t children = 0;
    std::optional<ListingEntry> file;
    std::unique_ptr<Store::Range> range;
  };
  const size_t limit = options_.listing_limit;
  Outcome<Start> start = Read<Start>(caller, [&](View& view) -> absl::StatusOr<Start> {
    ASSIGN_OR_RETURN(const Resolved at, view.Resolve(*path, View::IfBlocked::kMissing));
    Start out;
    if (!at.exists()) return out;
    out.exists = true;
    const Inode& target = *at.target();
    if (!target.is_directory()) {
      out.file.emplace();
      out.file->status = StatusOf(target);
      if (locations) {
        out.file->located = LocateAll(target, 0, UINT64_MAX, caller.remote_ip, view);
      }
      return out;
    }
    RETURN_IF_ERROR(view.Check(target, kRead | kExecute));
    out.directory = target.id;
    out.children = target.directory->children;
    out.range = ScanDirectory(target.id, after, limit);
    return out;
  });
  if (!start.value.ok()) return {start.value.status(), start.ticket};
  if (!start.value->exists) return {std::optional<Listing>(), start.ticket};
  Listing listing;
  if (start.value->file) {
    listing.entries.push_back(*std::move(start.value->file));
    return {std::optional<Listing>(std::move(listing)), start.ticket};
  }

  uint64_t ticket = start.ticket;
  std::unique_ptr<Store::Range> range = std::move(start.value->range);
  bool more = false;
  store::Inode record;
  for (;;) {
    for (; range->Valid() && listing.entries.size() < limit; range->Next()) {
      absl::string_view name;
      if (!keys::ParseEntryName(range->key(), &name) ||
          !record.ParseFromArray(range->value().data(), static_cast<int>(range->value().size()))) {
        return {absl::DataLossError(
            absl::StrCat("store: an entry of ", ForMessage(text), " is damaged"))};
      }
      ticket = std::max(ticket, record.txid());
      listing.entries.push_back({std::string(name), StatusOfRecord(record, names()), {}});
    }
    if (!range->status().ok()) return {range->status()};
    more = range->Valid() || range->more();
    if (listing.entries.size() >= limit || !more) break;
    // The tails had more changes here than one scan copies: go on behind them.
    const std::string resume(range->resume_after());
    ReaderLock lock(mu_);
    range = store_.Scan(keys::EntryPrefix(start.value->directory), resume, limit);
  }
  if (more) {
    // How many names are left is not counted: the client only asks whether to come again. Never
    // zero while there are more, never more than the directory can hold.
    listing.remaining = std::max<uint64_t>(
        1, start.value->children - std::min<uint64_t>(start.value->children,
                                                      listing.entries.size()));
  }
  if (locations) {
    for (ListingEntry& entry : listing.entries) {
      if (entry.status.directory) continue;
      Outcome<LocatedBlocks> located = LocateById(caller, entry.status.id);
      // Deleted since: listed as it was, with no locations to go to.
      if (!located.value.ok()) continue;
      ticket = std::max(ticket, located.ticket);
      entry.located = *std::move(located.value);
    }
  }
  return {std::optional<Listing>(std::move(listing)), ticket};
}

std::unique_ptr<Store::Range> NamenodeImpl::ScanDirectory(InodeId directory,
                                                          absl::string_view after,
                                                          size_t limit) const {
  return store_.Scan(keys::EntryPrefix(directory), after.empty() ? "" : keys::Entry(directory, after),
                     limit);
}

}  // namespace cairn::namenode
