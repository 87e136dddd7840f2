#include "bench/report_only_datanode.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "common/check.h"
#include "common/io/file_system.h"
#include "datanode/volume/volume.h"

namespace cairn::bench {

using datanode::NamenodeLink;
using datanode::NamenodeSession;
using datanode::ReplicaStore;
using datanode::Volume;

Traffic& Traffic::operator+=(const Traffic& other) {
  for (size_t i = 0; i < kMessages; ++i) {
    by_message[i].calls += other.by_message[i].calls;
    by_message[i].sent_bytes += other.by_message[i].sent_bytes;
    by_message[i].received_bytes += other.by_message[i].received_bytes;
  }
  replicas_listed += other.replicas_listed;
  too_early += other.too_early;
  return *this;
}

// Counts what is answered; what got no answer was not received, as far as one can know.
class ReportOnlyDatanode::CountingLink final : public NamenodeLink {
 public:
  explicit CountingLink(const std::string& namenode)
      : link_(datanode::NewGrpcNamenodeLink(namenode, absl::Seconds(10))) {}

  absl::StatusOr<internal::RegisterReply> Register(
      const internal::RegisterRequest& request) override {
    auto reply = link_->Register(request);
    if (reply.ok()) Add(Message::kRegister, request, *reply);
    return reply;
  }
  absl::StatusOr<internal::HeartbeatReply> Heartbeat(
      const internal::HeartbeatRequest& request) override {
    auto reply = link_->Heartbeat(request);
    if (reply.ok()) Add(Message::kHeartbeat, request, *reply);
    return reply;
  }
  absl::StatusOr<internal::AwaitOrdersReply> AwaitOrders(
      const internal::AwaitOrdersRequest& request, std::stop_token stop) override {
    auto reply = link_->AwaitOrders(request, std::move(stop));
    if (reply.ok()) Add(Message::kAwaitOrders, request, *reply);
    return reply;
  }
  absl::Status ReportChanges(const internal::ReportChangesRequest& request) override {
    const absl::Status status = link_->ReportChanges(request);
    if (status.ok()) Add(Message::kChanges, request, internal::ReportChangesReply());
    return status;
  }
  absl::StatusOr<internal::ReportDigestsReply> ReportDigests(
      const internal::ReportDigestsRequest& request) override {
    auto reply = link_->ReportDigests(request);
    if (!reply.ok()) return reply;
    Add(Message::kDigests, request, *reply);
    MutexLock lock(mu_);
    if (reply->result() == internal::ReportDigestsReply::LATER) ++traffic_.too_early;
    const bool compared = reply->result() == internal::ReportDigestsReply::COMPARED;
    if (compared && reply->differing().empty()) reported_at_ = Now();
    return reply;
  }
  absl::Status ReportReplicas(const internal::ReportReplicasRequest& request) override {
    const absl::Status status = link_->ReportReplicas(request);
    if (!status.ok()) return status;
    Add(Message::kList, request, internal::ReportReplicasReply());
    MutexLock lock(mu_);
    traffic_.replicas_listed += static_cast<uint64_t>(request.replicas_size());
    if (request.last()) reported_at_ = Now();
    return status;
  }

  void Reset() {
    MutexLock lock(mu_);
    traffic_ = {};
    reported_at_ = 0;
  }
  Traffic traffic() const {
    MutexLock lock(mu_);
    return traffic_;
  }
  double reported_at() const {
    MutexLock lock(mu_);
    return reported_at_;
  }

 private:
  void Add(Message message, const google::protobuf::MessageLite& request,
           const google::protobuf::MessageLite& reply) {
    MutexLock lock(mu_);
    Traffic::Count& count = traffic_[message];
    ++count.calls;
    count.sent_bytes += request.ByteSizeLong();
    count.received_bytes += reply.ByteSizeLong();
  }

  const std::unique_ptr<NamenodeLink> link_;
  mutable Mutex mu_;
  Traffic traffic_ ABSL_GUARDED_BY(mu_);
  double reported_at_ ABSL_GUARDED_BY(mu_) = 0;
};

ReportOnlyDatanode::ReportOnlyDatanode(int number, const std::string& directory)
    : number_(number), uuid_(absl::StrCat("report-only-", number)) {
  FileSystem& fs = PosixFileSystem();
  const auto open = [&](absl::string_view name) {
    auto volume = Volume::Open(fs, {.path = absl::StrCat(directory, "/", name)}, 0, uuid_);
    CHECK_OK(volume.status());
    return *std::move(volume);
  };
  empty_ = open("empty");
  full_ = open("full");
  storage_uuid_ = full_->identity().storage_uuid;
}

// The session first: it calls the store.
ReportOnlyDatanode::~ReportOnlyDatanode() {
  if (session_ != nullptr) session_->Stop();
}

std::string ReportOnlyDatanode::uuid() const { return uuid_; }
std::string ReportOnlyDatanode::storage_uuid() const { return storage_uuid_; }

void ReportOnlyDatanode::Start(const std::string& namenode,
                               const std::vector<datanode::ReplicaInfo>& replicas) {
  link_ = std::make_unique<CountingLink>(namenode);
  session_ = std::make_unique<NamenodeSession>(*link_);
  std::vector<std::unique_ptr<Volume>> volumes;
  volumes.push_back(std::move(empty_));
  store_ = std::make_unique<ReplicaStore>(std::move(volumes), datanode::StoreOptions(), *session_);
  CHECK_OK(store_->Load());
  // Only a volume that comes later may bring replicas of which no file is looked at. The other one
  // has had its time: it is not reported any more.
  CHECK_OK(store_->AddVolume(std::move(full_), replicas).status());
  CHECK_OK(store_->RemoveVolume(0, absl::Seconds(1)));
  datanode::SessionOptions options;
  options.address.set_ip("127.0.0.1");
  options.address.set_host_name("localhost");
  options.address.set_transfer_port(static_cast<uint32_t>(1 + number_));
  options.datanode_uuid = uuid_;
  CHECK_OK(session_->Start(
      options, *store_, [] { return 0; }, [this](const internal::Command&) { ++orders_; }));
}

void ReportOnlyDatanode::SendLists() { session_->TriggerReport(/*full=*/true); }
void ReportOnlyDatanode::Reset() { link_->Reset(); }
Traffic ReportOnlyDatanode::traffic() const { return link_->traffic(); }
double ReportOnlyDatanode::reported_at() const { return link_->reported_at(); }

}  // namespace cairn::bench
