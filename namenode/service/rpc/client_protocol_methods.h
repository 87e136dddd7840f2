// namenode/service/rpc/client_protocol_methods.h - what the method files of the client protocol
// share: the table's rows, parsing a request, checks, and the common shapes of answers.
//
// Internal to this folder.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "namenode/cluster/cluster_state.h"
#include "namenode/core/text.h"
#include "namenode/namenode.h"
#include "namenode/service/rpc/backward_writer.h"
#include "namenode/service/rpc/client_protocol_service.h"
#include "namenode/service/rpc/encode.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::namenode::client_protocol {

// Largest request of most methods. Parsed, a hostile one (empty nested messages) may take a hundred
// times its size for a moment: this bounds it to about 100 MiB per I/O thread.
inline constexpr size_t kMaxRequestBytes = size_t{1} << 20;
// concat names all its sources.
inline constexpr size_t kMaxConcatRequestBytes = size_t{4} << 20;
inline constexpr int kMaxConcatSources = 32768;
// Datanodes, storages and blocks named in one request.
inline constexpr int kMaxListedNodes = 4096;
inline constexpr size_t kMaxPrincipalBytes = 1024;  // a user's or group's name
// Request messages up to this size are parsed into memory that the thread keeps.
inline constexpr size_t kReusedRequestBytes = 16384;
// What a thread's writer keeps between answers: a page of a listing with locations fits.
inline constexpr size_t kKeptAnswerBytes = size_t{1} << 20;
// Lengths, offsets and times are signed in the clients' eyes: a larger number is a negative one.
inline constexpr uint64_t kMaxSigned = std::numeric_limits<int64_t>::max();

// What all methods work with. Shared, since a waiting call may outlive the service.
struct Edge {
  Edge(Namenode& nn, Scheduler scheduler, ClientProtocolOptions opts);

  // Takes a view of the cluster: once per answer.
  BlockContext blocks() const { return {pool_id, namenode.cluster().View()}; }

  Namenode& namenode;
  const Scheduler schedule;
  const ClientProtocolOptions options;
  const std::string pool_id;
  const std::string server_defaults;  // GetServerDefaultsResponseProto, encoded: it never changes
  mutable std::atomic<int> waiting_calls = 0;
};

// The place of a call that waits for a datanode: complete(), addBlock() or truncate(); given back
// when it ends.
class WaitingPlace {
 public:
  // nullopt: too many wait already, or such calls are not to wait: answer at once.
  static std::optional<WaitingPlace> Take(const std::shared_ptr<const Edge>& edge,
                                          absl::Duration wait);
  WaitingPlace(WaitingPlace&&) = default;
  WaitingPlace& operator=(WaitingPlace&&) = delete;
  ~WaitingPlace();

 private:
  explicit WaitingPlace(std::shared_ptr<const Edge> edge) : edge_(std::move(edge)) {}
  std::shared_ptr<const Edge> edge_;  // null: moved from
};

// One call. Valid while its handler runs.
struct Call {
  const std::shared_ptr<const Edge>& edge_owner;
  const Caller& caller;
  absl::string_view request;
  rpc::RpcReply& reply;

  const Edge& edge() const { return *edge_owner; }
  Namenode& namenode() const { return edge_owner->namenode; }
};

struct Method {
  absl::string_view name;
  void (*handler)(const Call&);
  bool at_most_once = false;  // "A" in HDFS's protocol: a resend must not take effect again
  size_t max_request_bytes = kMaxRequestBytes;
};

// The tables. Static: they and the names in them live for ever.
absl::Span<const Method> ReadMethods();
absl::Span<const Method> NamespaceMethods();
absl::Span<const Method> WriteMethods();
absl::Span<const Method> AdminMethods();
absl::Span<const Method> UpkeepMethods();
absl::Span<const Method> ErasureMethods();

// ---- Requests

// The only field when `bytes` is exactly one string in field 1, as most requests that name a path
// are; nullopt: parse the message.
inline std::optional<absl::string_view> OnlyString(absl::string_view bytes) {
  if (bytes.size() < 2 || bytes[0] != 0x0a) return std::nullopt;
  size_t length = static_cast<uint8_t>(bytes[1]);
  size_t header = 2;
  if (length >= 0x80) {
    if (bytes.size() < 3 || static_cast<uint8_t>(bytes[2]) >= 0x80) return std::nullopt;
    length = (length & 0x7f) | static_cast<size_t>(static_cast<uint8_t>(bytes[2])) << 7;
    header = 3;
  }
  if (bytes.size() - header != length) return std::nullopt;
  return bytes.substr(header);
}

absl::Status ParseError(const google::protobuf::MessageLite& message, size_t request_bytes);

// Parses the request and hands it to `body`, or answers that it does not parse.
template <typename Request, typename Body>
void WithRequest(const Call& call, Body&& body) {
  const auto parse_and_run = [&](Request& request) {
    // Partial, since the full parser writes to stderr whatever a client leaves out.
    if (!request.ParsePartialFromArray(call.request.data(),
                                       static_cast<int>(call.request.size())) ||
        !request.IsInitialized()) {
      call.reply.Fail(ParseError(request, call.request.size()));
      return;
    }
    body(static_cast<const Request&>(request));
  };
  if (call.request.size() > kReusedRequestBytes) {
    Request once;
    parse_and_run(once);
  } else {
    // Its strings keep their memory: a call of a usual size allocates nothing here.
    static thread_local Request reused;
    parse_and_run(reused);
  }
}

// ---- Checks. Each returns what to answer, or OK.

absl::Status CheckSuperuser(const Call& call);
// Of clients' names: CheckClientName, in namenode/core/text.h.
absl::Status CheckCount(int count, int limit, absl::string_view what);
// kIo: a block of another namespace. kIllegalArgument: a negative length.
absl::StatusOr<BlockVersion> ToBlock(const Edge& edge, const hdfs::ExtendedBlockProto& block);

// ---- Answers

// This thread's writer, empty.
BackwardWriter& Answer();

inline void SendAnswer(const Call& call, uint64_t ticket, const BackwardWriter& w) {
  call.reply.SendBytesAt(ticket, w.view());
}

// Fails the call if the outcome is an error; true: there is a value to tell.
template <typename T>
bool Succeeded(const Call& call, const Outcome<T>& outcome) {
  if (outcome.value.ok()) return true;
  call.reply.FailAt(outcome.ticket, outcome.value.status());
  return false;
}

// For responses without fields.
inline void AnswerNothing(const Call& call, const Outcome<Nothing>& outcome) {
  if (Succeeded(call, outcome)) call.reply.SendBytesAt(outcome.ticket, "");
}

// For responses whose only field is `required bool result = 1`: such a response.
inline absl::string_view BoolResponse(bool result) {
  return result ? absl::string_view("\x08\x01", 2) : absl::string_view("\x08\x00", 2);
}
inline void AnswerBool(const Call& call, const Outcome<bool>& outcome) {
  if (!Succeeded(call, outcome)) return;
  call.reply.SendBytesAt(outcome.ticket, BoolResponse(*outcome.value));
}

// For responses whose field 1 is a HdfsFileStatusProto without a name.
void AnswerFileStatus(const Call& call, uint64_t ticket, const FileStatus& status);
// For responses whose field 1 is a LocatedBlockProto.
void AnswerLocatedBlock(const Call& call, const Outcome<LocatedBlock>& outcome);

// FileNotFoundException in HDFS's words.
absl::Status NoSuchFile(absl::string_view path);

}  // namespace cairn::namenode::client_protocol
