// client/block_group_writer.h - one block group being written, failures included.
//
// A stripe comes whole, data and parity (stripe.h). The cells of each unit go over a connection of
// its own to the one datanode that is to have the unit (packet_stream.h). It is opened when the
// unit gets its first byte: a unit without any has no block.
//
//   Create   Put(stripe) ... Put(stripe)   Finish
//
// Whoever writes drives the streams of all units, and waits for them with one poll(2); between two
// calls the stream keeper's thread does (Serve). No unit and no group has a thread.
//
// Memory: the packets that are not acknowledged, of all units together at most
// Settings::window_bytes and those of one stripe. None are kept longer: a unit is not written anew.
//
// A unit whose datanode fails, also by saying that it restarts, is given up for this group, as long
// as no more units are than there is parity; one that the namenode had no datanode for is lost from
// the start. At the end of the stripe the others get a new generation stamp, once they have
// acknowledged all that was sent, and the namenode hears of the stamp and of who is lost, as from
// HDFS's DFSStripedOutputStream: what a lost unit's datanode has is of the old stamp, and is not
// taken for the unit when it comes back. A unit that fails at its closing packet has all its data;
// it is counted as lost, without a new stamp.
//
// Not thread-safe; the output stream serializes.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "client/excluded_nodes.h"
#include "client/out_packet.h"
#include "client/packet_stream.h"
#include "client/pipeline.h"
#include "client/stripe.h"
#include "client/striping.h"

namespace cairn::client {

class BlockGroupWriter {
 public:
  struct Settings {
    uint64_t unit_bytes = 0;    // that a unit can have
    uint64_t window_bytes = 0;  // of all units
    transfer::DataChecksum checksum;
  };

  // All references outlive this. Datanodes that fail are added to `excluded` for the file's next
  // groups. When *aborted becomes true, waits end with kAborted.
  BlockGroupWriter(const OpenFile& file, const Striping& striping, const Settings& settings,
                   OutPacketPool& pool, ExcludedNodes& excluded, const std::atomic<bool>& aborted);

  // Any error of these is final for the group and the file. kUnavailable: more units are lost than
  // there is parity; the message names the group, and says of each why. kInternal: the namenode's
  // answer makes no sense.

  // A new group after `previous`, which is null for the first.
  absl::Status Create(const hdfs::ExtendedBlockProto* previous);
  // Takes the packets of an encoded stripe, which only the last one may leave short, and sends.
  // Returns when they fit the window; they need not have left.
  absl::Status Put(Stripe& stripe);
  // Returns when every unit that is not lost is finished on its datanode.
  absl::Status Finish(bool sync);

  // Sends and receives what can be without waiting. What fails is told by the next call.
  void Move() { MoveAll(); }
  bool HasUnsent() const;
  // From the stream keeper: heartbeats where they are due and, when the writer is `idle`, Move.
  // Returns HasUnsent().
  bool Serve(bool idle);

  // The group under its present stamp, with the data that were put.
  const hdfs::ExtendedBlockProto& block() const { return group_; }

 private:
  struct Unit {
    Unit(uint32_t unit, const ClientContext& context, OutPacketPool& pool,
         const transfer::DataChecksum& checksum)
        : number(unit), stream(context, pool, checksum) {}

    const uint32_t number;
    PipelineTarget target;  // one node, unless the namenode had none
    PacketStream stream;    // connected from the first byte on, until it is closed or lost
    absl::Status lost;      // why; OK: it is not
  };

  void PutCell(Unit& unit, std::vector<std::unique_ptr<OutPacket>> cell);
  // Opens the unit's pipeline, again if there was one, under `stamp`.
  void Connect(Unit& unit, Stage stage, uint64_t stamp);
  void GiveUp(Unit& unit, const PipelineFailure& failure);
  size_t CountLost() const;
  // The others can do without any one of them.
  bool CanLoseOne() const;
  // Too many are lost, or the writing is aborted.
  absl::Status CheckUnits() const;

  uint64_t KeptBytes() const;
  bool AllAcked() const;
  // True: something was acknowledged, or failed.
  bool MoveAll();
  bool GiveUpOverdue();
  void WaitForAny() const;
  // Returns when something was acknowledged or a unit was lost. Some unit owes something.
  absl::Status Pump();
  absl::Status PumpUntilAcked();

  // Gives the units that are left a new stamp if others were lost under this one.
  absl::Status LeaveLostBehind();
  void TakeTokens(const hdfs::LocatedBlockProto& renewed);
  absl::Status TellNamenode(uint64_t stamp);

  const OpenFile& file_;
  const Striping& striping_;
  const Settings settings_;
  OutPacketPool& pool_;
  ExcludedNodes& excluded_;
  const std::atomic<bool>& aborted_;

  hdfs::ExtendedBlockProto group_;
  std::deque<Unit> units_;         // by number
  bool lost_under_stamp_ = false;  // a unit has failed since the group got its stamp
  bool closing_ = false;           // the closing packets are on their way
};

}  // namespace cairn::client
