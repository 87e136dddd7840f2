// namenode/service/rpc/namespace.cc - calls that change names and attributes.

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "namenode/service/rpc/client_protocol_methods.h"
#include "namenode/service/rpc/truncate_call.h"

namespace cairn::namenode::client_protocol {
namespace {

void Mkdirs(const Call& call) {
  WithRequest<hdfs::MkdirsRequestProto>(call, [&](const auto& request) {
    AnswerBool(call,
               call.namenode().Mkdirs(call.caller, request.src(),
                                      request.masked().perm() & kModeMask, request.createparent()));
  });
}

void Delete(const Call& call) {
  WithRequest<hdfs::DeleteRequestProto>(call, [&](const auto& request) {
    AnswerBool(call, call.namenode().Delete(call.caller, request.src(), request.recursive()));
  });
}

void Rename(const Call& call) {
  WithRequest<hdfs::RenameRequestProto>(call, [&](const auto& request) {
    AnswerBool(call, call.namenode().Rename(call.caller, request.src(), request.dst()));
  });
}

void Rename2(const Call& call) {
  WithRequest<hdfs::Rename2RequestProto>(call, [&](const auto& request) {
    AnswerNothing(call, call.namenode().Rename2(call.caller, request.src(), request.dst(),
                                                request.overwritedest(), request.movetotrash()));
  });
}

void Concat(const Call& call) {
  WithRequest<hdfs::ConcatRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckCount(request.srcs_size(), kMaxConcatSources, "sources");
        !bad.ok()) {
      return call.reply.Fail(bad);
    }
    const std::vector<std::string> sources(request.srcs().begin(), request.srcs().end());
    AnswerNothing(call, call.namenode().Concat(call.caller, request.trg(), sources));
  });
}

void CreateSymlink(const Call& call) {
  call.reply.Fail(MakeFsError(FsError::kUnsupported, "Symlinks not supported"));
}

// nullopt: leave as it is (-1). kIllegalArgument: another negative time.
absl::StatusOr<std::optional<uint64_t>> ToTime(uint64_t time_ms) {
  if (time_ms == ~uint64_t{0}) return std::nullopt;
  if (time_ms > kMaxSigned) {
    return MakeFsError(
        FsError::kIllegalArgument,
        absl::StrCat("the time ", static_cast<int64_t>(time_ms), " ms lies before 1970"));
  }
  return time_ms;
}

void SetTimes(const Call& call) {
  WithRequest<hdfs::SetTimesRequestProto>(call, [&](const auto& request) {
    const auto mtime = ToTime(request.mtime());
    if (!mtime.ok()) return call.reply.Fail(mtime.status());
    const auto atime = ToTime(request.atime());
    if (!atime.ok()) return call.reply.Fail(atime.status());
    AnswerNothing(call, call.namenode().SetTimes(call.caller, request.src(), *mtime, *atime));
  });
}

void SetPermission(const Call& call) {
  WithRequest<hdfs::SetPermissionRequestProto>(call, [&](const auto& request) {
    AnswerNothing(call, call.namenode().SetPermission(call.caller, request.src(),
                                                      request.permission().perm() & kModeMask));
  });
}

void SetOwner(const Call& call) {
  WithRequest<hdfs::SetOwnerRequestProto>(call, [&](const auto& request) {
    // The namenode keeps every name it ever saw.
    if (request.username().size() > kMaxPrincipalBytes ||
        request.groupname().size() > kMaxPrincipalBytes) {
      return call.reply.Fail(MakeFsError(
          FsError::kIllegalArgument,
          absl::StrCat("a user's or group's name is longer than ", kMaxPrincipalBytes, " bytes")));
    }
    AnswerNothing(call, call.namenode().SetOwner(call.caller, request.src(), request.username(),
                                                 request.groupname()));
  });
}

void SetReplication(const Call& call) {
  WithRequest<hdfs::SetReplicationRequestProto>(call, [&](const auto& request) {
    AnswerBool(call,
               call.namenode().SetReplication(call.caller, request.src(), request.replication()));
  });
}

constexpr std::array kNamespaceMethods = {
    Method{"mkdirs", Mkdirs},
    Method{"delete", Delete, /*at_most_once=*/true},
    Method{"rename", Rename, /*at_most_once=*/true},
    Method{"rename2", Rename2, /*at_most_once=*/true},
    Method{"concat", Concat, /*at_most_once=*/true, kMaxConcatRequestBytes},
    Method{"truncate", Truncate, /*at_most_once=*/true},
    Method{"createSymlink", CreateSymlink},
    Method{"setTimes", SetTimes},
    Method{"setPermission", SetPermission},
    Method{"setOwner", SetOwner},
    Method{"setReplication", SetReplication},
};

}  // namespace

absl::Span<const Method> NamespaceMethods() { return kNamespaceMethods; }

}  // namespace cairn::namenode::client_protocol
