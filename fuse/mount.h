// fuse/mount.h - what every operation of a mount works with: the cluster as the caller sees it, the
// open files, and how the kernel's inodes are called there.
//
// The kernel's number of an inode is the cluster's id of it, except for the root of the mount,
// which the kernel calls 1, and of the mount's own files (virtual_files.h). Ids begin above 16384
// in HDFS, so that these never meet.
//
// Thread-safe; constant once created, or synchronizing itself.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/file_system.h"
#include "common/clock.h"
#include "fuse/api.h"
#include "fuse/changes.h"
#include "fuse/clients.h"
#include "fuse/held_handles.h"
#include "fuse/names.h"
#include "fuse/open_files.h"
#include "fuse/page_forgetter.h"
#include "fuse/page_versions.h"
#include "fuse/server_xattrs.h"
#include "fuse/stage/stage_area.h"
#include "fuse/statistics.h"

namespace cairn::fuse {

struct MountSettings {
  std::string uri;   // hdfs://host:port
  std::string path;  // of the directory that becomes the root
  client::ClientOptions client;
  std::string one_user;  // not empty: the cluster's user for everybody who calls
  // The user for `mounter`, who started the mount: HADOOP_USER_NAME or his login.
  std::string mounting_user;
  uid_t mounter = 0;
  StageArea::Options stage{
      .directory = "", .bytes = uint64_t{1} << 30};  // an empty directory: DefaultStageDirectory()
  // How long the kernel may answer by itself.
  absl::Duration attribute_life = absl::Seconds(1);
  absl::Duration entry_life = absl::Seconds(1);
  absl::Duration negative_life = absl::ZeroDuration();  // that a name is not there
  bool xattrs = true;                                   // off: there are no extended attributes
  bool virtual_files = false;                           // /.cairn: virtual_files.h
  bool list_xattrs = false;  // listings name those that the mount tells: told_xattrs.h
};

// Where changed bytes are staged unless the options say it: on a disk that outlives a restart.
std::string DefaultStageDirectory();

class Mount {
 public:
  // Asks the cluster for the root. kNotFound: it is missing. kFailedPrecondition: no directory.
  static absl::StatusOr<std::unique_ptr<Mount>> Create(MountSettings settings);

  const MountSettings& settings() const { return settings_; }
  OpenFiles& files() { return *files_; }
  HeldHandles& handles() { return handles_; }
  // Whether bytes before the end of a file can be changed; else it is written at its end only, and
  // no page of it is written. Of an erasure-coded file the cluster is asked.
  absl::StatusOr<bool> CanChangeInPlace(client::FileSystem& fs,
                                        const client::FileStatus& status) const;
  // The same of the file `id`, which the cluster is asked about unless no file can be changed so.
  absl::StatusOr<bool> CanChangeInPlace(client::FileSystem& fs, uint64_t id) const;
  bool is_cairn() const { return is_cairn_; }  // else an Apache HDFS
  PageVersions& pages() { return pages_; }
  const StageArea* stage() const { return stage_.get(); }  // null: nothing can be staged
  Statistics& statistics() { return statistics_; }
  Changes& changes() { return changes_; }
  ServerXattrs& xattrs() { return xattrs_; }
  std::atomic<size_t>& open_virtual_files() { return open_virtual_files_; }
  absl::Time begun_at() const { return begun_at_; }
  absl::Duration age() const { return SystemClock().Monotonic() - begun_; }
  Names& users() { return users_; }
  Names& groups() { return groups_; }

  uint64_t IdOf(fuse_ino_t ino) const { return ino == FUSE_ROOT_ID ? root_ : ino; }
  fuse_ino_t InoOf(uint64_t id) const { return id == root_ ? FUSE_ROOT_ID : id; }

  // The kernel's end, once there is one: before the first operation; and after it is gone.
  void BeginSession(fuse_session* session);
  void EndSession() { forgetter_.Stop(); }
  // Has the kernel ask for the attributes anew when it next needs them. Its pages stay, and go when
  // the attributes show that the contents are others.
  void ForgetAttributes(fuse_ino_t ino);

  // Has the kernel drop its pages of the inode `id` soon: they may hold bytes that the file does
  // not have. Does not wait for the kernel.
  void ForgetPages(uint64_t id);

  // The cluster as `uid` sees it.
  absl::StatusOr<ClientPtr> ClientOf(uid_t uid);
  // What operators ask, as the user of `fs`.
  absl::StatusOr<AdminPtr> AdminOf(const client::FileSystem& fs) {
    return clients_.AdminFor(fs.user());
  }

  // ---- What the kernel is told of a file ----

  // With the length that a reader gets: of a file that is being written, here or elsewhere, the
  // namenode knows less. kInternal: the server's id cannot be one.
  absl::StatusOr<struct stat> Describe(client::FileSystem& fs, client::FileStatus status);
  absl::StatusOr<fuse_entry_param> EntryOf(client::FileSystem& fs, client::FileStatus status);
  // Of whatever has the name `path`. kNotFound, kInvalidPath: nothing has.
  absl::StatusOr<fuse_entry_param> EntryAt(client::FileSystem& fs, const std::string& path);
  // Of what the cluster told when it was `asked`, without asking more. nullopt: the namenode may
  // not know the length, the kernel would not believe it as long any more, or this mount has made a
  // change since.
  absl::StatusOr<std::optional<fuse_entry_param>> KnownEntryOf(client::FileStatus status,
                                                               const Changes::Moment& asked);
  // By the id. kNotFound: gone.
  absl::StatusOr<struct stat> DescribeInode(client::FileSystem& fs, uint64_t id);

 private:
  explicit Mount(MountSettings settings);

  // What mounts of that namenode which were killed had begun.
  void RemoveLeftovers(absl::string_view authority);
  absl::Status CheckId(const client::FileStatus& status) const;
  struct stat Convert(const client::FileStatus& status);
  fuse_entry_param Entry(const struct stat& attributes) const;

  const MountSettings settings_;
  uint64_t root_ = 0;                // constant once created
  bool is_cairn_ = false;            // the same
  fuse_session* session_ = nullptr;  // the same
  const absl::Time begun_at_ = SystemClock().Now();
  const absl::Duration begun_ = SystemClock().Monotonic();
  Statistics statistics_;
  Changes changes_;
  ServerXattrs xattrs_;
  std::atomic<size_t> open_virtual_files_ = 0;
  Clients clients_;
  Names users_;
  Names groups_;
  PageVersions pages_;
  PageForgetter forgetter_;
  std::unique_ptr<StageArea> stage_;  // constant once created; null: nothing can be staged
  std::unique_ptr<OpenFiles> files_;  // the same; uses the three before it
  HeldHandles handles_;               // of files_, and others
};

}  // namespace cairn::fuse
