// The part of FileSystem that needs cairn.ClientProtocol.
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/context.h"
#include "client/convert.h"
#include "client/file_system.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "proto/client.pb.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

absl::Status Ask(ClientContext& context, absl::string_view path,
                 const client_calls::ReplaceBlocksRequest& request) {
  constexpr absl::string_view kMethod = "replaceBlocks";
  if (context.cairn == nullptr) {
    return MakeFsError(FsError::kNoSuchProtocol, absl::StrCat(path, ": not on this server"));
  }
  client_calls::ReplaceBlocksResponse response;
  const absl::Status status = context.cairn->Call(kMethod, request, response);
  return status.ok() ? status : ClientContext::NamingPath(status, kMethod, path);
}

}  // namespace

absl::StatusOr<FileBlocks> FileSystem::GetFileBlocks(absl::string_view path) {
  FileBlocks out;
  ASSIGN_OR_RETURN(out.status, Stat(path));
  hdfs::GetBlockLocationsRequestProto request;
  request.set_src(path.data(), path.size());
  request.set_offset(0);
  request.set_length(kMaxLength);
  ASSIGN_OR_RETURN(const auto response, context_->Call<hdfs::GetBlockLocationsResponseProto>(
                                            "getBlockLocations", path, request));
  if (!response.has_locations()) {
    return MakeFsError(FsError::kFileNotFound, absl::StrCat("File does not exist: ", path));
  }
  const hdfs::LocatedBlocksProto& located = response.locations();
  RETURN_IF_ERROR(CheckLocatedBlocks(located, path));
  if (located.underconstruction()) {
    return MakeFsError(FsError::kAlreadyBeingCreated,
                       absl::StrCat(path, ": another client is writing it"));
  }
  if (located.has_ecpolicy() || located.has_fileencryptioninfo()) {
    return absl::UnimplementedError(absl::StrCat(path, ": is erasure-coded or encrypted"));
  }
  out.status.length = 0;
  for (const hdfs::LocatedBlockProto& block : located.blocks()) {
    if (block.offset() != out.status.length) {
      return absl::InternalError(absl::StrCat(path, ": the server sent blocks with a gap"));
    }
    out.blocks.push_back({block.b().blockid(), block.b().generationstamp(), block.b().numbytes()});
    out.status.length += block.b().numbytes();
  }
  if (out.status.length != located.filelength()) {
    return absl::InternalError(absl::StrCat(path, ": the server left out blocks"));
  }
  return out;
}

absl::StatusOr<bool> FileSystem::CanReplaceBlocks() {
  if (context_->can_replace_blocks.load(std::memory_order_relaxed)) return true;
  // A request that names nothing changes nothing, and is refused as that by who knows the call.
  const absl::Status refused = Ask(*context_, "", client_calls::ReplaceBlocksRequest());
  if (absl::IsUnimplemented(refused)) return false;
  if (!absl::IsInvalidArgument(refused)) {
    return refused.ok() ? absl::InternalError("replaceBlocks of nothing: done") : refused;
  }
  context_->can_replace_blocks.store(true, std::memory_order_relaxed);
  return true;
}

absl::Status FileSystem::ReplaceBlocks(absl::string_view target, const FileBlocks& expected,
                                       absl::string_view source,
                                       absl::Span<const uint64_t> blocks) {
  client_calls::ReplaceBlocksRequest request;
  request.set_target(target.data(), target.size());
  request.set_target_inode(expected.status.inode);
  for (const BlockVersion& block : expected.blocks) {
    client_calls::BlockVersion& out = *request.add_expected();
    out.set_id(block.id);
    out.set_generation_stamp(block.stamp);
    out.set_length(block.length);
  }
  request.set_source(source.data(), source.size());
  for (const uint64_t block : blocks) request.add_blocks(block);
  request.set_client_name(context_->client_name);
  return Ask(*context_, target, request);
}

}  // namespace cairn::client
