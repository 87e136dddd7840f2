// tests/load/writer.h - one client that keeps changing its own directory and remembers what was
// acknowledged.
//
// Threads: one calls Step(); activity() may be read by any. While no Step() runs, the checker may
// use model().
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/file_system.h"
#include "tests/load/board.h"
#include "tests/load/model.h"
#include "tests/load/trace.h"

namespace cairn::load {

struct WriterOptions {
  std::string directory;  // absolute; made by Start()
  uint64_t seed = 0;
  bool data = true;  // false: metadata and small files only
  uint64_t most_file_bytes = 3 << 20;
};

class Writer {
 public:
  enum class Activity : uint8_t {
    kNone,
    kCall,    // a metadata call is unanswered
    kStream,  // a file is open and its bytes are on their way
  };

  // All three outlive this. What becomes acknowledged is posted on the board.
  Writer(const WriterOptions& options, client::FileSystem& fs, Trace& trace, Board& board);

  // Makes the directory, or takes one that is there, with its erasure coding policy. Any error: the
  // load cannot begin.
  absl::Status Start();

  // One operation, whatever becomes of it.
  void Step();

  Activity activity() const { return activity_.load(std::memory_order_relaxed); }
  Model& model() { return model_; }
  const std::string& directory() const { return options_.directory; }

  // Answers that no history explains, such as "exists already" for a name never used.
  const std::vector<std::string>& wrong_answers() const { return wrong_answers_; }
  const std::map<std::string, uint64_t>& acknowledged() const { return acknowledged_; }
  const std::map<std::string, uint64_t>& unclear() const { return unclear_; }

 private:
  void Mkdir();
  void CreateFile(uint64_t bytes);
  void AppendFile();
  void RenameThing();
  void RenameOver();  // a rename with overwrite, of one file onto another
  void ConcatFiles();
  void TruncateFile();
  // Looks whether a cut inside a block is over.
  void SettleTruncation();
  bool DeleteThing();  // false: there is nothing that may be deleted
  void ChangeMode();
  void Post(const std::string& path, const Thing& thing);

  // Writes `bytes` of the thing's content with an hsync here and there, and closes. Keeps `thing`
  // at what is known; false if the stream broke.
  bool Fill(client::OutputStream& stream, uint64_t bytes, const std::string& path, Thing& thing);

  // True if the operation happened. Otherwise notes whether it is in doubt or was answered wrongly.
  bool Judge(const char* operation, const std::string& path, const absl::Status& status);

  std::string NewPath();
  // Larger files are not joined any more: they would be most of what each check reads.
  uint64_t MostJoinedBytes() const { return 2 * options_.most_file_bytes; }
  // Up to `most` closed files, none of them empty, beside `path`, which is not among them.
  std::vector<std::string> PickBeside(const std::string& path, size_t most);
  // Where to cut a file of `bytes`: about every second time at the beginning of one of its blocks.
  struct Place {
    uint64_t offset = 0;
    bool inside = false;  // mostly in a block: wherever it may be
  };
  Place PickPlace(const std::string& path, uint64_t bytes);
  // A closed file, or a directory in which nothing is in doubt; empty if there is none.
  std::string Pick(bool directory);
  bool Chance(double probability);
  uint64_t Draw(uint64_t below);

  const WriterOptions options_;
  client::FileSystem& fs_;  // synchronizes itself
  Trace& trace_;            // synchronizes itself
  Board& board_;            // synchronizes itself
  std::atomic<Activity> activity_{Activity::kNone};
  std::mt19937_64 random_;
  uint64_t next_name_ = 0;
  size_t most_things_ = 600;            // then deletions catch up: a full check stays short
  std::deque<std::string> truncating_;  // files whose cut was under way when last looked at
  Model model_;
  std::vector<std::string> wrong_answers_;
  std::map<std::string, uint64_t> acknowledged_;  // by operation
  std::map<std::string, uint64_t> unclear_;       // by operation and status code
};

}  // namespace cairn::load
