// client/testing/fake_names.h - a namenode that knows some names, and does nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/file_system.h"

namespace cairn::client {

struct FakeName {
  uint64_t inode = 0;
  bool is_directory = false;
};

// A client of it. Answers getFileInfo; any other method is noted in `asked`, and refused.
std::unique_ptr<FileSystem> ConnectToNames(std::map<std::string, FakeName> names,
                                           std::vector<std::string>& asked);

}  // namespace cairn::client
