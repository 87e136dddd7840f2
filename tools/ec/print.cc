#include "tools/ec/print.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/fs_error.h"
#include "tools/hadoop_text.h"
#include "tools/json.h"

namespace cairn::tools {
namespace {

using client::ErasurePolicyState;

const char* StateName(ErasurePolicyState state) {
  switch (state) {
    case ErasurePolicyState::kDisabled:
      return "DISABLED";
    case ErasurePolicyState::kEnabled:
      return "ENABLED";
    case ErasurePolicyState::kRemoved:
      return "REMOVED";
  }
  return "";
}

std::string SchemaText(const client::ErasurePolicy& policy) {
  std::string text =
      absl::StrCat("ECSchema=[Codec=", Escaped(policy.codec), ", numDataUnits=", policy.data_units,
                   ", numParityUnits=", policy.parity_units);
  for (const auto& [key, value] : policy.options) {
    absl::StrAppend(&text, ", ", Escaped(key), "=", Escaped(value));
  }
  return text + "]";
}

void WritePolicy(const client::ErasurePolicy& policy, JsonWriter& json) {
  json.BeginObject();
  json.Field("name", policy.name);
  json.Field("id", policy.id);
  json.Field("state", StateName(policy.state));
  json.Field("codec", policy.codec);
  json.Field("data_units", policy.data_units);
  json.Field("parity_units", policy.parity_units);
  json.Field("cell", policy.cell_bytes);
  json.Key("options");
  json.BeginObject();
  for (const auto& [key, value] : policy.options) json.Field(key, value);
  json.EndObject();
  json.EndObject();
}

// The class that Hadoop's client gives a namenode's refusal.
const char* ExceptionClass(FsError error) {
  switch (error) {
    case FsError::kFileNotFound:
      return "FileNotFoundException";
    case FsError::kAccessControl:
      return "AccessControlException";
    case FsError::kSafeMode:
      return "SafeModeException";
    case FsError::kNoErasurePolicySet:
      return "NoECPolicySetException";
    default:
      return "RemoteException";
  }
}

}  // namespace

void PrintPolicies(const std::vector<client::ErasurePolicy>& policies, std::ostream& out) {
  if (policies.empty()) {
    out << "There is no erasure coding policies in the cluster.\n";
    return;
  }
  out << "Erasure Coding Policies:\n";
  for (const client::ErasurePolicy& policy : policies) {
    out << "ErasureCodingPolicy=[Name=" << Escaped(policy.name) << ", Schema=["
        << SchemaText(policy) << "], CellSize=" << policy.cell_bytes << ", Id=" << policy.id
        << "], State=" << StateName(policy.state) << "\n";
  }
}

void WritePolicies(const std::vector<client::ErasurePolicy>& policies, std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Key("policies");
  json.BeginArray();
  for (const client::ErasurePolicy& policy : policies) WritePolicy(policy, json);
  json.EndArray();
  json.EndObject();
}

void PrintCodecs(const std::vector<client::ErasureCodec>& codecs, std::ostream& out) {
  if (codecs.empty()) {
    out << "No erasure coding codecs are supported on the cluster.\n";
    return;
  }
  out << "Erasure Coding Codecs: Codec [Coder List]\n";
  const auto upper = [](const std::string& name) { return Escaped(absl::AsciiStrToUpper(name)); };
  for (const client::ErasureCodec& codec : codecs) {
    out << "\t" << upper(codec.name) << " [" << upper(absl::StrJoin(codec.coders, ", ")) << "]\n";
  }
}

void WriteCodecs(const std::vector<client::ErasureCodec>& codecs, std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Key("codecs");
  json.BeginArray();
  for (const client::ErasureCodec& codec : codecs) {
    json.BeginObject();
    json.Field("codec", codec.name);
    json.Key("coders");
    json.BeginArray();
    for (const std::string& coder : codec.coders) json.String(coder);
    json.EndArray();
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

void PrintAdded(const std::vector<client::AddedErasurePolicy>& added, std::ostream& out) {
  for (const client::AddedErasurePolicy& policy : added) {
    out << "Add ErasureCodingPolicy " << Escaped(policy.name);
    if (policy.refused.has_value()) {
      out << " failed and error message is " << Escaped(*policy.refused) << "\n";
    } else {
      out << " succeed.\n";
    }
  }
}

std::string FailureText(absl::string_view command, const absl::Status& status) {
  const FsError error = GetFsError(status);
  // The first line, as HDFS's tool does.
  const absl::string_view message = status.message();
  const std::string text = Escaped(message.substr(0, message.find('\n')));
  if (error == FsError::kNone) return absl::StrCat("-", command, ": ", text);
  return absl::StrCat(ExceptionClass(error), ": ", text);
}

}  // namespace cairn::tools
