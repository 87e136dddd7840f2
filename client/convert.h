// client/convert.h - messages of the client protocol into libcairn's values, and back.
//
// What comes in is checked: a status without its required parts does not reach here (protobuf
// refuses it), a negative length or an entry name with a slash is kInternal "the server sent ...".
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/types.h"
#include "proto/hdfs/client_namenode.pb.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

// Upper bound for any length or offset from the network: it must fit a signed 64-bit number.
inline constexpr uint64_t kMaxLength = INT64_MAX;

// kInternal "SUBJECT: the server sent WHAT"; the subject is a path or a method.
absl::Status BadAnswer(absl::string_view subject, absl::string_view what);
// As long as 292 years.
absl::Duration Millis(uint64_t ms);

absl::StatusOr<FileStatus> ToFileStatus(const hdfs::HdfsFileStatusProto& proto, std::string path);
// An entry of the listing of `dir`; an empty name means `dir` itself (it is a file).
absl::StatusOr<FileStatus> ToListedStatus(const hdfs::HdfsFileStatusProto& proto,
                                          absl::string_view dir);
ContentSummary ToContentSummary(const hdfs::ContentSummaryProto& proto);
BlockLocation ToBlockLocation(const hdfs::LocatedBlockProto& proto);
DatanodeReport ToDatanodeReport(const hdfs::DatanodeInfoProto& proto);
ServerDefaults ToServerDefaults(const hdfs::FsServerDefaultsProto& proto);
AclStatus ToAclStatus(const hdfs::AclStatusProto& proto);
hdfs::AclEntryProto ToProto(const AclEntry& entry);
Xattr ToXattr(const hdfs::XAttrProto& proto);
hdfs::XAttrProto ToProto(const Xattr& xattr);
hdfs::DatanodeReportTypeProto ToProto(DatanodeKind kind);
hdfs::SafeModeActionProto ToProto(SafeModeAction action);

// kInternal unless offsets and lengths of the blocks make sense: each block begins where the one
// before ends, or later, and no sum overflows.
absl::Status CheckLocatedBlocks(const hdfs::LocatedBlocksProto& blocks, absl::string_view path);

}  // namespace cairn::client
