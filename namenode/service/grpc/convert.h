// namenode/service/grpc/convert.h - the datanodes' messages (proto/cairn/datanode.proto) as plain
// structs, checked, and orders the other way.
//
// Everything that comes from a datanode is hostile until it has passed here: presence, lengths,
// counts, ports, enum values, order. kInvalidArgument names the field. Pure; any thread.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "namenode/blocks/datanode_reports.h"
#include "proto/cairn/datanode.pb.h"

namespace cairn::namenode {

inline constexpr size_t kMaxUuidBytes = 128;
inline constexpr size_t kMaxHostNameBytes = 255;
inline constexpr int kMaxStoragesOfDatanode = 256;
// One report; the message limit of 4 MiB alone would allow some 200,000.
inline constexpr int kMaxReplicasInReport = 200'000;
inline constexpr int kMaxBucketsInReport = 200'000;
inline constexpr int kMaxFailedCopies = 1000;   // in one heartbeat
inline constexpr int kMaxWrongUnits = 1000;     // likewise
inline constexpr int kMaxGroupVerdicts = 1000;  // likewise
inline constexpr int kMaxCopyTargets = 64;
inline constexpr size_t kMaxReasonBytes = 500;  // more is cut off

// `peer_ip` takes the place of an address without an ip.
absl::StatusOr<DatanodeRegistration> FromProto(const internal::RegisterRequest& request,
                                               absl::string_view peer_ip);
absl::StatusOr<DatanodeHeartbeat> FromProto(const internal::HeartbeatRequest& request);
absl::Status Check(const internal::AwaitOrdersRequest& request);
absl::StatusOr<ChangesReport> FromProto(const internal::ReportChangesRequest& request);
absl::StatusOr<ReplicasReport> FromProto(const internal::ReportReplicasRequest& request);
absl::StatusOr<DigestReport> FromProto(const internal::ReportDigestsRequest& request);

internal::RegisterReply ToProto(const DatanodeWelcome& welcome);
internal::ReportDigestsReply ToProto(const DigestAnswer& answer);
internal::Command ToProto(const DatanodeCommand& command);

// "ipv4:10.0.0.1:5000" and "ipv6:%5B::1%5D:5000", as gRPC names a peer, without scheme and port;
// empty for any other kind of peer.
std::string IpOfPeer(absl::string_view peer);

}  // namespace cairn::namenode
