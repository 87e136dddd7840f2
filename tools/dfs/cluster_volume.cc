#include <utility>

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/dfs/volume.h"

namespace cairn::tools {
namespace {

class ClusterReader final : public Reader {
 public:
  explicit ClusterReader(std::unique_ptr<client::InputStream> in) : in_(std::move(in)) {}
  absl::StatusOr<size_t> Read(std::span<std::byte> out) override { return in_->Read(out); }
  absl::Status Seek(uint64_t position) override { return in_->Seek(position); }
  uint64_t length() const override { return in_->length(); }

 private:
  const std::unique_ptr<client::InputStream> in_;
};

class ClusterWriter final : public Writer {
 public:
  explicit ClusterWriter(std::unique_ptr<client::OutputStream> out) : out_(std::move(out)) {}
  absl::Status Write(std::span<const std::byte> data) override { return out_->Write(data); }
  absl::Status Close() override { return out_->Close(); }

 private:
  const std::unique_ptr<client::OutputStream> out_;
};

class ClusterVolume final : public Volume {
 public:
  explicit ClusterVolume(std::unique_ptr<client::FileSystem> fs) : fs_(std::move(fs)) {}

  std::string Qualify(const std::string& path) const override {
    return absl::StrCat("hdfs://", fs_->authority(), path);
  }
  client::FileSystem* cluster() override { return fs_.get(); }

  absl::StatusOr<client::FileStatus> Stat(const std::string& path) override {
    return fs_->Stat(path);
  }
  absl::Status List(const std::string& path, const Visitor& visit) override {
    client::DirectoryIterator entries = fs_->List(path);
    while (true) {
      ASSIGN_OR_RETURN(std::optional<client::FileStatus> entry, entries.Next());
      if (!entry.has_value()) return absl::OkStatus();
      RETURN_IF_ERROR(visit(*entry));
    }
  }
  absl::StatusOr<std::unique_ptr<Reader>> Open(const std::string& path) override {
    ASSIGN_OR_RETURN(auto in, fs_->Open(path));
    return std::make_unique<ClusterReader>(std::move(in));
  }
  absl::StatusOr<std::unique_ptr<Writer>> Create(const std::string& path,
                                                 const WriteOptions& options) override {
    ASSIGN_OR_RETURN(auto out, fs_->Create(path, {.overwrite = options.overwrite,
                                                  .lazy_persist = options.lazy_persist}));
    return std::make_unique<ClusterWriter>(std::move(out));
  }
  absl::Status Mkdirs(const std::string& path) override { return fs_->Mkdirs(path); }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    ASSIGN_OR_RETURN(const bool done, fs_->Rename(from, to));
    return done ? absl::OkStatus() : MakeFsError(FsError::kIo, "Input/output error");
  }
  absl::Status Replace(const std::string& from, const std::string& to) override {
    return fs_->Rename2(from, to, client::RenameOption::kOverwrite);
  }
  absl::Status Delete(const std::string& path, bool recursive) override {
    ASSIGN_OR_RETURN(const bool done, fs_->Delete(path, recursive));
    return done ? absl::OkStatus() : MakeFsError(FsError::kIo, "Input/output error");
  }
  absl::Status SetMode(const std::string& path, uint16_t mode) override {
    return fs_->SetPermission(path, mode);
  }
  absl::Status SetOwner(const std::string& path, const std::string& owner,
                        const std::string& group) override {
    return fs_->SetOwner(path, owner, group);
  }
  absl::Status SetTimes(const std::string& path, absl::Time modified,
                        absl::Time accessed) override {
    return fs_->SetTimes(path, modified, accessed);
  }

 private:
  const std::unique_ptr<client::FileSystem> fs_;
};

}  // namespace

std::unique_ptr<Volume> NewClusterVolume(std::unique_ptr<client::FileSystem> fs) {
  return std::make_unique<ClusterVolume>(std::move(fs));
}

}  // namespace cairn::tools
