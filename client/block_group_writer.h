// client/block_group_writer.h - one block group being written, failures included.
//
// A stripe comes whole, data and parity (stripe.h). The cells of each unit go over a connection of
// its own to the one datanode that is to have the unit (packet_stream.h). A unit that has no bytes
// of the first stripe gets none at all, and has no block.
//
//   Create(first stripe)   Put(stripe) ... Put(stripe)   Finish
//
// Whoever writes drives the streams of all units, and waits for them with one poll(2); between two
// calls the stream keeper's thread does (Serve). No unit and no group has a thread. Pipelines, too,
// are set up all at once (pipeline_set_up.h).
//
// Memory: the packets that are not acknowledged, of all units together at most
// Settings::window_bytes and those of one stripe. None are kept longer: a unit is not written anew.
//
// As long as nothing was sent, a group of which a datanode fails is abandoned, and another one
// asked for without that datanode; the last of several tries may lack as many units as there is
// parity.
//
// A unit whose datanode fails later, also by saying that it restarts, is given up for this group,
// as long as no more units are than there is parity; one that the namenode had no datanode for is
// lost from the start. At the end of the stripe the others get a new generation stamp, once they
// have acknowledged all that was sent, and the namenode hears of the stamp and of who is lost, as
// from HDFS's DFSStripedOutputStream: what a lost unit's datanode has is of the old stamp, and is
// not taken for the unit when it comes back. A unit that fails when it has all data of a group that
// ends there, at its closing packet above all, is counted as lost, without a new stamp.
//
// One that says it restarts, and without which there are too few, is waited for, as by
// block_writer.h: it has what it acknowledged, and gets the rest under the new stamp. At the end of
// the group it has all, and every unit is finished anew, under a new stamp.
//
// Not thread-safe; the output stream serializes.
#pragma once

#include <poll.h>

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
  BlockGroupWriter(const WrittenFile& file, const Striping& striping, const Settings& settings,
                   OutPacketPool& pool, ExcludedNodes& excluded, const std::atomic<bool>& aborted);

  // Any error of these is final for the group and the file. kUnavailable: more units are lost than
  // there is parity; the message names the group, and says of each why. kInternal: the namenode's
  // answer makes no sense.

  // A new group after `previous`, which is null for the first; `first` is the stripe that will be
  // put first.
  absl::Status Create(const hdfs::ExtendedBlockProto* previous, const Stripe& first);
  // Takes the packets of an encoded stripe, which only the last one may leave short, and sends.
  // Returns when they fit the window; they need not have left. Not once the group is closing.
  absl::Status Put(Stripe& stripe);
  // Returns when every unit that is not lost is finished on its datanode.
  absl::Status Finish(bool sync);

  // A unit was lost since the group was begun, or is waited for.
  bool has_lost() const { return has_lost_; }
  // A unit that has bytes of the group is lost, or never had a datanode.
  bool HasGaps() const;
  // The others can do without any one of them.
  bool CanLoseOne() const;
  // Begins with what Finish does, if that needs no wait. False: it would.
  bool StartClosing(bool sync);
  bool is_closing() const { return closing_; }

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
    PacketStream stream;    // connected from Create on, until it is closed or lost
    absl::Status lost;      // why; OK: it is not
    // The namenode knows that it is lost, and its stamp is an old one.
    bool left_behind = false;
    bool restarting = false;  // is waited for
  };

  // ---- Beginning ----

  // A group from the namenode; without those that have failed lately, unless others are too few.
  absl::StatusOr<hdfs::LocatedBlockProto> AddGroup(const hdfs::ExtendedBlockProto* previous);
  // Those that are due (ExcludedNodes::TakeDue) and can be connected to are excluded no longer.
  // False: there are none.
  bool Readmit();
  absl::Status TakeGroup(const hdfs::LocatedBlockProto& located);
  // Opens the pipelines of `units`, again if they had one, under `stamp`; waits until each is open,
  // or its unit lost. To close them (PIPELINE_CLOSE_RECOVERY) nothing is left open.
  void Connect(const std::vector<Unit*>& units, Stage stage, uint64_t stamp);

  // ---- Units ----

  void PutCell(Unit& unit, std::vector<std::unique_ptr<OutPacket>> cell);
  void GiveUp(Unit& unit, const PipelineFailure& failure);
  size_t CountLost() const;
  bool AnyRestarting() const;
  // A unit that is lost, and not left behind, has not all data of the group.
  bool LostLackBytes() const;
  // Too many are lost, or the writing is aborted.
  absl::Status CheckUnits() const;

  // ---- Moving bytes ----

  uint64_t KeptBytes() const;
  // By those that are connected.
  bool AllAcked() const;
  // True: something was acknowledged, or failed.
  bool MoveAll();
  bool GiveUpOverdue();
  // A unit is connected to a datanode that owes nothing, or not for long.
  bool OneSpeaks() const;
  // Until one of them, or of the `others`, has something to move.
  void WaitForAny(std::vector<pollfd> others = {}) const;
  void QueueHeartbeats();
  // Returns when something was acknowledged or a unit was lost. Some unit owes something.
  absl::Status Pump();
  absl::Status PumpUntilAcked();

  // ---- When units are lost ----

  // Gives the units that are left a new stamp if others were lost under this one.
  absl::Status LeaveLostBehind();
  // Finishes the units anew if datanodes are waited for that restarted while the group was closing.
  absl::Status CloseAgain();
  // Waits for datanodes that restart; those that do not come back are lost.
  absl::Status AwaitRestarts();
  void TakeTokens(const hdfs::LocatedBlockProto& renewed);
  absl::Status TellNamenode(uint64_t stamp);

  const WrittenFile& file_;
  const Striping& striping_;
  const Settings settings_;
  OutPacketPool& pool_;
  ExcludedNodes& excluded_;
  const std::atomic<bool>& aborted_;

  hdfs::ExtendedBlockProto group_;
  std::deque<Unit> units_;         // by number
  bool began_ = false;             // nothing of Create is under way
  bool has_lost_ = false;          // see has_lost()
  bool lost_under_stamp_ = false;  // a unit has failed since the group got its stamp
  bool closing_ = false;           // the closing packets are on their way
};

}  // namespace cairn::client
