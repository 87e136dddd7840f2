#include "bench/local_namenode.h"

#include <chrono>
#include <limits>
#include <utility>

#include "common/clock.h"
#include "common/io/file_system.h"
#include "common/status_macros.h"
#include "common/user_groups.h"
#include "namenode/daemon/storage.h"
#include "namenode/journal/memory_journal.h"

namespace cairn::bench {

using namenode::Journal;
using namenode::JournalOptions;
using namenode::NamenodeImpl;
using namenode::NamenodeOptions;
using namenode::Store;
using namenode::StoreOptions;

absl::Status LocalNamenode::Format(const std::string& directory) {
  namenode::FormatOptions format;
  format.directory = directory;
  format.superuser = ProcessUserName();
  format.force = true;
  return namenode::FormatStorage(PosixFileSystem(), SystemClock(), format).status();
}

absl::StatusOr<std::unique_ptr<LocalNamenode>> LocalNamenode::Open(const LocalOptions& options) {
  std::unique_ptr<LocalNamenode> local(new LocalNamenode);
  RETURN_IF_ERROR(local->Start(options));
  return local;
}

absl::Status LocalNamenode::Start(const LocalOptions& options) {
  FileSystem& fs = PosixFileSystem();
  ASSIGN_OR_RETURN(const namenode::StorageVersion version,
                   namenode::ReadVersion(fs, options.directory));
  cluster_ =
      std::make_unique<namenode::ClusterState>(namenode::ClusterState::Options{}, SystemClock());
  StoreOptions store;
  store.directory = namenode::StoreDirectory(options.directory);
  store.cache_bytes = options.store_cache_bytes;
  store.tail_bytes = options.tail_bytes;
  const auto durable = [this] {
    const Journal* const journal = journal_view_.load(std::memory_order_acquire);
    return journal == nullptr ? TxId{std::numeric_limits<uint64_t>::max()} : journal->durable();
  };
  const auto with_lock = [this](std::function<void()> body) {
    namenode_view_.load(std::memory_order_acquire)->WithLock(body);
  };
  ASSIGN_OR_RETURN(store_, Store::Open(store, durable, with_lock));

  NamenodeOptions core;
  core.tree.cache_bytes = options.inode_cache_bytes;
  core.blocks.cache_bytes = options.block_cache_bytes;
  core.identities.superuser = ProcessUserName();
  core.identities.groups_of = [](const std::string&) { return std::vector<std::string>(); };
  const size_t retry_entries = core.retry_cache_entries;
  namenode_ = std::make_unique<NamenodeImpl>(std::move(core), SystemClock(), *store_, *cluster_);
  namenode_view_.store(namenode_.get(), std::memory_order_release);
  RETURN_IF_ERROR(namenode_->OpenStore());

  const TxId applied = store_->applied();
  if (options.durable) {
    JournalOptions journal;
    journal.directory = namenode::JournalDirectory(options.directory);
    journal.cluster_id = version.cluster_id;
    const TxId from{ToInt(applied) > retry_entries ? ToInt(applied) - retry_entries + 1 : 1};
    ASSIGN_OR_RETURN(journal_, OpenFileJournal(fs, SystemClock(), journal, applied, from,
                                               [this](TxId txid, absl::string_view edit) {
                                                 return namenode_->Replay(txid, edit);
                                               }));
  } else {
    journal_ =
        std::make_unique<namenode::MemoryJournal>(namenode::MemoryJournal::Mode::kAtOnce, applied);
  }
  journal_view_.store(journal_.get(), std::memory_order_release);
  namenode_->StartServing(*journal_);
  maintenance_ = std::thread([this] { Maintain(); });
  return absl::OkStatus();
}

void LocalNamenode::Maintain() {
  for (;;) {
    namenode_->RunMaintenance();
    MutexLock lock(mu_);
    if (stopping_) return;
    const bool busy = namenode_->HasBackgroundWork() || namenode_->IsWalkingReplicas();
    wake_.WaitFor(mu_, std::chrono::milliseconds(busy ? 1 : 100));
    if (stopping_) return;
  }
}

LocalNamenode::~LocalNamenode() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  if (maintenance_.joinable()) maintenance_.join();
  // The store's flusher asks the journal and locks the namenode: it ends first.
  if (store_ != nullptr) store_->Flush().IgnoreError();  // the journal has it all in any case
  store_.reset();
  journal_.reset();
  namenode_.reset();
}

}  // namespace cairn::bench
