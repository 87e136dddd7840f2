// datanode/testing/test_node.h - a data transfer port over one real directory, without a namenode.
#pragma once

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/check.h"
#include "common/io/file_system.h"
#include "common/mutex.h"
#include "datanode/pipeline/block_receiver.h"
#include "datanode/pipeline/transfer_server.h"
#include "datanode/testing/transfer_client.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode::testing {

// Remembers what was announced.
class RecordedEvents final : public ReplicaEvents {
 public:
  struct Event {
    Kind kind;
    ReplicaInfo replica;
    std::string volume;  // its path
  };
  // Called ahead of a change's being remembered: what happens meanwhile.
  std::function<void(Kind, const ReplicaInfo&)> before_change;

  void Changed(Kind kind, const Volume& volume, const ReplicaInfo& replica) override {
    if (before_change) before_change(kind, replica);
    MutexLock lock(mu_);
    events_.push_back({kind, replica, volume.path()});
  }
  void VolumeFailed(const Volume& volume) override {
    MutexLock lock(mu_);
    failed_volumes_.push_back(volume.path());
  }
  std::vector<Event> Of(Kind kind) const {
    MutexLock lock(mu_);
    std::vector<Event> out;
    for (const Event& event : events_) {
      if (event.kind == kind) out.push_back(event);
    }
    return out;
  }
  std::vector<Kind> kinds() const {  // in their order
    MutexLock lock(mu_);
    std::vector<Kind> out;
    for (const Event& event : events_) out.push_back(event.kind);
    return out;
  }
  std::vector<std::string> failed_volumes() const {
    MutexLock lock(mu_);
    return failed_volumes_;
  }

 private:
  mutable Mutex mu_;
  std::vector<Event> events_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> failed_volumes_ ABSL_GUARDED_BY(mu_);
};

class TestNode {
 public:
  explicit TestNode(const std::string& directory, TransferOptions options = {},
                    FileSystem& fs = PosixFileSystem(), StoreOptions store_options = {},
                    size_t write_buffers = 64)
      : buffers(kWriteBufferBytes, write_buffers) {
    ::signal(SIGPIPE, SIG_IGN);  // as RunDaemon does: sendfile has no flag for it
    options.bind_address = "127.0.0.1";
    const VolumeSpec spec{.path = directory};
    auto known = Volume::PeekDatanodeUuid(fs, spec);
    CHECK(known.ok()) << known.status();
    auto volume = Volume::Open(fs, spec, 0, known->empty() ? NewUuid() : *known);
    CHECK(volume.ok()) << volume.status();
    CHECK_OK((*volume)->AdoptCluster("CID-test", kPool));
    std::vector<std::unique_ptr<Volume>> volumes;
    volumes.push_back(*std::move(volume));
    store = std::make_unique<ReplicaStore>(std::move(volumes), store_options, revoking);
    CHECK_OK(store->Load());
    context.reset(new TransferContext{*store, disk, buffers, options, slots});
    auto started = TransferServer::Start(*context, threads);
    CHECK(started.ok()) << started.status();
    server = *std::move(started);
  }
  ~TestNode() {
    server.reset();
    disk.Stop();
  }

  uint16_t port() const { return server->port(); }

  RecordedEvents events;
  SharedSlots slots;
  RevokingEvents revoking{slots, events};
  std::unique_ptr<ReplicaStore> store;
  BufferPool buffers;
  IoThreads threads{2, "io"};
  DiskPool disk{4};
  std::unique_ptr<TransferContext> context;
  std::unique_ptr<TransferServer> server;
};

}  // namespace cairn::datanode::testing
