// tests/sim/client.h - an application's life: its name, its calls to the namenode, its lease.
//
// A call is repeated with the same call id until it is answered, as HDFS's clients do, so that the
// namenode's retry cache has work. What it carries is copied: a request may arrive after its sender
// has died.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "namenode/core/namenode_impl.h"
#include "tests/sim/datanode_node.h"
#include "tests/sim/namenode_node.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"
#include "tests/sim/process.h"

namespace cairn::sim {

// A block and where it is, in the words of a client.
struct PlacedBlock {
  namenode::BlockVersion block;
  uint64_t offset = 0;  // in the file
  std::vector<Host> nodes;
};

class Client {
 public:
  Client(World& world, Network& network, NamenodeNode& namenode, DatanodeNode::All& datanodes,
         Host host, const std::string& name);
  ~Client();

  World& world() { return process_.world(); }
  Process& process() { return process_; }
  Network& network() { return network_; }
  DatanodeNode::All& datanodes() { return datanodes_; }
  Host host() const { return host_; }
  const std::string& name() const { return who_->name; }

  // From one of its fibers. Errors are the namenode's.
  template <typename T>
  absl::StatusOr<T> Call(
      std::function<namenode::Outcome<T>(namenode::NamenodeImpl&, const namenode::Caller&)>
          operation) {
    const int32_t call_id = ++calls_;
    while (true) {
      std::optional<absl::StatusOr<T>> answer = network_.Call<absl::StatusOr<T>>(
          process_, host_, kNamenodeHost, kCallLimit_,
          [&namenode = namenode_, who = who_, call_id,
           operation](const std::function<void(absl::StatusOr<T>)>& reply) {
            namenode.Serve<T>(
                [&](namenode::NamenodeImpl& impl) {
                  return operation(impl, {.user = "hdfs",
                                          .remote_ip = who->ip,
                                          .client_id = who->id.data(),
                                          .call_id = call_id});
                },
                reply);
          });
      if (answer.has_value() && !ShouldRetry(answer->status())) return *std::move(answer);
      process_.Sleep(world().Between(absl::Milliseconds(10), absl::Milliseconds(400)));
    }
  }

  // The namenode's storages as hosts; runs at the namenode.
  static PlacedBlock Place(namenode::NamenodeImpl& namenode, const namenode::LocatedBlock& block);

  // While it has a file open.
  void KeepLease(bool keep);

 private:
  struct Identity {
    std::string name, ip;
    std::array<uint8_t, 16> id{};
  };
  static const absl::Duration kCallLimit_;
  static bool ShouldRetry(const absl::Status& status);

  Network& network_;
  NamenodeNode& namenode_;
  DatanodeNode::All& datanodes_;
  const Host host_;
  const std::shared_ptr<const Identity> who_;
  Process process_;
  int32_t calls_ = 0;
  bool keep_lease_ = false;
  bool renewing_ = false;
};

}  // namespace cairn::sim
