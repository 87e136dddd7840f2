#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/crash_point.h"
#include "common/io/file_system.h"
#include "common/logging.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "common/thread.h"
#include "namenode/store/keys.h"
#include "namenode/store/leveldb_check.h"
#include "namenode/store/leveldb_copy.h"
#include "namenode/store/leveldb_env.h"
#include "namenode/store/merged_range.h"
#include "namenode/store/read_only_env.h"
#include "namenode/store/store.h"
#include "namenode/store/tail.h"

namespace cairn::namenode {
namespace {

// 16 times LevelDB's default: 100 M files make some thousand tables instead of some ten thousand.
constexpr size_t kTableBytes = 32 << 20;
constexpr int kBloomBitsPerKey = 10;
// How often the journal is asked whether it has caught up with a frozen tail.
constexpr std::chrono::milliseconds kDurablePoll{1};
// How often one who waits for a flush, and a flush that found the disk full, look again.
constexpr std::chrono::milliseconds kSpacePoll{100};

leveldb::Slice ToSlice(absl::string_view text) { return {text.data(), text.size()}; }

std::string EncodeTxId(TxId txid) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(ToInt(txid) >> shift));
  }
  return bytes;
}

absl::StatusOr<TxId> DecodeTxId(absl::string_view bytes) {
  if (bytes.size() != 8) {
    return absl::DataLossError(
        absl::StrCat("store: the applied txid has ", bytes.size(), " bytes instead of 8"));
  }
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return TxId{value};
}

// An open LevelDB and what it needs, in the order of their construction.
struct Database {
  std::unique_ptr<LevelDbEnv> env;
  std::unique_ptr<ReadOnlyEnv> read_only;  // null: `env` is LevelDB's
  std::unique_ptr<leveldb::Cache> cache;
  std::unique_ptr<const leveldb::FilterPolicy> filter;
  std::unique_ptr<leveldb::DB> db;
};

absl::StatusOr<Database> OpenDatabase(const StoreOptions& store_options,
                                      std::unique_ptr<LevelDbEnv> env, bool create) {
  Database database;
  database.env = std::move(env);
  database.cache.reset(leveldb::NewLRUCache(store_options.cache_bytes));
  database.filter.reset(leveldb::NewBloomFilterPolicy(kBloomBitsPerKey));
  leveldb::Options options;
  options.env = database.env.get();
  if (store_options.read_only) {
    database.read_only = std::make_unique<ReadOnlyEnv>(*store_options.files);
    options.env = database.read_only.get();
  }
  options.create_if_missing = create;
  options.error_if_exists = create;
  options.paranoid_checks = true;
  options.write_buffer_size = store_options.write_buffer_bytes;
  options.max_open_files = store_options.max_open_files;
  options.max_file_size = kTableBytes;
  options.block_cache = database.cache.get();
  options.filter_policy = database.filter.get();
  options.compression = leveldb::kSnappyCompression;
  leveldb::DB* db = nullptr;
  const leveldb::Status status = leveldb::DB::Open(options, store_options.directory, &db);
  database.db.reset(db);
  RETURN_IF_ERROR(FromLevelDb(status, absl::StrCat("opening store ", store_options.directory)));
  if (database.read_only != nullptr) database.read_only->Seal();
  return database;
}

absl::StatusOr<std::optional<std::string>> Get(leveldb::DB& db, absl::string_view key) {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  std::string value;
  const leveldb::Status status = db.Get(options, ToSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) {
    return FromLevelDb(status, absl::StrCat("store: reading ", keys::Readable(key)));
  }
  return std::optional<std::string>(std::move(value));
}

class LevelDbStore final : public Store {
 public:
  LevelDbStore(const StoreOptions& options, Database database, TxId applied,
               std::function<TxId()> durable, WithLock with_lock)
      : options_(options),
        durable_(std::move(durable)),
        with_lock_(std::move(with_lock)),
        pool_(options.tail_bytes),
        database_(std::move(database)),
        applied_(ToInt(applied)),
        last_edit_(applied),
        active_(std::make_unique<Layer>(pool_)) {
    database_.env->WaitForSpace();
    flusher_ = std::thread([this] { RunFlusher(); });
  }
  ~LevelDbStore() override ABSL_LOCKS_EXCLUDED(mu_);

  Found Peek(absl::string_view key, absl::string_view* value) const override;
  absl::StatusOr<std::optional<std::string>> Load(absl::string_view key) const override {
    return Get(*database_.db, key);
  }
  uint64_t flush_count() const override { return flush_count_; }

  void BeginEdit() override { inside_edit_ = true; }
  void Put(absl::string_view key, absl::string_view value) override {
    inside_edit_ = true;
    NoteFirst();
    active_->tail.Put(key, value);
  }
  void Delete(absl::string_view key) override {
    inside_edit_ = true;
    NoteFirst();
    active_->tail.Delete(key);
  }
  bool BeforeFreeze(std::function<void()> put_rest) override {
    put_rest_ = std::move(put_rest);
    return true;
  }
  void PutRest() override {
    CHECK(!inside_edit_) << "in the middle of an edit";
    if (put_rest_ != nullptr && active_->last_edit != kNoTx) put_rest_();
    CHECK(!inside_edit_) << "what was put off did not end";
  }
  void EndRest() override { inside_edit_ = false; }
  void EndEdit(TxId txid) override;
  void PutUnjournalled(absl::string_view key, absl::string_view value) override {
    NoteFirst();
    active_->tail.Put(key, value);
    MaybeFreeze();
  }
  void DeleteUnjournalled(absl::string_view key) override {
    NoteFirst();
    active_->tail.Delete(key);
    MaybeFreeze();
  }
  void BeginGroup() override { ++groups_; }
  void EndGroup() override {
    CHECK_GT(groups_, 0) << "EndGroup without BeginGroup";
    if (--groups_ == 0) MaybeFreeze();
  }

  absl::Status Ready() const override ABSL_LOCKS_EXCLUDED(mu_);
  std::unique_ptr<Range> Scan(absl::string_view prefix, absl::string_view after,
                              size_t limit) const override;
  TxId applied() const override { return TxId{applied_.load(std::memory_order_acquire)}; }
  Stats stats() const override ABSL_LOCKS_EXCLUDED(mu_);

  void Freeze() override ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status WaitFlushed() override ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Flush() override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<TxId> CopyTo(const std::string& directory) override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Layer {
    explicit Layer(ChunkPool& pool) : tail(pool) {}
    Tail tail;
    TxId last_edit = kNoTx;  // of the edits in it; kNoTx: only unjournalled records
  };

  // What there is to copy, as of a moment between two batches: only the flusher knows one.
  struct Listing {
    std::optional<absl::StatusOr<LevelDbFiles>> files;  // guarded by mu_; set once
    TxId applied = kNoTx;
  };

  // With records put off, an edit alone makes the tail worth a flush.
  bool IsActiveEmpty() const {
    return active_->tail.empty() && (put_rest_ == nullptr || active_->last_edit == kNoTx);
  }
  // The age of a tail counts from its first record.
  void NoteFirst() {
    if (ABSL_PREDICT_FALSE(IsActiveEmpty())) {
      active_since_ns_.store(absl::ToInt64Nanoseconds(SystemClock().Monotonic()),
                             std::memory_order_relaxed);
    }
  }
  void MaybeFreeze();
  void PublishSizes();

  bool IsDiskFull() const { return no_new_log_ || database_.env->waiting(); }
  absl::Status DiskFull() const {
    return absl::ResourceExhaustedError(
        absl::StrCat("store: no space left on the disk of ", options_.directory,
                     ", or no file descriptors, as the log says; no change is accepted until there "
                     "is room, what is acknowledged is in the journal"));
  }

  void RunFlusher() ABSL_LOCKS_EXCLUDED(mu_);
  void FreezeIfOld() ABSL_LOCKS_EXCLUDED(mu_);
  bool WaitDurable(TxId txid) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status WriteToLevelDb(const Layer& layer) ABSL_LOCKS_EXCLUDED(mu_);
  void Drop() ABSL_LOCKS_EXCLUDED(mu_);
  void List(Listing* listing) ABSL_LOCKS_EXCLUDED(mu_);

  const StoreOptions options_;
  const std::function<TxId()> durable_;
  const WithLock with_lock_;

  mutable ChunkPool pool_;  // synchronizes itself, as LevelDB does
  const Database database_;
  std::atomic<uint64_t> applied_;
  // Copies for those who hold no lock.
  std::atomic<uint64_t> active_bytes_{0}, active_records_{0}, frozen_bytes_{0};
  std::atomic<int64_t> active_since_ns_{0};
  std::atomic<bool> failed_{false};
  std::atomic<bool> no_new_log_{false};  // the last Write found no room for another log

  // Guarded by the namespace lock, which the compiler does not see from here.
  TxId last_edit_;
  bool inside_edit_ = false;  // something was put and EndEdit has not come yet
  int groups_ = 0;            // begun, and not ended yet
  std::function<void()> put_rest_;
  std::unique_ptr<Layer> active_;
  std::shared_ptr<const Layer> frozen_;
  uint64_t flush_count_ = 0;

  mutable Mutex mu_;
  mutable CondVar changed_;  // job_, stopping_ or failure_
  // The frozen tail for the flusher; the same as frozen_, but under a lock that it may wait with.
  std::shared_ptr<const Layer> job_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<Listing>> wanted_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  uint64_t flushes_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Duration last_flush_ ABSL_GUARDED_BY(mu_), longest_flush_ ABSL_GUARDED_BY(mu_);
  std::thread flusher_;
};

LevelDbStore::~LevelDbStore() {
  database_.env->StopWaiting();
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  flusher_.join();
}

Store::Found LevelDbStore::Peek(absl::string_view key, absl::string_view* value) const {
  const Tail::Record* record = active_->tail.Find(key);
  if (record == nullptr && frozen_ != nullptr) record = frozen_->tail.Find(key);
  if (record == nullptr) return Found::kUnknown;
  if (record->deleted) return Found::kDeleted;
  *value = record->value();
  return Found::kValue;
}

void LevelDbStore::EndEdit(TxId txid) {
  CHECK_LT(ToInt(last_edit_), ToInt(txid)) << "edits out of order";
  if (put_rest_ != nullptr) NoteFirst();
  last_edit_ = txid;
  active_->last_edit = txid;
  inside_edit_ = false;
  MaybeFreeze();
}

void LevelDbStore::MaybeFreeze() {
  PublishSizes();
  // In the middle of an edit or a group the tail is not a state that may be made durable.
  const bool may = !inside_edit_ && groups_ == 0 && frozen_ == nullptr;
  if (may && active_->tail.bytes() >= options_.tail_bytes) Freeze();
}

void LevelDbStore::PublishSizes() {
  active_bytes_.store(active_->tail.bytes(), std::memory_order_relaxed);
  const uint64_t records = active_->tail.records();
  active_records_.store(records == 0 && !IsActiveEmpty() ? 1 : records, std::memory_order_relaxed);
}

void LevelDbStore::Freeze() {
  CHECK(!inside_edit_ && groups_ == 0) << "freeze in the middle of an edit or a group";
  // An edit may have changed nothing: its txid alone is worth no flush.
  if (frozen_ != nullptr || IsActiveEmpty()) return;
  PutRest();
  frozen_ = std::move(active_);
  active_ = std::make_unique<Layer>(pool_);
  frozen_bytes_.store(frozen_->tail.bytes(), std::memory_order_relaxed);
  PublishSizes();
  {
    MutexLock lock(mu_);
    job_ = frozen_;
  }
  changed_.NotifyAll();
}

absl::Status LevelDbStore::Ready() const {
  if (failed_.load(std::memory_order_acquire)) {
    MutexLock lock(mu_);
    return failure_;
  }
  if (IsDiskFull()) return DiskFull();
  const uint64_t held =
      active_bytes_.load(std::memory_order_relaxed) + frozen_bytes_.load(std::memory_order_relaxed);
  if (held >= options_.tail_limit_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("store: ", held, " bytes of recent changes wait for LevelDB, the limit is ",
                     options_.tail_limit_bytes));
  }
  return absl::OkStatus();
}

std::unique_ptr<Store::Range> LevelDbStore::Scan(absl::string_view prefix, absl::string_view after,
                                                 size_t limit) const {
  CHECK_GT(limit, 0u);
  TailPage page(active_->tail, frozen_ == nullptr ? nullptr : &frozen_->tail, prefix, after, limit);
  // Under the same lock as the page: no tail can reach LevelDB and be dropped in between.
  return std::make_unique<MergedRange>(database_.db.get(), database_.db->GetSnapshot(),
                                       std::move(page), prefix, after, limit);
}

Store::Stats LevelDbStore::stats() const {
  MutexLock lock(mu_);
  return Stats{.active_bytes = active_bytes_.load(std::memory_order_relaxed),
               .frozen_bytes = frozen_bytes_.load(std::memory_order_relaxed),
               .active_records = active_records_.load(std::memory_order_relaxed),
               .flushes = flushes_,
               .applied = applied(),
               .last_flush = last_flush_,
               .longest_flush = longest_flush_};
}

absl::Status LevelDbStore::WaitFlushed() {
  MutexLock lock(mu_);
  while (job_ != nullptr && failure_.ok() && !stopping_) {
    if (IsDiskFull()) return DiskFull();
    changed_.WaitFor(mu_, kSpacePoll);
  }
  return failure_;
}

absl::Status LevelDbStore::Flush() {
  // The first round is for a tail that was on its way already, which keeps Freeze from acting.
  for (int round = 0; round < 2; ++round) {
    with_lock_([this] { Freeze(); });
    RETURN_IF_ERROR(WaitFlushed());
  }
  return absl::OkStatus();
}

absl::StatusOr<TxId> LevelDbStore::CopyTo(const std::string& directory) {
  const std::shared_ptr<void> hold = database_.env->HoldRemovals();
  const auto listing = std::make_shared<Listing>();
  {
    MutexLock lock(mu_);
    wanted_.push_back(listing);
    changed_.NotifyAll();
    while (!listing->files.has_value()) {
      if (!failure_.ok()) return failure_;
      if (stopping_) return absl::CancelledError("store: being closed");
      if (IsDiskFull()) return DiskFull();
      changed_.WaitFor(mu_, kSpacePoll);
    }
  }
  RETURN_IF_ERROR(listing->files->status());
  RETURN_IF_ERROR(CopyLevelDb(*options_.files, **listing->files, options_.directory, directory));
  return listing->applied;
}

void LevelDbStore::List(Listing* listing) {
  CRASH_POINT("checkpoint_before_listing");
  absl::StatusOr<LevelDbFiles> files = ListLevelDb(*options_.files, options_.directory);
  MutexLock lock(mu_);
  listing->applied = applied();
  listing->files = std::move(files);
  changed_.NotifyAll();
}

void LevelDbStore::RunFlusher() {
  SetThreadName("store-flush");
  const auto tick = std::chrono::milliseconds(
      std::clamp<int64_t>(absl::ToInt64Milliseconds(options_.tail_age) / 8, 1, 1000));
  while (true) {
    std::shared_ptr<const Layer> job;
    std::vector<std::shared_ptr<Listing>> wanted;
    {
      MutexLock lock(mu_);
      if (job_ == nullptr && wanted_.empty() && !stopping_) changed_.WaitFor(mu_, tick);
      if (stopping_) return;
      job = job_;
      wanted.swap(wanted_);
    }
    for (const auto& listing : wanted) List(listing.get());
    if (job == nullptr) {
      FreezeIfOld();
      continue;
    }
    if (!WaitDurable(job->last_edit)) return;
    const absl::Status status = WriteToLevelDb(*job);
    no_new_log_.store(absl::IsResourceExhausted(status) && !database_.env->sync_failed(),
                      std::memory_order_release);
    if (no_new_log_) {
      LOG_WARN("store {}: {}; it is tried again", options_.directory, status);
      MutexLock lock(mu_);
      if (!stopping_) changed_.WaitFor(mu_, kSpacePoll);
      continue;
    }
    if (!status.ok()) {
      // Whether the batch is in LevelDB's log is not known, and a later batch must not follow a
      // torn one. Both tails stay in memory, so that reads go on; the journal has all of it.
      LOG_ERROR("store {}: {}; no more changes are accepted", options_.directory, status);
      {
        MutexLock lock(mu_);
        failure_ = status;
        failed_.store(true, std::memory_order_release);
      }
      changed_.NotifyAll();
      return;
    }
    Drop();
    // Frees the tail here, outside of every lock, when the last pointer to it goes.
  }
}

void LevelDbStore::FreezeIfOld() {
  if (active_records_.load(std::memory_order_relaxed) == 0) return;
  const absl::Duration since = absl::Nanoseconds(active_since_ns_.load(std::memory_order_relaxed));
  if (SystemClock().Monotonic() - since < options_.tail_age) return;
  with_lock_([this] { Freeze(); });
}

bool LevelDbStore::WaitDurable(TxId txid) {
  while (ToInt(durable_()) < ToInt(txid)) {
    MutexLock lock(mu_);
    if (stopping_) return false;
    changed_.WaitFor(mu_, kDurablePoll);
    if (stopping_) return false;
  }
  return true;
}

absl::Status LevelDbStore::WriteToLevelDb(const Layer& layer) {
  leveldb::WriteBatch batch;
  for (Tail::Cursor at(layer.tail, ""); at.Get() != nullptr; at.Next()) {
    const Tail::Record& record = *at.Get();
    if (record.deleted) {
      batch.Delete(ToSlice(record.key()));
    } else {
      batch.Put(ToSlice(record.key()), ToSlice(record.value()));
    }
  }
  const TxId applied = std::max(layer.last_edit, this->applied());
  batch.Put(keys::Applied(), EncodeTxId(applied));
  leveldb::WriteOptions options;
  options.sync = true;
  CRASH_POINT("store_flush_before_write");
  const absl::Duration start = SystemClock().Monotonic();
  const leveldb::Status status = database_.db->Write(options, &batch);
  CRASH_POINT("store_flush_after_write");
  RETURN_IF_ERROR(FromLevelDb(status, absl::StrCat("flushing edits up to ", ToInt(applied))));
  applied_.store(ToInt(applied), std::memory_order_release);
  MutexLock lock(mu_);
  ++flushes_;
  last_flush_ = SystemClock().Monotonic() - start;
  longest_flush_ = std::max(longest_flush_, last_flush_);
  return absl::OkStatus();
}

void LevelDbStore::Drop() {
  std::shared_ptr<const Layer> keep;  // so that it is not freed under the namespace lock
  with_lock_([&] {
    keep = std::move(frozen_);
    frozen_ = nullptr;
    ++flush_count_;
    frozen_bytes_.store(0, std::memory_order_relaxed);
    {
      MutexLock lock(mu_);
      job_ = nullptr;
    }
    MaybeFreeze();  // the active tail may have outgrown its size meanwhile
  });
  changed_.NotifyAll();
}

std::string WithoutTrailingSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// Removes what an interrupted Format left behind.
absl::Status RemoveLeftover(FileSystem& files, const std::string& directory) {
  if (!files.Exists(directory)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(directory));
  for (const std::string& name : names) {
    RETURN_IF_ERROR(files.Remove(absl::StrCat(directory, "/", name)));
  }
  return files.RemoveDirectory(directory);
}

absl::Status WriteNewStore(const StoreOptions& options, const Store::Records& records) {
  ASSIGN_OR_RETURN(auto env, LevelDbEnv::Lock(*options.files, options.directory));
  ASSIGN_OR_RETURN(const Database database, OpenDatabase(options, std::move(env), true));
  leveldb::WriteBatch batch;
  for (const auto& [key, value] : records) batch.Put(key, value);
  batch.Put(keys::Applied(), EncodeTxId(kNoTx));
  leveldb::WriteOptions write;
  write.sync = true;
  return FromLevelDb(database.db->Write(write, &batch),
                     absl::StrCat("formatting store ", options.directory));
}

}  // namespace

void Store::StartThread() {
  leveldb::Env::Default()->Schedule([](void*) {}, nullptr);
}

absl::Status Store::Format(const StoreOptions& options, const Records& records) {
  FileSystem& files = PosixFileSystem();
  const std::string directory = WithoutTrailingSlash(options.directory);
  if (files.Exists(directory)) {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(directory));
    if (!names.empty()) {
      return absl::AlreadyExistsError(
          absl::StrCat("store ", directory, " is not empty: it holds ", names.front()));
    }
  }
  // Made beside its place and moved there when it is whole: no crash leaves half a store.
  StoreOptions made = options;
  made.directory = directory + ".new";
  RETURN_IF_ERROR(RemoveLeftover(files, made.directory));
  RETURN_IF_ERROR(files.MakeDirectory(made.directory));
  RETURN_IF_ERROR(WriteNewStore(made, records));
  RETURN_IF_ERROR(files.SyncDirectory(made.directory));
  RETURN_IF_ERROR(files.Rename(made.directory, directory));
  return files.SyncDirectory(ParentDirectory(directory));
}

absl::Status Store::CopyFiles(FileSystem& files, const std::string& from, const std::string& to) {
  ASSIGN_OR_RETURN(const LevelDbFiles list, ListLevelDb(files, from));
  return CopyLevelDb(files, list, from, to);
}

absl::StatusOr<TxId> Store::CopyClosed(FileSystem& files, const std::string& from,
                                       const std::string& to) {
  // Opened first: that checks it, takes its lock, and knows how far it has come.
  StoreOptions options;
  options.directory = from;
  options.files = &files;
  options.cache_bytes = 1 << 20;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<Store> store,
      Open(
          options, [] { return kNoTx; }, [](const std::function<void()>& body) { body(); }));
  return store->CopyTo(to);
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const StoreOptions& options,
                                                   std::function<TxId()> durable,
                                                   WithLock with_lock) {
  FileSystem& files = PosixFileSystem();
  StoreOptions opened = options;
  opened.directory = WithoutTrailingSlash(options.directory);
  if (!files.IsDirectory(opened.directory)) {
    return absl::FailedPreconditionError(
        absl::StrCat("store ", opened.directory, " is not formatted: no such directory"));
  }
  // Asked before the lock is taken, which makes a file: a later Format wants the directory empty.
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(opened.directory));
  if (names.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("store ", opened.directory, " is not formatted: the directory is empty"));
  }
  std::unique_ptr<LevelDbEnv> env;
  if (opened.read_only) {
    env = LevelDbEnv::Unlocked(*opened.files);
  } else {
    ASSIGN_OR_RETURN(env, LevelDbEnv::Lock(*opened.files, opened.directory));
  }
  ASSIGN_OR_RETURN(const LevelDbCheck check,
                   CheckLevelDb(files, opened.directory, !opened.read_only));
  for (const std::string& cut : check.cuts) LOG_WARN("store {}", cut);
  ASSIGN_OR_RETURN(Database database, OpenDatabase(opened, std::move(env), false));
  ASSIGN_OR_RETURN(const std::optional<std::string> position, Get(*database.db, keys::Applied()));
  if (!position) {
    return absl::DataLossError(
        absl::StrCat("store ", opened.directory, " has lost its applied txid"));
  }
  ASSIGN_OR_RETURN(const TxId applied, DecodeTxId(*position));
  return std::make_unique<LevelDbStore>(opened, std::move(database), applied, std::move(durable),
                                        std::move(with_lock));
}

}  // namespace cairn::namenode
