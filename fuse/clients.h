// fuse/clients.h - the cluster as each user sees it: one libcairn file system per user name.
//
// HDFS takes the user from the connection, so each user who calls has one of his own, made when he
// first calls. At most kMaxClients are kept; beyond that the one that was used least recently, and
// that no open file holds, goes.
//
// Thread-safe.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "client/file_system.h"
#include "common/mutex.h"

namespace cairn::fuse {

using ClientPtr = std::shared_ptr<client::FileSystem>;

class Clients {
 public:
  static constexpr size_t kMaxClients = 64;

  // `uri` and `options` as FileSystem::Connect takes them; the user in them is not looked at.
  Clients(std::string uri, client::ClientOptions options);

  // Makes no call to the cluster. kInvalidArgument: see FileSystem::Connect.
  absl::StatusOr<ClientPtr> For(const std::string& user) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Uses = std::list<std::pair<std::string, ClientPtr>>;  // the latest first

  const std::string uri_;
  const client::ClientOptions options_;
  Mutex mu_;
  Uses uses_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, Uses::iterator> by_user_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::fuse
