#include "namenode/service/rpc/batched_listing.h"

#include <algorithm>
#include <span>
#include <vector>

#include "common/crc32c.h"
#include "wire/rpc/remote_exception.h"

namespace cairn::namenode::client_protocol {
namespace {

using Request = hdfs::GetBatchedListingRequestProto;

// Where to go on.
struct Place {
  size_t path = 0;    // index in the request; behind the last one: all is told
  std::string after;  // names greater than this
};

struct Part {
  size_t path;
  absl::StatusOr<Listing> listing;
};

struct Batch {
  std::vector<Part> parts;
  Place next;
  uint64_t ticket = 0;
};

// Of the paths. A client may go on after the namenode's restart: the same in every process.
std::string ChecksumOf(const Request& request) {
  uint32_t crc = 0;
  for (const std::string& path : request.paths()) {
    // With the NUL behind it, which no path holds: ["ab"] is not ["a", "b"].
    crc = Crc32cExtend(crc, std::as_bytes(std::span(path.c_str(), path.size() + 1)));
  }
  return absl::StrCat(crc);
}

absl::StatusOr<Place> WhereToGoOn(const Request& request) {
  if (request.startafter().empty()) return Place{};
  hdfs::BatchedListingKeyProto key;
  if (!key.ParsePartialFromString(request.startafter()) || !key.IsInitialized() ||
      key.checksum() != ChecksumOf(request)) {
    return MakeFsError(FsError::kJavaIllegalArgument,
                       "startAfter is not of an earlier answer about these paths");
  }
  return Place{key.pathindex(), key.startafter()};
}

std::string KeyOf(const Request& request, const Place& place) {
  hdfs::BatchedListingKeyProto key;
  key.set_checksum(ChecksumOf(request));
  key.set_pathindex(static_cast<uint32_t>(place.path));
  key.set_startafter(place.after);
  return key.SerializeAsString();
}

Outcome<Listing> ListOne(const Call& call, const std::string& path, absl::string_view after,
                         bool locations) {
  Outcome<std::optional<Listing>> page =
      call.namenode().GetListing(call.caller, path, after, locations);
  if (!page.value.ok()) return {page.value.status(), page.ticket};
  if (!page.value->has_value()) {
    return {MakeFsError(FsError::kFileNotFound, absl::StrCat("Path ", path, " does not exist")),
            page.ticket};
  }
  Listing listing = **std::move(page.value);
  if (listing.entries.empty() && listing.remaining > 0) {
    return {MakeFsError(FsError::kIo, absl::StrCat("the listing of ", path, " makes no progress")),
            page.ticket};
  }
  return {std::move(listing), page.ticket};
}

// In entries, or in replicas if those are more: what a page of a listing has a limit of.
uint64_t WeightOf(const Listing& listing) {
  uint64_t replicas = 0;
  for (const ListingEntry& entry : listing.entries) {
    if (!entry.located.has_value()) continue;
    replicas += entry.located->blocks.size() * std::max(entry.status.replication, 1u);
  }
  return std::max<uint64_t>(listing.entries.size(), replicas);
}

// kUnavailable: what is in the way passes, and the client asks again for all.
absl::StatusOr<Batch> List(const Call& call, const Request& request) {
  Batch batch;
  ASSIGN_OR_RETURN(batch.next, WhereToGoOn(request));
  Place& next = batch.next;
  uint64_t weight = 0;
  for (bool whole = true; whole && weight < call.edge().options.listing_limit &&
                          next.path < static_cast<size_t>(request.paths_size());) {
    Outcome<Listing> page = ListOne(call, request.paths(static_cast<int>(next.path)), next.after,
                                    request.needlocation());
    if (absl::IsUnavailable(page.value.status())) return page.value.status();
    batch.ticket = std::max(batch.ticket, page.ticket);
    Part& part = batch.parts.emplace_back(Part{next.path, std::move(page.value)});
    whole = !part.listing.ok() || part.listing->remaining == 0;
    if (part.listing.ok()) weight += WeightOf(*part.listing);
    if (whole) {
      next = {next.path + 1, ""};
    } else {
      next.after = part.listing->entries.back().name;
    }
  }
  return batch;
}

void PutPart(BackwardWriter& w, const Part& part, const BlockContext* context) {
  const size_t mark = w.size();
  if (!part.listing.ok()) {
    const rpc::RemoteException exception = rpc::ToRemoteException(part.listing.status());
    const size_t inner = w.size();
    w.Bytes(2, exception.text);
    w.Bytes(1, exception.class_name);
    w.CloseMessage(3, inner);
  }
  w.Varint(2, part.path);
  if (part.listing.ok()) PutEntries(w, 1, part.listing->entries, context);
  w.CloseMessage(1, mark);
}

}  // namespace

void GetBatchedListing(const Call& call) {
  WithRequest<Request>(call, [&](const Request& request) {
    const int most = call.edge().options.batched_paths;
    if (request.paths_size() > most) {
      return call.reply.Fail(MakeFsError(
          FsError::kJavaIllegalArgument,
          absl::StrCat("Too many source paths (", request.paths_size(), " > ", most, ")")));
    }
    const absl::StatusOr<Batch> batch = List(call, request);
    if (!batch.ok()) return call.reply.Fail(batch.status());
    const bool more = batch->next.path < static_cast<size_t>(request.paths_size());
    const BlockContext context = call.edge().blocks();
    BackwardWriter& w = Answer();
    w.Bytes(3, more ? KeyOf(request, batch->next) : std::string());
    w.Varint(2, more ? 1 : 0);
    for (auto part = batch->parts.rbegin(); part != batch->parts.rend(); ++part) {
      PutPart(w, *part, &context);
    }
    SendAnswer(call, batch->ticket, w);
  });
}

}  // namespace cairn::namenode::client_protocol
