#include "client/local_replicas.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/transfer_reply.h"
#include "common/descriptors.h"
#include "common/net/domain_socket.h"
#include "common/net/own_addresses.h"
#include "common/status_macros.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/transfer/op.h"

namespace cairn::client {
namespace {

constexpr uint32_t kAccessVersion = 1;
// A datanode answers from memory and one or two files' inodes.
constexpr absl::Duration kPatience = absl::Seconds(3);
constexpr absl::Duration kShunSocket = absl::Seconds(30);
constexpr absl::Duration kShunReplica = absl::Seconds(5);
constexpr absl::Duration kLook = absl::Seconds(30);          // for old ones
constexpr absl::Duration kAddressesLife = absl::Minutes(1);  // interfaces come and go
constexpr size_t kMaxRefused = 1024;                         // then all are asked for again

// Replicas, at two descriptors each, that are a quarter of what this process may open.
size_t QuarterOfDescriptors() {
  const uint64_t limit = DescriptorLimit();
  return limit == 0 ? SIZE_MAX : static_cast<size_t>(limit / 8);
}

}  // namespace

LocalReplicas::LocalReplicas(Options options, PeerCache& connections, Clock& clock)
    : options_(std::move(options)),
      capacity_(std::min(options_.capacity, static_cast<size_t>(DescriptorLimit() / 16))),
      most_open_(std::min(options_.most_open, QuarterOfDescriptors())),
      connections_(connections),
      clock_(clock) {}

LocalReplicas::~LocalReplicas() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  stop_.NotifyAll();
  if (dropper_.joinable()) dropper_.join();
}

LocalReplicas::Key LocalReplicas::KeyOf(const hdfs::DatanodeIDProto& node,
                                        const hdfs::ExtendedBlockProto& block) {
  return {block.poolid(), node.datanodeuuid(), block.blockid(), block.generationstamp()};
}

bool LocalReplicas::IsLocal(const std::string& ip) {
  {
    MutexLock lock(mu_);
    if (IsOwnAddress(ip, addresses_)) return true;
    if (clock_.Monotonic() < addresses_until_) return false;
    addresses_until_ = clock_.Monotonic() + kAddressesLife;
  }
  absl::flat_hash_set<std::string> found = OwnAddresses();
  MutexLock lock(mu_);
  addresses_ = std::move(found);
  return IsOwnAddress(ip, addresses_);
}

std::string LocalReplicas::PathOf(const hdfs::DatanodeIDProto& node) const {
  return DomainSocketPath(options_.socket_path, static_cast<uint16_t>(node.xferport()));
}

bool LocalReplicas::IsShunned(const std::string& path) {
  MutexLock lock(mu_);
  const auto found = shunned_.find(path);
  if (found == shunned_.end()) return false;
  if (clock_.Monotonic() < found->second) return true;
  shunned_.erase(found);
  return false;
}

bool LocalReplicas::MayServe(const hdfs::DatanodeIDProto& node) {
  return options_.enabled && !options_.socket_path.empty() && node.xferport() <= 65535 &&
         IsLocal(node.ipaddr()) && !IsShunned(PathOf(node));
}

std::shared_ptr<const LocalReplica> LocalReplicas::Get(const hdfs::DatanodeIDProto& node,
                                                       const hdfs::ExtendedBlockProto& block,
                                                       const hdfs::TokenProto& token) {
  const Key key = KeyOf(node, block);
  {
    MutexLock lock(mu_);
    const auto found = by_key_.find(key);
    if (found != by_key_.end() && clock_.Monotonic() < found->second->until) {
      found->second->until = clock_.Monotonic() + options_.expiry;
      kept_.splice(kept_.end(), kept_, found->second);
      return found->second->replica;
    }
    if (const auto refused = refused_.find(key); refused != refused_.end()) {
      if (clock_.Monotonic() < refused->second) return nullptr;
      refused_.erase(refused);
    }
  }
  if (!MayServe(node) || !HasRoom()) return nullptr;
  const std::string path = PathOf(node);
  absl::StatusOr<std::shared_ptr<const LocalReplica>> replica = Ask(path, block, token);
  if (replica.ok()) {
    Keep(key, *replica);
    return *std::move(replica);
  }
  if (absl::IsResourceExhausted(replica.status())) {
    DropAll();
  } else {
    MutexLock lock(mu_);
    if (absl::IsNotFound(replica.status())) {
      Refused(key);
    } else {
      shunned_[path] = clock_.Monotonic() + kShunSocket;
    }
  }
  return nullptr;
}

absl::StatusOr<std::shared_ptr<const LocalReplica>> LocalReplicas::Ask(
    const std::string& path, const hdfs::ExtendedBlockProto& block, const hdfs::TokenProto& token) {
  hdfs::OpRequestShortCircuitAccessProto op;
  *op.mutable_header()->mutable_block() = block;
  *op.mutable_header()->mutable_token() = token;
  op.set_maxversion(kAccessVersion);
  const std::string request = transfer::EncodeOp(transfer::Opcode::kRequestShortCircuitFds, op);
  // The datanode may close an idle connection at any moment. One that is silent is so on all.
  const absl::Duration give_up = clock_.Monotonic() + kPatience;
  while (std::optional<Socket> idle = connections_.Take(path)) {
    auto replica = AskBy(*idle, request);
    if (!absl::IsUnavailable(replica.status())) {
      connections_.Put(*std::move(idle));
      return replica;
    }
    if (clock_.Monotonic() >= give_up) return replica;
  }
  if (const absl::Status status = CheckDomainSocketPath(path, /*must_exist=*/true); !status.ok()) {
    return absl::UnavailableError(status.message());
  }
  ASSIGN_OR_RETURN(Socket socket, Socket::ConnectLocally(path, {.read_timeout = kPatience,
                                                                .write_timeout = kPatience}));
  auto replica = AskBy(socket, request);
  if (!absl::IsUnavailable(replica.status())) connections_.Put(std::move(socket));
  return replica;
}

absl::StatusOr<std::shared_ptr<const LocalReplica>> LocalReplicas::AskBy(
    Socket& socket, const std::string& request) {
  RETURN_IF_ERROR(socket.Send(std::as_bytes(std::span(request))));
  hdfs::BlockOpResponseProto reply;
  RETURN_IF_ERROR(ReceiveDelimited(socket, reply));
  if (reply.status() != hdfs::STATUS_SUCCESS) {
    const std::string why = absl::StrCat(socket.peer(), ": ", reply.message());
    // Without a version the datanode, not HDFS's nor ours, hands out nothing at all.
    return reply.has_shortcircuitaccessversion() || reply.status() != hdfs::STATUS_ERROR_UNSUPPORTED
               ? absl::NotFoundError(why)
               : absl::UnavailableError(why);
  }
  std::array<int, 2> fds{};
  RETURN_IF_ERROR(ReceiveDescriptors(socket.fd(), fds).status());
  auto replica = LocalReplica::Open(fds[0], fds[1]);
  if (!replica.ok()) return absl::NotFoundError(replica.status().message());
  return Counted(*std::move(replica));
}

std::shared_ptr<const LocalReplica> LocalReplicas::Counted(
    std::shared_ptr<const LocalReplica> replica) {
  open_->fetch_add(1, std::memory_order_relaxed);
  const LocalReplica* const files = replica.get();
  // Streams may let go of it when this is gone.
  return {files, [open = open_, held = std::move(replica)](const LocalReplica*) mutable {
            held.reset();
            open->fetch_sub(1, std::memory_order_relaxed);
          }};
}

bool LocalReplicas::HasRoom() {
  if (open_->load(std::memory_order_relaxed) < most_open_) return true;
  DropAll();
  return open_->load(std::memory_order_relaxed) < most_open_;
}

bool LocalReplicas::Has(const hdfs::DatanodeIDProto& node, const hdfs::ExtendedBlockProto& block) {
  const Key key = KeyOf(node, block);
  MutexLock lock(mu_);
  const auto found = by_key_.find(key);
  return found != by_key_.end() && clock_.Monotonic() < found->second->until;
}

void LocalReplicas::Erase(List::iterator kept, List& dropped) {
  by_key_.erase(kept->key);
  dropped.splice(dropped.end(), kept_, kept);
}

void LocalReplicas::Keep(const Key& key, std::shared_ptr<const LocalReplica> replica) {
  if (capacity_ == 0) return;
  List dropped;  // closed without the lock
  MutexLock lock(mu_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) Erase(found->second, dropped);
  kept_.push_back({key, std::move(replica), clock_.Monotonic() + options_.expiry});
  by_key_[key] = std::prev(kept_.end());
  while (kept_.size() > capacity_) Erase(kept_.begin(), dropped);
  if (!dropper_.joinable() && !stopping_) dropper_ = std::thread([this] { DropOld(); });
}

void LocalReplicas::Refused(const Key& key) {
  if (refused_.size() >= kMaxRefused) refused_.clear();
  refused_[key] = clock_.Monotonic() + kShunReplica;
}

void LocalReplicas::Reject(const hdfs::DatanodeIDProto& node,
                           const hdfs::ExtendedBlockProto& block) {
  const Key key = KeyOf(node, block);
  List dropped;  // closed without the lock
  MutexLock lock(mu_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) Erase(found->second, dropped);
  Refused(key);
}

void LocalReplicas::DropAll() {
  List dropped;  // closed without the lock
  MutexLock lock(mu_);
  by_key_.clear();
  dropped.swap(kept_);
}

void LocalReplicas::DropOld() {
  while (true) {
    List dropped;  // closed without the lock
    MutexLock lock(mu_);
    if (!stopping_) stop_.WaitFor(mu_, absl::ToChronoNanoseconds(kLook));
    if (stopping_) return;
    const absl::Duration now = clock_.Monotonic();
    for (auto i = kept_.begin(); i != kept_.end();) {
      const auto kept = i++;
      if (kept->until <= now) Erase(kept, dropped);
    }
  }
}

}  // namespace cairn::client
