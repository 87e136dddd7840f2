// tools/ec/missing_bytes.h - can all bytes of a file be read where its blocks are?
//
// Pure.
#pragma once

#include <string>

#include "client/types.h"

namespace cairn::tools {

// Whether bytes of the block may be on no datanode that is there; of a group under `policy` ("": of
// a block), whether fewer of its units are left than its bytes can be computed from.
bool MayLackBytes(const client::BlockLocation& block, const std::string& policy);

}  // namespace cairn::tools
