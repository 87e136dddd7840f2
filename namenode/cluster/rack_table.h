// namenode/cluster/rack_table.h - which rack a host stands in.
//
// From a file, or from a script's answers (rack_finder.h). The file is Hadoop's
// net.topology.table.file.name: one host name or numeric address and its rack per line, parted by
// white space; empty lines and lines that begin with '#' mean nothing.
//
//   # host          rack
//   10.1.0.7        /hall-1/rack-3
//   worker-8.lan    /hall-1/rack-4
//
// Hadoop skips a line it does not understand and puts the host in the default rack, where a typing
// error costs the spread of every block; here such a line is refused with the whole file.
// Immutable once made: any thread. RackWishes synchronizes itself; its lock is a leaf.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace cairn::namenode {

inline constexpr absl::string_view kDefaultRack = "/default-rack";

// Addresses whose rack somebody asked for and the script has not told yet. Bounded: what comes when
// it is full is not noted, and asked for again.
class RackWishes {
 public:
  static constexpr size_t kMost = 20'000;

  void Note(absl::string_view ip) ABSL_LOCKS_EXCLUDED(mu_);
  // Removes and returns at most `most` of them, in order.
  std::vector<std::string> Take(size_t most) ABSL_LOCKS_EXCLUDED(mu_);
  // Until there is one, somebody calls Wake, or the time is up.
  void Await(absl::Duration patience) ABSL_LOCKS_EXCLUDED(mu_);
  void Wake() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Mutex mu_;
  CondVar changed_;
  absl::flat_hash_set<std::string> wanted_ ABSL_GUARDED_BY(mu_);
};

class RackTable {
 public:
  RackTable() = default;  // every host is in the default rack
  // `wishes`: whom to tell of addresses that are not in the table; null: they are in no rack of
  // their own.
  explicit RackTable(absl::flat_hash_map<std::string, std::string> racks,
                     std::shared_ptr<RackWishes> wishes = nullptr);

  // `source` is the file's name, for messages. kInvalidArgument: a line is not "host rack", a rack
  // does not begin with '/', or a host is named twice with different racks; names source and line.
  static absl::StatusOr<RackTable> Parse(absl::string_view text, absl::string_view source);

  // The address is asked first, then the name. Either may be empty.
  const std::string& RackOf(absl::string_view ip, absl::string_view host_name) const;
  // False: the script has not been asked yet; it is now.
  bool Knows(absl::string_view ip, absl::string_view host_name) const;
  size_t size() const { return racks_.size(); }

 private:
  const std::string* Find(absl::string_view ip, absl::string_view host_name) const;

  absl::flat_hash_map<std::string, std::string> racks_;
  std::shared_ptr<RackWishes> wishes_;
};

}  // namespace cairn::namenode
