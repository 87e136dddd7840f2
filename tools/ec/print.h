// tools/ec/print.h - what `cairn ec` prints: policies, codecs and failures in the words of Hadoop's
// tool, and as JSON. Names from servers are escaped as in hadoop_text.h.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/erasure_admin.h"

namespace cairn::tools {

void PrintPolicies(const std::vector<client::ErasurePolicy>& policies, std::ostream& out);
void WritePolicies(const std::vector<client::ErasurePolicy>& policies, std::ostream& out);
void PrintCodecs(const std::vector<client::ErasureCodec>& codecs, std::ostream& out);
void WriteCodecs(const std::vector<client::ErasureCodec>& codecs, std::ostream& out);
void PrintAdded(const std::vector<client::AddedErasurePolicy>& added, std::ostream& out);

// "FileNotFoundException: Path not found: /x" of a namenode's refusal: scripts tell by the class,
// and Hadoop's client keeps that of a few only. What went wrong on the way, without a class:
// "-COMMAND: why".
std::string FailureText(absl::string_view command, const absl::Status& status);

}  // namespace cairn::tools
