// namenode/offline/name_directory.h - what lies in a namenode's directory, by name.
#pragma once

#include <string>

namespace cairn::namenode {

inline std::string StoreDirectory(const std::string& directory) { return directory + "/store"; }
inline std::string JournalDirectory(const std::string& directory) { return directory + "/journal"; }
inline std::string CheckpointDirectory(const std::string& directory) {
  return directory + "/checkpoints";
}
inline std::string VersionFile(const std::string& directory) { return directory + "/VERSION"; }
// VERSION while a format is under way: there from its first change to its last.
inline std::string FormatFile(const std::string& directory) {
  return directory + "/VERSION.format";
}
inline std::string LockFile(const std::string& directory) { return directory + "/in_use.lock"; }

}  // namespace cairn::namenode
