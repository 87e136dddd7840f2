// bench/local_namenode.h - a namenode inside the measuring process: NamenodeImpl over a real store
// and a real journal, without sockets. It does what namenode/daemon/server.cc does, in its order.
//
// Threads: Open and the destructor from one thread, the namenode from any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "namenode/cluster/cluster_state.h"
#include "namenode/core/namenode_impl.h"
#include "namenode/journal/journal.h"
#include "namenode/store/store.h"

namespace cairn::bench {

struct LocalOptions {
  std::string directory;  // made by Format; on the disk that is to be measured
  bool durable = true;    // false: a journal in memory, to see what the disk costs
  uint64_t inode_cache_bytes = uint64_t{256} << 20;
  uint64_t block_cache_bytes = uint64_t{64} << 20;
  uint64_t store_cache_bytes = uint64_t{128} << 20;
  uint64_t tail_bytes = uint64_t{32} << 20;
};

class LocalNamenode {
 public:
  // An empty namespace in `directory`, whatever was there.
  static absl::Status Format(const std::string& directory);
  static absl::StatusOr<std::unique_ptr<LocalNamenode>> Open(const LocalOptions& options);
  ~LocalNamenode();

  namenode::NamenodeImpl& namenode() { return *namenode_; }
  namenode::Journal& journal() { return *journal_; }
  namenode::Store& store() { return *store_; }

 private:
  LocalNamenode() = default;
  absl::Status Start(const LocalOptions& options);
  void Maintain();

  std::unique_ptr<namenode::ClusterState> cluster_;
  std::atomic<namenode::NamenodeImpl*> namenode_view_{nullptr};
  std::atomic<namenode::Journal*> journal_view_{nullptr};
  std::unique_ptr<namenode::NamenodeImpl> namenode_;
  std::unique_ptr<namenode::Store> store_;  // ends its flusher, which calls the namenode, first
  std::unique_ptr<namenode::Journal> journal_;
  Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread maintenance_;
};

}  // namespace cairn::bench
