/* hdfs_ls CLUSTER PATH - lists a directory: kind, mode, owner, size and name of each entry. */
#include <hdfs/hdfs.h>
#include <stdio.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: hdfs_ls CLUSTER PATH\n");
    return 2;
  }
  hdfsFS fs = hdfsConnect(argv[1], 0);
  int count = 0;
  hdfsFileInfo* infos = fs == NULL ? NULL : hdfsListDirectory(fs, argv[2], &count);
  if (fs == NULL || (infos == NULL && errno != 0)) { /* NULL and 0: an empty directory */
    const char* cause = hdfsGetLastExceptionRootCause();
    fprintf(stderr, "%s: %s\n", argv[2], cause == NULL ? "failed" : cause);
    return 1;
  }
  for (int i = 0; i < count; ++i) {
    printf("%c %04o %-12s %12lld %s\n", (char)infos[i].mKind, (unsigned)infos[i].mPermissions,
           infos[i].mOwner, (long long)infos[i].mSize, infos[i].mName);
  }
  hdfsFreeFileInfo(infos, count);
  hdfsDisconnect(fs);
  return 0;
}
