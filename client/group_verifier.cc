#include "client/group_verifier.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/context.h"
#include "client/convert.h"
#include "client/erasure_convert.h"
#include "client/group_units.h"
#include "client/hadoop_rpc.h"
#include "client/located_file.h"
#include "client/path.h"
#include "client/striping.h"
#include "client/unit_comparison.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

constexpr size_t kMaxReasonBytes = 300;  // datanodes send any text

struct LocatedGroup {
  hdfs::LocatedBlockProto block;
  std::shared_ptr<const Striping> striping;
};

// As the namenode knows it now; nullopt: the file has no such group any more.
absl::StatusOr<std::optional<LocatedGroup>> Locate(ClientContext& context, const std::string& path,
                                                   const BlockReport& group) {
  hdfs::GetBlockLocationsRequestProto request;
  request.set_src(path);
  request.set_offset(group.offset);
  request.set_length(1);
  const auto response =
      context.Call<hdfs::GetBlockLocationsResponseProto>("getBlockLocations", path, request);
  const bool is_gone = GetFsError(response.status()) == FsError::kFileNotFound ||
                       absl::IsNotFound(response.status());
  if (is_gone) return std::nullopt;
  if (!response.ok()) return response.status();
  const hdfs::LocatedBlocksProto& found = response->locations();
  if (!response->has_locations() || !found.has_ecpolicy()) return std::nullopt;
  RETURN_IF_ERROR(CheckLocatedBlocks(found, path));
  ASSIGN_OR_RETURN(const erasure::Policy policy, ToPolicy(found.ecpolicy(), path));
  RETURN_IF_ERROR(CheckGroups(found, policy, path));
  for (const hdfs::LocatedBlockProto& block : found.blocks()) {
    if (block.b().blockid() != group.id || block.b().generationstamp() != group.stamp ||
        block.b().numbytes() != group.length) {
      continue;
    }
    ASSIGN_OR_RETURN(std::shared_ptr<const Striping> striping, Striping::Create(policy));
    return LocatedGroup{.block = block, .striping = std::move(striping)};
  }
  return std::nullopt;
}

// Units of one group that remember who was asked for each, and who had bad checksums.
class NamedUnits final : public UnitSource {
 public:
  NamedUnits(const std::shared_ptr<ClientContext>& context, const std::string& path,
             const LocatedGroup& group, bool token_renewed)
      : group_(group),
        failures_(context, path),
        units_(*context, failures_, path, group.block, group.striping->layout(),
               // What the datanodes show: they are named for it.
               {.is_first = false, .token_renewed = token_renewed, .locally = false}),
        asked_(group.striping->layout().units()) {}

  absl::StatusOr<std::unique_ptr<BlockReader>> Open(uint32_t unit, uint64_t offset,
                                                    uint64_t bytes) override {
    auto stream = units_.Open(unit, offset, bytes);
    if (const hdfs::DatanodeInfoProto* const node = units_.Asked(unit)) {
      const std::string name = absl::StrCat(node->id().ipaddr(), ":", node->id().xferport());
      std::vector<std::string>& asked = asked_[unit];
      if (std::find(asked.begin(), asked.end(), name) == asked.end()) asked.push_back(name);
    }
    return stream;
  }
  bool Failed(uint32_t unit, const absl::Status& why, absl::Duration took) override {
    if (absl::IsDataLoss(why)) {
      bad_.push_back(Name(unit, why.message()));
      bad_.back().datanode = asked_[unit].back();
    }
    const bool again = units_.Failed(unit, why, took);
    // It has told the unit's datanodes apart. They may have another unit of the group.
    failures_.ForgetDead();
    return again;
  }
  bool Recall(uint32_t unit) override { return units_.Recall(unit); }
  void Finished(BlockReader& stream) override { units_.Finished(stream); }

  UnitAt Name(uint32_t unit, absl::string_view why) const {
    return {.unit = unit,
            .block = group_.block.b().blockid() + unit,
            .datanode = absl::StrJoin(asked_[unit], ", "),
            .why = std::string(why.substr(0, kMaxReasonBytes))};
  }
  std::vector<UnitAt> TakeBad() { return std::move(bad_); }

 private:
  const LocatedGroup& group_;
  LocatedFile failures_;  // of this group alone: it locates nothing
  GroupUnits units_;
  std::vector<std::vector<std::string>> asked_;  // by unit, the last one last
  std::vector<UnitAt> bad_;
};

uint32_t UnitsWithBytes(const erasure::Layout& layout, uint64_t group_bytes) {
  uint32_t units = 0;
  for (uint32_t unit = 0; unit < layout.units(); ++unit) {
    if (layout.UnitBytes(group_bytes, unit) > 0) ++units;
  }
  return units;
}

GroupFinding FindingOf(const UnitComparison& compared, const LocatedGroup& group,
                       NamedUnits& units) {
  using State = GroupFinding::State;
  GroupFinding finding{.differ_at = compared.differ_at,
                       .unit_bytes = compared.unit_bytes,
                       .compared_bytes = compared.compared_bytes};
  if (compared.wrong.has_value()) finding.wrong = units.Name(*compared.wrong, "");
  for (const LostUnit& lost : compared.lost) {
    if (absl::IsDataLoss(lost.why)) continue;  // it is among the bad ones
    finding.lost.push_back(units.Name(lost.unit, lost.why.message()));
  }
  finding.unreadable = units.TakeBad();
  const erasure::Layout& layout = group.striping->layout();
  const uint64_t bytes = group.block.b().numbytes();
  const size_t left = UnitsWithBytes(layout, bytes) - compared.lost.size();
  if (compared.differ_at.has_value()) {
    finding.state = State::kContradiction;
  } else if (left < layout.UnitsNeeded(bytes)) {
    finding.state = State::kTooFew;
  } else if (!finding.unreadable.empty()) {
    finding.state = State::kUnreadable;
  } else if (!finding.lost.empty()) {
    finding.state = State::kLost;
  }
  return finding;
}

}  // namespace

absl::StatusOr<std::unique_ptr<GroupVerifier>> GroupVerifier::Connect(absl::string_view uri,
                                                                      ClientOptions options) {
  ASSIGN_OR_RETURN(const PathUri parsed, ParsePathUri(uri));
  if (parsed.scheme != "hdfs" || parsed.authority.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(uri, ": not hdfs://host[:port]"));
  }
  ASSIGN_OR_RETURN(const HostPort namenode, ParseHostPort(parsed.authority, kDefaultNamenodePort));
  options.verify_checksums = true;
  const std::string user = options.user.empty() ? LoginUser() : options.user;
  NamenodeRpc rpc = NewNamenodeRpc(namenode.host, namenode.port, user, options);
  auto datanodes = NewDatanodeRpc(user, options);
  return std::make_unique<GroupVerifier>(std::make_shared<ClientContext>(
      std::move(options), user, absl::StrCat(namenode.host, ":", namenode.port),
      std::move(rpc.hdfs), std::move(datanodes), SystemClock(), std::move(rpc.cairn)));
}

GroupVerifier::GroupVerifier(std::shared_ptr<ClientContext> context)
    : context_(std::move(context)) {}
GroupVerifier::~GroupVerifier() = default;

absl::StatusOr<GroupFinding> GroupVerifier::Verify(const std::string& path,
                                                   const BlockReport& group) {
  constexpr GroupFinding::State kChanged = GroupFinding::State::kChanged;
  if (group.length == 0) return GroupFinding{};
  for (bool token_renewed = false;; token_renewed = true) {
    ASSIGN_OR_RETURN(const std::optional<LocatedGroup> located, Locate(*context_, path, group));
    if (!located.has_value()) return GroupFinding{.state = kChanged};
    NamedUnits units(context_, path, *located, token_renewed);
    const absl::StatusOr<UnitComparison> compared =
        CompareUnits(*located->striping, group.length, units, context_->clock);
    if (absl::IsUnauthenticated(compared.status()) && !token_renewed) continue;
    if (!compared.ok()) return compared.status();
    GroupFinding finding = FindingOf(*compared, *located, units);
    if (finding.state == GroupFinding::State::kVerified) return finding;
    // The datanodes drop the units of what has been deleted.
    ASSIGN_OR_RETURN(const std::optional<LocatedGroup> still, Locate(*context_, path, group));
    if (!still.has_value()) return GroupFinding{.state = kChanged};
    return finding;
  }
}

}  // namespace cairn::client
