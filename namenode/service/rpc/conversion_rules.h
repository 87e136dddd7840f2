// namenode/service/rpc/conversion_rules.h - the calls of cairn.AdminProtocol about conversion
// rules, between messages and the namenode's operations.
#pragma once

#include "absl/strings/string_view.h"
#include "namenode/namenode.h"
#include "wire/rpc/service.h"

namespace cairn::namenode {

inline constexpr size_t kConversionRulesPerPage = 100;

bool IsConversionRuleMethod(absl::string_view method);
// The caller is a superuser; IsConversionRuleMethod(method). Answers once.
void AnswerConversionRules(Namenode& namenode, const Caller& caller, absl::string_view method,
                           absl::string_view request, rpc::RpcReply& reply);

}  // namespace cairn::namenode
