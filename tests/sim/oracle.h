// tests/sim/oracle.h - what was promised. It stands outside the cluster, knows what every writer
// was told, and says in the end what must be there.
//
// Bytes of a file, in three degrees:
//   synced   acknowledged by hsync or close, or in a block that was finished: never lost
//   flushed  acknowledged by hflush: lost only if every node of a pipeline that held them has lost
//            power since, or its replica has rotted
//   sent     handed to the pipeline: may be there or not, but in order, and nothing else may be
// The namespace: an operation that was acknowledged has happened; one that failed has not; one
// whose writer died before the answer has or has not. Each writer has a directory of its own and
// does one thing at a time, so nothing else can have happened to its files.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "tests/sim/messages.h"

namespace cairn::sim {

struct ToldFile {
  InodeId id = kNoInode;
  // Where it is: one of these, or, if it may be gone, nowhere.
  std::set<std::string> paths;
  bool may_be_gone = false;
  Bytes content;        // sent, or synced
  uint64_t synced = 0;  // of it
  // Closed and known to be: its length is one of these. Empty: its writer is at work, or was when
  // it died, and anything from what was promised up to all of `content` will do.
  std::set<uint64_t> lengths;

  // An acknowledged hflush in the block that is being written.
  struct Flush {
    uint64_t bytes = 0;
    absl::Duration when;
    // The pipelines that the block has, or may have, had since.
    std::vector<std::vector<Host>> pipelines;
  };
  std::vector<Flush> flushes;
  // The same of the block itself, promised or not, since it was begun.
  Flush block;

  bool closed() const { return !lengths.empty(); }
  std::string name() const { return paths.empty() ? "?" : *paths.begin(); }
};

class Oracle {
 public:
  std::vector<std::shared_ptr<ToldFile>>& files() { return files_; }
  // A create() whose answer is being waited for: if it never comes, an empty file may be there.
  std::set<std::string>& maybe_created() { return maybe_created_; }

  // The block being written has other nodes from now on.
  static void NewBlock(ToldFile& file, absl::Duration now, const std::vector<Host>& nodes) {
    file.block = {0, now, {nodes}};
  }
  static void NewPipeline(ToldFile& file, const std::vector<Host>& nodes) {
    file.block.pipelines.push_back(nodes);
    for (ToldFile::Flush& flush : file.flushes) flush.pipelines.push_back(nodes);
  }
  static void Flushed(ToldFile& file, uint64_t bytes, absl::Duration now,
                      const std::vector<Host>& nodes) {
    file.flushes.push_back({bytes, now, {nodes}});
  }
  static void Synced(ToldFile& file, uint64_t bytes) { file.synced = std::max(file.synced, bytes); }
  // The block is finished on its nodes' disks.
  static void Finished(ToldFile& file, uint64_t bytes) {
    Synced(file, bytes);
    file.flushes.clear();
    file.block = {};
  }

  // Whether nothing may be left of what some pipeline had.
  template <typename LostBytes>
  static bool MayBeLost(const ToldFile::Flush& flush, LostBytes lost_bytes) {
    for (const std::vector<Host>& nodes : flush.pipelines) {
      bool all = true;
      for (const Host host : nodes) all = all && lost_bytes(host, flush.when);
      if (all) return true;
    }
    return false;
  }

  // How many bytes must be there. `lost_bytes(host, since)` tells of a node.
  template <typename LostBytes>
  static uint64_t Promised(const ToldFile& file, LostBytes lost_bytes) {
    uint64_t bytes = file.synced;
    for (const ToldFile::Flush& flush : file.flushes) {
      if (!MayBeLost(flush, lost_bytes)) bytes = std::max(bytes, flush.bytes);
    }
    return bytes;
  }

 private:
  std::vector<std::shared_ptr<ToldFile>> files_;
  std::set<std::string> maybe_created_;
};

}  // namespace cairn::sim
