/* Calls every function of hdfs/hdfs.h on a cluster and says what is not as the header promises.
 *
 *   libhdfs_tour HOST PORT               the whole tour, in /tour, which it makes and removes
 *   libhdfs_tour HOST PORT safemode      what a change says while the namenode is in safe mode
 *   libhdfs_tour HOST PORT nobody        what calls say where no namenode is
 *   libhdfs_tour default 0 default       the configuration that the environment names is used
 *
 * Exit status: 0, and "N checks" on standard output; 1 at the first check that fails.
 */
#define _POSIX_C_SOURCE 200809L
#include <hdfs/hdfs.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK (1 << 20)
#define SIZE (BLOCK * 2 + 4321) /* of the file that most is done with: three blocks */

static int checks = 0;

static void fail(int line, const char* what) {
  const char* cause = hdfsGetLastExceptionRootCause();
  const int error = errno;
  fprintf(stderr, "line %d: %s\nerrno %d (%s)\n%s\n", line, what, error, strerror(error),
          cause == NULL ? "no exception" : cause);
  exit(1);
}

#define CHECK(condition)                          \
  do {                                            \
    ++checks;                                     \
    if (!(condition)) fail(__LINE__, #condition); \
  } while (0)

/* `call` is -1 or NULL, with `number` in errno. */
#define FAILS(call, number)                          \
  do {                                               \
    errno = 0;                                       \
    CHECK(call);                                     \
    CHECK(errno == (number));                        \
    CHECK(hdfsGetLastExceptionRootCause() != NULL);  \
    CHECK(hdfsGetLastExceptionStackTrace() != NULL); \
  } while (0)

static char expected[SIZE];
static char room[SIZE + 1];

static struct hdfsBuilder* builder_for(const char* host, tPort port, const char* user) {
  struct hdfsBuilder* builder = hdfsNewBuilder();
  CHECK(builder != NULL);
  hdfsBuilderSetNameNode(builder, host);
  hdfsBuilderSetNameNodePort(builder, port);
  hdfsBuilderSetUserName(builder, user);
  hdfsBuilderSetKerbTicketCachePath(builder, "/nowhere");
  CHECK(hdfsBuilderConfSetStr(builder, "dfs.replication", "2") == 0);
  CHECK(hdfsBuilderConfSetStr(builder, "dfs.blocksize", "1048576") == 0);
  CHECK(hdfsBuilderConfSetStr(builder, "dfs.replication", NULL) == 0);
  CHECK(hdfsBuilderConfSetStr(builder, "dfs.replication", "2") == 0);
  return builder;
}

static void ways_to_connect(const char* host, tPort port) {
  char uri[256];
  hdfsFS fs;
  struct hdfsBuilder* builder;
  hdfsFreeBuilder(builder_for(host, port, NULL));
  CHECK((fs = hdfsConnect(host, port)) != NULL && hdfsDisconnect(fs) == 0);
  CHECK((fs = hdfsConnectAsUser(host, port, "root")) != NULL && hdfsDisconnect(fs) == 0);
  CHECK((fs = hdfsConnectNewInstance(host, port)) != NULL && hdfsDisconnect(fs) == 0);
  CHECK((fs = hdfsConnectAsUserNewInstance(host, port, "root")) != NULL);
  CHECK(hdfsExists(fs, "/") == 0 && hdfsDisconnect(fs) == 0);
  FAILS(hdfsDisconnect(fs) == -1, EBADF);
  builder = builder_for(host, port, "root");
  hdfsBuilderSetForceNewInstance(builder);
  CHECK((fs = hdfsBuilderConnect(builder)) != NULL);
  CHECK(hdfsExists(fs, "/") == 0 && hdfsDisconnect(fs) == 0);
  snprintf(uri, sizeof(uri), "hdfs://%s:%u", host, (unsigned)port);
  CHECK((fs = hdfsConnect(uri, 0)) != NULL);
  CHECK(hdfsExists(fs, "/") == 0 && hdfsDisconnect(fs) == 0);
  FAILS(hdfsConnect(uri, port) == NULL, EINVAL);
  FAILS(hdfsConnect(NULL, 0) == NULL, ENOTSUP);
}

static void configuration(void) {
  char* text = NULL;
  int32_t number = 7;
  CHECK(hdfsConfGetStr("tour.text", &text) == 0 && strcmp(text, "some text") == 0);
  hdfsConfStrFree(text);
  CHECK(hdfsConfGetInt("tour.number", &number) == 0 && number == -3);
  CHECK(hdfsConfGetStr("tour.missing", &text) == 0 && text == NULL);
  CHECK(hdfsConfGetInt("tour.missing", &number) == 0 && number == -3);
  CHECK(hdfsConfGetInt("tour.text", &number) == EINVAL);
}

static void write_files(hdfsFS fs) {
  struct hdfsStreamBuilder* builder;
  hdfsFile file = hdfsOpenFile(fs, "/tour/file", O_WRONLY, 0, 0, 0);
  CHECK(file != NULL);
  CHECK(hdfsFileIsOpenForWrite(file) && !hdfsFileIsOpenForRead(file));
  CHECK(hdfsWrite(fs, file, expected, 100) == 100);
  CHECK(hdfsFlush(fs, file) == 0 && hdfsHFlush(fs, file) == 0);
  CHECK(hdfsWrite(fs, file, expected + 100, BLOCK) == BLOCK);
  CHECK(hdfsHSync(fs, file) == 0);
  CHECK(hdfsTell(fs, file) == BLOCK + 100);
  CHECK(hdfsCloseFile(fs, file) == 0);
  FAILS(hdfsCloseFile(fs, file) == -1, EBADF);

  CHECK((file = hdfsOpenFile(fs, "/tour/file", O_WRONLY | O_APPEND, 0, 0, 0)) != NULL);
  CHECK(hdfsTell(fs, file) == BLOCK + 100);
  FAILS(hdfsOpenFile(fs, "/tour/file", O_WRONLY | O_APPEND, 0, 0, 0) == NULL, EBUSY);
  CHECK(hdfsWrite(fs, file, expected + BLOCK + 100, SIZE - BLOCK - 100) == SIZE - BLOCK - 100);
  CHECK(hdfsCloseFile(fs, file) == 0);

  CHECK((builder = hdfsStreamBuilderAlloc(fs, "/tour/built", O_WRONLY | O_CREAT)) != NULL);
  CHECK(hdfsStreamBuilderSetBufferSize(builder, 1 << 16) == 0);
  CHECK(hdfsStreamBuilderSetReplication(builder, 1) == 0);
  CHECK(hdfsStreamBuilderSetDefaultBlockSize(builder, 2 * BLOCK) == 0);
  CHECK((file = hdfsStreamBuilderBuild(builder)) != NULL);
  CHECK(hdfsWrite(fs, file, "built", 5) == 5 && hdfsCloseFile(fs, file) == 0);
  hdfsStreamBuilderFree(hdfsStreamBuilderAlloc(fs, "/tour/x", O_WRONLY));

  FAILS(hdfsOpenFile(fs, "/tour/file", O_WRONLY | O_CREAT | O_EXCL, 0, 0, 0) == NULL, EEXIST);
  FAILS(hdfsOpenFile(fs, "/tour/none", O_WRONLY | O_APPEND, 0, 0, 0) == NULL, ENOENT);
  FAILS(hdfsOpenFile(fs, "/tour", O_WRONLY, 0, 0, 0) == NULL, EEXIST);
  FAILS(hdfsOpenFile(fs, "/tour/file/below", O_WRONLY, 0, 0, 0) == NULL, ENOTDIR);
  FAILS(hdfsOpenFile(fs, "/tour/file", O_RDWR, 0, 0, 0) == NULL, ENOTSUP);
}

struct reader {
  pthread_t thread;
  hdfsFile file;
  unsigned seed;
  int errors;
};

static void* read_here_and_there(void* argument) {
  struct reader* reader = argument;
  char piece[10000];
  int i;
  for (i = 0; i < 50; ++i) {
    const tOffset at = (reader->seed * 7919 + (unsigned)i * 104729) % SIZE;
    const tSize bytes = hdfsPread(NULL, reader->file, at, piece, sizeof(piece));
    if (bytes <= 0 || memcmp(piece, expected + at, (size_t)bytes) != 0) ++reader->errors;
  }
  return NULL;
}

static void read_by_threads(hdfsFile file) {
  struct reader readers[8];
  unsigned i;
  for (i = 0; i < 8; ++i) {
    readers[i].file = file;
    readers[i].seed = i;
    readers[i].errors = 0;
    CHECK(pthread_create(&readers[i].thread, NULL, &read_here_and_there, &readers[i]) == 0);
  }
  for (i = 0; i < 8; ++i) {
    CHECK(pthread_join(readers[i].thread, NULL) == 0 && readers[i].errors == 0);
  }
}

static void read_files(hdfsFS fs) {
  tSize bytes = 0;
  int total = 0;
  struct hdfsReadStatistics* statistics = NULL;
  struct hdfsHedgedReadMetrics* metrics = NULL;
  hdfsFile file = hdfsOpenFile(fs, "/tour/file", O_RDONLY, 0, 0, 0);
  CHECK(file != NULL);
  CHECK(hdfsFileIsOpenForRead(file) && !hdfsFileIsOpenForWrite(file));
  CHECK(hdfsAvailable(fs, file) == SIZE);
  while ((bytes = hdfsRead(fs, file, room + total, SIZE + 1 - total)) > 0) total += bytes;
  CHECK(bytes == 0 && total == SIZE && memcmp(room, expected, SIZE) == 0);
  CHECK(hdfsTell(fs, file) == SIZE && hdfsAvailable(fs, file) == 0);
  CHECK(hdfsSeek(fs, file, BLOCK - 3) == 0 && hdfsRead(fs, file, room, 3) == 3);
  CHECK(memcmp(room, expected + BLOCK - 3, 3) == 0);
  CHECK(hdfsUnbufferFile(file) == 0);
  CHECK(hdfsTell(fs, file) == BLOCK && hdfsRead(fs, file, room, 1) == 1);
  CHECK(room[0] == expected[BLOCK]);
  FAILS(hdfsSeek(fs, file, SIZE + 1) == -1, EINVAL);
  CHECK(hdfsPread(fs, file, BLOCK - 10, room, 20) == 20);
  CHECK(memcmp(room, expected + BLOCK - 10, 20) == 0);
  CHECK(hdfsPread(fs, file, SIZE - 10, room, 20) == 10);
  CHECK(hdfsPread(fs, file, SIZE, room, 20) == 0);
  CHECK(hdfsPreadFully(fs, file, 5, room, SIZE - 5) == 0);
  CHECK(memcmp(room, expected + 5, SIZE - 5) == 0);
  FAILS(hdfsPreadFully(fs, file, 5, room, SIZE) == -1, EINTERNAL);
  CHECK(hdfsRead(fs, file, room, 0) == 0);
  FAILS(hdfsRead(fs, file, room, -1) == -1, EINVAL);
  FAILS(hdfsWrite(fs, file, room, 1) == -1, EINVAL);
  read_by_threads(file);

  CHECK(hdfsFileGetReadStatistics(file, &statistics) == 0);
  CHECK(statistics->totalBytesRead > SIZE);
  CHECK(hdfsReadStatisticsGetRemoteBytesRead(statistics) ==
        (int64_t)(statistics->totalBytesRead - statistics->totalLocalBytesRead));
  hdfsFileFreeReadStatistics(statistics);
  CHECK(hdfsFileClearReadStatistics(file) == 0);
  CHECK(hdfsGetHedgedReadMetrics(fs, &metrics) == 0 && metrics->hedgedReadOps == 0);
  hdfsFreeHedgedReadMetrics(metrics);
  CHECK(hdfsCloseFile(fs, file) == 0);
  FAILS(hdfsRead(fs, file, room, 1) == -1, EBADF);
  FAILS(hdfsOpenFile(fs, "/tour/none", O_RDONLY, 0, 0, 0) == NULL, ENOENT);
  FAILS(hdfsOpenFile(fs, "/tour", O_RDONLY, 0, 0, 0) == NULL, ENOENT);
}

static void read_without_copying(hdfsFS fs) {
  struct hadoopRzBuffer* buffer;
  int total = 0;
  struct hadoopRzOptions* options = hadoopRzOptionsAlloc();
  hdfsFile file = hdfsOpenFile(fs, "/tour/file", O_RDONLY, 0, 0, 0);
  CHECK(options != NULL && file != NULL);
  FAILS(hadoopReadZero(file, options, 100) == NULL, EPROTONOSUPPORT);
  CHECK(hadoopRzOptionsSetSkipChecksum(options, 1) == 0);
  CHECK(hadoopRzOptionsSetByteBufferPool(options, ELASTIC_BYTE_BUFFER_POOL_CLASS) == 0);
  while (1) {
    CHECK((buffer = hadoopReadZero(file, options, BLOCK)) != NULL);
    if (hadoopRzBufferGet(buffer) == NULL) break;
    CHECK(memcmp(hadoopRzBufferGet(buffer), expected + total,
                 (size_t)hadoopRzBufferLength(buffer)) == 0);
    total += hadoopRzBufferLength(buffer);
    hadoopRzBufferFree(file, buffer);
  }
  hadoopRzBufferFree(file, buffer);
  CHECK(total == SIZE);
  hadoopRzOptionsFree(options);
  CHECK(hdfsCloseFile(fs, file) == 0);
}

static void open_in_the_background(hdfsFS fs) {
  struct hdfsOpenFileFuture* future;
  hdfsFile file;
  struct hdfsOpenFileBuilder* builder = hdfsOpenFileBuilderAlloc(fs, "/tour/file");
  CHECK(builder != NULL);
  CHECK(hdfsOpenFileBuilderOpt(builder, "a.hint", "x") == builder);
  CHECK(hdfsOpenFileBuilderMust(builder, "fs.option.openfile.read.policy", "random") == builder);
  CHECK((future = hdfsOpenFileBuilderBuild(builder)) != NULL);
  CHECK((file = hdfsOpenFileFutureGet(future)) != NULL);
  CHECK(hdfsOpenFileFutureGetWithTimeout(future, 1, jSeconds) == file);
  FAILS(hdfsOpenFileFutureCancel(future, 0) == -1, EBUSY);
  hdfsOpenFileFutureFree(future);
  CHECK(hdfsPread(fs, file, 1, room, 1) == 1 && room[0] == expected[1]);
  CHECK(hdfsCloseFile(fs, file) == 0);
  CHECK((future = hdfsOpenFileBuilderBuild(hdfsOpenFileBuilderAlloc(fs, "/tour/none"))) != NULL);
  FAILS(hdfsOpenFileFutureGet(future) == NULL, ENOENT);
  hdfsOpenFileFutureFree(future);
  hdfsOpenFileBuilderFree(hdfsOpenFileBuilderAlloc(fs, "/tour/file"));
}

static void attributes(hdfsFS fs, const char* uri) {
  char name[512];
  hdfsFileInfo* info = hdfsGetPathInfo(fs, "/tour/file");
  snprintf(name, sizeof(name), "%s/tour/file", uri);
  CHECK(info != NULL && strcmp(info->mName, name) == 0);
  CHECK(info->mKind == kObjectKindFile && info->mSize == SIZE && info->mBlockSize == BLOCK);
  CHECK(info->mReplication == 2 && strcmp(info->mOwner, "root") == 0);
  CHECK(info->mPermissions == 0644 && info->mLastMod > 1000000000);
  CHECK(hdfsFileIsEncrypted(info) == 0);
  hdfsFreeFileInfo(info, 1);

  CHECK(hdfsChmod(fs, "/tour/file", 0600) == 0);
  CHECK(hdfsChown(fs, "/tour/file", "alice", NULL) == 0);
  CHECK(hdfsChown(fs, "/tour/file", NULL, "staff") == 0);
  CHECK(hdfsUtime(fs, "/tour/file", 1234567890, -1) == 0);
  CHECK(hdfsUtime(fs, "/tour/file", -1, 1234567891) == 0);
  CHECK(hdfsSetReplication(fs, "/tour/file", 1) == 0);
  CHECK((info = hdfsGetPathInfo(fs, name)) != NULL);
  CHECK(info->mPermissions == 0600 && info->mReplication == 1);
  CHECK(strcmp(info->mOwner, "alice") == 0 && strcmp(info->mGroup, "staff") == 0);
  CHECK(info->mLastMod == 1234567890 && info->mLastAccess == 1234567891);
  hdfsFreeFileInfo(info, 1);

  CHECK((info = hdfsGetPathInfo(fs, "/tour/built")) != NULL);
  CHECK(info->mBlockSize == 2 * BLOCK && info->mReplication == 1);
  hdfsFreeFileInfo(info, 1);
  FAILS(hdfsGetPathInfo(fs, "/tour/none") == NULL, ENOENT);
  FAILS(hdfsChmod(fs, "/tour/none", 0600) == -1, ENOENT);
  FAILS(hdfsChown(fs, "/tour/none", "alice", NULL) == -1, ENOENT);
  FAILS(hdfsUtime(fs, "/tour/none", 1, 1) == -1, ENOENT);
  FAILS(hdfsSetReplication(fs, "/tour/none", 1) == -1, ENOENT);
  FAILS(hdfsSetReplication(fs, "/tour", 1) == -1, ENOENT);
}

static void places_and_sizes(hdfsFS fs) {
  int blocks = 0;
  char*** hosts = hdfsGetHosts(fs, "/tour/file", 0, SIZE);
  CHECK(hosts != NULL);
  while (hosts[blocks] != NULL) {
    CHECK(hosts[blocks][0] != NULL && hosts[blocks][0][0] != '\0');
    ++blocks;
  }
  CHECK(blocks == 3);
  hdfsFreeHosts(hosts);
  FAILS(hdfsGetHosts(fs, "/tour/none", 0, 1) == NULL, ENOENT);
  CHECK(hdfsGetDefaultBlockSize(fs) == BLOCK);
  CHECK(hdfsGetDefaultBlockSizeAtPath(fs, "/tour") == BLOCK);
  CHECK(hdfsGetCapacity(fs) > SIZE);
  CHECK(hdfsGetUsed(fs) >= 0);
}

static int has(const hdfsFileInfo* infos, int count, const char* uri, const char* path) {
  char name[512];
  int i;
  snprintf(name, sizeof(name), "%s%s", uri, path);
  for (i = 0; i < count; ++i) {
    if (strcmp(infos[i].mName, name) == 0) return 1;
  }
  return 0;
}

static void directories(hdfsFS fs, const char* uri) {
  int count = -1;
  hdfsFileInfo* infos;
  CHECK(hdfsCreateDirectory(fs, "/tour/empty/deep") == 0);
  CHECK(hdfsCreateDirectory(fs, "/tour/empty/deep") == 0);
  FAILS(hdfsCreateDirectory(fs, "/tour/file") == -1, EEXIST);
  FAILS(hdfsCreateDirectory(fs, "/tour/file/below") == -1, ENOTDIR);
  errno = EPERM;
  CHECK(hdfsListDirectory(fs, "/tour/empty/deep", &count) == NULL && errno == 0 && count == 0);
  CHECK((infos = hdfsListDirectory(fs, "/tour", &count)) != NULL && errno == 0 && count == 3);
  CHECK(has(infos, count, uri, "/tour/built") && has(infos, count, uri, "/tour/empty"));
  CHECK(has(infos, count, uri, "/tour/file"));
  hdfsFreeFileInfo(infos, count);
  CHECK((infos = hdfsListDirectory(fs, "/tour/file", &count)) != NULL && count == 1);
  CHECK(has(infos, count, uri, "/tour/file") && infos[0].mSize == SIZE);
  hdfsFreeFileInfo(infos, count);
  FAILS(hdfsListDirectory(fs, "/tour/none", &count) == NULL, ENOENT);
}

static void working_directory(hdfsFS fs, const char* uri) {
  char text[512];
  char wanted[512];
  snprintf(wanted, sizeof(wanted), "%s/user/root", uri);
  CHECK(hdfsGetWorkingDirectory(fs, text, sizeof(text)) == text && strcmp(text, wanted) == 0);
  FAILS(hdfsGetWorkingDirectory(fs, text, strlen(wanted)) == NULL, ENAMETOOLONG);
  CHECK(hdfsSetWorkingDirectory(fs, "/tour") == 0);
  CHECK(hdfsExists(fs, "file") == 0 && hdfsExists(fs, "../tour/./file") == 0);
  CHECK(hdfsSetWorkingDirectory(fs, wanted) == 0);
  FAILS(hdfsExists(fs, "file") == -1, ENOENT);
  FAILS(hdfsExists(fs, "hdfs://elsewhere:1/tour") == -1, EINVAL);
  FAILS(hdfsExists(fs, "") == -1, EINVAL);
  FAILS(hdfsExists(fs, NULL) == -1, EINVAL);
}

static tOffset size_of(hdfsFS fs, const char* path) {
  tOffset size;
  hdfsFileInfo* info = hdfsGetPathInfo(fs, path);
  CHECK(info != NULL);
  size = info->mSize;
  hdfsFreeFileInfo(info, 1);
  return size;
}

/* Until the cut inside a block is done, an append says that the file is busy. */
static void append_when_possible(hdfsFS fs, const char* path, tOffset length) {
  const struct timespec pause = {0, 10000000};
  hdfsFile file = NULL;
  int tries;
  for (tries = 0; tries < 6000 && file == NULL; ++tries) {
    file = hdfsOpenFile(fs, path, O_WRONLY | O_APPEND, 0, 0, 0);
    if (file == NULL) {
      CHECK(errno == EBUSY);
      nanosleep(&pause, NULL);
    }
  }
  CHECK(file != NULL && hdfsTell(fs, file) == length);
  CHECK(hdfsCloseFile(fs, file) == 0 && size_of(fs, path) == length);
}

static void names(hdfsFS fs, hdfsFS other) {
  CHECK(hdfsCopy(fs, "/tour/file", other, "/tour/copy") == 0);
  CHECK(size_of(fs, "/tour/copy") == SIZE);
  CHECK(hdfsCopy(fs, "/tour/file", fs, "/tour/empty") == 0);
  CHECK(size_of(fs, "/tour/empty/file") == SIZE);
  CHECK(hdfsCopy(fs, "/tour/built", fs, "/tour/copy") == 0);
  CHECK(size_of(fs, "/tour/copy") == 5);
  CHECK(hdfsCopy(fs, "/tour/empty", fs, "/tour/tree/copied") == 0);
  CHECK(size_of(fs, "/tour/tree/copied/file") == SIZE);
  CHECK(hdfsExists(fs, "/tour/tree/copied/deep") == 0);
  FAILS(hdfsCopy(fs, "/tour/file", fs, "/tour/file") == -1, EINVAL);
  FAILS(hdfsCopy(fs, "/tour", fs, "/tour/tree") == -1, EINVAL);
  FAILS(hdfsCopy(fs, "/tour/none", fs, "/tour/x") == -1, ENOENT);

  CHECK(hdfsMove(fs, "/tour/copy", fs, "/tour/tree") == 0);
  CHECK(size_of(fs, "/tour/tree/copy") == 5 && hdfsExists(fs, "/tour/copy") == -1);
  CHECK(hdfsMove(fs, "/tour/tree/copied", fs, "/tour/new/place") == 0);
  CHECK(size_of(fs, "/tour/new/place/file") == SIZE);
  FAILS(hdfsMove(fs, "/tour/none", fs, "/tour/x") == -1, ENOENT);

  CHECK(hdfsRename(fs, "/tour/tree/copy", "/tour/renamed") == 0);
  CHECK(size_of(fs, "/tour/renamed") == 5);
  FAILS(hdfsRename(fs, "/tour/none", "/tour/x") == -1, EIO);
  FAILS(hdfsRename(fs, "/tour/renamed", "/tour/file") == -1, EIO);

  CHECK(hdfsTruncateFile(fs, "/tour/new/place/file", BLOCK) == 1);
  CHECK(size_of(fs, "/tour/new/place/file") == BLOCK);
  CHECK(hdfsTruncateFile(fs, "/tour/new/place/file", 10) >= 0);
  append_when_possible(fs, "/tour/new/place/file", 10);
  FAILS(hdfsTruncateFile(fs, "/tour/none", 0) == -1, ENOENT);
  FAILS(hdfsTruncateFile(fs, "/tour/renamed", -1) == -1, EINVAL);

  FAILS(hdfsDelete(fs, "/tour/empty", 0) == -1, ENOTEMPTY);
  CHECK(hdfsDelete(fs, "/tour/renamed", 0) == 0);
  FAILS(hdfsDelete(fs, "/tour/renamed", 0) == -1, EIO);
  CHECK(hdfsDelete(fs, "/tour/empty", 1) == 0);
  FAILS(hdfsExists(fs, "/tour/empty") == -1, ENOENT);
}

static void permissions(const char* host, tPort port) {
  int count = 0;
  hdfsFileInfo* infos;
  hdfsFS bob = hdfsBuilderConnect(builder_for(host, port, "bob"));
  CHECK(bob != NULL);
  FAILS(hdfsCreateDirectory(bob, "/tour/bobs") == -1, EACCES);
  FAILS(hdfsOpenFile(bob, "/tour/bobs", O_WRONLY, 0, 0, 0) == NULL, EACCES);
  FAILS(hdfsOpenFile(bob, "/tour/file", O_RDONLY, 0, 0, 0) == NULL, EACCES);
  FAILS(hdfsDelete(bob, "/tour/file", 0) == -1, EACCES);
  FAILS(hdfsChmod(bob, "/tour/file", 0777) == -1, EACCES);
  CHECK((infos = hdfsListDirectory(bob, "/tour", &count)) != NULL && count > 0);
  hdfsFreeFileInfo(infos, count);
  CHECK(hdfsDisconnect(bob) == 0);
}

static void without_a_namenode(const char* host, tPort port) {
  hdfsFS fs;
  struct hdfsBuilder* builder = builder_for(host, port, "root");
  CHECK(hdfsBuilderConfSetStr(builder, "cairn.client.rpc.retry", "1s") == 0);
  CHECK((fs = hdfsBuilderConnect(builder)) != NULL);
  FAILS(hdfsExists(fs, "/") == -1, EINTERNAL);
  FAILS(hdfsOpenFile(fs, "/f", O_WRONLY, 0, 0, 0) == NULL, EINTERNAL);
  FAILS(hdfsGetCapacity(fs) == -1, EINTERNAL);
  CHECK(hdfsDisconnect(fs) == 0);
}

static int finish(void) {
  printf("%d checks\n", checks);
  return 0;
}

int main(int argc, char** argv) {
  char uri[256];
  hdfsFS fs;
  hdfsFS other;
  int i;
  if (argc < 3) return 2;
  const tPort port = (tPort)atoi(argv[2]);
  if (argc > 3 && strcmp(argv[3], "default") == 0) {
    CHECK((fs = hdfsConnect(argv[1], port)) != NULL && hdfsExists(fs, "/") == 0);
    configuration();
    return finish();
  }
  if (argc > 3 && strcmp(argv[3], "nobody") == 0) {
    without_a_namenode(argv[1], port);
    return finish();
  }
  CHECK((fs = hdfsBuilderConnect(builder_for(argv[1], port, "root"))) != NULL);
  if (argc > 3) {
    FAILS(hdfsCreateDirectory(fs, "/safe") == -1, EROFS);
    return finish();
  }
  for (i = 0; i < SIZE; ++i) expected[i] = (char)(i * 31 + i / 251);
  snprintf(uri, sizeof(uri), "hdfs://%s:%u", argv[1], (unsigned)port);
  ways_to_connect(argv[1], port);
  write_files(fs);
  read_files(fs);
  read_without_copying(fs);
  open_in_the_background(fs);
  attributes(fs, uri);
  places_and_sizes(fs);
  directories(fs, uri);
  working_directory(fs, uri);
  CHECK((other = hdfsBuilderConnect(builder_for(argv[1], port, "root"))) != NULL);
  names(fs, other);
  permissions(argv[1], port);
  CHECK(hdfsDelete(fs, "/tour", 1) == 0);
  CHECK(hdfsDisconnect(other) == 0);
  CHECK(hdfsDisconnect(fs) == 0);
  return finish();
}
