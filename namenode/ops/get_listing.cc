// Listing a directory: one page by one range scan. The range is taken under the lock and read
// without it, so that a page of a thousand entries holds up nobody.
#include "absl/strings/match.h"
#include "namenode/core/run.h"
#include "namenode/namespace/inode_record.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

// A name holds no slash: this is the path of an inode, mostly /.reserved/.inodes/ID, and as in HDFS
// it means the name which that has by now, in whatever directory.
absl::StatusOr<std::string> NameToStartAfter(View& view, absl::string_view text) {
  const absl::StatusOr<Path> path = ParsePath(text);
  if (path.ok()) {
    const absl::StatusOr<Resolved> at = view.Resolve(*path, View::IfBlocked::kMissing);
    // The root has no name that an entry could follow.
    if (at.ok() && at->exists() && !at->leaf().empty()) return std::string(at->leaf());
  }
  return MakeFsError(FsError::kListingStartGone,
                     absl::StrCat("Can't find startAfter ", ForMessage(text)));
}

}  // namespace

Outcome<NamenodeImpl::PageStart> NamenodeImpl::StartPage(const Caller& caller,
                                                         absl::string_view text,
                                                         absl::string_view after, bool locations,
                                                         const void* encoder) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  const size_t limit = options_.listing_limit;
  bool behind = false;
  const auto key_of = [](const PageStart& page) {
    return page.after.empty() ? std::string() : keys::Entry(page.directory, page.after);
  };
  Outcome<PageStart> start = Read<PageStart>(caller, [&](View& view) -> absl::StatusOr<PageStart> {
    mu_.AssertReaderHeld();
    ASSIGN_OR_RETURN(const Resolved at, view.Resolve(*path, View::IfBlocked::kMissing));
    PageStart out;
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
    if (absl::StartsWith(after, "/")) {
      ASSIGN_OR_RETURN(out.after, NameToStartAfter(view, after));
    } else {
      out.after = std::string(after);
    }
    out.directory = target.id;
    out.erasure = EffectiveErasure(target);
    out.children = target.directory->children;
    out.version = target.directory->version;
    if (encoder != nullptr) {
      out.known = listings_.Find(target.id, out.after, out.version, encoder, out.erasure);
    }
    if (out.known) return out;
    behind = Tree::HasUnsavedChildren(target);
    if (!behind) out.range = store_.Scan(keys::EntryPrefix(target.id), key_of(out), limit);
    return out;
  });
  if (start.value.ok()) {
    PageStart& page = *start.value;
    page.ticket = start.ticket;
    if (behind) ScanUpToDate(key_of(page), &page);
  }
  return start;
}

void NamenodeImpl::ScanUpToDate(const std::string& after, PageStart* page) {
  WriterLock lock(mu_);
  const Inode* const directory = tree_->FindById(page->directory);
  if (directory != nullptr && directory->is_directory()) {
    tree_->SaveChildren(*directory);
    page->children = directory->directory->children;
    page->version = directory->directory->version;
    page->ticket = std::max(page->ticket, ToInt(directory->txid));
  } else {
    page->version = 0;  // evicted or deleted: what is in the store is all there is
    page->ticket = std::max(page->ticket, ToInt(last_txid_));
  }
  page->range = store_.Scan(keys::EntryPrefix(page->directory), after, options_.listing_limit);
}

Outcome<Listing> NamenodeImpl::ReadPage(const Caller& caller, absl::string_view text,
                                        bool locations, PageStart& page) {
  Listing listing;
  if (page.file) {
    listing.entries.push_back(*std::move(page.file));
    return {std::move(listing), page.ticket};
  }
  const size_t limit = options_.listing_limit;
  listing.entries.reserve(std::min<uint64_t>(limit, page.children));
  bool more = false, one_moment = true;
  InodeRecordReader reader(names(), tree_->erasure_policies(), page.erasure);
  for (;;) {
    Store::Range& range = *page.range;
    for (; range.Valid() && listing.entries.size() < limit; range.Next()) {
      ListingEntry& entry = listing.entries.emplace_back();
      absl::string_view name;
      uint64_t txid;
      if (!keys::ParseEntryName(range.key(), &name) ||
          !reader.Read(range.value(), &entry.status, &txid)) {
        return {absl::DataLossError(
            absl::StrCat("store: an entry of ", ForMessage(text), " is damaged"))};
      }
      page.ticket = std::max(page.ticket, txid);
      entry.name.assign(name.data(), name.size());
    }
    if (!range.status().ok()) return {range.status()};
    more = range.Valid() || range.more();
    if (listing.entries.size() >= limit || !more) break;
    // The tails had more changes here than one scan copies: go on behind them.
    const std::string resume(range.resume_after());
    ScanUpToDate(resume, &page);
    one_moment = false;
  }
  page.range.reset();
  if (!one_moment) page.version = 0;
  if (more) {
    // How many names are left is not counted: the client only asks whether to come again. Never
    // zero while there are more, never more than the directory can hold.
    listing.remaining = std::max<uint64_t>(
        1, page.children - std::min<uint64_t>(page.children, listing.entries.size()));
  }
  if (locations) AddLocations(caller, page, &listing);
  return {std::move(listing), page.ticket};
}

// As in HDFS, a page ends early with the file whose replicas bring it to the limit: a directory of
// large files would else be one huge answer.
void NamenodeImpl::AddLocations(const Caller& caller, PageStart& page, Listing* listing) {
  std::vector<ListingEntry>& entries = listing->entries;
  uint64_t replicas = 0;
  size_t shown = 0;
  for (; shown < entries.size() && replicas < options_.listing_limit; ++shown) {
    ListingEntry& entry = entries[shown];
    if (entry.status.directory) continue;
    Outcome<LocatedBlocks> located = LocateById(caller, entry.status.id);
    // Deleted since: listed as it was, with no locations to go to.
    if (!located.value.ok()) continue;
    page.ticket = std::max(page.ticket, located.ticket);
    entry.located = *std::move(located.value);
    replicas += entry.located->blocks.size() * std::max(entry.status.replication, 1u);
  }
  listing->remaining += entries.size() - shown;
  entries.resize(shown);
}

Outcome<std::optional<Listing>> NamenodeImpl::GetListing(const Caller& caller,
                                                         absl::string_view text,
                                                         absl::string_view after, bool locations) {
  Outcome<PageStart> start = StartPage(caller, text, after, locations, nullptr);
  if (!start.value.ok()) return {start.value.status(), start.ticket};
  if (!start.value->exists) return {std::optional<Listing>(), start.ticket};
  Outcome<Listing> page = ReadPage(caller, text, locations, *start.value);
  if (!page.value.ok()) return {page.value.status(), page.ticket};
  return {std::optional<Listing>(*std::move(page.value)), page.ticket};
}

Outcome<std::shared_ptr<const std::string>> NamenodeImpl::GetEncodedListing(const Caller& caller,
                                                                            absl::string_view text,
                                                                            absl::string_view after,
                                                                            EncodeListing encode) {
  const void* const encoder = reinterpret_cast<const void*>(encode);
  Outcome<PageStart> start = StartPage(caller, text, after, false, encoder);
  if (!start.value.ok()) return {start.value.status(), start.ticket};
  if (!start.value->exists) return {nullptr, start.ticket};
  if (const auto& known = start.value->known) {
    return {known->bytes, std::max(start.ticket, known->ticket)};
  }
  Outcome<Listing> page = ReadPage(caller, text, false, *start.value);
  if (!page.value.ok()) return {page.value.status(), page.ticket};
  auto bytes = std::make_shared<const std::string>(encode(*page.value));
  if (start.value->version != 0) {
    listings_.Insert(start.value->directory, start.value->after,
                     {start.value->version, page.ticket, encoder, start.value->erasure, bytes});
  }
  return {std::move(bytes), page.ticket};
}

}  // namespace cairn::namenode
