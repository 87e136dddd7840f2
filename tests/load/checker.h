// tests/load/checker.h - compares a cluster with the models of its writers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/file_system.h"
#include "tests/load/model.h"

namespace cairn::load {

struct Findings {
  uint64_t paths = 0;  // looked at
  uint64_t bytes = 0;  // read and compared
  uint64_t doubts_happened = 0, doubts_did_not = 0;
  std::vector<std::string>
      still_open;  // their lease recovery did not end in time; read as they are
  std::vector<std::string> violations;
};

// What was touched since the last check: names, modes, lengths, every byte of every file.
// The writer stands still meanwhile.
void CheckRecent(client::FileSystem& fs, Model& model, Findings& findings);

// All of it, files that a broken writer left open too (recovered first, if that is soon done), and
// that nothing else is below `directory`.
void CheckAll(client::FileSystem& fs, const std::string& directory, Model& model,
              Findings& findings);

}  // namespace cairn::load
