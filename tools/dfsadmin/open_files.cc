// -listOpenFiles: who writes what.
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "tools/dfsadmin/commands.h"
#include "tools/hadoop_text.h"
#include "tools/json.h"

namespace cairn::tools {
namespace {

void PrintText(const std::vector<client::OpenFile>& files, std::ostream& out) {
  out << absl::StreamFormat("%-20s\t%-20s\t%s\n", "Client Host", "Client Name", "Open File Path");
  for (const client::OpenFile& file : files) {
    out << absl::StreamFormat("%-20s\t%-20s\t%20s\n", Escaped(file.machine), Escaped(file.client),
                              Escaped(file.path));
  }
}

void PrintJson(const std::vector<client::OpenFile>& files, std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Key("open_files");
  json.BeginArray();
  for (const client::OpenFile& file : files) {
    json.BeginObject();
    json.Field("path", file.path);
    json.Field("inode", file.inode);
    json.Field("client", file.client);
    json.Field("host", file.machine);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

}  // namespace

absl::Status RunListOpenFiles(AdminCall& call) {
  const bool blocking = call.TakeFlag("-blockingDecommission");
  const bool json = call.TakeFlag("--json");
  ASSIGN_OR_RETURN(const std::string asked, call.TakeOption("-path"));
  RETURN_IF_ERROR(call.CheckArguments(0, 0));
  const absl::string_view path = asked.empty() ? "/" : absl::string_view(asked);
  ASSIGN_OR_RETURN(client::ClusterAdmin* const admin, call.Admin());
  ASSIGN_OR_RETURN(const auto files, admin->ListOpenFiles(blocking, path));
  json ? PrintJson(files, call.out) : PrintText(files, call.out);
  return absl::OkStatus();
}

}  // namespace cairn::tools
