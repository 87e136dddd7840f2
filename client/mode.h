// client/mode.h - permission bits as text: "755", "u+rwX,go-w", "rwxr-xr-t".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::client {

// A change of mode as chmod(1) takes it: octal digits, or clauses such as "u=rw,g+X,o-rwx,+t".
class ModeChange {
 public:
  // kInvalidArgument: not a mode.
  static absl::StatusOr<ModeChange> Parse(absl::string_view text);
  // The new mode of a file that has `mode`. X gives execute to directories and to files that have
  // it for someone.
  uint16_t Apply(uint16_t mode, bool is_directory) const;

 private:
  struct Clause {
    uint16_t who = 0;  // mask of the rwx bits and the sticky bit that may change
    char op = '=';
    uint16_t bits = 0;                 // rwx for everybody, to be cut by `who`
    bool conditional_execute = false;  // X
  };
  std::vector<Clause> clauses_;
};

// "022" or, as HDFS takes it too, the symbolic form of what is allowed: "u=rwx,g=rx,o=rx".
absl::StatusOr<uint16_t> ParseUmask(absl::string_view text);

// "rwxr-x--t": nine characters; t or T stands for the sticky bit.
std::string ModeText(uint16_t mode);

}  // namespace cairn::client
