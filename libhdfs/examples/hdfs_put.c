/* hdfs_put CLUSTER PATH < DATA - writes standard input to a new file.
 * CLUSTER is "default", as core-site.xml in $HADOOP_CONF_DIR says, or hdfs://HOST:PORT. */
#include <hdfs/hdfs.h>
#include <stdio.h>

static int complain(const char* what) {
  const char* cause = hdfsGetLastExceptionRootCause();
  fprintf(stderr, "%s: %s\n", what, cause == NULL ? "failed" : cause);
  return 1;
}

int main(int argc, char** argv) {
  static char buffer[1 << 20];
  if (argc != 3) {
    fprintf(stderr, "usage: hdfs_put CLUSTER PATH < DATA\n");
    return 2;
  }
  hdfsFS fs = hdfsConnect(argv[1], 0);
  if (fs == NULL) return complain(argv[1]);
  /* O_EXCL: what is there already is not replaced. */
  hdfsFile file = hdfsOpenFile(fs, argv[2], O_WRONLY | O_CREAT | O_EXCL, 0, 0, 0);
  if (file == NULL) return complain(argv[2]);
  size_t bytes = 0;
  while ((bytes = fread(buffer, 1, sizeof(buffer), stdin)) > 0) {
    if (hdfsWrite(fs, file, buffer, (tSize)bytes) < 0) return complain(argv[2]);
  }
  /* Only now is it known that the bytes are there. */
  if (hdfsCloseFile(fs, file) != 0) return complain(argv[2]);
  return hdfsDisconnect(fs) == 0 ? 0 : 1;
}
