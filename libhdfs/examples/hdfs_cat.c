/* hdfs_cat CLUSTER PATH - writes a file to standard output. */
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
    fprintf(stderr, "usage: hdfs_cat CLUSTER PATH\n");
    return 2;
  }
  hdfsFS fs = hdfsConnect(argv[1], 0);
  if (fs == NULL) return complain(argv[1]);
  hdfsFile file = hdfsOpenFile(fs, argv[2], O_RDONLY, 0, 0, 0);
  if (file == NULL) return complain(argv[2]);
  tSize bytes = 0;
  while ((bytes = hdfsRead(fs, file, buffer, sizeof(buffer))) > 0) {
    if (fwrite(buffer, 1, (size_t)bytes, stdout) != (size_t)bytes) return 1;
  }
  if (bytes < 0) return complain(argv[2]);
  hdfsCloseFile(fs, file);
  hdfsDisconnect(fs);
  return fflush(stdout) == 0 ? 0 : 1;
}
