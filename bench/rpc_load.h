// bench/rpc_load.h - a namenode's clients in one thread: as many calls in flight as wanted, and so
// cheap that the server is what gets measured.
//
//   Load load({.host = "127.0.0.1", .port = 8020, .user = "alice", .connections = 4, .depth = 32});
//   const Result result = load.Run(operation, first, count);
//
// All answers that a socket holds are taken in one read, and the calls that follow leave in one
// write. wire/rpc's client is for applications: it locks, and wakes a thread for each answer, which
// costs more than most calls cost the server.
//
// Every answer is checked: to a call under way, no exception, and what the operation expects. One
// that is not ends the program, as does a lost connection, or silence for a minute.
// One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "wire/rpc/out_buffer.h"

namespace cairn::bench {

// The call ids that Load uses: their varints have four bytes in a request, where they are zigzag
// coded, and in an answer, where they are not.
inline constexpr int32_t kFirstCallId = 1 << 21;
inline constexpr int32_t kEndOfCallIds = 1 << 27;

// One call of an operation.
struct Step {
  absl::string_view method;
  // Overwrites `request`. `previous` is the answer to the step before this.
  std::function<void(uint64_t item, absl::string_view previous, std::string* request)> ask;
  std::function<bool(absl::string_view answer)> check;
};

// Calls that depend on each other, such as create and complete of one file.
using Operation = std::vector<Step>;

struct Result {
  double seconds = 0;
  double client_cpu_seconds = 0;
  std::vector<float> latencies;  // seconds, from encoding the first call to having the last answer
};

class Load {
 public:
  struct Options {
    std::string host;  // name or address
    uint16_t port = 0;
    std::string user;  // empty: no Hadoop preamble, calls come first
    uint64_t connections = 1;
    uint64_t depth = 1;  // operations in flight on each connection
  };

  explicit Load(const Options& options);  // connects
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Carries the operation out for items first .. first + count - 1, started in that order, and
  // waits for all of them.
  Result Run(const Operation& operation, uint64_t first, uint64_t count);

 private:
  struct Connection {
    int fd = -1;
    std::vector<char> in;
    size_t in_bytes = 0;  // of `in`: read, and not yet a whole answer
    rpc::OutBuffer out;
  };
  // Place of one operation in flight. Its call ids, and no others, have its index as remainder.
  struct Slot {
    Connection* connection = nullptr;
    int32_t call_id = 0;
    uint64_t item = 0;
    size_t step = 0;
    double start = 0;
  };

  void Begin(Slot& slot);
  void Call(Slot& slot, absl::string_view previous);
  void Send(Connection& connection);
  void Receive(Connection& connection);
  void TakeAnswers(Connection& connection);
  void OnAnswer(absl::string_view frame);

  const std::string client_id_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::vector<Slot> slots_;
  std::string request_;

  // Of the run that is under way.
  const Operation* operation_ = nullptr;
  uint64_t next_ = 0;
  uint64_t end_ = 0;
  uint64_t in_flight_ = 0;
  double now_ = 0;  // when the last bytes came: reading the clock for each call would show
  std::vector<float> latencies_;
};

}  // namespace cairn::bench
