// libhdfs/connections.h - libcairn's file systems, shared by the handles of one process.
//
// Programs call hdfsConnect for every file, and many never disconnect: with Hadoop's library they
// get one object again and again, and whoever closes it closes it for all. Here each call has a
// handle of its own, and only the sockets and threads behind are shared.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/file_system.h"
#include "common/config.h"

namespace cairn::libhdfs {

// One that is open already and was asked for with the same words, unless `fresh`; else a new one.
// `user` empty: as the configuration and the environment say. Makes no call to the cluster.
// kInvalidArgument: see client::FileSystem::Connect. Thread-safe.
absl::StatusOr<std::shared_ptr<client::FileSystem>> ConnectTo(const std::string& uri,
                                                              const std::string& user,
                                                              const Config& config, bool fresh);

}  // namespace cairn::libhdfs
