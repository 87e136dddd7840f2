#include "client/erasure_admin.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/convert.h"
#include "client/erasure_convert.h"
#include "client/hadoop_rpc.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

constexpr uint32_t kMaxPolicyId = 255;
constexpr uint32_t kNoPolicyId = UINT32_MAX;  // a Java client's -1

ErasurePolicyState ToState(hdfs::ErasureCodingPolicyState state) {
  switch (state) {
    case hdfs::EC_POLICY_DISABLED:
      return ErasurePolicyState::kDisabled;
    case hdfs::EC_POLICY_REMOVED:
      return ErasurePolicyState::kRemoved;
    case hdfs::EC_POLICY_ENABLED:
      break;
  }
  return ErasurePolicyState::kEnabled;
}

absl::StatusOr<ErasurePolicy> ToErasurePolicy(const hdfs::ErasureCodingPolicyProto& sent,
                                              absl::string_view method) {
  const hdfs::ErasureCodingPolicyProto p = Completed(sent);
  ErasurePolicy policy{.id = p.id(), .name = p.name(), .state = ToState(p.state())};
  const hdfs::ECSchemaProto& schema = p.schema();
  policy.codec = schema.codecname();
  policy.data_units = schema.dataunits();
  policy.parity_units = schema.parityunits();
  policy.cell_bytes = p.cellsize();
  for (const hdfs::ECSchemaOptionEntryProto& option : schema.options()) {
    policy.options.emplace_back(option.key(), option.value());
  }
  const bool has_units = policy.data_units > 0 && policy.parity_units > 0;
  if (policy.id > kMaxPolicyId || policy.name.empty() || policy.codec.empty() || !has_units ||
      policy.cell_bytes == 0) {
    return BadAnswer(method, absl::StrCat("an incomplete erasure coding policy, id ", p.id()));
  }
  return policy;
}

void ToProto(const ErasurePolicy& policy, hdfs::ErasureCodingPolicyProto& p) {
  p.set_id(kNoPolicyId);
  p.set_name(policy.name);
  p.set_cellsize(policy.cell_bytes);
  hdfs::ECSchemaProto& schema = *p.mutable_schema();
  schema.set_codecname(policy.codec);
  schema.set_dataunits(policy.data_units);
  schema.set_parityunits(policy.parity_units);
  for (const auto& [key, value] : policy.options) {
    hdfs::ECSchemaOptionEntryProto& option = *schema.add_options();
    option.set_key(key);
    option.set_value(value);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ErasureAdmin>> ErasureAdmin::Connect(absl::string_view uri,
                                                                    const ClientOptions& options) {
  ASSIGN_OR_RETURN(const PathUri parsed, ParsePathUri(uri));
  if (parsed.scheme != "hdfs" || parsed.authority.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(uri, ": not hdfs://host[:port]"));
  }
  ASSIGN_OR_RETURN(const HostPort at, ParseHostPort(parsed.authority, kDefaultNamenodePort));
  const std::string user = options.user.empty() ? LoginUser() : options.user;
  ASSIGN_OR_RETURN(auto channel, NewHadoopRpc(at.host, at.port, kClientProtocol, user, options));
  return std::make_unique<ErasureAdmin>(std::move(channel));
}

ErasureAdmin::ErasureAdmin(std::unique_ptr<RpcChannel> client_protocol)
    : channel_(std::move(client_protocol)) {}
ErasureAdmin::~ErasureAdmin() = default;

template <typename Response, typename Request>
absl::StatusOr<Response> ErasureAdmin::Ask(absl::string_view method, const Request& request) {
  Response response;
  RETURN_IF_ERROR(channel_->Call(method, request, response));
  return response;
}

// ---- Of the cluster ----

absl::StatusOr<std::vector<ErasurePolicy>> ErasureAdmin::ListPolicies() {
  constexpr char kMethod[] = "getErasureCodingPolicies";
  ASSIGN_OR_RETURN(const auto response, Ask<hdfs::GetErasureCodingPoliciesResponseProto>(
                                            kMethod, hdfs::GetErasureCodingPoliciesRequestProto()));
  std::vector<ErasurePolicy> policies;
  for (const hdfs::ErasureCodingPolicyProto& p : response.ecpolicies()) {
    ASSIGN_OR_RETURN(ErasurePolicy policy, ToErasurePolicy(p, kMethod));
    policies.push_back(std::move(policy));
  }
  return policies;
}

absl::StatusOr<std::vector<ErasureCodec>> ErasureAdmin::ListCodecs() {
  ASSIGN_OR_RETURN(const auto response,
                   Ask<hdfs::GetErasureCodingCodecsResponseProto>(
                       "getErasureCodingCodecs", hdfs::GetErasureCodingCodecsRequestProto()));
  std::vector<ErasureCodec> codecs;
  for (const hdfs::CodecProto& codec : response.codec()) {
    ErasureCodec& made = codecs.emplace_back(ErasureCodec{.name = codec.codec()});
    for (absl::string_view coder : absl::StrSplit(codec.coders(), ',', absl::SkipWhitespace())) {
      made.coders.emplace_back(absl::StripAsciiWhitespace(coder));
    }
  }
  return codecs;
}

absl::StatusOr<std::vector<AddedErasurePolicy>> ErasureAdmin::AddPolicies(
    const std::vector<ErasurePolicy>& policies) {
  constexpr char kMethod[] = "addErasureCodingPolicies";
  hdfs::AddErasureCodingPoliciesRequestProto request;
  for (const ErasurePolicy& policy : policies) ToProto(policy, *request.add_ecpolicies());
  ASSIGN_OR_RETURN(const auto response,
                   Ask<hdfs::AddErasureCodingPoliciesResponseProto>(kMethod, request));
  if (response.responses_size() != static_cast<int>(policies.size())) {
    return BadAnswer(kMethod, absl::StrCat(response.responses_size(), " outcomes for ",
                                           policies.size(), " policies"));
  }
  std::vector<AddedErasurePolicy> added;
  for (const hdfs::AddErasureCodingPolicyResponseProto& outcome : response.responses()) {
    AddedErasurePolicy& one = added.emplace_back();
    one.name = PolicyName(outcome.policy());
    if (!outcome.succeed()) one.refused = outcome.errormsg();
  }
  return added;
}

absl::Status ErasureAdmin::RemovePolicy(absl::string_view name) {
  hdfs::RemoveErasureCodingPolicyRequestProto request;
  request.set_ecpolicyname(name.data(), name.size());
  return Ask<hdfs::RemoveErasureCodingPolicyResponseProto>("removeErasureCodingPolicy", request)
      .status();
}

absl::Status ErasureAdmin::EnablePolicy(absl::string_view name) {
  hdfs::EnableErasureCodingPolicyRequestProto request;
  request.set_ecpolicyname(name.data(), name.size());
  return Ask<hdfs::EnableErasureCodingPolicyResponseProto>("enableErasureCodingPolicy", request)
      .status();
}

absl::Status ErasureAdmin::DisablePolicy(absl::string_view name) {
  hdfs::DisableErasureCodingPolicyRequestProto request;
  request.set_ecpolicyname(name.data(), name.size());
  return Ask<hdfs::DisableErasureCodingPolicyResponseProto>("disableErasureCodingPolicy", request)
      .status();
}

absl::StatusOr<ErasureTopology> ErasureAdmin::CheckTopology(const std::vector<std::string>& names) {
  hdfs::GetECTopologyResultForPoliciesRequestProto request;
  for (const std::string& name : names) request.add_policies(name);
  ASSIGN_OR_RETURN(const auto response, Ask<hdfs::GetECTopologyResultForPoliciesResponseProto>(
                                            "getECTopologyResultForPolicies", request));
  return ErasureTopology{.supported = response.response().issupported(),
                         .message = response.response().resultmessage()};
}

// ---- Of a path ----

absl::StatusOr<std::optional<ErasurePolicy>> ErasureAdmin::GetPolicy(absl::string_view path) {
  constexpr char kMethod[] = "getErasureCodingPolicy";
  hdfs::GetErasureCodingPolicyRequestProto request;
  request.set_src(path.data(), path.size());
  ASSIGN_OR_RETURN(const auto response,
                   Ask<hdfs::GetErasureCodingPolicyResponseProto>(kMethod, request));
  if (!response.has_ecpolicy()) return std::nullopt;
  return ToErasurePolicy(response.ecpolicy(), kMethod);
}

absl::Status ErasureAdmin::SetPolicy(absl::string_view path,
                                     const std::optional<std::string>& name) {
  hdfs::SetErasureCodingPolicyRequestProto request;
  request.set_src(path.data(), path.size());
  if (name.has_value()) request.set_ecpolicyname(*name);
  return Ask<hdfs::SetErasureCodingPolicyResponseProto>("setErasureCodingPolicy", request).status();
}

absl::Status ErasureAdmin::UnsetPolicy(absl::string_view path) {
  hdfs::UnsetErasureCodingPolicyRequestProto request;
  request.set_src(path.data(), path.size());
  return Ask<hdfs::UnsetErasureCodingPolicyResponseProto>("unsetErasureCodingPolicy", request)
      .status();
}

}  // namespace cairn::client
