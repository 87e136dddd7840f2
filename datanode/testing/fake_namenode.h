// datanode/testing/fake_namenode.h - a namenode for tests: remembers what it was told, says what
// the test wants.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "datanode/heartbeat/namenode_link.h"

namespace cairn::datanode::testing {

class FakeNamenode final : public NamenodeLink {
 public:
  absl::StatusOr<internal::RegisterReply> Register(
      const internal::RegisterRequest& request) override {
    MutexLock lock(mu_);
    if (!failure_.ok()) return failure_;
    registrations_.push_back(request);
    internal::RegisterReply reply;
    reply.set_cluster_id("CID-test");
    reply.set_block_pool_id("BP-test");
    reply.set_session(++session_);
    reply.set_heartbeat_interval_ms(heartbeat_interval_ms_);
    reply.set_full_report(true);
    reply.set_digest_shift(digest_shift_);
    return reply;
  }
  absl::StatusOr<internal::HeartbeatReply> Heartbeat(
      const internal::HeartbeatRequest& request) override {
    MutexLock lock(mu_);
    if (!failure_.ok()) return failure_;
    if (request.session() <= forgotten_) return absl::AbortedError("register again");
    const int told =
        request.failed_copies_size() + request.wrong_units_size() + request.group_verdicts_size();
    if (!lose_heartbeat_.ok() && told > 0) {
      return std::exchange(lose_heartbeat_, absl::OkStatus());
    }
    ++heartbeats_;
    for (const auto& failed : request.failed_copies()) failed_copies_.push_back(failed);
    for (const auto& unit : request.wrong_units()) wrong_units_.push_back(unit);
    for (const auto& verdict : request.group_verdicts()) group_verdicts_.push_back(verdict);
    internal::HeartbeatReply reply;
    for (internal::Command& command : commands_) *reply.add_commands() = std::move(command);
    commands_.clear();
    return reply;
  }
  absl::StatusOr<internal::AwaitOrdersReply> AwaitOrders(
      const internal::AwaitOrdersRequest& request, std::stop_token stop) override {
    const std::stop_callback wake(stop, [this] { changed_.NotifyAll(); });
    MutexLock lock(mu_);
    while (!stop.stop_requested() && failure_.ok() && request.session() > forgotten_ &&
           commands_.empty()) {
      changed_.WaitFor(mu_, std::chrono::milliseconds(50));
    }
    if (stop.stop_requested()) return absl::CancelledError("stopped");
    if (!failure_.ok()) return failure_;
    if (request.session() <= forgotten_) return absl::AbortedError("register again");
    internal::AwaitOrdersReply reply;
    reply.set_orders(true);
    return reply;
  }
  absl::Status ReportChanges(const internal::ReportChangesRequest& request) override {
    if (on_changes) on_changes();
    MutexLock lock(mu_);
    if (!failure_.ok()) return failure_;
    if (request.session() <= forgotten_) return absl::AbortedError("register again");
    changes_.push_back(request);
    return std::exchange(lose_answer_, absl::OkStatus());
  }
  absl::StatusOr<internal::ReportDigestsReply> ReportDigests(
      const internal::ReportDigestsRequest& request) override {
    MutexLock lock(mu_);
    if (!failure_.ok()) return failure_;
    digests_.push_back(request);
    if (digest_answers_.empty()) return internal::ReportDigestsReply();
    internal::ReportDigestsReply answer = digest_answers_.front();
    digest_answers_.erase(digest_answers_.begin());
    return answer;
  }
  absl::Status ReportReplicas(const internal::ReportReplicasRequest& request) override {
    if (on_part) on_part();
    MutexLock lock(mu_);
    if (!failure_.ok()) return failure_;
    parts_.push_back(request);
    return absl::OkStatus();
  }

  // To be told at the next registration.
  void SetHeartbeatInterval(uint32_t ms) { Set(heartbeat_interval_ms_, ms); }
  // To be told at the next registration: digests are wanted; and what they are answered, one after
  // the other. The others: nothing differs.
  void WantDigests(uint32_t shift, std::vector<internal::ReportDigestsReply> answers) {
    MutexLock lock(mu_);
    digest_shift_ = shift;
    digest_answers_ = std::move(answers);
  }
  // OK: well again.
  void Fail(absl::Status status) { Set(failure_, std::move(status)); }
  // The next report of changes arrives, its answer does not.
  void LoseAnswer() { Set(lose_answer_, absl::DeadlineExceededError("lost")); }
  // The next heartbeat that tells of failed copies, wrong units or verdicts does not arrive.
  void LoseHeartbeat() { Set(lose_heartbeat_, absl::UnavailableError("lost")); }
  void ForgetSession() {
    MutexLock lock(mu_);
    changed_.NotifyAll();
    forgotten_ = session_;
  }
  void Order(internal::Command command) {
    MutexLock lock(mu_);
    commands_.push_back(std::move(command));
    changed_.NotifyAll();
  }

  std::vector<internal::RegisterRequest> registrations() const { return Get(registrations_); }
  std::vector<internal::ReportChangesRequest> changes() const { return Get(changes_); }
  std::vector<internal::ReportReplicasRequest> parts() const { return Get(parts_); }
  std::vector<internal::ReportDigestsRequest> digests() const { return Get(digests_); }
  int heartbeats() const { return Get(heartbeats_); }
  std::vector<internal::FailedCopy> failed_copies() const { return Get(failed_copies_); }
  std::vector<internal::WrongUnit> wrong_units() const { return Get(wrong_units_); }
  std::vector<internal::GroupVerdict> group_verdicts() const { return Get(group_verdicts_); }
  // Whether this block was reported in this state.
  bool Heard(uint64_t block, internal::ReplicaState state) const {
    for (const auto& request : changes()) {
      for (const auto& storage : request.storages()) {
        for (const auto& report : storage.replicas()) {
          if (report.block().block_id() == block && report.state() == state) return true;
        }
      }
    }
    return false;
  }

  // Called on the session's thread when such a report comes: what happens meanwhile. Set before the
  // session is started.
  std::function<void()> on_changes, on_part;

 private:
  template <typename T>
  void Set(T& field, T value) {
    MutexLock lock(mu_);
    field = std::move(value);
  }
  template <typename T>
  T Get(const T& field) const {
    MutexLock lock(mu_);
    return field;
  }

  mutable Mutex mu_;
  CondVar changed_;
  absl::Status failure_;
  absl::Status lose_answer_, lose_heartbeat_;
  std::vector<internal::FailedCopy> failed_copies_;
  std::vector<internal::WrongUnit> wrong_units_;
  std::vector<internal::GroupVerdict> group_verdicts_;
  uint64_t session_ = 0;
  uint64_t forgotten_ = 0;  // sessions up to this one are unknown
  int heartbeats_ = 0;
  uint32_t heartbeat_interval_ms_ = 20;
  std::vector<internal::Command> commands_;
  std::vector<internal::RegisterRequest> registrations_;
  std::vector<internal::ReportChangesRequest> changes_;
  std::vector<internal::ReportReplicasRequest> parts_;
  uint32_t digest_shift_ = 0;
  std::vector<internal::ReportDigestsReply> digest_answers_;
  std::vector<internal::ReportDigestsRequest> digests_;
};

}  // namespace cairn::datanode::testing
