#include "tests/sim/disk.h"

#include "common/status_macros.h"

namespace cairn::sim {
namespace {

class ProcessFile final : public FileWrapper {
 public:
  ProcessFile(std::unique_ptr<File> file, std::shared_ptr<ProcessDisk::Gate> gate)
      : FileWrapper(std::move(file)), gate_(std::move(gate)) {}

  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
    RETURN_IF_ERROR(gate_->Enter(false));
    return FileWrapper::ReadAt(offset, out);
  }
  absl::Status WriteAt(uint64_t offset, std::span<const std::byte> data) override {
    bool torn = false;
    RETURN_IF_ERROR(gate_->Enter(true, &torn));
    if (!torn) return FileWrapper::WriteAt(offset, data);
    gate_->files.FailCall(FileCall::kWrite, 1, absl::UnavailableError("power cut"), true);
    FileWrapper::WriteAt(offset, data).IgnoreError();  // the half that gets there
    gate_->alive = false;
    throw PowerCut{};
  }
  absl::Status Truncate(uint64_t size) override {
    RETURN_IF_ERROR(gate_->Enter(true));
    return FileWrapper::Truncate(size);
  }
  absl::Status Allocate(uint64_t offset, uint64_t length) override {
    RETURN_IF_ERROR(gate_->Enter(true));
    return FileWrapper::Allocate(offset, length);
  }
  absl::Status SyncData() override {
    RETURN_IF_ERROR(gate_->Enter(true));
    return gate_->ignore_syncs ? absl::OkStatus() : FileWrapper::SyncData();
  }

 private:
  const std::shared_ptr<ProcessDisk::Gate> gate_;
};

}  // namespace

absl::Status ProcessDisk::Gate::Enter(bool mutating, bool* torn) {
  if (!alive) return absl::UnavailableError("the process is dead");
  if (!mutating || hold_power || !calls_left.has_value() || --*calls_left > 0)
    return absl::OkStatus();
  if (torn != nullptr) {
    *torn = true;
    return absl::OkStatus();
  }
  alive = false;
  throw PowerCut{};
}

ProcessDisk::ProcessDisk(FaultyFileSystem& files)
    : FileSystemWrapper(files), gate_(std::make_shared<Gate>(Gate{.files = files})) {}

absl::StatusOr<std::unique_ptr<File>> ProcessDisk::Open(const std::string& path,
                                                        const OpenOptions& options) {
  RETURN_IF_ERROR(gate_->Enter(options.create));
  ASSIGN_OR_RETURN(auto file, FileSystemWrapper::Open(path, options));
  return std::make_unique<ProcessFile>(std::move(file), gate_);
}

absl::Status ProcessDisk::Rename(const std::string& from, const std::string& to) {
  RETURN_IF_ERROR(gate_->Enter(true));
  return FileSystemWrapper::Rename(from, to);
}

absl::Status ProcessDisk::Link(const std::string& from, const std::string& to) {
  RETURN_IF_ERROR(gate_->Enter(true));
  return FileSystemWrapper::Link(from, to);
}

absl::Status ProcessDisk::Remove(const std::string& path) {
  RETURN_IF_ERROR(gate_->Enter(true));
  return FileSystemWrapper::Remove(path);
}

absl::Status ProcessDisk::MakeDirectory(const std::string& path) {
  RETURN_IF_ERROR(gate_->Enter(true));
  return FileSystemWrapper::MakeDirectory(path);
}

absl::Status ProcessDisk::RemoveDirectory(const std::string& path) {
  RETURN_IF_ERROR(gate_->Enter(true));
  return FileSystemWrapper::RemoveDirectory(path);
}

absl::StatusOr<std::vector<std::string>> ProcessDisk::List(const std::string& directory) {
  RETURN_IF_ERROR(gate_->Enter(false));
  return FileSystemWrapper::List(directory);
}

absl::Status ProcessDisk::SyncDirectory(const std::string& directory) {
  RETURN_IF_ERROR(gate_->Enter(true));
  return gate_->ignore_syncs ? absl::OkStatus() : FileSystemWrapper::SyncDirectory(directory);
}

absl::StatusOr<std::unique_ptr<File>> ProcessDisk::Lock(const std::string& path) {
  RETURN_IF_ERROR(gate_->Enter(true));
  ASSIGN_OR_RETURN(auto file, FileSystemWrapper::Lock(path));
  return std::make_unique<ProcessFile>(std::move(file), gate_);
}

}  // namespace cairn::sim
