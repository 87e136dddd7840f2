// namenode/service/rpc/erasure.cc - erasure coding policies: which there are, what has which, and
// whether the cluster is large enough for them. Words are HDFS's.

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/check.h"
#include "erasure/policy.h"
#include "namenode/service/rpc/client_protocol_methods.h"

namespace cairn::namenode::client_protocol {
namespace {

constexpr int kMaxNamedPolicies = 128;  // in one request: there cannot be more

void GetErasureCodingPolicies(const Call& call) {
  WithRequest<hdfs::GetErasureCodingPoliciesRequestProto>(call, [&](const auto&) {
    const auto outcome = call.namenode().GetErasurePolicies(call.caller);
    if (!Succeeded(call, outcome)) return;
    hdfs::GetErasureCodingPoliciesResponseProto response;
    for (const ErasurePolicyInfo& info : *outcome.value) {
      FillErasurePolicy(info, *response.add_ecpolicies());
    }
    call.reply.SendAt(outcome.ticket, response);
  });
}

// As a Hadoop with ISA-L answers, coders in the order in which they are tried. For people to read:
// clients code with what they have. Source: Hadoop's CodecRegistry and raw coder factories.
void GetErasureCodingCodecs(const Call& call) {
  constexpr std::pair<const char*, const char*> kCodecs[] = {
      {"rs", "rs_native, rs_java"},
      {"rs-legacy", "rs-legacy_java"},
      {"xor", "xor_native, xor_java"},
  };
  hdfs::GetErasureCodingCodecsResponseProto response;
  for (const auto& [codec, coders] : kCodecs) {
    hdfs::CodecProto& entry = *response.add_codec();
    entry.set_codec(codec);
    entry.set_coders(coders);
  }
  call.reply.Send(response);
}

void GetErasureCodingPolicy(const Call& call) {
  WithRequest<hdfs::GetErasureCodingPolicyRequestProto>(call, [&](const auto& request) {
    const auto outcome = call.namenode().GetErasurePolicy(call.caller, request.src());
    if (!Succeeded(call, outcome)) return;
    BackwardWriter& w = Answer();
    if (*outcome.value != nullptr) PutErasurePolicy(w, 1, **outcome.value);
    SendAnswer(call, outcome.ticket, w);
  });
}

void SetErasureCodingPolicy(const Call& call) {
  WithRequest<hdfs::SetErasureCodingPolicyRequestProto>(call, [&](const auto& request) {
    // Only who names none gets the default one. A script that has not set its variable does not
    // mean that.
    if (request.has_ecpolicyname() && request.ecpolicyname().empty()) {
      return call.reply.Fail(MakeFsError(FsError::kIllegalArgument,
                                         "Policy '' does not match any erasure coding policy; "
                                         "without a name the default one is set"));
    }
    AnswerNothing(
        call, call.namenode().SetErasurePolicy(call.caller, request.src(), request.ecpolicyname()));
  });
}

void UnsetErasureCodingPolicy(const Call& call) {
  WithRequest<hdfs::UnsetErasureCodingPolicyRequestProto>(call, [&](const auto& request) {
    AnswerNothing(call, call.namenode().UnsetErasurePolicy(call.caller, request.src()));
  });
}

// ---- Adding policies

// The policy that is meant, with a name of our making, as in HDFS. kIllegalArgument: it cannot be
// said here; that its numbers fit is the namenode's to ask.
absl::StatusOr<erasure::Policy> ToPolicy(const hdfs::ErasureCodingPolicyProto& asked) {
  // Of the system's policies Java tells the id alone; of others it tells -1.
  for (const erasure::Policy& known : erasure::SystemPolicies()) {
    if (known.id == asked.id()) return known;
  }
  if (!asked.has_schema() || !asked.has_cellsize()) {
    return MakeFsError(FsError::kIllegalArgument,
                       "an erasure coding policy needs a schema and a cell size");
  }
  const hdfs::ECSchemaProto& schema = asked.schema();
  const absl::StatusOr<erasure::Codec> codec = erasure::ParseCodec(schema.codecname());
  if (!codec.ok()) {
    return MakeFsError(FsError::kIllegalArgument,
                       absl::StrCat("Codec name ", schema.codecname(), " is not supported"));
  }
  erasure::Policy policy;
  policy.schema = {
      .codec = *codec, .data_units = schema.dataunits(), .parity_units = schema.parityunits()};
  policy.cell_bytes = asked.cellsize();
  policy.name = erasure::ComposeName(policy.schema, policy.cell_bytes);
  return policy;
}

void FillAdded(const hdfs::ErasureCodingPolicyProto& asked,
               const absl::StatusOr<ErasurePolicyInfo>& result,
               hdfs::AddErasureCodingPolicyResponseProto& out) {
  out.set_succeed(result.ok());
  if (result.ok()) {
    FillErasurePolicy(*result, *out.mutable_policy());
  } else {
    *out.mutable_policy() = asked;
    out.set_errormsg(std::string(result.status().message()));
  }
}

// One that cannot be added does not keep the others from it.
void AddErasureCodingPolicies(const Call& call) {
  WithRequest<hdfs::AddErasureCodingPoliciesRequestProto>(call, [&](const auto& request) {
    const absl::Status bad =
        CheckCount(request.ecpolicies_size(), kMaxNamedPolicies, "erasure coding policies");
    if (!bad.ok()) return call.reply.Fail(bad);
    std::vector<absl::Status> refused;  // of each policy; OK: it is in `policies`
    std::vector<erasure::Policy> policies;
    for (const hdfs::ErasureCodingPolicyProto& asked : request.ecpolicies()) {
      absl::StatusOr<erasure::Policy> policy = ToPolicy(asked);
      refused.push_back(policy.status());
      if (policy.ok()) policies.push_back(*std::move(policy));
    }
    const auto outcome = call.namenode().AddErasurePolicies(call.caller, policies);
    if (!Succeeded(call, outcome)) return;
    CHECK_EQ(outcome.value->size(), policies.size());
    hdfs::AddErasureCodingPoliciesResponseProto response;
    auto added = outcome.value->begin();
    for (int i = 0; i < request.ecpolicies_size(); ++i) {
      const absl::Status& reason = refused[static_cast<size_t>(i)];
      FillAdded(request.ecpolicies(i), reason.ok() ? *added++ : reason, *response.add_responses());
    }
    call.reply.SendAt(outcome.ticket, response);
  });
}

// ---- States

template <typename Request, ErasurePolicyState kState>
void ChangeErasureCodingPolicy(const Call& call) {
  WithRequest<Request>(call, [&](const auto& request) {
    const auto outcome =
        call.namenode().ChangeErasurePolicy(call.caller, request.ecpolicyname(), kState);
    if (Succeeded(call, outcome)) call.reply.SendBytesAt(outcome.ticket, "");
  });
}

// ---- Whether the cluster can have them

using Names = google::protobuf::RepeatedPtrField<std::string>;

// Those that are named, or else the enabled ones. kIllegalArgument: a name is no policy's.
absl::StatusOr<std::vector<const erasure::Policy*>> SelectPolicies(
    const std::vector<ErasurePolicyInfo>& all, const Names& names) {
  std::vector<const erasure::Policy*> selected;
  if (names.empty()) {
    for (const ErasurePolicyInfo& info : all) {
      if (info.state == ErasurePolicyState::kEnabled) selected.push_back(info.policy);
    }
    return selected;
  }
  for (const std::string& name : names) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const ErasurePolicyInfo& info) {
      return info.policy->name == name;
    });
    if (found == all.end()) {
      return MakeFsError(FsError::kIllegalArgument, absl::StrCat("The given erasure coding policy ",
                                                                 name, " does not exist."));
    }
    selected.push_back(found->policy);
  }
  return selected;
}

// Empty: there are enough.
std::string Shortage(uint32_t wanted, int there, absl::string_view what, absl::string_view names) {
  if (static_cast<int64_t>(wanted) <= there) return "";
  return absl::StrCat(wanted, " ", what, " are required for the erasure coding policies: ", names,
                      ". The number of ", what, " is only ", there, ".");
}

// Every unit of a group wants a datanode of its own, and no rack is to have more units than may be
// lost. What counts is what may be given new blocks.
void Verify(const std::vector<const erasure::Policy*>& policies, const ClusterView& cluster,
            hdfs::ECTopologyVerifierResultProto& out) {
  uint32_t datanodes = 0, racks = 0;
  for (const erasure::Policy* const policy : policies) {
    const uint32_t units = policy->schema.units(), parity = policy->schema.parity_units;
    datanodes = std::max(datanodes, units);
    racks = std::max(racks, (units + parity - 1) / parity);
  }
  const std::string names = absl::StrJoin(
      policies, ", ",
      [](std::string* text, const erasure::Policy* policy) { text->append(policy->name); });
  std::string text = Shortage(datanodes, cluster.live_nodes(), "DataNodes", names);
  if (text.empty()) text = Shortage(racks, cluster.live_racks(), "racks", names);
  out.set_issupported(text.empty());
  if (policies.empty()) text = "No erasure coding policy is given.";
  if (text.empty()) text = absl::StrCat("The cluster setup can support EC policies: ", names);
  out.set_resultmessage(text);
}

void GetEcTopologyResultForPolicies(const Call& call) {
  WithRequest<hdfs::GetECTopologyResultForPoliciesRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckSuperuser(call); !bad.ok()) return call.reply.Fail(bad);
    const absl::Status bad =
        CheckCount(request.policies_size(), kMaxNamedPolicies, "erasure coding policies");
    if (!bad.ok()) return call.reply.Fail(bad);
    const auto all = call.namenode().GetErasurePolicies(call.caller);
    if (!Succeeded(call, all)) return;
    const auto policies = SelectPolicies(*all.value, request.policies());
    if (!policies.ok()) return call.reply.FailAt(all.ticket, policies.status());
    hdfs::GetECTopologyResultForPoliciesResponseProto response;
    Verify(*policies, *call.namenode().cluster().View(), *response.mutable_response());
    call.reply.SendAt(all.ticket, response);
  });
}

constexpr std::array kErasureMethods = {
    Method{"getErasureCodingPolicies", GetErasureCodingPolicies},
    Method{"getErasureCodingCodecs", GetErasureCodingCodecs},
    Method{"getErasureCodingPolicy", GetErasureCodingPolicy},
    Method{"setErasureCodingPolicy", SetErasureCodingPolicy, /*at_most_once=*/true},
    Method{"unsetErasureCodingPolicy", UnsetErasureCodingPolicy, /*at_most_once=*/true},
    Method{"addErasureCodingPolicies", AddErasureCodingPolicies, /*at_most_once=*/true},
    Method{"removeErasureCodingPolicy",
           ChangeErasureCodingPolicy<hdfs::RemoveErasureCodingPolicyRequestProto,
                                     ErasurePolicyState::kRemoved>,
           /*at_most_once=*/true},
    Method{"enableErasureCodingPolicy",
           ChangeErasureCodingPolicy<hdfs::EnableErasureCodingPolicyRequestProto,
                                     ErasurePolicyState::kEnabled>,
           /*at_most_once=*/true},
    Method{"disableErasureCodingPolicy",
           ChangeErasureCodingPolicy<hdfs::DisableErasureCodingPolicyRequestProto,
                                     ErasurePolicyState::kDisabled>,
           /*at_most_once=*/true},
    Method{"getECTopologyResultForPolicies", GetEcTopologyResultForPolicies},
};

}  // namespace

absl::Span<const Method> ErasureMethods() { return kErasureMethods; }

}  // namespace cairn::namenode::client_protocol
