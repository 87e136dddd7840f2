#include "namenode/service/rpc/conversion_rules.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/utf8.h"
#include "proto/admin.pb.h"
#include "wire/parse_message.h"

namespace cairn::namenode {
namespace {

constexpr absl::string_view kSetConversionRule = "setConversionRule";
constexpr absl::string_view kListConversionRules = "listConversionRules";
constexpr absl::string_view kRenewConversionRun = "renewConversionRun";

constexpr size_t kMostRequestBytes = 16384;  // the longest names a path
constexpr size_t kMostTextBytes = 512;       // who has a run, and what it does
constexpr uint64_t kLongestPauseMs = uint64_t{366} * 24 * 3600 * 1000;

uint64_t WholeMillis(absl::Duration duration) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Milliseconds(duration), 0));
}

// A long one is cut, in the middle of a character maybe, which no string of a message may hold.
std::string Cut(absl::string_view text) { return ToUtf8(text.substr(0, kMostTextBytes)); }

void SetRule(Namenode& namenode, const Caller& caller, absl::string_view bytes,
             rpc::RpcReply& reply) {
  admin::SetConversionRuleRequest request;
  if (!ParseMessage(bytes, &request)) {
    return reply.Fail(absl::InvalidArgumentError("the request does not parse"));
  }
  admin::SetConversionRuleResponse response;
  if (!request.has_rule()) {
    const Outcome<bool> removed = namenode.RemoveConversionRule(caller, request.path());
    if (!removed.value.ok()) return reply.FailAt(removed.ticket, removed.value.status());
    response.set_changed(*removed.value);
    return reply.SendAt(removed.ticket, response);
  }
  const admin::ConversionRule& rule = request.rule();
  const Outcome<Nothing> set =
      namenode.SetConversionRule(caller, request.path(),
                                 {.policy = rule.erasure_policy(),
                                  .older_than_ms = rule.older_than_ms(),
                                  .unread_for_ms = rule.unread_for_ms(),
                                  .larger_than_bytes = rule.larger_than_bytes()});
  if (!set.value.ok()) return reply.FailAt(set.ticket, set.value.status());
  response.set_changed(true);
  reply.SendAt(set.ticket, response);
}

void FillRule(const PlacedConversionRule& placed, admin::PlacedConversionRule& out) {
  out.set_inode(ToInt(placed.directory));
  out.set_path(placed.path);
  admin::ConversionRule& rule = *out.mutable_rule();
  if (placed.rule.policy != nullptr) rule.set_erasure_policy(placed.rule.policy->name);
  rule.set_older_than_ms(placed.rule.older_than_ms);
  rule.set_unread_for_ms(placed.rule.unread_for_ms);
  rule.set_larger_than_bytes(placed.rule.larger_than_bytes);
  out.set_set_ms(placed.set_ms);
  if (placed.policy_state) out.set_policy_state(static_cast<uint32_t>(*placed.policy_state));
}

void FillRun(const ConversionRun& run, admin::ConversionRun& out) {
  out.set_holder(run.holder);
  out.set_ended(run.ended);
  out.set_heard_ms_ago(WholeMillis(run.heard_ago));
  out.set_rounds(run.rounds);
  if (run.next_in) out.set_next_in_ms(WholeMillis(*run.next_in));
  out.set_files_converted(run.files_converted);
  out.set_bytes_converted(run.bytes_converted);
  out.set_files_failed(run.files_failed);
  out.set_doing(run.doing);
}

ConversionRun ToRun(const admin::ConversionRun& told, const Caller& caller) {
  ConversionRun run;
  run.holder =
      absl::StrCat(Cut(told.holder()), " (user ", Cut(caller.user), " at ", caller.remote_ip, ")");
  run.rounds = told.rounds();
  if (told.has_next_in_ms()) {
    const uint64_t ms = std::min(told.next_in_ms(), kLongestPauseMs);
    run.next_in = absl::Milliseconds(static_cast<int64_t>(ms));
  }
  run.files_converted = told.files_converted();
  run.bytes_converted = told.bytes_converted();
  run.files_failed = told.files_failed();
  run.doing = Cut(told.doing());
  return run;
}

void ListRules(Namenode& namenode, const Caller& caller, absl::string_view bytes,
               rpc::RpcReply& reply) {
  admin::ListConversionRulesRequest request;
  if (!ParseMessage(bytes, &request)) {
    return reply.Fail(absl::InvalidArgumentError("the request does not parse"));
  }
  const auto page =
      namenode.ListConversionRules(caller, InodeId{request.after()}, kConversionRulesPerPage);
  if (!page.value.ok()) return reply.FailAt(page.ticket, page.value.status());
  admin::ListConversionRulesResponse response;
  for (const PlacedConversionRule& placed : page.value->rules) {
    FillRule(placed, *response.add_rules());
  }
  response.set_next_after(ToInt(page.value->last));
  response.set_more(page.value->more);
  FillRun(namenode.ShowConversionRun(), *response.mutable_run());
  reply.SendAt(page.ticket, response);
}

void RenewRun(Namenode& namenode, const Caller& caller, absl::string_view bytes,
              rpc::RpcReply& reply) {
  admin::RenewConversionRunRequest request;
  if (!ParseMessage(bytes, &request) || request.id() == 0) {
    return reply.Fail(absl::InvalidArgumentError("the request does not parse, or has no number"));
  }
  admin::RenewConversionRunResponse response;
  response.set_busy_with(
      namenode.RenewConversionRun(request.id(), ToRun(request.run(), caller), request.stop()));
  reply.Send(response);
}

}  // namespace

bool IsConversionRuleMethod(absl::string_view method) {
  return method == kSetConversionRule || method == kListConversionRules ||
         method == kRenewConversionRun;
}

void AnswerConversionRules(Namenode& namenode, const Caller& caller, absl::string_view method,
                           absl::string_view request, rpc::RpcReply& reply) {
  if (request.size() > kMostRequestBytes) {
    return reply.Fail(absl::InvalidArgumentError("the request is too large"));
  }
  if (method == kSetConversionRule) return SetRule(namenode, caller, request, reply);
  if (method == kListConversionRules) return ListRules(namenode, caller, request, reply);
  RenewRun(namenode, caller, request, reply);
}

}  // namespace cairn::namenode
