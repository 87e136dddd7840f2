// tools/mini.h - cairn mini: a whole cluster of real processes under one directory.
#pragma once

#include <string>
#include <vector>

namespace cairn::tools {

// `arguments` are those after "mini". Returns the exit status.
int RunMini(const std::vector<std::string>& arguments);

}  // namespace cairn::tools
