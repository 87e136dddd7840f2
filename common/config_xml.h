// common/config_xml.h - the form of a Hadoop configuration file.
//
//   <configuration>
//     <property><name>dfs.replication</name><value>2</value><final>true</final></property>
//     <property name="dfs.replication" value="2" final="true"/>     the same
//   </configuration>
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn {

// One <property> of a file.
struct ConfigProperty {
  std::string name;
  std::string value;
  bool is_final = false;
  std::string source;  // "FILE:LINE"
};

// Parses a configuration file's text; `source` names it in messages. A DOCTYPE is skipped, entities
// but XML's five are not expanded, and nothing is included from elsewhere.
// kInvalidArgument: bad XML, a root other than <configuration>, a property without a name, an
// include.
absl::StatusOr<std::vector<ConfigProperty>> ParseConfigXml(absl::string_view text,
                                                           absl::string_view source);

}  // namespace cairn
