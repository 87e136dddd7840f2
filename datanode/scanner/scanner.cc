#include "datanode/scanner/scanner.h"

#include <utility>

#include "common/check.h"

namespace cairn::datanode {

Scanner::Scanner(ReplicaStore& store, ScanOptions options, Clock& clock)
    : store_(store), options_(options), clock_(clock) {
  const auto count = static_cast<int>(store.volumes().size());
  for (int i = 0; i < count; ++i) Watch(i);
}

void Scanner::Watch(int volume) {
  auto scanner = std::make_unique<VolumeScanner>(store_, volume, options_, clock_);
  MutexLock lock(mu_);
  CHECK_EQ(static_cast<size_t>(volume), volumes_.size());
  volumes_.push_back(std::move(scanner));
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
