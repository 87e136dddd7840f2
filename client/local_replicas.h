// client/local_replicas.h - replicas on this machine whose files the datanodes have opened for us.
//
// A datanode that shares the machine passes the descriptors of a finalized replica over its UNIX
// socket (REQUEST_SHORT_CIRCUIT_FDS); they are kept for the next reader of the block for some
// minutes, so many at most. Whatever is in the way, the answer is "none", and the reader asks the
// datanode for packets: a datanode of another machine, no socket, one where others could have put
// theirs, a refusal. What was in the way is not tried again for some seconds.
//
// No shared memory is asked for: a deleted replica's files, and the space they take on the disk,
// stay until they are dropped here and by the streams that read them.
//
// A unit of a block group is a replica like any other. A stream in a group holds those that it
// reads, of which there may be 16: so what streams hold is bounded as well, and they read over
// connections where it is too much.
//
// Thread-safe. One thread, started with the first replica, drops the old ones.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/local_block_reader.h"
#include "client/peer_cache.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

class LocalReplicas {
 public:
  struct Options {
    bool enabled = true;
    std::string socket_path;  // with _PORT in it; empty: none
    // Replicas kept, at two descriptors each, but no more than an eighth of what this process may
    // open; 0: none is, each reader asks.
    size_t capacity = 256;
    // Those that streams hold included, and no more than a quarter.
    size_t most_open = SIZE_MAX;
    absl::Duration expiry = absl::Minutes(5);
  };
  // `connections` and `clock` outlive this.
  LocalReplicas(Options options, PeerCache& connections, Clock& clock);
  ~LocalReplicas();
  LocalReplicas(const LocalReplicas&) = delete;
  LocalReplicas& operator=(const LocalReplicas&) = delete;

  // Whether `node` is on this machine and may hand its files over.
  bool MayServe(const hdfs::DatanodeIDProto& node) ABSL_LOCKS_EXCLUDED(mu_);
  // Null: `node` has no file of it for us. Waits for the datanode for a few seconds at most.
  std::shared_ptr<const LocalReplica> Get(const hdfs::DatanodeIDProto& node,
                                          const hdfs::ExtendedBlockProto& block,
                                          const hdfs::TokenProto& token) ABSL_LOCKS_EXCLUDED(mu_);
  // It is kept: Get gives it at once. Does not count as a use.
  bool Has(const hdfs::DatanodeIDProto& node, const hdfs::ExtendedBlockProto& block)
      ABSL_LOCKS_EXCLUDED(mu_);
  // What was got of it does not do: for some seconds there is none.
  void Reject(const hdfs::DatanodeIDProto& node, const hdfs::ExtendedBlockProto& block)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // Two clusters, one of which has taken the other's place at its ports, give the same ids.
  struct Key {
    std::string pool, datanode;
    uint64_t block = 0, stamp = 0;
    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.pool, key.datanode, key.block, key.stamp);
    }
  };
  struct Kept {
    Key key;
    std::shared_ptr<const LocalReplica> replica;
    absl::Duration until;
  };
  using List = std::list<Kept>;

  static Key KeyOf(const hdfs::DatanodeIDProto& node, const hdfs::ExtendedBlockProto& block);
  bool IsLocal(const std::string& ip) ABSL_LOCKS_EXCLUDED(mu_);
  std::string PathOf(const hdfs::DatanodeIDProto& node) const;
  bool IsShunned(const std::string& path) ABSL_LOCKS_EXCLUDED(mu_);
  // kUnavailable: the socket or what is behind it fails. kNotFound: the datanode does not hand this
  // one over. kResourceExhausted: this process has no room for descriptors.
  absl::StatusOr<std::shared_ptr<const LocalReplica>> Ask(const std::string& path,
                                                          const hdfs::ExtendedBlockProto& block,
                                                          const hdfs::TokenProto& token);
  absl::StatusOr<std::shared_ptr<const LocalReplica>> AskBy(Socket& socket,
                                                            const std::string& request);
  // The same replica, which counts as open until the last one lets go of it.
  std::shared_ptr<const LocalReplica> Counted(std::shared_ptr<const LocalReplica> replica);
  bool HasRoom() ABSL_LOCKS_EXCLUDED(mu_);  // for one more; drops all that is kept if need be
  void Keep(const Key& key, std::shared_ptr<const LocalReplica> replica) ABSL_LOCKS_EXCLUDED(mu_);
  void Refused(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DropAll() ABSL_LOCKS_EXCLUDED(mu_);
  void Erase(List::iterator kept, List& dropped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DropOld() ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  const size_t capacity_;
  const size_t most_open_;
  const std::shared_ptr<std::atomic<size_t>> open_ = std::make_shared<std::atomic<size_t>>(0);
  PeerCache& connections_;
  Clock& clock_;
  Mutex mu_;
  CondVar stop_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_set<std::string> addresses_ ABSL_GUARDED_BY(mu_);  // ours
  absl::Duration addresses_until_ ABSL_GUARDED_BY(mu_) = -absl::InfiniteDuration();
  absl::flat_hash_map<std::string, absl::Duration> shunned_ ABSL_GUARDED_BY(mu_);  // path: until
  absl::flat_hash_map<Key, absl::Duration> refused_ ABSL_GUARDED_BY(mu_);          // until
  List kept_ ABSL_GUARDED_BY(mu_);  // the least recently used first
  absl::flat_hash_map<Key, List::iterator> by_key_ ABSL_GUARDED_BY(mu_);
  std::thread dropper_;  // started under mu_, joined by the destructor
};

}  // namespace cairn::client
