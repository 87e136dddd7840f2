#include "namenode/offline/edits_dump.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "namenode/journal/journal_reader.h"
#include "namenode/journal/segment_files.h"
#include "namenode/offline/edit_facts.h"
#include "namenode/offline/json_text.h"
#include "namenode/offline/name_directory.h"

namespace cairn::namenode {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

Json MessageToJson(const Message& message);

// `index` of a repeated field, else -1.
Json FieldToJson(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& r = *message.GetReflection();
  const bool repeated = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageToJson(repeated ? r.GetRepeatedMessage(message, &field, index)
                                    : r.GetMessage(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return BytesToJson(repeated ? r.GetRepeatedString(message, &field, index)
                                  : r.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return repeated ? r.GetRepeatedUInt64(message, &field, index) : r.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return repeated ? r.GetRepeatedUInt32(message, &field, index) : r.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return repeated ? r.GetRepeatedInt64(message, &field, index) : r.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return repeated ? r.GetRepeatedInt32(message, &field, index) : r.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return repeated ? r.GetRepeatedBool(message, &field, index) : r.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return repeated ? r.GetRepeatedEnumValue(message, &field, index)
                      : r.GetEnumValue(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return repeated ? r.GetRepeatedDouble(message, &field, index) : r.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return repeated ? r.GetRepeatedFloat(message, &field, index) : r.GetFloat(message, &field);
  }
  return nullptr;
}

Json MessageToJson(const Message& message) {
  Json json = Json::object();
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* const field : fields) {
    if (!field->is_repeated()) {
      json[field->name()] = FieldToJson(message, *field, -1);
      continue;
    }
    Json& list = json[field->name()] = Json::array();
    for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
      list.push_back(FieldToJson(message, *field, i));
    }
  }
  return json;
}

// The segments that a path of the command stands for.
absl::StatusOr<std::vector<std::string>> SegmentsOf(FileSystem& files, std::string path) {
  if (!files.IsDirectory(path)) return std::vector<std::string>{path};
  if (files.IsDirectory(JournalDirectory(path))) path = JournalDirectory(path);
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(path));
  std::vector<std::string> segments;
  for (const std::string& name : names) {
    if (ParseSegmentName(name)) segments.push_back(absl::StrCat(path, "/", name));
  }
  return segments;
}

}  // namespace

std::string EditToJson(TxId txid, const edit::Edit& edit) {
  Json json = {{"txid", ToInt(txid)}, {"time", TimeText(TimeOf(edit))}, {"kind", KindOf(edit)}};
  if (!edit.client_id().empty()) {
    json["client_id"] = absl::BytesToHexString(edit.client_id());
    json["call_id"] = edit.call_id();
  }
  if (edit.retry_inode() != 0) json["retry_inode"] = edit.retry_inode();
  const auto* const change =
      edit::Edit::descriptor()->FindFieldByNumber(static_cast<int>(edit.change_case()));
  json["fields"] = change == nullptr ? Json::object() : FieldToJson(edit, *change, -1);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::Status DumpEdits(FileSystem& files, const EditsDumpOptions& options, std::ostream& out) {
  absl::Status first_damage;
  const absl::Status end = absl::CancelledError("all that is wanted");
  const auto note = [&](const JournalDamage& damage) -> absl::Status {
    if (damage.from > options.to) return end;
    Json json = {{"damage", damage.Describe()}, {"from", ToInt(damage.from)}};
    if (damage.to != kNoTx) json["to"] = ToInt(damage.to);
    out << json.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
    if (first_damage.ok()) first_damage = absl::DataLossError(damage.Describe());
    return absl::OkStatus();
  };
  const JournalVisitor visitor{
      .on_edit = [&](const JournalEdit& at) -> absl::Status {
        if (at.txid > options.to) return end;
        const absl::StatusOr<edit::Edit> edit = ParseEdit(at.txid, at.data);
        if (!edit.ok()) {
          return note({at.file, at.offset, at.txid, at.txid, "the edit does not parse"});
        }
        out << EditToJson(at.txid, *edit) << "\n";
        return out.good() ? absl::OkStatus() : absl::InternalError("cannot write the output");
      },
      .on_damage = note};
  std::vector<std::string> segments;
  for (const std::string& path : options.paths) {
    ASSIGN_OR_RETURN(const std::vector<std::string> more, SegmentsOf(files, path));
    segments.insert(segments.end(), more.begin(), more.end());
  }
  const auto read = ReadJournalFiles(files, segments, options.from, visitor);
  if (!read.ok() && read.status() != end) return read.status();
  return first_damage;
}

}  // namespace cairn::namenode
