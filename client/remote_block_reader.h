// client/remote_block_reader.h - one READ_BLOCK: a range of one replica, from one datanode.
//
// The datanode sends packets without being asked for each; the socket's buffer is the read-ahead.
// One recvmsg takes a packet's checksums, its data and the next packet's header. Data goes straight
// to the caller's buffer when all of the packet fits there, otherwise through a buffer of one
// packet. Bytes are verified before they are returned. kUnavailable from Read: the connection
// failed, or the peer breaks the protocol.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/block_reader.h"
#include "client/read_interrupt.h"
#include "client/socket.h"
#include "proto/hdfs/types.pb.h"
#include "wire/transfer/checksum.h"
#include "wire/transfer/packet.h"

namespace cairn::client {

class RemoteBlockReader final : public BlockReader {
 public:
  struct Request {
    const hdfs::ExtendedBlockProto& block;
    const hdfs::TokenProto& token;
    uint64_t offset = 0;  // in the block
    uint64_t length = 0;  // > 0
    const std::string& client_name;
    bool verify = true;
    absl::Duration silence_limit = absl::InfiniteDuration();  // then it is kUnavailable
    // If not null, of who may want to end the read before; outlives the reader.
    ReadInterrupt* interrupt = nullptr;
  };

  // Sends the operation and reads the answer. kUnavailable, kUnauthenticated: transfer_reply.h.
  // kCancelled: by `interrupt`, before anything was sent.
  static absl::StatusOr<std::unique_ptr<RemoteBlockReader>> Open(Socket socket,
                                                                 const Request& request);

  absl::StatusOr<size_t> Read(std::span<std::byte> out) override;
  uint64_t remaining() const override { return end_ - position_; }
  bool is_local() const override { return false; }
  std::optional<Socket> Release() override;
  const std::string& peer() const { return socket_.peer(); }

 private:
  RemoteBlockReader(Socket socket, const Request& request);

  absl::Status ReceiveHeader();                           // the first one
  absl::Status DecodeNextHeader();                        // from next_header_
  absl::Status ReceivePacket(std::span<std::byte> data);  // body of packet_, and the next header
  absl::Status CheckHeader() const;
  void ChooseLowWater();
  absl::Status ReceiveTrailer();
  absl::Status Broken(absl::string_view what) const;

  Socket socket_;
  const uint64_t end_;  // in the block
  const bool verify_;
  uint64_t position_;      // next byte for the caller
  uint64_t received_ = 0;  // next byte expected from the peer
  transfer::DataChecksum checksum_;
  transfer::PacketPrefix prefix_;
  transfer::PacketHeader packet_;  // announced, its body not received yet
  int64_t next_seqno_ = 0;
  std::array<std::byte, transfer::kPacketPrefixBytes + transfer::kPlainHeaderBytes> next_header_;
  std::vector<std::byte> checksums_;
  std::vector<std::byte> buffer_;        // a packet that did not go straight to the caller
  std::span<const std::byte> buffered_;  // what of it is still to be handed out
  bool finished_ = false;
};

}  // namespace cairn::client
