// namenode/service/rpc/admin.cc - reports, safe mode, storage policies, and the features that are
// off.

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "namenode/service/rpc/below.h"
#include "namenode/service/rpc/client_protocol_methods.h"
#include "namenode/service/rpc/lost_blocks.h"

namespace cairn::namenode::client_protocol {
namespace {

void GetFsStats(const Call& call) {
  const ClusterTotals totals = call.namenode().cluster().Totals();
  hdfs::GetFsStatsResponseProto response;
  response.set_capacity(totals.capacity_bytes);
  response.set_used(totals.used_bytes);
  response.set_remaining(totals.remaining_bytes);
  const HealthTotals health = call.namenode().Health();
  // A group counts as one block, as in HDFS, and what is missing is under-replicated here.
  const uint64_t missing = health.replicated(Need::kMissing) + health.groups.of(Need::kMissing);
  response.set_under_replicated(health.replicated_low() + health.groups.low() + missing);
  response.set_corrupt_blocks(health.replicated_corrupt() + health.groups.corrupt);
  response.set_missing_blocks(missing);
  response.set_missing_repl_one_blocks(health.missing_single);
  response.set_blocks_in_future(0);  // a stamp from the future is refused when it is reported
  response.set_pending_deletion_blocks(health.pending_deletions);
  call.reply.Send(response);
}

void GetFsReplicatedBlockStats(const Call& call) {
  hdfs::GetFsReplicatedBlockStatsResponseProto response;
  const HealthTotals health = call.namenode().Health();
  response.set_low_redundancy(health.replicated_low());
  response.set_corrupt_blocks(health.replicated_corrupt());
  response.set_missing_blocks(health.replicated(Need::kMissing));
  response.set_missing_repl_one_blocks(health.missing_single);
  response.set_blocks_in_future(0);
  response.set_pending_deletion_blocks(health.pending_deletions - health.groups.pending_deletions);
  response.set_highest_prio_low_redundancy_blocks(health.replicated(Need::kHighest));
  call.reply.Send(response);
}

// Of groups, but for the deletions, which are of units.
void GetFsEcBlockGroupStats(const Call& call) {
  hdfs::GetFsECBlockGroupStatsResponseProto response;
  const HealthTotals::Groups groups = call.namenode().Health().groups;
  response.set_low_redundancy(groups.low());
  response.set_corrupt_blocks(groups.corrupt);
  response.set_missing_blocks(groups.of(Need::kMissing));
  response.set_blocks_in_future(0);
  response.set_pending_deletion_blocks(groups.pending_deletions);
  response.set_highest_prio_low_redundancy_blocks(groups.of(Need::kHighest));
  call.reply.Send(response);
}

bool InReport(const DatanodeInfo& node, hdfs::DatanodeReportTypeProto type) {
  switch (type) {
    case hdfs::DATANODE_REPORT_ALL:
      return true;
    case hdfs::DATANODE_REPORT_LIVE:
      return node.liveness != Liveness::kDead;
    case hdfs::DATANODE_REPORT_DEAD:
      return node.liveness == Liveness::kDead;
    case hdfs::DATANODE_REPORT_DECOMMISSIONING:
      return node.admin_state == AdminState::kDecommissioning;
    case hdfs::DATANODE_REPORT_ENTERING_MAINTENANCE:
      return node.admin_state == AdminState::kEnteringMaintenance;
    case hdfs::DATANODE_REPORT_IN_MAINTENANCE:
      return node.admin_state == AdminState::kInMaintenance;
  }
  return false;
}

void GetDatanodeReport(const Call& call) {
  WithRequest<hdfs::GetDatanodeReportRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
    hdfs::GetDatanodeReportResponseProto response;
    for (const DatanodeInfo& node : call.namenode().cluster().Nodes()) {
      if (InReport(node, request.type())) FillDatanodeInfo(node, *response.add_di());
    }
    call.reply.Send(response);
  });
}

void GetDatanodeStorageReport(const Call& call) {
  WithRequest<hdfs::GetDatanodeStorageReportRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
    hdfs::GetDatanodeStorageReportResponseProto response;
    for (const DatanodeInfo& node : call.namenode().cluster().Nodes()) {
      if (InReport(node, request.type())) {
        FillStorageReports(node, *response.add_datanodestoragereports());
      }
    }
    call.reply.Send(response);
  });
}

void GetSlowDatanodeReport(const Call& call) {
  if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
  call.reply.SendBytesAt(0, "");  // none is known to be slow
}

void RefreshNodes(const Call& call) {
  if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
  const auto& refresh = call.edge().options.refresh_nodes;
  const absl::Status status = refresh ? refresh() : absl::OkStatus();
  // To a Java client any other exception is one of its own making.
  if (!status.ok()) return call.reply.Fail(MakeFsError(FsError::kIo, status.message()));
  call.reply.SendBytesAt(0, "");
}

void SetBalancerBandwidth(const Call& call) {
  WithRequest<hdfs::SetBalancerBandwidthRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
    if (request.bandwidth() < 0) {
      return call.reply.Fail(
          MakeFsError(FsError::kIllegalArgument, "Bandwidth should be a non-negative integer"));
    }
    // 0 changes nothing, as in HDFS.
    if (request.bandwidth() > 0) {
      call.namenode().SetBalancerBandwidth(static_cast<uint64_t>(request.bandwidth()));
    }
    call.reply.SendBytesAt(0, "");
  });
}

// Files with a block of which no good replica is left, a page at a time: the cookie is the last
// block's id. Clients take an empty page for the end, so what is not below the path is passed over.
void ListCorruptFileBlocks(const Call& call) {
  constexpr size_t kPage = 100;  // as HDFS
  WithRequest<hdfs::ListCorruptFileBlocksRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
    uint64_t after = 0;
    if (request.has_cookie() && !absl::SimpleAtoi(request.cookie(), &after)) {
      return call.reply.Fail(MakeFsError(FsError::kIllegalArgument, "not a cookie of this call"));
    }
    hdfs::ListCorruptFileBlocksResponseProto response;
    uint64_t ticket = 0;
    for (;;) {
      const LostBlocks page =
          ListLost(call.namenode(), call.caller, request.path(), BlockId{after}, kPage);
      after = ToInt(page.next_after);
      ticket = std::max(ticket, page.ticket);
      for (const LostBlocks::Lost& block : page.blocks) {
        response.mutable_corrupt()->add_files(block.path);
      }
      if (!page.more || !page.blocks.empty()) break;
    }
    response.mutable_corrupt()->set_cookie(absl::StrCat(after));
    call.reply.SendAt(ticket, response);
  });
}

// Files that are being written, a page at a time, by inode: the last id seen is what the next page
// is asked for with. Java takes an empty page for the end, so what is not below the path is passed
// over.
void ListOpenFiles(const Call& call) {
  constexpr size_t kPage = 1000;  // as HDFS
  WithRequest<hdfs::ListOpenFilesRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
    const auto& types = request.types();
    // Older clients name no type.
    const bool all =
        types.empty() || std::find(types.begin(), types.end(), hdfs::ALL_OPEN_FILES) != types.end();
    InodeId after{static_cast<uint64_t>(std::max<int64_t>(request.id(), 0))};
    hdfs::ListOpenFilesResponseProto response;
    *response.mutable_types() = types;
    uint64_t ticket = 0;
    do {
      const auto page = call.namenode().ListOpenFiles(call.caller, after, !all, kPage);
      if (!Succeeded(call, page)) return;
      ticket = std::max(ticket, page.ticket);
      after = page.value->last;
      response.set_hasmore(page.value->more);
      for (const OpenFile& file : page.value->files) {
        if (!IsBelow(file.path, request.path())) continue;
        hdfs::OpenFilesBatchResponseProto& entry = *response.add_entries();
        entry.set_id(static_cast<int64_t>(ToInt(file.id)));
        entry.set_path(file.path);
        entry.set_clientname(file.holder);
        entry.set_clientmachine(file.machine);
      }
    } while (response.hasmore() && response.entries().empty());
    call.reply.SendAt(ticket, response);
  });
}

SafeModeAction ToAction(hdfs::SafeModeActionProto action) {
  switch (action) {
    case hdfs::SAFEMODE_LEAVE:
      return SafeModeAction::kLeave;
    case hdfs::SAFEMODE_ENTER:
      return SafeModeAction::kEnter;
    case hdfs::SAFEMODE_GET:
      return SafeModeAction::kGet;
    case hdfs::SAFEMODE_FORCE_EXIT:
      return SafeModeAction::kForceExit;
  }
  return SafeModeAction::kGet;  // the parser lets no other number through
}

void SetSafeMode(const Call& call) {
  WithRequest<hdfs::SetSafeModeRequestProto>(call, [&](const auto& request) {
    const auto outcome = call.namenode().SafeMode(call.caller, ToAction(request.action()));
    if (!Succeeded(call, outcome)) return;
    AnswerBool(call, {.value = outcome.value->on, .ticket = outcome.ticket});
  });
}

void GetStoragePolicies(const Call& call) {
  hdfs::GetStoragePoliciesResponseProto response;
  for (const StoragePolicy& policy : StoragePolicies()) {
    hdfs::BlockStoragePolicyProto proto;
    if (FillStoragePolicy(policy, proto)) *response.add_policies() = std::move(proto);
  }
  call.reply.Send(response);
}

void SetStoragePolicy(const Call& call) {
  WithRequest<hdfs::SetStoragePolicyRequestProto>(call, [&](const auto& request) {
    AnswerNothing(
        call, call.namenode().SetStoragePolicy(call.caller, request.src(), request.policyname()));
  });
}

void GetStoragePolicy(const Call& call) {
  WithRequest<hdfs::GetStoragePolicyRequestProto>(call, [&](const auto& request) {
    const auto outcome = call.namenode().GetStoragePolicy(call.caller, request.path());
    if (!Succeeded(call, outcome)) return;
    const uint32_t id = *outcome.value == kUnspecifiedPolicy ? kHotPolicy : *outcome.value;
    const StoragePolicy* const policy = FindStoragePolicy(id);
    hdfs::GetStoragePolicyResponseProto response;
    if (policy == nullptr || !FillStoragePolicy(*policy, *response.mutable_storagepolicy())) {
      return call.reply.FailAt(
          outcome.ticket,
          MakeFsError(FsError::kIo, absl::StrCat("storage policy ", id, " of ", request.path(),
                                                 " cannot be told to clients")));
    }
    call.reply.SendAt(outcome.ticket, response);
  });
}

// For features that are off and whose answer is then an absent message: no encryption zone, no
// delegation token, no data encryption key.
void AnswerEmpty(const Call& call) { call.reply.SendBytesAt(0, ""); }

void ListEncryptionZones(const Call& call) {
  if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
  hdfs::ListEncryptionZonesResponseProto response;
  response.set_hasmore(false);
  call.reply.Send(response);
}

void GetHaServiceState(const Call& call) {
  hdfs::GetHAServiceStateResponseProto response;
  response.set_state(hdfs::HA_STATE_ACTIVE);
  call.reply.Send(response);
}

// Word for word what HDFS says: `cp -p` and distcp look for this exception and go on without.
void RefuseAcl(const Call& call) {
  call.reply.Fail(MakeFsError(
      FsError::kAcl,
      "The ACL operation has been rejected.  Support for ACLs has been disabled by setting "
      "dfs.namenode.acls.enabled to false."));
}

constexpr std::array kAdminMethods = {
    Method{"getFsStats", GetFsStats},
    Method{"getFsReplicatedBlockStats", GetFsReplicatedBlockStats},
    Method{"getFsECBlockGroupStats", GetFsEcBlockGroupStats},
    Method{"getDatanodeReport", GetDatanodeReport},
    Method{"getDatanodeStorageReport", GetDatanodeStorageReport},
    Method{"getSlowDatanodeReport", GetSlowDatanodeReport},
    Method{"refreshNodes", RefreshNodes},
    Method{"setBalancerBandwidth", SetBalancerBandwidth},
    Method{"listCorruptFileBlocks", ListCorruptFileBlocks},
    Method{"listOpenFiles", ListOpenFiles},
    Method{"setSafeMode", SetSafeMode},
    Method{"getStoragePolicies", GetStoragePolicies},
    Method{"setStoragePolicy", SetStoragePolicy},
    Method{"getStoragePolicy", GetStoragePolicy},
    Method{"getEZForPath", AnswerEmpty},
    Method{"listEncryptionZones", ListEncryptionZones},
    Method{"getDelegationToken", AnswerEmpty},
    Method{"getDataEncryptionKey", AnswerEmpty},
    Method{"getHAServiceState", GetHaServiceState},
    Method{"getAclStatus", RefuseAcl},
    Method{"modifyAclEntries", RefuseAcl},
    Method{"removeAclEntries", RefuseAcl},
    Method{"removeDefaultAcl", RefuseAcl},
    Method{"removeAcl", RefuseAcl},
    Method{"setAcl", RefuseAcl},
};

}  // namespace

absl::Span<const Method> AdminMethods() { return kAdminMethods; }

}  // namespace cairn::namenode::client_protocol
