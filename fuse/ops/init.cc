#include "fuse/ops/ops.h"

namespace cairn::fuse {

void Init(void* /*mount*/, fuse_conn_info* connection) {
  const auto want = [&](unsigned int capability, bool wanted) {
    connection->want &= ~capability;
    if (wanted) connection->want |= connection->capable & capability;
  };
  want(FUSE_CAP_ASYNC_READ, true);
  want(FUSE_CAP_PARALLEL_DIROPS, true);
  want(FUSE_CAP_READDIRPLUS, true);
  want(FUSE_CAP_READDIRPLUS_AUTO, true);
  // open() itself cuts the file, so that nobody sees it cut by an open that then fails.
  want(FUSE_CAP_ATOMIC_O_TRUNC, true);
  // Pages that an earlier open left are dropped when size or time have changed since.
  want(FUSE_CAP_AUTO_INVAL_DATA, true);
  // HDFS keeps no set-id bits that a write would have to clear.
  want(FUSE_CAP_HANDLE_KILLPRIV, true);
  // A write's bytes are looked at once, to checksum and send them; a pipe in between only copies.
  want(FUSE_CAP_SPLICE_READ, false);
  // Pages that are written back later, in any order, are not what HDFS's files are made of.
  want(FUSE_CAP_WRITEBACK_CACHE, false);
  connection->time_gran = 1'000'000;  // ns: HDFS's times have milliseconds
}

}  // namespace cairn::fuse
