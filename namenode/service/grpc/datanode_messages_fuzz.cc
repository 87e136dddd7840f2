// Any bytes that parse as a datanode's message are refused, or pass with what is promised.
#include <cstddef>
#include <cstdint>

#include "common/check.h"
#include "namenode/service/grpc/convert.h"

namespace {

using namespace cairn::namenode;  // a program of one file

template <typename Request, typename Use>
void Try(const uint8_t* data, size_t size, Use use) {
  Request request;
  if (request.ParseFromArray(data, static_cast<int>(size))) use(request);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace internal = cairn::internal;
  if (size == 0) return 0;
  const uint8_t kind = data[0];
  ++data;
  --size;
  switch (kind % 5) {
    case 0:
      Try<internal::RegisterRequest>(data, size, [](const auto& request) {
        const auto node = FromProto(request, "10.0.0.1");
        if (node.ok()) CHECK(!node->datanode_uuid.empty() && !node->address.ip.empty());
      });
      break;
    case 1:
      Try<internal::HeartbeatRequest>(data, size,
                                      [](const auto& request) { (void)FromProto(request); });
      break;
    case 2:
      Try<internal::ReportChangesRequest>(data, size, [](const auto& request) {
        const auto report = FromProto(request);
        if (report.ok()) CHECK(report->sequence != 0);
      });
      break;
    case 3:
      Try<internal::ReportDigestsRequest>(data, size, [](const auto& request) {
        const auto report = FromProto(request);
        if (!report.ok()) return;
        for (size_t i = 1; i < report->buckets.size(); ++i) {
          CHECK(report->buckets[i - 1].number < report->buckets[i].number);
        }
      });
      break;
    default:
      Try<internal::ReportReplicasRequest>(data, size, [](const auto& request) {
        const auto report = FromProto(request);
        if (!report.ok()) return;
        for (size_t i = 1; i < report->replicas.size(); ++i) {
          CHECK(report->replicas[i - 1].block.id < report->replicas[i].block.id);
        }
        for (size_t i = 0; i < report->ranges.size(); ++i) {
          CHECK(report->ranges[i].first <= report->ranges[i].last);
          CHECK(i == 0 || report->ranges[i - 1].last < report->ranges[i].first);
        }
      });
  }
  (void)IpOfPeer(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
