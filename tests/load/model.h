// tests/load/model.h - what must be found after any crash, given what was acknowledged.
//
// One writer owns one directory and does one operation at a time. An acknowledged operation has
// happened. One that failed without a clear answer may have happened or not: the paths that it
// touched are then in doubt, both outcomes are accepted, and the writer leaves them alone.
// Not thread-safe: the writer's thread uses it, or the checker while the writer stands still.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "tests/load/content.h"

namespace cairn::load {

// A file or directory as it must be.
struct Thing {
  bool directory = false;
  FileContent content;
  uint64_t least_bytes = 0;  // acknowledged by hsync or close
  uint64_t most_bytes = 0;   // handed to the stream; equal to least_bytes once closed
  bool closed = true;        // false: a writer that failed left it open
  // A cut inside a block is under way, to least_bytes from most_bytes: exactly that once the file
  // is closed. `closed` is false.
  bool truncating = false;
  // Its path has held other bytes, or more of them: readers cannot tell whose they find.
  bool rewritten = false;
  uint16_t mode = 0;  // permission bits; 0: not looked at
};

// The file as it is when its truncation is over.
Thing Truncated(Thing file);

// An operation whose outcome is not known: exactly one of two states.
struct Doubt {
  // Path to what is there, for each path touched; nullopt: nothing.
  using State = std::map<std::string, std::optional<Thing>>;
  State before;
  State after;
};

class Model {
 public:
  // Acknowledged changes. Each path's `changed` number grows with each.
  void Put(const std::string& path, const Thing& thing);
  void Remove(const std::string& path);
  void Move(const std::string& from, const std::string& to);  // of a file or an empty directory
  void Apply(const Doubt::State& state);                      // what an operation has led to

  // The paths leave `things` and are in doubt from now on.
  void AddDoubt(Doubt doubt);

  const Thing* Find(const std::string& path) const;
  const std::map<std::string, Thing>& things() const { return things_; }
  const std::vector<Doubt>& doubts() const { return doubts_; }
  bool InDoubt(const std::string& path) const { return doubted_.contains(path); }
  // `directory` or something in it.
  bool InDoubtBelow(const std::string& directory) const;

  // The states before and after an operation on closed files.
  Doubt Overwriting(const std::string& from, const std::string& to) const;  // a rename
  Doubt Joining(const std::string& target, const std::vector<std::string>& sources) const;
  Doubt Truncating(const std::string& path, uint64_t length) const;  // inside a block

  // Every path that was ever used; what is not in things() or in doubt must be absent.
  const std::set<std::string>& gone() const { return gone_; }

  // The paths touched, and the doubts added, since the last call of each.
  std::set<std::string> TakeRecent();
  std::span<const Doubt> TakeRecentDoubts();

 private:
  std::map<std::string, Thing> things_;
  std::vector<Doubt> doubts_;
  std::set<std::string> doubted_;
  std::set<std::string> gone_;
  std::set<std::string> recent_;
  size_t doubts_taken_ = 0;
};

}  // namespace cairn::load
