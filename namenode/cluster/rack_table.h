// namenode/cluster/rack_table.h - which rack a host stands in.
//
// The table is Hadoop's net.topology.table.file.name: one host name or numeric address and its rack
// per line, parted by white space; empty lines and lines that begin with '#' mean nothing.
//
//   # host          rack
//   10.1.0.7        /hall-1/rack-3
//   worker-8.lan    /hall-1/rack-4
//
// Hadoop skips a line it does not understand and puts the host in the default rack, where a typing
// error costs the spread of every block; here such a line stops the start.
// Immutable once made: any thread.
#pragma once

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::namenode {

inline constexpr absl::string_view kDefaultRack = "/default-rack";

class RackTable {
 public:
  RackTable() = default;  // every host is in the default rack
  explicit RackTable(absl::flat_hash_map<std::string, std::string> racks);

  // `source` is the file's name, for messages. kInvalidArgument: a line is not "host rack", a rack
  // does not begin with '/', or a host is named twice with different racks; names source and line.
  static absl::StatusOr<RackTable> Parse(absl::string_view text, absl::string_view source);

  // The address is asked first, then the name. Either may be empty.
  const std::string& RackOf(absl::string_view ip, absl::string_view host_name) const;
  size_t size() const { return racks_.size(); }

 private:
  absl::flat_hash_map<std::string, std::string> racks_;
};

}  // namespace cairn::namenode
