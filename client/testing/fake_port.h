// client/testing/fake_port.h - the data transfer port of a datanode that is a fake, and what such a
// one takes from its clients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/socket.h"
#include "common/check.h"
#include "common/mutex.h"
#include "google/protobuf/message_lite.h"
#include "wire/transfer/ack.h"
#include "wire/transfer/checksum.h"
#include "wire/transfer/op.h"
#include "wire/transfer/packet.h"

namespace cairn::client {

// On loopback, or at a UNIX socket: a thread that accepts, and one for each connection.
class FakePort {
 public:
  struct Options {
    std::function<void(Socket&)> serve;  // a connection, which is closed when this returns
    std::function<void()> closed = {};   // it has been closed
    int receive_buffer_bytes = 0;        // of each connection; 0: the system's choice
    std::string path = {};               // of a UNIX socket; empty: on loopback
  };
  explicit FakePort(Options options);
  // Ends all connections and waits for their threads: nobody in `serve` may wait for anything else.
  ~FakePort();

  uint16_t port() const { return port_; }  // 0: it has none
  void Close();                            // nobody comes in any more
  size_t Connections() ABSL_LOCKS_EXCLUDED(mu_);
  // Sends `last_words` on each of them first.
  void EndConnections(absl::string_view last_words) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void ListenOnLoopback();
  void ListenAtPath();
  void Accept();

  const Options options_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
  std::vector<std::thread> serving_;  // of thread_ alone until it is joined
  Mutex mu_;
  std::set<int> connections_ ABSL_GUARDED_BY(mu_);
};

struct FakeOp {
  transfer::Opcode opcode{};
  std::string body;

  template <typename Request>
  Request As() const {
    Request request;
    CHECK(request.ParseFromString(body));
    return request;
  }
};
// nullopt: the client is gone.
std::optional<FakeOp> TakeOp(Socket& socket);

struct FakePacket {
  transfer::PacketHeader header;
  std::vector<std::byte> payload;  // checksums, which fit, and then data

  std::span<const std::byte> data() const { return std::span(payload).last(header.data_bytes); }
};
// nullopt: the client is gone.
std::optional<FakePacket> TakePacket(Socket& socket, const transfer::DataChecksum& checksum = {});

// To a client that may be gone, and then needs no answer.
void Reply(Socket& socket, const google::protobuf::MessageLite& message);
// False: the client is gone.
bool SendAck(Socket& socket, const transfer::PipelineAck& ack);

}  // namespace cairn::client
