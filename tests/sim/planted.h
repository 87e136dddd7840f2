// tests/sim/planted.h - bugs that the simulation can be asked to have, to show that it would find
// them in the code under test. They live in the simulation's own parts alone: its datanodes,
// disks and the front of its namenode.
#pragma once

namespace cairn::sim {

enum class Planted {
  kNone,
  // Datanodes report and offer their replicas under the newest stamp there is, whatever they have.
  kStampNotChecked,
  // hsync and finalizing are acknowledged without a sync.
  kAckBeforeSync,
  // The namenode answers before the journal has the edit.
  kAnswerBeforeJournal,
  // After a restart the namenode is told, of each datanode, what that had reported before.
  kStaleReports,
};

}  // namespace cairn::sim
