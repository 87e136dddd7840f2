// namenode/service/rpc/read.cc - calls that look and change nothing.

#include <algorithm>
#include <array>
#include <string>

#include "namenode/service/rpc/batched_listing.h"
#include "namenode/service/rpc/client_protocol_methods.h"

namespace cairn::namenode::client_protocol {
namespace {

// A missing path is an empty answer, not an error: clients make their own exception of it.
void AnswerFound(const Call& call, const Outcome<std::optional<FileStatus>>& outcome) {
  if (!Succeeded(call, outcome)) return;
  if (outcome.value->has_value()) {
    AnswerFileStatus(call, outcome.ticket, **outcome.value);
  } else {
    call.reply.SendBytesAt(outcome.ticket, "");
  }
}

template <typename Request>
void FileInfo(const Call& call) {
  // The most frequent call of all is a single string: no message is needed to read it.
  if (const auto path = OnlyString(call.request)) {
    AnswerFound(call, call.namenode().GetFileInfo(call.caller, *path));
    return;
  }
  WithRequest<Request>(call, [&](const Request& request) {
    AnswerFound(call, call.namenode().GetFileInfo(call.caller, request.src()));
  });
}

// For those to whom a missing path is FileNotFoundException.
Outcome<FileStatus> ExistingStatus(const Call& call, absl::string_view path) {
  const auto outcome = call.namenode().GetFileInfo(call.caller, path);
  if (!outcome.value.ok()) return {outcome.value.status(), outcome.ticket};
  if (!outcome.value->has_value()) return {NoSuchFile(path), outcome.ticket};
  return {**outcome.value, outcome.ticket};
}

// File status and, of a file, the locations of all its blocks. Two looks at the namespace: when the
// file goes in between, the answer is that of a missing path.
void GetLocatedFileInfo(const Call& call) {
  WithRequest<hdfs::GetLocatedFileInfoRequestProto>(call, [&](const auto& request) {
    if (!request.has_src()) {
      return call.reply.Fail(MakeFsError(FsError::kIllegalArgument, "the path is missing"));
    }
    const auto info = call.namenode().GetFileInfo(call.caller, request.src());
    if (!Succeeded(call, info)) return;
    if (!info.value->has_value() || (*info.value)->directory) return AnswerFound(call, info);

    const auto located =
        call.namenode().GetBlockLocations(call.caller, request.src(), 0, kMaxSigned);
    const uint64_t ticket = std::max(info.ticket, located.ticket);
    if (!located.value.ok()) {
      if (GetFsError(located.value.status()) == FsError::kFileNotFound) {
        return call.reply.SendBytesAt(ticket, "");
      }
      return call.reply.FailAt(ticket, located.value.status());
    }
    BackwardWriter& w = Answer();
    PutLocatedFileStatus(w, 1, "", **info.value, *located.value, call.edge().blocks());
    SendAnswer(call, ticket, w);
  });
}

// Empty for a page that makes no progress: clients would ask for the same one without end.
// Depends on nothing but the listing: it may be kept for later calls.
std::string EncodeListing(const Listing& listing, const BlockContext* context) {
  if (listing.entries.empty() && listing.remaining > 0) return std::string();
  BackwardWriter& w = Answer();
  PutListing(w, 1, listing, context);
  return std::string(w.view());
}

// Null: no such path.
Outcome<std::shared_ptr<const std::string>> EncodedListing(
    const Call& call, const hdfs::GetListingRequestProto& request) {
  if (!request.needlocation()) {
    return call.namenode().GetEncodedListing(
        call.caller, request.src(), request.startafter(),
        [](const Listing& listing) { return EncodeListing(listing, nullptr); });
  }
  const auto listing =
      call.namenode().GetListing(call.caller, request.src(), request.startafter(), true);
  if (!listing.value.ok()) return {listing.value.status(), listing.ticket};
  if (!listing.value->has_value()) return {nullptr, listing.ticket};
  const BlockContext context = call.edge().blocks();
  return {std::make_shared<const std::string>(EncodeListing(**listing.value, &context)),
          listing.ticket};
}

void GetListing(const Call& call) {
  WithRequest<hdfs::GetListingRequestProto>(call, [&](const auto& request) {
    const auto outcome = EncodedListing(call, request);
    if (!Succeeded(call, outcome)) return;
    const std::shared_ptr<const std::string>& page = *outcome.value;
    if (page == nullptr) return call.reply.SendBytesAt(outcome.ticket, "");
    if (page->empty()) {
      return call.reply.FailAt(
          outcome.ticket, MakeFsError(FsError::kIo, absl::StrCat("the listing of ", request.src(),
                                                                 " makes no progress")));
    }
    call.reply.SendBytesAt(outcome.ticket, *page);
  });
}

void GetBlockLocations(const Call& call) {
  WithRequest<hdfs::GetBlockLocationsRequestProto>(call, [&](const auto& request) {
    if (request.offset() > kMaxSigned) {
      return call.reply.Fail(
          MakeFsError(FsError::kIllegalArgument,
                      absl::StrCat("Negative offset is not supported. File: ", request.src())));
    }
    if (request.length() > kMaxSigned) {
      return call.reply.Fail(
          MakeFsError(FsError::kIllegalArgument,
                      absl::StrCat("Negative length is not supported. File: ", request.src())));
    }
    const auto outcome = call.namenode().GetBlockLocations(call.caller, request.src(),
                                                           request.offset(), request.length());
    if (!Succeeded(call, outcome)) return;
    BackwardWriter& w = Answer();
    PutLocatedBlocks(w, 1, *outcome.value, call.edge().blocks());
    SendAnswer(call, outcome.ticket, w);
    // As in HDFS by this call alone: others that tell locations do not open the file.
    const InodeId due = outcome.value->access_due;
    if (due != kNoInode) call.namenode().Accessed(due);
  });
}

// A file's policy takes a second look at the namespace: its sums do not tell it.
void GetContentSummary(const Call& call) {
  WithRequest<hdfs::GetContentSummaryRequestProto>(call, [&](const auto& request) {
    const auto outcome = call.namenode().GetContentSummary(call.caller, request.path());
    if (!Succeeded(call, outcome)) return;
    hdfs::GetContentSummaryResponseProto response;
    FillContentSummary(*outcome.value, *response.mutable_summary());
    uint64_t ticket = outcome.ticket;
    if (outcome.value->directories == 0) {
      const auto file = ExistingStatus(call, request.path());
      if (!Succeeded(call, file)) return;
      ticket = std::max(ticket, file.ticket);
      response.mutable_summary()->set_erasurecodingpolicy(
          file.value->erasure == nullptr ? "Replicated" : file.value->erasure->name);
    }
    call.reply.SendAt(ticket, response);
  });
}

void GetQuotaUsage(const Call& call) {
  WithRequest<hdfs::GetQuotaUsageRequestProto>(call, [&](const auto& request) {
    const auto outcome = call.namenode().GetContentSummary(call.caller, request.path());
    if (!Succeeded(call, outcome)) return;
    hdfs::GetQuotaUsageResponseProto response;
    FillQuotaUsage(*outcome.value, *response.mutable_usage());
    call.reply.SendAt(outcome.ticket, response);
  });
}

void GetPreferredBlockSize(const Call& call) {
  WithRequest<hdfs::GetPreferredBlockSizeRequestProto>(call, [&](const auto& request) {
    const auto outcome = ExistingStatus(call, request.filename());
    if (!Succeeded(call, outcome)) return;
    if (outcome.value->directory) {
      return call.reply.FailAt(
          outcome.ticket, MakeFsError(FsError::kFileNotFound,
                                      absl::StrCat("Path is not a file: ", request.filename())));
    }
    hdfs::GetPreferredBlockSizeResponseProto response;
    response.set_bsize(outcome.value->block_bytes);
    call.reply.SendAt(outcome.ticket, response);
  });
}

void IsFileClosed(const Call& call) {
  WithRequest<hdfs::IsFileClosedRequestProto>(call, [&](const auto& request) {
    AnswerBool(call, call.namenode().IsFileClosed(call.caller, request.src()));
  });
}

void CheckAccess(const Call& call) {
  WithRequest<hdfs::CheckAccessRequestProto>(call, [&](const auto& request) {
    AnswerNothing(call, call.namenode().CheckAccess(call.caller, request.path(),
                                                    static_cast<uint32_t>(request.mode())));
  });
}

void GetServerDefaults(const Call& call) { call.reply.SendBytesAt(0, call.edge().server_defaults); }

void GetLinkTarget(const Call& call) {
  WithRequest<hdfs::GetLinkTargetRequestProto>(call, [&](const auto& request) {
    const auto outcome = call.namenode().GetFileInfo(call.caller, request.path());
    if (!Succeeded(call, outcome)) return;
    call.reply.FailAt(outcome.ticket,
                      outcome.value->has_value()
                          ? MakeFsError(FsError::kIo, absl::StrCat("Path ", request.path(),
                                                                   " is not a symbolic link"))
                          : NoSuchFile(request.path()));
  });
}

// The directory that renames cannot leave: an encryption zone, and there is none, or the root. As
// in HDFS what is there must be readable, and what is not has an answer too.
void GetEnclosingRoot(const Call& call) {
  WithRequest<hdfs::GetEnclosingRootRequestProto>(call, [&](const auto& request) {
    const auto access = call.namenode().CheckAccess(
        call.caller, request.filename(), static_cast<uint32_t>(hdfs::AclEntryProto::READ));
    if (!access.value.ok() && GetFsError(access.value.status()) != FsError::kFileNotFound) {
      return call.reply.FailAt(access.ticket, access.value.status());
    }
    hdfs::GetEnclosingRootResponseProto response;
    response.set_enclosingrootpath("/");
    call.reply.SendAt(access.ticket, response);
  });
}

// Nothing to wait for: the answers of this namenode are never behind.
void Msync(const Call& call) { call.reply.SendBytesAt(0, ""); }

constexpr std::array kReadMethods = {
    Method{"getFileInfo", FileInfo<hdfs::GetFileInfoRequestProto>},
    // There are no symlinks: what does not follow them sees the same.
    Method{"getFileLinkInfo", FileInfo<hdfs::GetFileLinkInfoRequestProto>},
    Method{"getLocatedFileInfo", GetLocatedFileInfo},
    Method{"getListing", GetListing},
    Method{"getBatchedListing", GetBatchedListing},
    Method{"getBlockLocations", GetBlockLocations},
    Method{"getContentSummary", GetContentSummary},
    Method{"getQuotaUsage", GetQuotaUsage},
    Method{"getPreferredBlockSize", GetPreferredBlockSize},
    Method{"isFileClosed", IsFileClosed},
    Method{"checkAccess", CheckAccess},
    Method{"getServerDefaults", GetServerDefaults},
    Method{"getEnclosingRoot", GetEnclosingRoot},
    Method{"getLinkTarget", GetLinkTarget},
    Method{"msync", Msync},
};

}  // namespace

absl::Span<const Method> ReadMethods() { return kReadMethods; }

}  // namespace cairn::namenode::client_protocol
