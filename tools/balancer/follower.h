// tools/balancer/follower.h - what the iterations of a balancing job mean: whether to go on, and
// how HDFS's balancer prints them. Pure.
//
// A namenode that was restarted begins the job anew, from 0: it is counted on here.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "client/admin_types.h"
#include "tools/json.h"

namespace cairn::tools {

// HDFS's ExitStatus. A process can tell the lowest eight bits only: -1 is 255.
enum class BalanceEnd : int {
  kSuccess = 0,
  kInProgress = 1,
  kAlreadyRunning = -1,
  kNoMoveBlock = -2,
  kNoMoveProgress = -3,
  kIoException = -4,
  kIllegalArguments = -5,
  kInterrupted = -6,
};
const char* NameOf(BalanceEnd end);  // "NO_MOVE_BLOCK"
int ExitCodeOf(BalanceEnd end);

class BalanceFollower {
 public:
  explicit BalanceFollower(int idle_iterations) : idle_limit_(idle_iterations) {}

  // The job was begun, the first time or again.
  void Begun();
  // The next one that has ended. kInProgress: go on.
  BalanceEnd Take(const client::BalanceIteration& iteration);
  // What is moved of the iteration that runs counts when it ends.
  uint64_t bytes_moved() const { return moved_before_ + moved_; }
  uint64_t iterations() const { return iterations_; }  // that have ended
  uint64_t asked_from() const { return next_; }        // the first that was not taken
  int idle() const { return idle_; }

 private:
  const int idle_limit_;
  uint64_t iterations_ = 0, next_ = 0;
  uint64_t moved_before_ = 0, moved_ = 0;  // by earlier beginnings of the job, and by this one
  int idle_ = 0;
};

extern const char kBalanceHeader[];
// HDFS's row: when it ended, its number, and bytes moved (with it), left (before it), planned.
void PrintIteration(const client::BalanceIteration& iteration, const BalanceFollower& follower,
                    const std::string& namenode, std::ostream& out);
// "Nov 29, 2026 1:05:07 PM", in the local zone, as wide as HDFS's column.
std::string BalanceTime(absl::Time time);
std::string ElapsedText(absl::Duration elapsed);  // "1.25 minutes"

void WriteIteration(const client::BalanceIteration& iteration, const BalanceFollower& follower,
                    JsonWriter& json);
void WriteProgress(const client::BalanceProgress& progress, const BalanceFollower& follower,
                   JsonWriter& json);
void WriteEnd(BalanceEnd end, const std::string& why, uint64_t bytes_moved, absl::Duration elapsed,
              JsonWriter& json);

}  // namespace cairn::tools
