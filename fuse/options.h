// fuse/options.h - the command line of cairn-fuse.
//
//   cairn-fuse hdfs://HOST[:PORT][/PATH] MOUNTPOINT [-f] [-d] [-o OPTION,...] [-D KEY=VALUE]...
//
// Under a name that begins with "mount." it takes what mount(8) says to its helpers:
//
//   mount.fuse.cairn hdfs://HOST[:PORT][/PATH] MOUNTPOINT [-sfnv] [-N NAMESPACE] [-t TYPE] [-o ...]
//
// Either way the options that fstab has for mount(8) itself are passed over.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/logging.h"
#include "fuse/mount.h"

namespace cairn::fuse {

struct CommandLine {
  bool help = false;
  bool version = false;
  bool fake = false;                        // mount -f: everything but the mount itself
  bool foreground = false;                  // -f
  bool debug = false;                       // -d: every request to stderr, in the foreground
  std::string source;                       // as given
  std::string mountpoint;                   // absolute, as /proc/mounts has it
  std::string conf;                         // -o conf=DIR
  std::vector<std::string> overrides;       // -D
  std::vector<std::string> kernel_options;  // of -o: libfuse's and the kernel's
  LogLevel log_level = LogLevel::kInfo;
  std::string log_file;
  unsigned int max_threads = 32;
  // attribute_life, entry_life, negative_life, one_user, stage and the switches are set here; the
  // rest by ToSettings.
  MountSettings settings;
};

// `program`: the name it was called by. kInvalidArgument: what is wrong, as a line for the user.
absl::StatusOr<CommandLine> ParseCommandLine(absl::string_view program,
                                             const std::vector<std::string>& arguments);

// With the configuration: $HADOOP_CONF_DIR or conf=DIR, and -D. kInvalidArgument: names file and
// key.
absl::StatusOr<MountSettings> ToSettings(const CommandLine& line);

extern const char kUsage[];

}  // namespace cairn::fuse
