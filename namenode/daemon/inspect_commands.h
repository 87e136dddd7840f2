// namenode/daemon/inspect_commands.h - `cairn edits dump` and `cairn image export`, which look into
// a namenode's files; the namenode's program carries them out, since it knows the formats.
//
// `args` are those after the program's name. Exit status: 0; 1 if something failed or is damaged,
// said on `err`; 2 for bad usage.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace cairn::namenode {

int RunEdits(const std::vector<std::string>& args, std::ostream& out, std::ostream& err);
int RunImage(const std::vector<std::string>& args, std::ostream& out, std::ostream& err);

}  // namespace cairn::namenode
