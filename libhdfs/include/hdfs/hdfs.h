/* hdfs/hdfs.h - a Cairn or Apache HDFS cluster as a file system, for C: Hadoop's libhdfs without
 * Java.
 *
 *   hdfsFS fs = hdfsConnect("default", 0);
 *   hdfsFile out = hdfsOpenFile(fs, "/logs/today", O_WRONLY, 0, 0, 0);
 *   hdfsWrite(fs, out, "hello\n", 6);
 *   if (hdfsCloseFile(fs, out) != 0) perror("close");
 *   hdfsDisconnect(fs);
 *
 * Names, types, layouts and values are those of Hadoop 3.4, so that a program built against either
 * header runs with either library. docs/libhdfs.md tells what differs in what the calls do.
 *
 * Errors: a call that fails returns -1, NULL or what is said beside it, and sets errno; one that
 * succeeds leaves errno alone unless it says otherwise. What went wrong in words:
 * hdfsGetLastExceptionRootCause. Any call may set, besides what is said beside it,
 *   ENOENT        no such path              EACCES     the user may not
 *   EEXIST        the name is taken         ENOTDIR    an ancestor is a file
 *   ENOTEMPTY     directory is not empty    EINVAL     an argument that makes no sense, or NULL
 *   EBADF         not an open handle        EROFS      the namenode is in safe mode
 *   EBUSY         another writer has it     ESTALE     another writer has taken it over
 *   EDQUOT        a quota is used up        ENOSPC     no datanode has room
 *   ENAMETOOLONG  a name over 255 bytes     ENOTSUP    neither server nor library does that
 *   ENOMEM        no memory                 ETIMEDOUT  no answer; whether it was done is unknown
 *   EINTERNAL     anything else: no namenode or datanode can be reached, every replica is bad, ...
 *
 * Paths: "/a/b", "a/b" below the working directory, or "hdfs://host:port/a/b" of the same cluster.
 *
 * Threads: every function may be called from any thread, several at once, on the same handles too.
 * Handles are numbers that are never used twice: one that was closed is EBADF, not a crash. After
 * fork() the child connects anew.
 */
#ifndef LIBHDFS_HDFS_H
#define LIBHDFS_HDFS_H
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifndef EINTERNAL
#define EINTERNAL 255
#endif

/* The pool that hadoopRzOptionsSetByteBufferPool knows. */
#define ELASTIC_BYTE_BUFFER_POOL_CLASS "org/apache/hadoop/io/ElasticByteBufferPool"

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t tSize;   /* bytes of one read or write */
typedef time_t tTime;    /* seconds since 1970 */
typedef int64_t tOffset; /* a place in a file, or a size */
typedef uint16_t tPort;
typedef enum tObjectKind {
  kObjectKindFile = 'F',
  kObjectKindDirectory = 'D',
} tObjectKind;

struct hdfs_internal;
typedef struct hdfs_internal* hdfsFS; /* a connection */
struct hdfsFile_internal;
typedef struct hdfsFile_internal* hdfsFile; /* an open file */

/* ---- Connecting ---- */

struct hdfsBuilder;

/* A connection to be described. NULL: no memory. */
struct hdfsBuilder* hdfsNewBuilder(void);
/* `nn` is "default" for fs.defaultFS of the configuration, "host", "host:port" or
 * "hdfs://host:port". NULL, which with Hadoop means the local disk, is ENOTSUP when connecting. */
void hdfsBuilderSetNameNode(struct hdfsBuilder* bld, const char* nn);
/* Only if `nn` has none; 0: 8020. */
void hdfsBuilderSetNameNodePort(struct hdfsBuilder* bld, tPort port);
/* NULL: HADOOP_USER_NAME, else the login's name. */
void hdfsBuilderSetUserName(struct hdfsBuilder* bld, const char* userName);
/* Remembered, and not used: there is no Kerberos yet. */
void hdfsBuilderSetKerbTicketCachePath(struct hdfsBuilder* bld, const char* kerbTicketCachePath);
/* Connections of one process to the same cluster as the same user share their sockets; this one
 * gets its own. */
void hdfsBuilderSetForceNewInstance(struct hdfsBuilder* bld);
/* A key of core-site.xml or hdfs-site.xml, over what the files say. NULL: as the files say. Returns
 * 0 or an errno value. */
int hdfsBuilderConfSetStr(struct hdfsBuilder* bld, const char* key, const char* val);
void hdfsFreeBuilder(struct hdfsBuilder* bld);
/* Reads the configuration from $HADOOP_CONF_DIR and the directories in $CLASSPATH, of which the
 * first that has core-site.xml or hdfs-site.xml gives it. Makes no call to the cluster: whether
 * there is one, the first use tells. Frees `bld`, also when it fails. EINVAL: no such host, or a
 * value in the configuration that cannot be used. */
hdfsFS hdfsBuilderConnect(struct hdfsBuilder* bld);

/* The same in one call. */
hdfsFS hdfsConnect(const char* nn, tPort port);
hdfsFS hdfsConnectAsUser(const char* nn, tPort port, const char* user);
hdfsFS hdfsConnectNewInstance(const char* nn, tPort port);
hdfsFS hdfsConnectAsUserNewInstance(const char* nn, tPort port, const char* user);

/* Closes the files that are open for writing, and reports the first of their errors. They still
 * want hdfsCloseFile. Files open for reading go on. */
int hdfsDisconnect(hdfsFS fs);

/* A value of the configuration that hdfsBuilderConnect would read, to be freed with
 * hdfsConfStrFree; NULL if nothing sets the key. Returns 0 or an errno value. */
int hdfsConfGetStr(const char* key, char** val);
/* Leaves *val alone if nothing sets the key. EINVAL: not a number of 32 bits. */
int hdfsConfGetInt(const char* key, int32_t* val);
void hdfsConfStrFree(char* val);

/* ---- Opening and closing files ---- */

/* O_RDONLY, O_WRONLY (makes the file and its parents, replaces one that is there) or
 * O_WRONLY|O_APPEND (the file must be there). With O_CREAT|O_EXCL one that is there is EEXIST.
 * O_RDWR is ENOTSUP. `bufferSize` is not used; `replication` and `blocksize` count for a new file,
 * 0 is what the configuration says. A directory is ENOENT. */
hdfsFile hdfsOpenFile(hdfsFS fs, const char* path, int flags, int bufferSize, short replication,
                      tSize blocksize);

struct hdfsStreamBuilder;

/* The same with a block size of more than 2 GiB. Setting anything for a file that is read is
 * EINVAL. hdfsStreamBuilderBuild frees `bld`, also when it fails. */
struct hdfsStreamBuilder* hdfsStreamBuilderAlloc(hdfsFS fs, const char* path, int flags);
int hdfsStreamBuilderSetBufferSize(struct hdfsStreamBuilder* bld, int32_t bufferSize);
int hdfsStreamBuilderSetReplication(struct hdfsStreamBuilder* bld, int16_t replication);
int hdfsStreamBuilderSetDefaultBlockSize(struct hdfsStreamBuilder* bld, int64_t defaultBlockSize);
void hdfsStreamBuilderFree(struct hdfsStreamBuilder* bld);
hdfsFile hdfsStreamBuilderBuild(struct hdfsStreamBuilder* bld);

/* Opens for reading in the background. */
typedef struct hdfsOpenFileBuilder hdfsOpenFileBuilder;
typedef struct hdfsOpenFileFuture hdfsOpenFileFuture;
typedef enum javaConcurrentTimeUnit {
  jNanoseconds,
  jMicroseconds,
  jMilliseconds,
  jSeconds,
  jMinutes,
  jHours,
  jDays,
} javaConcurrentTimeUnit;

struct hdfsOpenFileBuilder* hdfsOpenFileBuilderAlloc(hdfsFS fs, const char* path);
/* Options as Hadoop's FutureDataInputStreamBuilder has them. fs.option.openfile.* are known and
 * make no difference. Opt takes any other one as well; Must makes the open fail with EINVAL.
 * Returns `builder`. */
struct hdfsOpenFileBuilder* hdfsOpenFileBuilderMust(struct hdfsOpenFileBuilder* builder,
                                                    const char* key, const char* value);
struct hdfsOpenFileBuilder* hdfsOpenFileBuilderOpt(struct hdfsOpenFileBuilder* builder,
                                                   const char* key, const char* value);
/* Begins to open, and frees `builder` also when it fails. */
struct hdfsOpenFileFuture* hdfsOpenFileBuilderBuild(struct hdfsOpenFileBuilder* builder);
void hdfsOpenFileBuilderFree(struct hdfsOpenFileBuilder* builder);
/* Waits for the file. Asked again, it returns the same handle. ECANCELED: see Cancel. */
hdfsFile hdfsOpenFileFutureGet(struct hdfsOpenFileFuture* future);
/* ETIMEDOUT: not open yet. */
hdfsFile hdfsOpenFileFutureGetWithTimeout(struct hdfsOpenFileFuture* future, int64_t timeout,
                                          javaConcurrentTimeUnit timeUnit);
/* 0: the file will not be open. -1: it is already, or has failed. */
int hdfsOpenFileFutureCancel(struct hdfsOpenFileFuture* future, int mayInterruptIfRunning);
/* Does not wait. A file that nobody took is closed. */
void hdfsOpenFileFutureFree(struct hdfsOpenFileFuture* future);

/* The handle is gone afterwards, whatever is returned. Of a file that was written: 0 means that the
 * namenode has it complete, with its least number of replicas. */
int hdfsCloseFile(hdfsFS fs, hdfsFile file);
/* 0 for a handle that is not open. */
int hdfsFileIsOpenForRead(hdfsFile file);
int hdfsFileIsOpenForWrite(hdfsFile file);

/* ---- Reading. `fs` is not looked at, and may be NULL. EBADF: not open; EINVAL: open for writing.
 */

/* Up to `length` bytes at the position, which moves. 0 only at the end of the file or for no
 * `length`; fewer than asked for is normal. */
tSize hdfsRead(hdfsFS fs, hdfsFile file, void* buffer, tSize length);
/* `length` bytes at `position`, fewer only at the end of the file. Leaves the position. */
tSize hdfsPread(hdfsFS fs, hdfsFile file, tOffset position, void* buffer, tSize length);
/* 0: all of `length`. EINTERNAL: the file ends before. */
int hdfsPreadFully(hdfsFS fs, hdfsFile file, tOffset position, void* buffer, tSize length);
/* EINVAL: beyond the end. EBADF also for a file that is written. */
int hdfsSeek(hdfsFS fs, hdfsFile file, tOffset desiredPos);
/* Of a file that is written: the bytes that it will have. */
tOffset hdfsTell(hdfsFS fs, hdfsFile file);
/* Bytes from the position to the end, at most INT_MAX. */
int hdfsAvailable(hdfsFS fs, hdfsFile file);
/* Gives back what is kept for reading on; a later read takes it again. 0, or ENOTSUP, also in
 * errno, for a file that is written. */
int hdfsUnbufferFile(hdfsFile file);

struct hdfsReadStatistics {
  uint64_t totalBytesRead;
  uint64_t totalLocalBytesRead; /* as the next: a local datanode's packets count as remote */
  uint64_t totalShortCircuitBytesRead;
  uint64_t totalZeroCopyBytesRead;
};
/* To be freed with hdfsFileFreeReadStatistics. */
int hdfsFileGetReadStatistics(hdfsFile file, struct hdfsReadStatistics** stats);
int64_t hdfsReadStatisticsGetRemoteBytesRead(const struct hdfsReadStatistics* stats);
/* 0 or an errno value, which is in errno too. */
int hdfsFileClearReadStatistics(hdfsFile file);
void hdfsFileFreeReadStatistics(struct hdfsReadStatistics* stats);

struct hdfsHedgedReadMetrics {
  uint64_t hedgedReadOps;            /* another replica was asked, as one took long */
  uint64_t hedgedReadOpsWin;         /* it was the first to have the bytes */
  uint64_t hedgedReadOpsInCurThread; /* replicas read by the caller, all threads being busy */
};
/* Of hdfsPread and hdfsPreadFully by all handles that share the connection; 0 unless
 * dfs.client.hedged.read.threadpool.size is set. To be freed with hdfsFreeHedgedReadMetrics. */
int hdfsGetHedgedReadMetrics(hdfsFS fs, struct hdfsHedgedReadMetrics** metrics);
void hdfsFreeHedgedReadMetrics(struct hdfsHedgedReadMetrics* metrics);

/* Reading into memory of the library's. There is no mapping of local replicas: with a pool the
 * bytes are copied, without one hadoopReadZero fails with EPROTONOSUPPORT. */
struct hadoopRzOptions;
struct hadoopRzBuffer;
struct hadoopRzOptions* hadoopRzOptionsAlloc(void);
/* A wish: checksums are always checked. */
int hadoopRzOptionsSetSkipChecksum(struct hadoopRzOptions* opts, int skip);
/* NULL: no pool. EINVAL: a class other than ELASTIC_BYTE_BUFFER_POOL_CLASS. */
int hadoopRzOptionsSetByteBufferPool(struct hadoopRzOptions* opts, const char* className);
void hadoopRzOptionsFree(struct hadoopRzOptions* opts);
/* Up to `maxLength` bytes at the position, which moves. errno is 0 on success. At the end of the
 * file a buffer whose pointer is NULL. Each is to be freed with hadoopRzBufferFree. */
struct hadoopRzBuffer* hadoopReadZero(hdfsFile file, struct hadoopRzOptions* opts,
                                      int32_t maxLength);
int32_t hadoopRzBufferLength(const struct hadoopRzBuffer* buffer);
const void* hadoopRzBufferGet(const struct hadoopRzBuffer* buffer);
void hadoopRzBufferFree(hdfsFile file, struct hadoopRzBuffer* buffer);

/* ---- Writing. An error stays: every later call on the file fails with it. ---- */

/* All of `length` or -1. The bytes are on their way; an error may show in a later call. */
tSize hdfsWrite(hdfsFS fs, hdfsFile file, const void* buffer, tSize length);
/* Promises nothing, as in Hadoop: what was written is on its way anyway. */
int hdfsFlush(hdfsFS fs, hdfsFile file);
/* Every datanode has the bytes in memory; new readers see them. */
int hdfsHFlush(hdfsFS fs, hdfsFile file);
/* Every datanode has the bytes on its disk. */
int hdfsHSync(hdfsFS fs, hdfsFile file);

/* ---- Names ---- */

/* 0: there. -1 with ENOENT: not. */
int hdfsExists(hdfsFS fs, const char* path);
/* With the parents that are missing; 0 also if it is there. */
int hdfsCreateDirectory(hdfsFS fs, const char* path);
/* `recursive`: with all that is in it. EIO: there was nothing. */
int hdfsDelete(hdfsFS fs, const char* path, int recursive);
/* Into `newPath` if that is a directory. EIO: refused, without a reason: `oldPath` is missing,
 * `newPath` is a file, its parent is missing, ... */
int hdfsRename(hdfsFS fs, const char* oldPath, const char* newPath);
/* Copies a file, or a directory with all that is in it; into `dst` if that is a directory; over
 * `dst` if that is a file. EINVAL: onto or into itself. */
int hdfsCopy(hdfsFS srcFS, const char* src, hdfsFS dstFS, const char* dst);
/* The same, and `src` is gone afterwards; a rename if both are one cluster and one user. */
int hdfsMove(hdfsFS srcFS, const char* src, hdfsFS dstFS, const char* dst);
/* 1: done. 0: the cut inside the last block is under way; until it is done nobody can append, and
 * an erasure-coded file has its old length. */
int hdfsTruncateFile(hdfsFS fs, const char* path, tOffset newlength);
/* ENOENT also for a directory. */
int hdfsSetReplication(hdfsFS fs, const char* path, int16_t replication);
/* NULL: as it is. */
int hdfsChown(hdfsFS fs, const char* path, const char* owner, const char* group);
int hdfsChmod(hdfsFS fs, const char* path, short mode);
/* -1: as it is. */
int hdfsUtime(hdfsFS fs, const char* path, tTime mtime, tTime atime);

/* "hdfs://host:port/user/NAME" at first. Returns `buffer`; ENAMETOOLONG: it does not fit. */
char* hdfsGetWorkingDirectory(hdfsFS fs, char* buffer, size_t bufferSize);
/* Of this handle only. Need not exist. */
int hdfsSetWorkingDirectory(hdfsFS fs, const char* path);

typedef struct {
  tObjectKind mKind;
  char* mName; /* "hdfs://host:port/a/b" */
  tTime mLastMod;
  tOffset mSize;      /* 0 for a directory */
  short mReplication; /* 0 for a directory */
  tOffset mBlockSize; /* 0 for a directory */
  char* mOwner;
  char* mGroup;
  short mPermissions; /* 0777 and 01000 */
  tTime mLastAccess;
} hdfsFileInfo;

/* An array of *numEntries, to be freed with hdfsFreeFileInfo. NULL and an errno of 0: the directory
 * is empty. For a file, the one entry is that file. */
hdfsFileInfo* hdfsListDirectory(hdfsFS fs, const char* path, int* numEntries);
hdfsFileInfo* hdfsGetPathInfo(hdfsFS fs, const char* path);
void hdfsFreeFileInfo(hdfsFileInfo* hdfsFileInfo, int numEntries);
/* 1 or 0. Only for what the two above returned. */
int hdfsFileIsEncrypted(hdfsFileInfo* hdfsFileInfo);

/* For each block that overlaps the range the hosts that have it, best first; both levels end with
 * NULL. To be freed with hdfsFreeHosts. */
char*** hdfsGetHosts(hdfsFS fs, const char* path, tOffset start, tOffset length);
void hdfsFreeHosts(char*** blockHosts);

/* ---- The cluster ---- */

/* What a new file gets: dfs.blocksize. */
tOffset hdfsGetDefaultBlockSize(hdfsFS fs);
tOffset hdfsGetDefaultBlockSizeAtPath(hdfsFS fs, const char* path);
tOffset hdfsGetCapacity(hdfsFS fs);
tOffset hdfsGetUsed(hdfsFS fs); /* with all replicas */

/* ---- What went wrong ---- */

/* Of the latest call by this thread, as "FileNotFoundException: ...": HDFS's exception class and a
 * message. NULL if it did not fail. Valid until this thread's next call; not to be freed. */
char* hdfsGetLastExceptionRootCause(void);
/* The same with a second line "\tat FUNCTION". */
char* hdfsGetLastExceptionStackTrace(void);

#ifdef __cplusplus
}
#endif

#endif /* LIBHDFS_HDFS_H */
