#include "namenode/service/rpc/client_protocol_service.h"

#include <string>
#include <utility>

#include "common/check.h"
#include "namenode/service/rpc/client_protocol_methods.h"

namespace cairn::namenode {
namespace client_protocol {
namespace {

std::string EncodeServerDefaults(const ServerDefaults& defaults) {
  hdfs::GetServerDefaultsResponseProto response;
  FillServerDefaults(defaults, *response.mutable_serverdefaults());
  return response.SerializeAsString();
}

}  // namespace

Edge::Edge(Namenode& nn, Scheduler scheduler, ClientProtocolOptions opts)
    : namenode(nn),
      schedule(std::move(scheduler)),
      options(std::move(opts)),
      pool_id(nn.block_pool_id()),
      server_defaults(EncodeServerDefaults(nn.defaults())) {}

absl::Status ParseError(const google::protobuf::MessageLite& message, size_t request_bytes) {
  // Which fields a message lacks can take a hundred times its size to say: only short ones are
  // told.
  constexpr size_t kExplainedRequestBytes = 256;
  std::string reason;
  if (!message.IsInitialized()) {
    reason = request_bytes <= kExplainedRequestBytes
                 ? absl::StrCat(": missing ", message.InitializationErrorString())
                 : ": a required field is missing";
  }
  return absl::InvalidArgumentError(absl::StrCat("malformed ", message.GetTypeName(), reason));
}

std::optional<WaitingPlace> WaitingPlace::Take(const std::shared_ptr<const Edge>& edge,
                                               absl::Duration wait) {
  if (wait <= absl::ZeroDuration()) return std::nullopt;
  if (edge->waiting_calls.fetch_add(1, std::memory_order_relaxed) >=
      edge->options.max_waiting_calls) {
    edge->waiting_calls.fetch_sub(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  return WaitingPlace(edge);
}

WaitingPlace::~WaitingPlace() {
  if (edge_ != nullptr) edge_->waiting_calls.fetch_sub(1, std::memory_order_relaxed);
}

absl::Status CheckSuperuser(const Call& call) {
  if (call.namenode().IsSuperuser(call.caller)) return absl::OkStatus();
  return MakeFsError(FsError::kAccessControl,
                     absl::StrCat("Access denied for user ", call.caller.user,
                                  ". Superuser privilege is required"));
}

absl::Status CheckCount(int count, int limit, absl::string_view what) {
  if (count <= limit) return absl::OkStatus();
  return MakeFsError(FsError::kIllegalArgument,
                     absl::StrCat(count, " ", what, " in one request; the limit is ", limit));
}

absl::StatusOr<BlockVersion> ToBlock(const Edge& edge, const hdfs::ExtendedBlockProto& block) {
  if (block.poolid() != edge.pool_id) {
    return MakeFsError(FsError::kIo,
                       absl::StrCat("block ", block.blockid(), " is of block pool ", block.poolid(),
                                    "; this namenode's is ", edge.pool_id));
  }
  if (block.numbytes() > kMaxSigned) {
    return MakeFsError(FsError::kIllegalArgument,
                       absl::StrCat("block ", block.blockid(), " has the negative length ",
                                    static_cast<int64_t>(block.numbytes())));
  }
  return BlockVersion{BlockId{block.blockid()}, GenerationStamp{block.generationstamp()},
                      block.numbytes()};
}

BackwardWriter& Answer() {
  static thread_local BackwardWriter writer;
  writer.Clear(kKeptAnswerBytes);
  return writer;
}

void AnswerFileStatus(const Call& call, uint64_t ticket, const FileStatus& status) {
  BackwardWriter& w = Answer();
  PutFileStatus(w, 1, "", status);
  SendAnswer(call, ticket, w);
}

void AnswerLocatedBlock(const Call& call, const Outcome<LocatedBlock>& outcome) {
  if (!Succeeded(call, outcome)) return;
  BackwardWriter& w = Answer();
  PutLocatedBlock(w, 1, *outcome.value, call.edge().blocks());
  SendAnswer(call, outcome.ticket, w);
}

absl::Status NoSuchFile(absl::string_view path) {
  return MakeFsError(FsError::kFileNotFound, absl::StrCat("File does not exist: ", path));
}

}  // namespace client_protocol

namespace {

constexpr size_t kShownNameBytes = 128;  // an error need not echo a name of megabytes

absl::flat_hash_map<absl::string_view, const client_protocol::Method*> BuildMethods() {
  absl::flat_hash_map<absl::string_view, const client_protocol::Method*> methods;
  for (const auto table : {client_protocol::ReadMethods(), client_protocol::NamespaceMethods(),
                           client_protocol::WriteMethods(), client_protocol::AdminMethods(),
                           client_protocol::UpkeepMethods(), client_protocol::ErasureMethods()}) {
    for (const client_protocol::Method& method : table) {
      CHECK(methods.emplace(method.name, &method).second) << method.name << " is in two tables";
    }
  }
  return methods;
}

}  // namespace

ClientProtocolService::ClientProtocolService(Namenode& namenode, Scheduler schedule,
                                             ClientProtocolOptions options)
    : edge_(std::make_shared<client_protocol::Edge>(namenode, std::move(schedule),
                                                    std::move(options))),
      methods_(BuildMethods()) {}

ClientProtocolService::~ClientProtocolService() = default;

absl::string_view ClientProtocolService::protocol() const {
  return "org.apache.hadoop.hdfs.protocol.ClientProtocol";
}

void ClientProtocolService::Handle(const rpc::CallInfo& call, absl::string_view method,
                                   absl::string_view request, rpc::RpcReply& reply) {
  const auto found = methods_.find(method);
  if (found == methods_.end()) {
    reply.Fail(MakeFsError(FsError::kNoSuchMethod,
                           absl::StrCat("Unknown method ", method.substr(0, kShownNameBytes),
                                        " called on ", protocol(), " protocol.")));
    return;
  }
  const client_protocol::Method& row = *found->second;
  if (request.size() > row.max_request_bytes) {
    reply.Fail(MakeFsError(FsError::kIllegalArgument,
                           absl::StrCat("the request of ", row.name, " is ", request.size(),
                                        " bytes long; the limit is ", row.max_request_bytes)));
    return;
  }
  if (edge_->options.counters != nullptr) {
    edge_->options.counters->Count(row.name, call.principal.user);
  }
  Caller caller{.user = call.principal.user, .remote_ip = call.remote_ip};
  // A negative call id is the connection's own business and is never resent.
  if (row.at_most_once && call.has_client_id && call.call_id >= 0) {
    caller.client_id = call.client_id.data();
    caller.call_id = call.call_id;
  }
  row.handler({edge_, caller, request, reply});
}

}  // namespace cairn::namenode
