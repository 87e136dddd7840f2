// tools/debug/debug.h - `cairn debug`: for experts, on single replicas and files, with
// `hdfs debug`'s commands, texts and exit codes.
//
//   verifyMeta -meta FILE [-block FILE]     do the checksums of a replica match its bytes?
//   computeMeta -block FILE -out FILE       makes a new checksum file for a block file
//   recoverLease -path PATH [-retries N]    takes a file from a writer that is gone
#pragma once

#include <string>

#include "tools/command.h"

namespace cairn::tools {

int RunDebug(CommandContext& ctx);

// One command: `args` without its name. A word that it does not take is usage, exit code 1.
int RunVerifyMeta(CommandContext& ctx);    // meta.cc
int RunComputeMeta(CommandContext& ctx);   // meta.cc
int RunRecoverLease(CommandContext& ctx);  // recover_lease.cc

// Takes an option with its value out of the arguments; "" if it is not there, or without a value.
std::string TakeDebugOption(CommandContext& ctx, const std::string& option);
// Whether arguments are left that nobody took, as is an option without its value; says so. HDFS
// overlooks them, and does less than was asked for.
bool ArgumentsAreLeft(CommandContext& ctx);

}  // namespace cairn::tools
