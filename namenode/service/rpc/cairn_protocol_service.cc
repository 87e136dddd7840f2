#include "namenode/service/rpc/cairn_protocol_service.h"

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "proto/client.pb.h"
#include "wire/parse_message.h"

namespace cairn::namenode {
namespace {

constexpr absl::string_view kReplaceBlocks = "replaceBlocks";

// Views into `request`.
ReplaceBlocksRequest ToRequest(const client_calls::ReplaceBlocksRequest& request) {
  ReplaceBlocksRequest out{.target = request.target(),
                           .source = request.source(),
                           .client_name = request.client_name(),
                           .target_id = InodeId{request.target_inode()}};
  out.expected.reserve(static_cast<size_t>(request.expected_size()));
  for (const client_calls::BlockVersion& block : request.expected()) {
    out.expected.push_back(
        {BlockId{block.id()}, GenerationStamp{block.generation_stamp()}, block.length()});
  }
  out.blocks.reserve(static_cast<size_t>(request.blocks_size()));
  for (const uint64_t block : request.blocks()) out.blocks.push_back(BlockId{block});
  return out;
}

}  // namespace

void CairnProtocolService::Handle(const rpc::CallInfo& call, absl::string_view method,
                                  absl::string_view bytes, rpc::RpcReply& reply) {
  if (method != kReplaceBlocks) {
    return reply.Fail(
        MakeFsError(FsError::kNoSuchMethod, absl::StrCat("Unknown method ", method.substr(0, 128),
                                                         " called on ", protocol(), " protocol.")));
  }
  client_calls::ReplaceBlocksRequest request;
  if (bytes.size() > kMaxRequestBytes || !ParseMessage(bytes, &request)) {
    return reply.Fail(absl::InvalidArgumentError("the request does not parse, or is too large"));
  }
  counters_.Count(kReplaceBlocks, call.principal.user);
  Caller caller{.user = call.principal.user, .remote_ip = call.remote_ip};
  // A negative call id is the connection's own business and is never resent.
  if (call.has_client_id && call.call_id >= 0) {
    caller.client_id = call.client_id.data();
    caller.call_id = call.call_id;
  }
  const Outcome<Nothing> outcome = namenode_.ReplaceBlocks(caller, ToRequest(request));
  if (!outcome.value.ok()) return reply.FailAt(outcome.ticket, outcome.value.status());
  reply.SendAt(outcome.ticket, client_calls::ReplaceBlocksResponse());
}

}  // namespace cairn::namenode
