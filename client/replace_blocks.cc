// The part of FileSystem that needs cairn.ClientProtocol.
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/context.h"
#include "client/convert.h"
#include "client/erasure_convert.h"
#include "client/file_system.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "proto/client.pb.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

template <typename Response>
absl::Status Ask(ClientContext& context, absl::string_view method, absl::string_view path,
                 const google::protobuf::MessageLite& request) {
  if (context.cairn == nullptr) {
    return MakeFsError(FsError::kNoSuchProtocol, absl::StrCat(path, ": not on this server"));
  }
  Response response;
  const absl::Status status = context.cairn->Call(method, request, response);
  return status.ok() ? status : ClientContext::NamingPath(status, method, path);
}

absl::Status Ask(ClientContext& context, absl::string_view path,
                 const client_calls::ReplaceBlocksRequest& request) {
  return Ask<client_calls::ReplaceBlocksResponse>(context, "replaceBlocks", path, request);
}

absl::Status Ask(ClientContext& context, absl::string_view path,
                 const client_calls::ConvertFileRequest& request) {
  return Ask<client_calls::ConvertFileResponse>(context, "convertFile", path, request);
}

// Whether the server knows a call: a request that names nothing changes nothing, and is refused as
// that by who knows it. `refused`: its answer.
absl::StatusOr<bool> IsKnown(const absl::Status& refused) {
  if (absl::IsUnimplemented(refused)) return false;
  if (absl::IsInvalidArgument(refused)) return true;
  return refused.ok() ? absl::InternalError("a change of nothing: done") : refused;
}

void AddExpected(const FileBlocks& expected,
                 google::protobuf::RepeatedPtrField<client_calls::BlockVersion>& sent) {
  for (const BlockVersion& block : expected.blocks) {
    client_calls::BlockVersion& out = *sent.Add();
    out.set_id(block.id);
    out.set_generation_stamp(block.stamp);
    out.set_length(block.length);
  }
}

}  // namespace

absl::StatusOr<FileBlocks> FileSystem::GetFileVersion(absl::string_view path) {
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
  if (located.has_fileencryptioninfo()) {
    return absl::UnimplementedError(absl::StrCat(path, ": is encrypted"));
  }
  out.full_block_bytes = out.status.block_bytes;
  // It may have been converted between the two answers.
  out.status.ec_policy.clear();
  out.status.ec_cell_bytes = 0;
  if (located.has_ecpolicy()) {
    ASSIGN_OR_RETURN(const erasure::Policy policy, ToPolicy(located.ecpolicy(), path));
    out.status.ec_policy = policy.name;
    out.status.ec_cell_bytes = policy.cell_bytes;
    out.full_block_bytes =
        out.full_block_bytes / policy.cell_bytes * policy.cell_bytes * policy.schema.data_units;
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
  ASSIGN_OR_RETURN(const bool known,
                   IsKnown(Ask(*context_, "", client_calls::ReplaceBlocksRequest())));
  if (known) context_->can_replace_blocks.store(true, std::memory_order_relaxed);
  return known;
}

absl::StatusOr<bool> FileSystem::CanMakeFilesOf(absl::string_view erasure_policy) {
  client_calls::CheckErasurePolicyRequest request;
  request.set_policy(erasure_policy.data(), erasure_policy.size());
  const absl::Status status = Ask<client_calls::CheckErasurePolicyResponse>(
      *context_, "checkErasurePolicy", /*path=*/"", request);
  if (absl::IsUnimplemented(status) || absl::IsInvalidArgument(status)) return false;
  RETURN_IF_ERROR(status);
  return true;
}

absl::Status FileSystem::ReplaceBlocks(absl::string_view target, const FileBlocks& expected,
                                       absl::string_view source,
                                       absl::Span<const uint64_t> blocks) {
  client_calls::ReplaceBlocksRequest request;
  request.set_target(target.data(), target.size());
  request.set_target_inode(expected.status.inode);
  AddExpected(expected, *request.mutable_expected());
  request.set_source(source.data(), source.size());
  for (const uint64_t block : blocks) request.add_blocks(block);
  request.set_client_name(context_->client_name);
  return Ask(*context_, target, request);
}

absl::StatusOr<bool> FileSystem::CanConvertFiles() {
  return IsKnown(Ask(*context_, "", client_calls::ConvertFileRequest()));
}

absl::Status FileSystem::ConvertFile(absl::string_view target, const FileBlocks& expected,
                                     absl::string_view source) {
  client_calls::ConvertFileRequest request;
  request.set_target(target.data(), target.size());
  request.set_target_inode(expected.status.inode);
  AddExpected(expected, *request.mutable_expected());
  request.set_source(source.data(), source.size());
  return Ask(*context_, target, request);
}

}  // namespace cairn::client
