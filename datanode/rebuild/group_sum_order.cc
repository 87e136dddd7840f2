#include "datanode/rebuild/group_sum_order.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "erasure/policy_proto.h"
#include "wire/transfer/block_checksum.h"

namespace cairn::datanode {
namespace {

// A unit has one place, and two or three while it moves.
constexpr int kMaxHolders = 4 * static_cast<int>(erasure::kMaxUnits);
// Of all data units together. Cells of 8 KiB do in a group of 2 GiB.
constexpr uint64_t kMaxSumBytes = uint64_t{1} << 20;

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("checksum of a block group: ", what));
}

absl::Status TakeHolders(const hdfs::OpBlockGroupChecksumProto& op, GroupSumOrder* order) {
  const int count = op.datanodes().datanodes_size();
  if (count > kMaxHolders || op.blockindices_size() != count ||
      (op.blocktokens_size() != 0 && op.blocktokens_size() != count)) {
    return Bad(absl::StrCat(count, " datanodes, ", op.blockindices_size(), " units, ",
                            op.blocktokens_size(), " tokens"));
  }
  order->holders.resize(order->group.schema.units());
  for (int i = 0; i < count; ++i) {
    if (op.blockindices(i) >= order->holders.size()) {
      return Bad(absl::StrCat("unit ", op.blockindices(i), " of ", order->holders.size()));
    }
    GroupSumOrder::Holder& holder = order->holders[op.blockindices(i)].emplace_back();
    const hdfs::DatanodeIDProto& node = op.datanodes().datanodes(i).id();
    absl::StatusOr<TransferAddress> address = CheckAddress(node.ipaddr(), node.xferport());
    if (!address.ok()) return Bad(address.status().message());
    holder.address = *std::move(address);
    if (op.blocktokens_size() != 0) holder.token = op.blocktokens(i);
  }
  return absl::OkStatus();
}

}  // namespace

uint64_t GroupSumOrder::SumBytes(uint32_t unit) const {
  if (!composite) return sizeof(transfer::Md5Digest);
  const uint64_t cell = group.cell_bytes;
  return (CoveredBytes(unit) / cell + (CoveredBytes(unit) % cell != 0)) * sizeof(uint32_t);
}

absl::StatusOr<GroupSumOrder> CheckGroupSum(const hdfs::OpBlockGroupChecksumProto& op) {
  GroupSumOrder order;
  const hdfs::ExtendedBlockProto& block = op.header().block();
  order.group.group = BlockId{block.blockid()};
  order.group.stamp = GenerationStamp{block.generationstamp()};
  order.group.group_bytes = block.numbytes();
  RETURN_IF_ERROR(CheckGroup(order.group.group, order.group.group_bytes));
  ASSIGN_OR_RETURN(const erasure::Policy policy, erasure::PolicyFrom(op.ecpolicy()));
  order.group.schema = policy.schema;
  order.group.cell_bytes = policy.cell_bytes;
  order.covered_bytes = op.requestednumbytes();
  if (order.covered_bytes == 0 || order.covered_bytes > order.group.group_bytes) {
    return Bad(absl::StrCat(order.covered_bytes, " of ", order.group.group_bytes, " bytes"));
  }
  order.composite = op.blockchecksumoptions().blockchecksumtype() == hdfs::COMPOSITE_CRC;
  // No unit has more of it than the first.
  const uint64_t most = order.SumBytes(0);
  if (most > transfer::kMaxStripes * sizeof(uint32_t) ||
      most * policy.schema.data_units > kMaxSumBytes) {
    return Bad(absl::StrCat("cells of ", order.group.cell_bytes, " bytes are too small for ",
                            order.covered_bytes, " bytes"));
  }
  RETURN_IF_ERROR(TakeHolders(op, &order));
  return order;
}

}  // namespace cairn::datanode
