// tools/dfs/commands.h - the functions behind `cairn dfs -NAME`; the table is in dfs.cc.
#pragma once

#include "absl/status/status.h"
#include "tools/dfs/shell.h"

namespace cairn::tools {

absl::Status RunLs(Shell& shell);                                                   // ls.cc
absl::Status RunMkdir(Shell&shell), RunTouch(Shell&shell), RunTouchz(Shell&shell);  // make.cc
absl::Status RunPut(Shell&shell), RunGet(Shell&shell), RunCp(Shell&shell);          // transfer.cc
absl::Status RunMoveFromLocal(Shell&shell), RunMoveToLocal(Shell&shell);            // transfer.cc
absl::Status RunMv(Shell& shell);                                                   // transfer.cc
absl::Status RunAppendToFile(Shell&shell), RunGetMerge(Shell&shell);                // merge.cc
absl::Status RunCat(Shell&shell), RunText(Shell&shell);                             // show.cc
absl::Status RunHead(Shell&shell), RunTail(Shell&shell);                            // show.cc
absl::Status RunRm(Shell&shell), RunRmdir(Shell&shell), RunExpunge(Shell&shell);    // remove.cc
absl::Status RunDu(Shell&shell), RunDf(Shell&shell), RunCount(Shell&shell);         // usage.cc
absl::Status RunStat(Shell&shell), RunTest(Shell&shell);                            // stat.cc
absl::Status RunChmod(Shell&shell), RunChown(Shell&shell), RunChgrp(Shell&shell);   // permission.cc
absl::Status RunSetrep(Shell&shell), RunTruncate(Shell&shell);                      // blocks.cc
absl::Status RunChecksum(Shell&shell), RunConcat(Shell&shell);                      // blocks.cc
absl::Status RunFind(Shell& shell);                                                 // find.cc
absl::Status RunGetfacl(Shell&shell), RunSetfacl(Shell&shell);                      // acl.cc
absl::Status RunGetfattr(Shell&shell), RunSetfattr(Shell&shell);                    // xattr.cc
absl::Status RunSnapshot(Shell& shell);                                             // snapshot.cc
absl::Status RunHelp(Shell&shell), RunUsage(Shell&shell);                           // help.cc

}  // namespace cairn::tools
