// tools/dfsadmin/reconfig.h - `cairn dfsadmin -reconfig`: how a datanode's reading of its
// configuration went, in HDFS's words.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "client/admin_types.h"

namespace cairn::tools {

void PrintReconfiguration(const std::string& address,
                          const std::optional<client::ReconfigurationTask>& task,
                          std::ostream& out);

}  // namespace cairn::tools
