// namenode/service/rpc/client_protocol_service.h -
// "org.apache.hadoop.hdfs.protocol.ClientProtocol": HDFS's client calls on one side,
// namenode/namenode.h on the other.
//
// A front end: it translates, checks what only the wire can get wrong (counts, signs, missing
// parts) and decides nothing about the namespace. Each method is a row of a table in one of
// read.cc, namespace.cc, write.cc, admin.cc, upkeep.cc and erasure.cc; what is in no table is
// answered with kNoSuchMethod, which tells clients to do without.
//
// Every answer, errors too, waits for the ticket of the outcome it tells of. Calls that HDFS marks
// at-most-once carry the client's id to the namenode, so that a resend is answered as the first
// was.
//
// Threads: Handle from every I/O thread at once. complete() and addBlock() may answer up to
// `complete_wait` later, on a thread of `schedule`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "namenode/namenode.h"
#include "namenode/service/rpc/operation_counters.h"
#include "wire/rpc/service.h"

namespace cairn::namenode {

// Runs the function on some other thread, or later on this one, once the time has passed; never
// from within the call, since it may be made under the namenode's locks.
using Scheduler = std::function<void(absl::Duration, std::function<void()>)>;

// saveNamespace: not needed when the last checkpoint is at most this old and this far behind. Both
// zero: it is wanted anyway.
struct SaveNamespaceRequest {
  absl::Duration time_window;
  uint64_t transaction_gap = 0;
};

struct ClientProtocolOptions {
  // How long complete() waits for replicas before it answers false, and addBlock() before it
  // answers NotReplicatedYetException. The Go client turns one of either into an error, and Java
  // sleeps 400 ms after it.
  absl::Duration complete_wait = absl::Seconds(2);
  // complete(), addBlock() and truncate() calls that wait at one time, the first two counted for
  // the whole of `complete_wait` even if they are answered sooner: this bounds their memory, timers
  // included, since each keeps a path, a client's name, a user and datanodes that are not wanted,
  // some 10 KiB at most and 300 bytes as a rule. Further ones are answered "not yet" at once.
  int max_waiting_calls = 65536;
  // Counts every call, if not null; outlives the service.
  OperationCounters* counters = nullptr;
  // How long truncate() inside a block waits for the datanodes before it answers false.
  absl::Duration truncate_wait = absl::Seconds(20);
  // getBatchedListing: paths that one call may name, and entries (or replicas, if they are asked
  // for and more) with which its answer ends.
  int batched_paths = 100;
  size_t listing_limit = 1000;
  // Makes a checkpoint and then, on any thread, tells whether one was made. Null: unsupported.
  using Saved = std::function<void(const absl::StatusOr<bool>&)>;
  std::function<void(const SaveNamespaceRequest&, Saved)> save_namespace;
  // finalizeUpgrade: what a restore has dropped may now go. Null: there is nothing to finalize.
  std::function<Outcome<Nothing>(const Caller&)> finalize;
  // upgradeStatus: no state is kept to go back to. Null: none ever is.
  std::function<bool()> upgrade_final;
  // Begins a journal segment and gives its first txid. Null: unsupported.
  std::function<absl::StatusOr<uint64_t>()> roll_edits;
  // Writes a file of this name, and then, on any thread, tells how it went. Null: unsupported.
  std::function<void(absl::string_view user, absl::string_view file_name,
                     std::function<void(const absl::Status&)>)>
      meta_save;
  // Reads the hosts files and the rack table again. Null: there are none.
  std::function<absl::Status()> refresh_nodes;
};

namespace client_protocol {
struct Edge;
struct Method;
}  // namespace client_protocol

class ClientProtocolService final : public rpc::RpcService {
 public:
  // `namenode` outlives this and every function handed to `schedule`.
  ClientProtocolService(Namenode& namenode, Scheduler schedule, ClientProtocolOptions options = {});
  ~ClientProtocolService() override;

  absl::string_view protocol() const override;
  // kNoSuchMethod: as above. kInvalidArgument: the request does not parse. kIllegalArgument: it is
  // larger than the method allows, or one of its numbers is out of range. Nothing has changed then.
  void Handle(const rpc::CallInfo& call, absl::string_view method, absl::string_view request,
              rpc::RpcReply& reply) override;

 private:
  const std::shared_ptr<const client_protocol::Edge> edge_;
  const absl::flat_hash_map<absl::string_view, const client_protocol::Method*> methods_;
};

}  // namespace cairn::namenode
