// namenode/service/rpc/upkeep.cc - care of what the namenode keeps on its disks: checkpoints,
// journal segments, and what it writes down for people.

#include <memory>
#include <string>
#include <utility>

#include "namenode/service/rpc/client_protocol_methods.h"

namespace cairn::namenode::client_protocol {
namespace {

// Clients see any trouble with the disk as an IOException.
absl::Status ForClients(const absl::Status& status) {
  return GetFsError(status) != FsError::kNone ? status
                                              : MakeFsError(FsError::kIo, status.message());
}

// HDFS asks for safe mode first, since it stops the world while it saves. Nothing stops here.
void SaveNamespace(const Call& call) {
  WithRequest<hdfs::SaveNamespaceRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
    const auto& save = call.edge().options.save_namespace;
    if (!save) {
      return call.reply.Fail(MakeFsError(FsError::kUnsupported, "no checkpoints are made here"));
    }
    const auto reply = std::make_shared<rpc::DeferredReply>(call.reply.Defer());
    save({.time_window = absl::Seconds(request.timewindow()), .transaction_gap = request.txgap()},
         [reply](const absl::StatusOr<bool>& saved) {
           if (!saved.ok()) return reply->FailAt(0, ForClients(saved.status()));
           hdfs::SaveNamespaceResponseProto response;
           response.set_saved(*saved);
           reply->SendAt(0, response);
         });
  });
}

void RollEdits(const Call& call) {
  if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
  const auto& roll = call.edge().options.roll_edits;
  if (!roll)
    return call.reply.Fail(MakeFsError(FsError::kUnsupported, "there is no edit log here"));
  const absl::StatusOr<uint64_t> txid = roll();
  if (!txid.ok()) return call.reply.Fail(ForClients(txid.status()));
  hdfs::RollEditsResponseProto response;
  response.set_newsegmenttxid(*txid);
  call.reply.Send(response);
}

void FinalizeUpgrade(const Call& call) {
  if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
  const auto& finalize = call.edge().options.finalize;
  AnswerNothing(call, finalize ? finalize(call.caller) : Outcome<Nothing>{Nothing{}});
}

void UpgradeStatus(const Call& call) {
  const auto& is_final = call.edge().options.upgrade_final;
  hdfs::UpgradeStatusResponseProto response;
  response.set_upgradefinalized(!is_final || is_final());
  call.reply.Send(response);
}

void MetaSave(const Call& call) {
  WithRequest<hdfs::MetaSaveRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
    const auto& save = call.edge().options.meta_save;
    if (!save) {
      return call.reply.Fail(MakeFsError(FsError::kUnsupported, "there is no log directory here"));
    }
    const auto reply = std::make_shared<rpc::DeferredReply>(call.reply.Defer());
    save(call.caller.user, request.filename(), [reply](const absl::Status& status) {
      if (!status.ok()) return reply->FailAt(0, ForClients(status));
      reply->SendAt(0, hdfs::MetaSaveResponseProto());
    });
  });
}

constexpr Method kUpkeepMethods[] = {
    {"finalizeUpgrade", FinalizeUpgrade},
    {"upgradeStatus", UpgradeStatus},
    {"saveNamespace", SaveNamespace},  // once more does no harm
    {"rollEdits", RollEdits},
    {"metaSave", MetaSave},
};

}  // namespace

absl::Span<const Method> UpkeepMethods() { return kUpkeepMethods; }

}  // namespace cairn::namenode::client_protocol
