#include "tests/sim/application.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tests/sim/limits.h"

namespace cairn::sim {

using namenode::BlockVersion;
using namenode::Caller;
using namenode::FileStatus;
using namenode::NamenodeImpl;
using namenode::Nothing;
using namenode::Outcome;

namespace {

constexpr Host kFirstHost = 101;
constexpr absl::Duration kReadLimit = absl::Seconds(3);

}  // namespace

Application::Application(World& world, Network& network, NamenodeNode& namenode,
                         DatanodeNode::All& datanodes, Oracle& oracle, int number)
    : world_(world),
      network_(network),
      namenode_(namenode),
      datanodes_(datanodes),
      oracle_(oracle),
      number_(number) {}

// ---- Lives

void Application::Start() {
  client_ = std::make_unique<Client>(world_, network_, namenode_, datanodes_, kFirstHost + number_,
                                     absl::StrCat("app", number_, ".", ++lives_));
  excluded_.clear();
  client_->process().Spawn([this] { Run(); });
}

void Application::Kill() {
  if (client_ == nullptr) return;
  world_.Trace("%s: dies", client_->name());
  client_ = nullptr;
  if (finishing_) return;
  world_.After(world_.Between(absl::Milliseconds(1), absl::Seconds(3)), [this] {
    if (client_ == nullptr && !finishing_) Start();
  });
}

void Application::Pause(absl::Duration time) {
  if (client_ != nullptr) client_->process().Pause(time);
}

// From its own fiber: what runs cannot be taken away, so an event does it.
void Application::DieSoon() {
  world_.After(absl::ZeroDuration(), [this, client = client_.get()] {
    if (client_.get() == client) Kill();
  });
}

void Application::Run() {
  while (!finishing_) {
    const absl::Status status = DoSomething();
    if (!status.ok()) {
      world_.Trace("%s: gives up: %s", client_->name(), std::string(status.message()));
      break;
    }
    client_->process().Sleep(world_.Between(absl::Milliseconds(1), absl::Milliseconds(500)));
    if (world_.OneIn(4)) excluded_.clear();  // what was bad once is tried again
  }
  DieSoon();
}

absl::Status Application::DoSomething() {
  if (!has_directory_) return MakeDirectory();
  const std::shared_ptr<ToldFile> file = AnyClosed();
  if (file == nullptr) return WriteNew();
  switch (world_.Random(16)) {
    case 0:
      return Delete(file);
    case 1:
    case 2:
      return Rename(file);
    case 3:
    case 4:
      return Truncate(file);
    case 5:
    case 6:
    case 7:
    case 8:
      return AppendTo(file);
    case 9:
    case 10:
      return Read(file);
    default:
      return WriteNew();
  }
}

// ---- The namespace

std::string Application::NewPath() { return absl::StrCat("/app", number_, "/f", ++names_); }

std::shared_ptr<ToldFile> Application::AnyClosed() {
  return closed_.empty() ? nullptr : closed_[world_.Random(closed_.size())];
}

void Application::Forget(const std::shared_ptr<ToldFile>& file) { std::erase(closed_, file); }

absl::Status Application::MakeDirectory() {
  RETURN_IF_ERROR(client_
                      ->Call<bool>([path = absl::StrCat("/app", number_)](NamenodeImpl& namenode,
                                                                          const Caller& caller) {
                        return namenode.Mkdirs(caller, path, 0755, true);
                      })
                      .status());
  has_directory_ = true;
  return absl::OkStatus();
}

absl::Status Application::Rename(const std::shared_ptr<ToldFile>& file) {
  const std::string from = file->name();
  const std::string to = NewPath();
  Forget(file);
  file->paths.insert(to);
  const auto done = client_->Call<bool>([from, to](NamenodeImpl& namenode, const Caller& caller) {
    return namenode.Rename(caller, from, to);
  });
  RETURN_IF_ERROR(done.status());
  if (!*done) world_.Fail(absl::StrCat("rename of ", from, " to ", to, " answered false"));
  file->paths = {to};
  closed_.push_back(file);
  world_.Trace("%s: renamed %s to %s", client_->name(), from, to);
  return absl::OkStatus();
}

absl::Status Application::Delete(const std::shared_ptr<ToldFile>& file) {
  const std::string path = file->name();
  Forget(file);
  file->may_be_gone = true;
  const auto done = client_->Call<bool>([path](NamenodeImpl& namenode, const Caller& caller) {
    return namenode.Delete(caller, path, false);
  });
  RETURN_IF_ERROR(done.status());
  if (!*done) world_.Fail(absl::StrCat("delete of ", path, " answered false"));
  file->paths.clear();
  world_.Trace("%s: deleted %s", client_->name(), path);
  return absl::OkStatus();
}

absl::Status Application::Truncate(const std::shared_ptr<ToldFile>& file) {
  const uint64_t old_length = *file->lengths.begin();
  if (old_length == 0) return absl::OkStatus();
  const uint64_t length =
      world_.OneIn(4) ? old_length / kChunkBytes * kChunkBytes : world_.Random(old_length);
  Forget(file);
  file->lengths.insert(length);
  const auto done = client_->Call<bool>([path = file->name(), length, name = client_->name()](
                                            NamenodeImpl& namenode, const Caller& caller) {
    return namenode.Truncate(caller, path, length, name);
  });
  RETURN_IF_ERROR(done.status());
  file->lengths = {length};
  file->content.resize(length);
  file->synced = std::min(file->synced, length);
  world_.Trace("%s: truncated %s to %d: %s", client_->name(), file->name(), length,
               *done ? "done" : "begun");
  // Until a datanode has cut the block the file is open, in nobody's hands.
  for (bool closed = *done; !closed;) {
    client_->process().Sleep(absl::Milliseconds(300));
    ASSIGN_OR_RETURN(closed, client_->Call<bool>([path = file->name()](NamenodeImpl& namenode,
                                                                       const Caller& caller) {
      return namenode.IsFileClosed(caller, path);
    }));
  }
  closed_.push_back(file);
  return absl::OkStatus();
}

// ---- Writing

void Application::AddContent(ToldFile& file, uint64_t bytes) {
  for (uint64_t i = 0; i < bytes; ++i) {
    file.content.push_back(static_cast<std::byte>(world_.Random(256)));
  }
}

absl::Status Application::WriteNew() {
  const std::string path = NewPath();
  const uint32_t replication = static_cast<uint32_t>(world_.Between(1, 3));
  oracle_.maybe_created().insert(path);
  const auto status = client_->Call<FileStatus>(
      [path, replication, name = client_->name()](NamenodeImpl& namenode, const Caller& caller) {
        namenode::CreateOptions options;
        options.client_name = name;
        options.replication = replication;
        options.block_bytes = kBlockBytes;
        return namenode.Create(caller, path, options);
      });
  oracle_.maybe_created().erase(path);
  RETURN_IF_ERROR(status.status());
  const auto file = std::make_shared<ToldFile>();
  file->id = status->id;
  file->paths = {path};
  oracle_.files().push_back(file);
  world_.Trace("%s: created %s, inode %d, replication %d", client_->name(), path, ToInt(file->id),
               replication);
  return WriteOn(file, nullptr, std::nullopt);
}

absl::Status Application::AppendTo(const std::shared_ptr<ToldFile>& file) {
  struct Appended {
    std::optional<PlacedBlock> block;
  };
  Forget(file);
  const std::set<uint64_t> lengths = std::exchange(file->lengths, {});
  const auto appended = client_->Call<Appended>(
      [path = file->name(), name = client_->name()](NamenodeImpl& namenode,
                                                    const Caller& caller) -> Outcome<Appended> {
        const auto outcome = namenode.Append(caller, path, name, false);
        if (!outcome.value.ok()) return {outcome.value.status(), outcome.ticket};
        Appended result;
        if (outcome.value->block) result.block = Client::Place(namenode, *outcome.value->block);
        return {result, outcome.ticket};
      });
  if (!appended.ok()) {
    file->lengths = lengths;
    return appended.status();
  }
  world_.Trace("%s: appends to %s at %d", client_->name(), file->name(), file->content.size());
  if (!appended->block) return WriteOn(file, nullptr, std::nullopt);
  auto block = std::make_unique<BlockWriter>(
      *client_, file, file->content.size() - appended->block->block.length, excluded_);
  client_->KeepLease(true);
  RETURN_IF_ERROR(block->Append(*appended->block));
  return WriteOn(file, std::move(block), std::nullopt);
}

absl::Status Application::WriteOn(const std::shared_ptr<ToldFile>& file,
                                  std::unique_ptr<BlockWriter> block,
                                  std::optional<BlockVersion> previous) {
  client_->KeepLease(true);
  bool syncing = false;
  uint64_t start = file->content.size() - (block == nullptr ? 0 : block->put_bytes());
  const uint64_t steps = world_.Between(0, 5);
  for (uint64_t step = 0; step < steps; ++step) {
    const uint64_t bytes =
        world_.OneIn(5) ? world_.Between(1, 2 * kBlockBytes) : world_.Between(1, 2 * kChunkBytes);
    for (uint64_t left = bytes; left > 0;) {
      if (block == nullptr) {
        start = file->content.size();
        block = std::make_unique<BlockWriter>(*client_, file, start, excluded_);
        RETURN_IF_ERROR(block->Create(previous));
      }
      const uint64_t room = start + kBlockBytes - file->content.size();
      const uint64_t now = std::min(left, room);
      AddContent(*file, now);
      left -= now;
      RETURN_IF_ERROR(block->Put(file->content.size()));
      if (now == room) {
        RETURN_IF_ERROR(block->Finish(syncing));
        previous = block->block();
        block = nullptr;
      }
    }
    if (block != nullptr && world_.OneIn(2)) {
      const bool sync = world_.OneIn(3);
      syncing |= sync;
      RETURN_IF_ERROR(block->Flush(sync));
    }
    client_->process().Sleep(world_.OneIn(6)
                                 ? world_.Between(absl::Seconds(1), absl::Seconds(4))
                                 : world_.Between(absl::Milliseconds(1), absl::Milliseconds(300)));
  }
  if (!finishing_ && world_.OneIn(8)) {
    // As an application that exits without closing.
    return absl::CancelledError("enough");
  }
  if (block != nullptr) {
    RETURN_IF_ERROR(block->Finish(syncing));
    previous = block->block();
  }
  return Close(file, previous);
}

absl::Status Application::Close(const std::shared_ptr<ToldFile>& file,
                                std::optional<BlockVersion> last) {
  while (true) {
    const auto done = client_->Call<bool>([id = file->id, name = client_->name(), last](
                                              NamenodeImpl& namenode, const Caller& caller) {
      return namenode.Complete(caller, "", id, name, last, nullptr);
    });
    RETURN_IF_ERROR(done.status());
    if (*done) break;
    client_->process().Sleep(absl::Milliseconds(100));
  }
  client_->KeepLease(false);
  file->lengths = {file->content.size()};
  Oracle::Finished(*file, file->content.size());
  closed_.push_back(file);
  world_.Trace("%s: closed %s at %d bytes", client_->name(), file->name(), file->content.size());
  return absl::OkStatus();
}

// ---- Reading

absl::StatusOr<Bytes> Application::ReadBlock(const PlacedBlock& block) {
  using Read = absl::StatusOr<Bytes>;
  absl::Status last = absl::UnavailableError("no replica");
  for (const Host host : block.nodes) {
    const auto bytes =
        network_.Call<Read>(client_->process(), client_->host(), host, kReadLimit,
                            [this, host, block](const std::function<void(Read)>& reply) {
                              const DatanodeNode& node = *datanodes_[static_cast<size_t>(host - 1)];
                              if (node.running())
                                reply(node.ReadReplica(block.block.id, block.block.stamp));
                            });
    if (bytes.has_value() && bytes->ok()) return **bytes;
    last = bytes.has_value() ? bytes->status() : absl::UnavailableError("no answer");
    if (!absl::IsDataLoss(last)) continue;
    client_
        ->Call<Nothing>([version = block.block, storage = absl::StrCat("DS-", host)](
                            NamenodeImpl& namenode, const Caller& caller) {
          return namenode.ReportBadBlock(caller, version, {storage});
        })
        .IgnoreError();  // the reader goes on with another replica
  }
  return last;
}

absl::Status Application::Read(const std::shared_ptr<ToldFile>& file) {
  const auto blocks = client_->Call<std::vector<PlacedBlock>>(
      [path = file->name()](NamenodeImpl& namenode,
                            const Caller& caller) -> Outcome<std::vector<PlacedBlock>> {
        const auto outcome = namenode.GetBlockLocations(caller, path, 0, UINT64_MAX);
        if (!outcome.value.ok()) return {outcome.value.status(), outcome.ticket};
        std::vector<PlacedBlock> placed;
        for (const auto& block : outcome.value->blocks) {
          placed.push_back(Client::Place(namenode, block));
        }
        return {placed, outcome.ticket};
      });
  RETURN_IF_ERROR(blocks.status());
  uint64_t length = 0;
  for (const PlacedBlock& block : *blocks) {
    length += block.block.length;
    const absl::StatusOr<Bytes> bytes = ReadBlock(block);
    if (!bytes.ok()) continue;  // its nodes are away; in the end they will not be
    const auto expected = std::span(file->content).subspan(block.offset, block.block.length);
    if (bytes->size() < expected.size() ||
        !std::equal(expected.begin(), expected.end(), bytes->begin())) {
      world_.Fail(absl::StrCat("a reader of ", file->name(), " got wrong bytes of block ",
                               ToInt(block.block.id)));
    }
  }
  if (length != *file->lengths.begin()) {
    world_.Fail(absl::StrCat("a reader found ", length, " bytes in ", file->name(), ", closed at ",
                             *file->lengths.begin()));
  }
  return absl::OkStatus();
}

}  // namespace cairn::sim
