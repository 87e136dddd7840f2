#include "tools/fsck/file_verifier.h"

#include <memory>
#include <utility>
#include <vector>

namespace cairn::tools {
namespace {

// In blocks and units.
size_t WeightOf(const client::FileReport& file) {
  size_t weight = 1;
  for (const client::BlockReport& block : file.blocks) weight += 1 + block.units.size();
  return weight;
}

}  // namespace

struct FileVerifier::Job {
  explicit Job(client::FileReport report) : file(std::move(report)) {}

  const client::FileReport file;
  GroupFindings findings;
  std::atomic<bool> failed = false;
};

FileVerifier::FileVerifier(size_t parallel, Verify verify)
    : verify_(std::move(verify)), in_order_(parallel, kMostKept) {}

// Groups that are being written have bytes for which there is no parity yet.
void FileVerifier::Add(client::FileReport file, Tell tell) {
  const auto job = std::make_shared<Job>(std::move(file));
  std::vector<InOrder::Act> work;
  if (!job->file.erasure_policy.empty()) job->findings.resize(job->file.blocks.size());
  for (size_t i = 0; i < job->findings.size(); ++i) {
    if (job->file.blocks[i].under_construction) continue;
    work.push_back([this, job, i] { Look(*job, i); });
  }
  in_order_.Add(std::move(work), WeightOf(job->file),
                [this, job, tell = std::move(tell)] { Use(*job, tell); });
}

void FileVerifier::AddOther(std::function<void()> tell) {
  in_order_.Add({}, 1, [this, tell = std::move(tell)] {
    if (!ended_) tell();
  });
}

void FileVerifier::Look(Job& job, size_t block) {
  absl::StatusOr<client::GroupFinding> found = verify_(job.file.path, job.file.blocks[block]);
  if (found.ok()) {
    job.findings[block] = *std::move(found);
    return;
  }
  job.failed = true;
  {
    MutexLock lock(mu_);
    status_.Update(found.status());
  }
  in_order_.Drop();
}

void FileVerifier::Use(Job& job, const Tell& tell) {
  ended_ |= job.failed;
  if (!ended_) tell(job.file, std::move(job.findings));
}

absl::Status FileVerifier::Finish() {
  in_order_.Finish();
  return status();
}

absl::Status FileVerifier::status() const {
  MutexLock lock(mu_);
  return status_;
}

}  // namespace cairn::tools
