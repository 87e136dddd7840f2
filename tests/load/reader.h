// tests/load/reader.h - a client that keeps reading what writers have posted, and remembers every
// answer that no fault explains: a wrong byte, a file shorter than acknowledged, one that is gone.
//
// An error is no such answer: while daemons are down a read may fail. They are counted.
//
// Threads: one calls Step(); the others may be used while it does not run.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "client/file_system.h"
#include "tests/load/board.h"

namespace cairn::load {

class Reader {
 public:
  // `fs` and `board` outlive this.
  Reader(uint64_t seed, client::FileSystem& fs, const Board& board)
      : fs_(fs), board_(board), random_(seed) {}

  // Reads one file: all of it, or a piece anywhere.
  void Step();

  uint64_t files() const { return files_; }    // read to the end that was meant
  uint64_t bytes() const { return bytes_; }    // compared
  uint64_t failed() const { return failed_; }  // reads that ended with an error
  const std::vector<std::string>& wrong_answers() const { return wrong_answers_; }

 private:
  // Empty: nothing wrong.
  std::string Read(const Board::Posted& file);
  std::string Compare(client::InputStream& in, const Board::Posted& file, uint64_t offset,
                      uint64_t end);

  client::FileSystem& fs_;  // synchronizes itself
  const Board& board_;      // synchronizes itself
  std::mt19937_64 random_;
  uint64_t files_ = 0, bytes_ = 0, failed_ = 0;
  std::vector<std::string> wrong_answers_;
};

}  // namespace cairn::load
