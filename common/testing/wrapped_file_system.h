// common/testing/wrapped_file_system.h - another file system, the machine's unless said otherwise,
// for a test double that overrides what it is about.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/io/file_system.h"

namespace cairn {

class FileWrapper : public File {
 public:
  explicit FileWrapper(std::unique_ptr<File> file) : file_(std::move(file)) {}

  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out) override {
    return file_->ReadAt(offset, out);
  }
  absl::Status WriteAt(uint64_t offset, std::span<const std::byte> data) override {
    return file_->WriteAt(offset, data);
  }
  absl::Status Truncate(uint64_t size) override { return file_->Truncate(size); }
  absl::Status Allocate(uint64_t offset, uint64_t length) override {
    return file_->Allocate(offset, length);
  }
  absl::Status SyncData() override { return file_->SyncData(); }
  absl::StatusOr<uint64_t> Size() override { return file_->Size(); }
  int fd() const override { return file_->fd(); }

 private:
  const std::unique_ptr<File> file_;
};

class FileSystemWrapper : public FileSystem {
 public:
  explicit FileSystemWrapper(FileSystem& files = PosixFileSystem()) : files_(files) {}

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                             const OpenOptions& options) override {
    return files_.Open(path, options);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return files_.Rename(from, to);
  }
  absl::Status Link(const std::string& from, const std::string& to) override {
    return files_.Link(from, to);
  }
  absl::Status Remove(const std::string& path) override { return files_.Remove(path); }
  absl::Status MakeDirectory(const std::string& path) override {
    return files_.MakeDirectory(path);
  }
  absl::Status RemoveDirectory(const std::string& path) override {
    return files_.RemoveDirectory(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    return files_.List(directory);
  }
  bool Exists(const std::string& path) override { return files_.Exists(path); }
  bool IsDirectory(const std::string& path) override { return files_.IsDirectory(path); }
  absl::Status SyncDirectory(const std::string& directory) override {
    return files_.SyncDirectory(directory);
  }
  absl::StatusOr<SpaceInfo> Space(const std::string& path) override { return files_.Space(path); }
  absl::StatusOr<std::unique_ptr<File>> Lock(const std::string& path) override {
    return files_.Lock(path);
  }

 private:
  FileSystem& files_;
};

}  // namespace cairn
