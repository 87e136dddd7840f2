#include "client/conversion_admin.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/convert.h"
#include "client/hadoop_rpc.h"
#include "client/path.h"
#include "client/rpc_channel.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "proto/admin.pb.h"

namespace cairn::client {
namespace {

constexpr char kRulesProtocol[] = "cairn.AdminProtocol";
constexpr char kListMethod[] = "listConversionRules";
// More than a namenode takes, so that no server keeps the list growing.
constexpr size_t kMostRules = 65536;
// Who has a run, and what it does: a namenode keeps no more of them.
constexpr size_t kMostTextBytes = 512;

uint64_t ToMillis(absl::Duration duration) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Milliseconds(duration), 0));
}

ErasurePolicyState ToPolicyState(uint32_t state) {
  // 0: of a rule back to replication.
  if (state == 0 || state == 2) return ErasurePolicyState::kEnabled;
  return state == 1 ? ErasurePolicyState::kDisabled : ErasurePolicyState::kRemoved;
}

absl::StatusOr<PlacedConversionRule> ToPlaced(const admin::PlacedConversionRule& p) {
  if (!absl::StartsWith(p.path(), "/")) {
    return BadAnswer(kListMethod, absl::StrCat("a rule of inode ", p.inode(), " without a path"));
  }
  const absl::Duration set = Millis(p.set_ms());
  return PlacedConversionRule{.inode = p.inode(),
                              .path = p.path(),
                              .rule = {.policy = p.rule().erasure_policy(),
                                       .older_than = Millis(p.rule().older_than_ms()),
                                       .unread_for = Millis(p.rule().unread_for_ms()),
                                       .larger_than_bytes = p.rule().larger_than_bytes()},
                              .set = absl::UnixEpoch() + set,
                              .policy_state = ToPolicyState(p.policy_state())};
}

ConversionRun ToRun(const admin::ConversionRun& p) {
  ConversionRun run;
  run.holder = p.holder();
  run.ended = p.ended();
  run.heard_ago = Millis(p.heard_ms_ago());
  run.rounds = p.rounds();
  if (p.has_next_in_ms()) run.next_in = Millis(p.next_in_ms());
  run.files_converted = p.files_converted();
  run.bytes_converted = p.bytes_converted();
  run.files_failed = p.files_failed();
  run.doing = p.doing();
  return run;
}

// It may name a path, which need not be UTF-8 and may be long: a request with such a text would be
// refused, and the run be lost with it.
std::string RunText(absl::string_view text) { return ToUtf8(text.substr(0, kMostTextBytes)); }

void FillRun(const ConversionRun& run, admin::ConversionRun& p) {
  p.set_holder(RunText(run.holder));
  p.set_rounds(run.rounds);
  if (run.next_in) p.set_next_in_ms(ToMillis(*run.next_in));
  p.set_files_converted(run.files_converted);
  p.set_bytes_converted(run.bytes_converted);
  p.set_files_failed(run.files_failed);
  p.set_doing(RunText(run.doing));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ConversionAdmin>> ConversionAdmin::Connect(
    absl::string_view uri, const ClientOptions& options) {
  ASSIGN_OR_RETURN(const PathUri parsed, ParsePathUri(uri));
  if (parsed.scheme != "hdfs" || parsed.authority.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(uri, ": not hdfs://host[:port]"));
  }
  ASSIGN_OR_RETURN(const HostPort at, ParseHostPort(parsed.authority, kDefaultNamenodePort));
  const std::string user = options.user.empty() ? LoginUser() : options.user;
  ASSIGN_OR_RETURN(auto channel, NewHadoopRpc(at.host, at.port, kRulesProtocol, user, options));
  return std::make_unique<ConversionAdmin>(std::move(channel));
}

ConversionAdmin::ConversionAdmin(std::unique_ptr<RpcChannel> cairn) : channel_(std::move(cairn)) {}
ConversionAdmin::~ConversionAdmin() = default;

absl::Status ConversionAdmin::Set(absl::string_view path, const ConversionRule& rule) {
  admin::SetConversionRuleRequest request;
  request.set_path(path.data(), path.size());
  admin::ConversionRule& p = *request.mutable_rule();
  p.set_erasure_policy(rule.policy);
  p.set_older_than_ms(ToMillis(rule.older_than));
  p.set_unread_for_ms(ToMillis(rule.unread_for));
  p.set_larger_than_bytes(rule.larger_than_bytes);
  admin::SetConversionRuleResponse response;
  return channel_->Call("setConversionRule", request, response);
}

absl::StatusOr<bool> ConversionAdmin::Remove(absl::string_view path) {
  admin::SetConversionRuleRequest request;
  request.set_path(path.data(), path.size());
  admin::SetConversionRuleResponse response;
  RETURN_IF_ERROR(channel_->Call("setConversionRule", request, response));
  return response.changed();
}

absl::StatusOr<ConversionRules> ConversionAdmin::List() {
  ConversionRules all;
  admin::ListConversionRulesRequest request;
  for (;;) {
    admin::ListConversionRulesResponse page;
    RETURN_IF_ERROR(channel_->Call(kListMethod, request, page));
    for (const admin::PlacedConversionRule& p : page.rules()) {
      ASSIGN_OR_RETURN(PlacedConversionRule placed, ToPlaced(p));
      all.rules.push_back(std::move(placed));
    }
    all.run = ToRun(page.run());
    if (!page.more()) return all;
    if (page.next_after() <= request.after()) {
      return BadAnswer(kListMethod, "a page that leads nowhere");
    }
    if (all.rules.size() > kMostRules) return BadAnswer(kListMethod, "too many rules");
    request.set_after(page.next_after());
  }
}

absl::StatusOr<std::string> ConversionAdmin::RenewRun(uint64_t id, const ConversionRun& told,
                                                      bool stop) {
  admin::RenewConversionRunRequest request;
  request.set_id(id);
  request.set_stop(stop);
  FillRun(told, *request.mutable_run());
  admin::RenewConversionRunResponse response;
  RETURN_IF_ERROR(channel_->Call("renewConversionRun", request, response));
  return response.busy_with();
}

}  // namespace cairn::client
