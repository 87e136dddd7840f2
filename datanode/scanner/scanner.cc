#include "datanode/scanner/scanner.h"

namespace cairn::datanode {

Scanner::Scanner(ReplicaStore& store, ScanOptions options, Clock& clock) {
  const auto count = static_cast<int>(store.volumes().size());
  MutexLock lock(mu_);
  for (int i = 0; i < count; ++i) {
    volumes_.push_back(std::make_unique<VolumeScanner>(store, i, options, clock));
  }
}

void Scanner::Suspect(const ReplicaInfo& replica) {
  MutexLock lock(mu_);
  const auto index = static_cast<size_t>(replica.volume);
  if (index < volumes_.size()) volumes_[index]->Suspect(replica.block);
}

std::vector<ScanReport> Scanner::Reports() const {
  MutexLock lock(mu_);
  std::vector<ScanReport> reports;
  for (const auto& volume : volumes_) reports.push_back(volume->report());
  return reports;
}

}  // namespace cairn::datanode
