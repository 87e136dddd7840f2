// wire/rpc/connection.h - one client's connection, on the server's side.
//
//            +--------- pending_ (the start of a frame that has not fully arrived)
//   socket --+-> Session -> Handle() --+-> shard's out buffer -> one send; what the socket refuses
//                                      |                         stays in out_
//                                      +-> held_ (answers waiting for the gate)
//                                      +-> deferred (with the service)
//
// Used by its shard's thread only. Reading pauses while too many answers are owed, and goes on when
// they have left.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "boost/asio/awaitable.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "wire/rpc/server_core.h"
#include "wire/rpc/session.h"

namespace cairn::rpc {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `address_key` is what its handshake counts for, until ServerCore::HandshakeEnded.
  Connection(std::shared_ptr<ServerCore> core, Shard& shard, boost::asio::ip::tcp::socket socket,
             std::string remote_ip, uint64_t address_key);
  ~Connection();

  void Start();
  void Close();  // at once; what is owed is dropped. Idempotent.
  bool closed() const { return closed_; }

  // Sends what the gate has let pass, and reads on if that was what held up reading.
  void FlushHeld();
  bool has_held() const { return held_head_ < held_.size(); }
  bool in_waiting_list = false;  // kept by the shard

  // Deferred answers, given at last: one or several, then the call that sends them.
  void AddLateAnswer(const LateAnswer& answer);
  void FinishLateAnswers();

  void CheckTimeouts(absl::Duration now);
  void CloseIfDrained();

 private:
  class Reply;
  class Deferred;

  struct Held {
    uint64_t ticket;
    size_t bytes;
  };

  boost::asio::awaitable<void> ReadLoop(std::shared_ptr<Connection> self);
  void SpawnReadLoop();
  void ReadSocket();
  void OnBytes(absl::string_view bytes);
  size_t HandleFrames(absl::string_view bytes);  // returns how many were used up
  void ErasePending(size_t bytes);
  void HandleFrame(absl::string_view frame);
  void HandleCall(const IncomingCall& call);
  void EndHandshake();  // idempotent
  void Obey(Session::Next next);
  size_t MissingBytes() const;
  void AccountPending();
  void AccountOutput();
  // Of `all` connections this one has `now` bytes; the limit is for all.
  void Account(size_t now, size_t& accounted, std::atomic<int64_t>& all, size_t limit);

  // `encode` writes one response and returns whether it fitted.
  template <typename Encode>
  void AddSuccess(const ResponseHeader& header, uint64_t ticket, const Encode& encode);
  void AddStatus(const ResponseHeader& header, uint64_t ticket, const absl::Status& error);
  void AddError(ResponseHeader header, uint64_t ticket, absl::string_view class_name,
                absl::string_view text, RpcErrorCode code);
  OutBuffer& PlaceFor(uint64_t ticket);
  void Placed(const OutBuffer& place, size_t bytes_before, uint64_t ticket);

  void SendPassed();
  void ServePending();
  void FinishBatch();  // sends what the shard's out buffer holds, which is then empty
  void SendBatch();
  void Transmit(absl::string_view bytes);
  size_t SendSome(absl::string_view bytes);  // returns how many the socket took; closes on error
  void WaitWritable();
  void OnWritable();
  void Resume();
  void BeginLinger();

  size_t calls_in_flight() const { return held_.size() - held_head_ + deferred_; }
  bool must_pause() const;
  bool idle() const { return calls_in_flight() == 0 && out_.empty(); }

  const std::shared_ptr<ServerCore> core_;
  Shard& shard_;
  boost::asio::ip::tcp::socket socket_;
  const int fd_;
  const std::string remote_ip_;
  const uint64_t address_key_;
  Session session_;

  std::string pending_;
  size_t accounted_pending_ = 0;
  OutBuffer out_;
  size_t accounted_output_ = 0;  // of out_ and held_bytes_

  // In order of ticket: an answer with a smaller ticket than the last one's waits for the last
  // one's.
  OutBuffer held_bytes_;
  std::vector<Held> held_;
  size_t held_head_ = 0;
  size_t deferred_ = 0;
  uint64_t passed_ = 0;  // the gate, as last read

  // Most calls of a connection are for one protocol.
  std::string last_protocol_;
  RpcService* last_service_ = nullptr;

  bool reading_ = false;  // a read loop is under way
  bool stalled_ = false;  // pending_ may hold whole frames, left there by a pause
  bool waiting_writable_ = false;
  bool lingering_ = false;  // the last reply is on its way; what still comes is discarded
  bool write_shut_ = false;
  bool closed_ = false;
  bool counted_pre_auth_ = true;
  bool counted_slow_ = false;    // ServerCore::HandshakeIsSlow
  bool frame_finished_ = false;  // in the batch under way
  uint64_t batch_calls_ = 0;

  // Monotonic times.
  absl::Duration opened_;
  absl::Duration last_read_;
  absl::Duration frame_began_;   // of the frame at the front of pending_
  absl::Duration output_moved_;  // the socket took something, or had nothing to take
  absl::Duration linger_began_;
};

}  // namespace cairn::rpc
