#include "client/convert.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/erasure_convert.h"
#include "client/path.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

absl::Time FromMillis(uint64_t millis) {
  return absl::FromUnixMillis(static_cast<int64_t>(millis));
}

}  // namespace

absl::Status BadAnswer(absl::string_view subject, absl::string_view what) {
  return absl::InternalError(absl::StrCat(subject, ": the server sent ", what));
}

absl::Duration Millis(uint64_t ms) {
  return absl::Milliseconds(static_cast<int64_t>(std::min<uint64_t>(ms, INT64_MAX)));
}

absl::StatusOr<FileStatus> ToFileStatus(const hdfs::HdfsFileStatusProto& p, std::string path) {
  if (p.length() > kMaxLength || p.blocksize() > kMaxLength) {
    return BadAnswer(path, "a negative length");
  }
  FileStatus s;
  switch (p.filetype()) {
    case hdfs::HdfsFileStatusProto::IS_DIR:
      s.type = FileType::kDirectory;
      break;
    case hdfs::HdfsFileStatusProto::IS_FILE:
      s.type = FileType::kFile;
      break;
    case hdfs::HdfsFileStatusProto::IS_SYMLINK:
      s.type = FileType::kSymlink;
      break;
  }
  const uint32_t perm = p.permission().perm();
  s.path = std::move(path);
  s.length = p.length();
  s.mode = perm & 01777;
  s.owner = p.owner();
  s.group = p.group();
  s.modified = FromMillis(p.modification_time());
  s.accessed = FromMillis(p.access_time());
  s.replication = p.block_replication();
  s.block_bytes = p.blocksize();
  s.inode = p.fileid();
  s.children = p.childrennum();
  if (p.has_open()) s.open = p.open();
  // Old servers say it in bits 12 to 14 of the mode.
  const uint32_t flags = p.has_flags() ? p.flags() : perm >> 12;
  s.has_acl = (flags & hdfs::HdfsFileStatusProto::HAS_ACL) != 0;
  s.encrypted = p.has_fileencryptioninfo() || (flags & hdfs::HdfsFileStatusProto::HAS_CRYPT) != 0;
  if (p.has_ecpolicy()) {
    s.ec_policy = PolicyName(p.ecpolicy());
    s.ec_cell_bytes = Completed(p.ecpolicy()).cellsize();
  } else if (p.has_smallof()) {
    s.small_of = PolicyName(p.smallof());
    s.small_of_cell_bytes = Completed(p.smallof()).cellsize();
  }
  s.symlink = p.symlink();
  return s;
}

absl::StatusOr<FileStatus> ToListedStatus(const hdfs::HdfsFileStatusProto& p,
                                          absl::string_view dir) {
  const std::string& name = p.path();
  if (name.empty()) return ToFileStatus(p, std::string(dir));
  if (name == "." || name == ".." || absl::StrContains(name, '/')) {
    return BadAnswer(dir, absl::StrCat("an entry named \"", name, "\""));
  }
  return ToFileStatus(p, JoinPath(dir, name));
}

ContentSummary ToContentSummary(const hdfs::ContentSummaryProto& p) {
  ContentSummary s;
  s.length = p.length();
  s.file_count = p.filecount();
  s.directory_count = p.directorycount();
  s.quota = static_cast<int64_t>(p.quota());
  s.space_consumed = p.spaceconsumed();
  s.space_quota = static_cast<int64_t>(p.spacequota());
  for (const hdfs::StorageTypeQuotaInfoProto& info : p.typequotainfos().typequotainfo()) {
    s.type_quotas.push_back({.type = static_cast<StorageType>(info.type()),
                             .quota = static_cast<int64_t>(info.quota()),
                             .consumed = info.consumed()});
  }
  s.snapshot_length = p.snapshotlength();
  s.snapshot_file_count = p.snapshotfilecount();
  s.snapshot_directory_count = p.snapshotdirectorycount();
  s.snapshot_space_consumed = p.snapshotspaceconsumed();
  s.ec_policy = p.erasurecodingpolicy();
  return s;
}

BlockLocation ToBlockLocation(const hdfs::LocatedBlockProto& p) {
  BlockLocation l;
  l.offset = p.offset();
  l.length = p.b().numbytes();
  l.block_id = p.b().blockid();
  l.corrupt = p.corrupt();
  for (const hdfs::DatanodeInfoProto& node : p.locs()) {
    const std::string name = absl::StrCat(node.id().ipaddr(), ":", node.id().xferport());
    l.names.push_back(name);
    l.hosts.push_back(node.id().hostname());
    l.topology.push_back(absl::StrCat(node.location(), "/", name));
  }
  const std::string& units = p.blockindices();
  if (units.size() == l.names.size()) l.units.assign(units.begin(), units.end());
  return l;
}

DatanodeReport ToDatanodeReport(const hdfs::DatanodeInfoProto& p) {
  DatanodeReport r;
  r.ip = p.id().ipaddr();
  r.host = p.id().hostname();
  r.uuid = p.id().datanodeuuid();
  r.transfer_port = static_cast<uint16_t>(p.id().xferport());
  r.rack = p.location();
  r.capacity = p.capacity();
  r.dfs_used = p.dfsused();
  r.remaining = p.remaining();
  const uint64_t known = p.dfsused() + p.remaining();
  r.non_dfs_used = p.has_nondfsused()     ? p.nondfsused()
                   : known < p.capacity() ? p.capacity() - known
                                          : 0;
  r.cache_capacity = p.cachecapacity();
  r.cache_used = p.cacheused();
  r.transfers = p.xceivercount();
  r.last_heartbeat = FromMillis(p.lastupdate());
  r.last_block_report = FromMillis(p.lastblockreporttime());
  r.block_count = p.numblocks();
  r.admin_state = static_cast<DatanodeAdminState>(p.adminstate());
  return r;
}

ServerDefaults ToServerDefaults(const hdfs::FsServerDefaultsProto& p) {
  ServerDefaults d;
  d.block_bytes = p.blocksize();
  d.bytes_per_checksum = p.bytesperchecksum();
  d.write_packet_bytes = p.writepacketsize();
  d.replication = p.replication();
  // More minutes than a duration holds would be for ever anyway.
  d.trash_interval =
      absl::Minutes(static_cast<int64_t>(std::min<uint64_t>(p.trashinterval(), INT32_MAX)));
  d.encrypt_data_transfer = p.encryptdatatransfer();
  return d;
}

AclStatus ToAclStatus(const hdfs::AclStatusProto& p) {
  AclStatus s;
  s.owner = p.owner();
  s.group = p.group();
  s.sticky = p.sticky();
  if (p.has_permission()) s.mode = static_cast<uint16_t>(p.permission().perm() & 01777);
  for (const hdfs::AclEntryProto& e : p.entries()) {
    s.entries.push_back({.is_default = e.scope() == hdfs::AclEntryProto::DEFAULT,
                         .type = static_cast<AclEntry::Type>(e.type()),
                         .name = e.name(),
                         .permissions = static_cast<uint8_t>(e.permissions())});
  }
  return s;
}

hdfs::AclEntryProto ToProto(const AclEntry& entry) {
  hdfs::AclEntryProto p;
  p.set_scope(entry.is_default ? hdfs::AclEntryProto::DEFAULT : hdfs::AclEntryProto::ACCESS);
  p.set_type(static_cast<hdfs::AclEntryProto::AclEntryTypeProto>(entry.type));
  p.set_permissions(static_cast<hdfs::AclEntryProto::FsActionProto>(entry.permissions & 7));
  if (!entry.name.empty()) p.set_name(entry.name);
  return p;
}

Xattr ToXattr(const hdfs::XAttrProto& p) {
  return {.space = static_cast<Xattr::Space>(p.namespace_()), .name = p.name(), .value = p.value()};
}

hdfs::XAttrProto ToProto(const Xattr& xattr) {
  hdfs::XAttrProto p;
  p.set_namespace_(static_cast<hdfs::XAttrProto::XAttrNamespaceProto>(xattr.space));
  p.set_name(xattr.name);
  p.set_value(xattr.value);
  return p;
}

hdfs::DatanodeReportTypeProto ToProto(DatanodeKind kind) {
  switch (kind) {
    case DatanodeKind::kAll:
      return hdfs::DATANODE_REPORT_ALL;
    case DatanodeKind::kLive:
      return hdfs::DATANODE_REPORT_LIVE;
    case DatanodeKind::kDead:
      return hdfs::DATANODE_REPORT_DEAD;
    case DatanodeKind::kDecommissioning:
      return hdfs::DATANODE_REPORT_DECOMMISSIONING;
    case DatanodeKind::kEnteringMaintenance:
      return hdfs::DATANODE_REPORT_ENTERING_MAINTENANCE;
    case DatanodeKind::kInMaintenance:
      return hdfs::DATANODE_REPORT_IN_MAINTENANCE;
  }
  return hdfs::DATANODE_REPORT_ALL;
}

hdfs::SafeModeActionProto ToProto(SafeModeAction action) {
  switch (action) {
    case SafeModeAction::kGet:
      return hdfs::SAFEMODE_GET;
    case SafeModeAction::kEnter:
      return hdfs::SAFEMODE_ENTER;
    case SafeModeAction::kLeave:
      return hdfs::SAFEMODE_LEAVE;
    case SafeModeAction::kForceExit:
      return hdfs::SAFEMODE_FORCE_EXIT;
  }
  return hdfs::SAFEMODE_GET;
}

absl::Status CheckLocatedBlocks(const hdfs::LocatedBlocksProto& blocks, absl::string_view path) {
  if (blocks.filelength() > kMaxLength) return BadAnswer(path, "a negative length");
  uint64_t end = 0;
  const auto check = [&](const hdfs::LocatedBlockProto& block, bool ordered) {
    const uint64_t bytes = block.b().numbytes();
    if (block.offset() > kMaxLength || bytes > kMaxLength - block.offset()) return false;
    if (ordered && block.offset() < end) return false;
    end = block.offset() + bytes;
    for (const hdfs::DatanodeInfoProto& node : block.locs()) {
      if (node.id().xferport() == 0 || node.id().xferport() > 65535) return false;
    }
    return true;
  };
  for (const hdfs::LocatedBlockProto& block : blocks.blocks()) {
    if (!check(block, true)) return BadAnswer(path, "block locations that make no sense");
  }
  if (blocks.has_lastblock() && !check(blocks.lastblock(), false)) {
    return BadAnswer(path, "a last block that makes no sense");
  }
  return absl::OkStatus();
}

}  // namespace cairn::client
