// How a report round begins: a datanode tells digests of what it has, and hears which buckets of
// block ids it is to list.
//
// Only equality is believed. That two digests are equal means that what the datanode had while it
// made its own, each replica at a moment of its own, is what the records say now; whatever it
// changed since it began it has reported before them, or reports later, in order. Anything in
// flight (a report not sent yet, a block not committed, an order not carried out, records that a
// crash forgot) makes a difference, and the list of one bucket settles it as a full report would.
#include "namenode/core/run.h"
#include "namenode/ops/reporter.h"

namespace cairn::namenode {
namespace {

// Compared under one lock: some 100 ns each.
constexpr size_t kDigestSlice = 1000;
// More than that, and ranges are no shorter than the list.
constexpr size_t kMostDiffering = 100'000;

}  // namespace

DigestAnswer NamenodeImpl::CompareDigests(uint32_t storage, uint32_t shift,
                                          std::span<const ReplicaDigests::Bucket> theirs) const {
  DigestAnswer answer;
  for (std::optional<uint64_t> next = 0; next;) {
    ReaderLock lock(mu_);
    const ReplicaDigests& digests = blocks_->digests();
    if (digests.given_up() || shift != digests.shift() ||
        answer.differing.size() > kMostDiffering) {
      return {DigestAnswer::Result::kList, {}};
    }
    if (!digests.complete()) return {DigestAnswer::Result::kLater, {}};
    next = digests.Compare(storage, theirs, *next, kDigestSlice, &answer.differing);
  }
  return answer;
}

absl::StatusOr<DigestAnswer> NamenodeImpl::ReportDigests(const DigestReport& report) {
  ASSIGN_OR_RETURN(ClusterState::ReportTurn turn,
                   cluster_.BeginReport(report.datanode_uuid, report.session, report.sequence));
  // Its answer is lost, and to compare anew would be to compare with what came later.
  if (!turn.is_new()) return absl::AbortedError("this report was answered before; register again");
  const std::shared_ptr<const ClusterView> view = cluster_.View();
  const ClusterView::Node* const node = view->FindByUuid(report.datanode_uuid);
  if (node == nullptr) return absl::AbortedError("register again");
  ASSIGN_OR_RETURN(const uint32_t storage,
                   NumberForReport(report.storage_uuid, report.datanode_uuid));
  Reporter reporter(*this, *node->info, report.session, storage, /*changes=*/false);
  RETURN_IF_ERROR(reporter.Process(report.others));
  DigestAnswer answer = CompareDigests(storage, report.shift, report.buckets);
  if (answer.result == DigestAnswer::Result::kCompared && answer.differing.empty()) {
    full_reports_.End(storage, report.session);
    cluster_.SetReported(storage, report.session);
  }
  turn.Done();
  return answer;
}

}  // namespace cairn::namenode
