// tests/sim/messages.h - what travels through a write pipeline, reduced to what decides: the fields
// of WRITE_BLOCK's header and answer, of packets, and of acknowledgements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "common/ids.h"

namespace cairn::sim {

using Bytes = std::vector<std::byte>;
using Host = int;

// Stages of hdfs::OpWriteBlockProto.
enum class Stage {
  kCreate,
  kAppend,
  kAppendRecovery,
  kStreamingRecovery,
  kCloseRecovery,
  kCopy,  // a replica from another datanode: the namenode's order, nothing is acknowledged
};

struct SetUp {
  Stage stage = Stage::kCreate;
  BlockId block{};
  GenerationStamp stamp{};      // that the replicas have, or are to be created with
  GenerationStamp new_stamp{};  // that they go on under
  uint64_t min_bytes = 0;       // acknowledged to the writer
  std::vector<Host> targets;    // the nodes behind this one
};

struct SetUpReply {
  bool ok = false;
  Host bad = -1;  // the node that refused or was not reached
  std::string message;
};

struct Packet {
  int64_t seqno = 0;
  uint64_t offset = 0;  // in the block
  std::shared_ptr<const Bytes> data;
  bool sync = false;
  bool last = false;
  uint64_t end() const { return offset + data->size(); }
};

struct Ack {
  int64_t seqno = 0;
  std::vector<bool> ok;  // of this node and those behind it, up to the first that failed
  bool AllOk() const {
    for (const bool one : ok) {
      if (!one) return false;
    }
    return true;
  }
};

using Message = std::variant<SetUp, SetUpReply, Packet, Ack>;

}  // namespace cairn::sim
