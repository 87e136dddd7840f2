// fuse/ops/ops.h - the operations that the kernel asks for, one to a file.
//
// Each answers its request exactly once. They run on libfuse's threads, many at a time, and wait
// for the cluster there.
#pragma once

#include "fuse/api.h"
#include "fuse/mount.h"

namespace cairn::fuse {

// For fuse_session_new, with a Mount of these settings as user data. What is missing in it the
// kernel does by itself: locks, SEEK_DATA and SEEK_HOLE (HDFS's files have no holes), and
// copy_file_range, by reading and writing, as HDFS has no call that copies.
fuse_lowlevel_ops OperationsOf(const MountSettings& settings);

void Init(void* mount, fuse_conn_info* connection);

// ---- Names ----
void Lookup(fuse_req_t req, fuse_ino_t parent, const char* name);
void Forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups);
void ForgetMulti(fuse_req_t req, size_t count, fuse_forget_data* forgets);
void Mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode);
void Mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t device);
void Unlink(fuse_req_t req, fuse_ino_t parent, const char* name);
void Rmdir(fuse_req_t req, fuse_ino_t parent, const char* name);
void Rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned int flags);
void Symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name);
void Link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char* new_name);
void Readlink(fuse_req_t req, fuse_ino_t ino);

// ---- Attributes ----
void Getattr(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);
void Setattr(fuse_req_t req, fuse_ino_t ino, struct stat* attributes, int which,
             fuse_file_info* info);
void Access(fuse_req_t req, fuse_ino_t ino, int mask);
void Statfs(fuse_req_t req, fuse_ino_t ino);
void Getxattr(fuse_req_t req, fuse_ino_t ino, const char* name, size_t size);
void Listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void Setxattr(fuse_req_t req, fuse_ino_t ino, const char* name, const char* value, size_t size,
              int flags);
void Removexattr(fuse_req_t req, fuse_ino_t ino, const char* name);

// ---- Files ----
void Create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info);
void Open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);
void Read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info);
void Write(fuse_req_t req, fuse_ino_t ino, const char* data, size_t size, off_t offset,
           fuse_file_info* info);
void Flush(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);
void Fsync(fuse_req_t req, fuse_ino_t ino, int data_only, fuse_file_info* info);
void Fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
               fuse_file_info* info);
void Release(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);

// ---- Directories ----
void Opendir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);
void Readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info);
void Readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info);
void Fsyncdir(fuse_req_t req, fuse_ino_t ino, int data_only, fuse_file_info* info);
void Releasedir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info);

// ---- The mount ----
void Ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int command, void* argument,
           fuse_file_info* info, unsigned int flags, const void* in, size_t in_bytes,
           size_t out_bytes);

}  // namespace cairn::fuse
