// tests/sim/application.h - somebody who uses the cluster: writes files, appends, truncates,
// renames, deletes and reads back, one thing after the other, in a directory of their own.
//
// An application has many lives. It dies when it is killed, when an operation fails, and sometimes
// in the middle of a file on its own; the next life has another name, so the file it had open must
// be closed by lease recovery. What it is told goes to the oracle.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/block_writer.h"
#include "tests/sim/client.h"
#include "tests/sim/oracle.h"

namespace cairn::sim {

class Application {
 public:
  Application(World& world, Network& network, NamenodeNode& namenode, DatanodeNode::All& datanodes,
              Oracle& oracle, int number);

  void Start();
  void Kill();
  void Pause(absl::Duration time);
  // Ends what it is doing, and does nothing more.
  void Finish() { finishing_ = true; }
  bool running() const { return client_ != nullptr; }

 private:
  void Run();
  // An error ends this life.
  absl::Status DoSomething();
  absl::Status MakeDirectory();
  absl::Status WriteNew();
  absl::Status AppendTo(const std::shared_ptr<ToldFile>& file);
  absl::Status Truncate(const std::shared_ptr<ToldFile>& file);
  absl::Status Rename(const std::shared_ptr<ToldFile>& file);
  absl::Status Delete(const std::shared_ptr<ToldFile>& file);
  absl::Status Read(const std::shared_ptr<ToldFile>& file);
  absl::StatusOr<Bytes> ReadBlock(const PlacedBlock& block);

  // Goes on with `file`, open in our name, from its end: writes, flushes, and closes it or leaves.
  absl::Status WriteOn(const std::shared_ptr<ToldFile>& file, std::unique_ptr<BlockWriter> block,
                       std::optional<namenode::BlockVersion> previous);
  absl::Status Close(const std::shared_ptr<ToldFile>& file,
                     std::optional<namenode::BlockVersion> last);
  void AddContent(ToldFile& file, uint64_t bytes);
  std::shared_ptr<ToldFile> AnyClosed();
  void Forget(const std::shared_ptr<ToldFile>& file);
  std::string NewPath();
  void DieSoon();

  World& world_;
  Network& network_;
  NamenodeNode& namenode_;
  DatanodeNode::All& datanodes_;
  Oracle& oracle_;
  const int number_;
  int lives_ = 0;
  int names_ = 0;
  bool finishing_ = false;
  bool has_directory_ = false;
  std::vector<std::shared_ptr<ToldFile>> closed_;  // ours, and known to be as they should
  std::unique_ptr<Client> client_;
  std::set<Host> excluded_;
};

}  // namespace cairn::sim
