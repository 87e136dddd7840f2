/* local_reader PATH [KEY=VALUE...] - reads a file of the default cluster as standard input says.
 *
 *   read OFFSET LENGTH    answers "BYTES LOCAL" and so many bytes: LOCAL of them came from files of
 *                         this machine. "-1 0" and nothing: the read failed.
 *   open                  opens the file again; answers "0 0", or "-1 0" if that failed
 *   hedges                answers "OPS WINS IN_CURRENT_THREAD", so far
 */
#include <hdfs/hdfs.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hdfsFile Open(hdfsFS fs, const char* path) {
  hdfsFile file = hdfsOpenFile(fs, path, O_RDONLY, 0, 0, 0);
  if (file == NULL) fprintf(stderr, "%s: %s\n", path, hdfsGetLastExceptionRootCause());
  return file;
}

/* Bytes read, fewer at the end of the file; -1: it failed. */
static int64_t Read(hdfsFS fs, hdfsFile file, int64_t offset, char* out, int64_t length) {
  int64_t done = 0;
  while (done < length) {
    const tSize bytes = hdfsPread(fs, file, offset + done, out + done, (tSize)(length - done));
    if (bytes < 0) return -1;
    if (bytes == 0) break;
    done += bytes;
  }
  return done;
}

int main(int argc, char** argv) {
  char line[100];
  if (argc < 2) return 2;
  struct hdfsBuilder* builder = hdfsNewBuilder();
  hdfsBuilderSetNameNode(builder, "default");
  for (int i = 2; i < argc; ++i) {
    char* value = strchr(argv[i], '=');
    if (value == NULL) return 2;
    *value++ = '\0';
    hdfsBuilderConfSetStr(builder, argv[i], value);
  }
  hdfsFS fs = hdfsBuilderConnect(builder);
  if (fs == NULL) {
    fprintf(stderr, "connect: %s\n", hdfsGetLastExceptionRootCause());
    return 1;
  }
  hdfsFile file = Open(fs, argv[1]);
  if (file == NULL) return 1;
  while (fgets(line, sizeof(line), stdin) != NULL) {
    int64_t offset = 0;
    int64_t length = 0;
    struct hdfsReadStatistics* statistics = NULL;
    struct hdfsHedgedReadMetrics* hedges = NULL;
    if (strcmp(line, "open\n") == 0) {
      if (file != NULL) hdfsCloseFile(fs, file);
      file = Open(fs, argv[1]);
      printf(file == NULL ? "-1 0\n" : "0 0\n");
    } else if (strcmp(line, "hedges\n") == 0) {
      if (hdfsGetHedgedReadMetrics(fs, &hedges) != 0) return 1;
      printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", hedges->hedgedReadOps,
             hedges->hedgedReadOpsWin, hedges->hedgedReadOpsInCurThread);
      hdfsFreeHedgedReadMetrics(hedges);
    } else if (file == NULL) {
      printf("-1 0\n");
    } else if (sscanf(line, "read %" SCNd64 " %" SCNd64, &offset, &length) == 2) {
      char* bytes = malloc((size_t)length + 1);
      hdfsFileClearReadStatistics(file);
      const int64_t count = Read(fs, file, offset, bytes, length);
      if (count < 0) {
        printf("-1 0\n");
      } else {
        if (hdfsFileGetReadStatistics(file, &statistics) != 0) return 1;
        printf("%" PRId64 " %" PRIu64 "\n", count, statistics->totalShortCircuitBytesRead);
        fwrite(bytes, 1, (size_t)count, stdout);
        hdfsFileFreeReadStatistics(statistics);
      }
      free(bytes);
    } else {
      return 2;
    }
    fflush(stdout);
  }
  if (file != NULL) hdfsCloseFile(fs, file);
  hdfsDisconnect(fs);
  return 0;
}
