// namenode/namespace/first_records.h - what an empty namespace consists of.
#pragma once

#include <cstdint>
#include <string>

#include "namenode/store/store.h"

namespace cairn::namenode {

struct NewNamespace {
  std::string cluster_id, block_pool_id;
  uint32_t layout_version = 0;
  std::string superuser, supergroup;  // own the root directory
  uint64_t created_ms = 0;
};

// For Store::Format: identity and counters, and the root directory.
Store::Records FirstRecords(const NewNamespace& options);

}  // namespace cairn::namenode
