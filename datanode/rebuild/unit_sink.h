// datanode/rebuild/unit_sink.h - where the bytes of a unit go that is computed from others: to
// another datanode (unit_writer.h), or into a checksum (op_group_checksum.cc).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "datanode/pipeline/async.h"
#include "datanode/rebuild/rebuild_order.h"
#include "wire/transfer/checksum.h"

namespace cairn::datanode {

// All coroutines on one thread. After an error it is of no use.
class UnitSink {
 public:
  virtual ~UnitSink() = default;
  // The next bytes: whole chunks, but for the unit's last.
  virtual awaitable<absl::Status> Write(std::span<const std::byte> data) = 0;
  // All has been written, and was checked as far as it can be: until then nothing is sure.
  virtual awaitable<absl::Status> Finish() = 0;
  // What became of the unit, for the log: "rebuilt on 10.0.0.7:9866".
  virtual std::string What() const = 0;
};

using OpenedSink = absl::StatusOr<std::unique_ptr<UnitSink>>;
// For a target of the order. `of_sources`: how the units that are read are checksummed.
using OpenSink = std::function<awaitable<OpenedSink>(const UnitTarget& target,
                                                     const transfer::DataChecksum& of_sources)>;

}  // namespace cairn::datanode
