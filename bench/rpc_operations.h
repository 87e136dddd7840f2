// bench/rpc_operations.h - operations of HDFS's ClientProtocol for Load, with what each expects to
// be answered.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "bench/rpc_load.h"

namespace cairn::bench {

using PathOf = std::function<std::string(uint64_t item)>;

Operation GetFileInfo(const PathOf& path);        // something is there
Operation GetBlockLocations(const PathOf& path);  // as a client asks at open; a file is there
Operation GetListing(const PathOf& path, uint64_t entries);  // all `entries` fit into a page
Operation Mkdirs(const PathOf& path);                        // with parents
Operation Create(const PathOf& path);  // an empty new file, with parents; create and complete
Operation Rename(const PathOf& from, const PathOf& to);
Operation Delete(const PathOf& path, bool recursive);  // something is there

}  // namespace cairn::bench
