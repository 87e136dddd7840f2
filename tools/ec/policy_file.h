// tools/ec/policy_file.h - the file that `cairn ec -addPolicies` reads, HDFS's format:
//
//   <configuration>
//     <layoutversion>1</layoutversion>
//     <schemas>
//       <schema id="RSk12m4"> <codec>rs</codec> <k>12</k> <m>4</m> </schema>
//     </schemas>
//     <policies>
//       <policy> <schema>RSk12m4</schema> <cellsize>131072</cellsize> </policy>
//     </policies>
//   </configuration>
//
// Other elements of a schema are options of its codec, at most 64. There are at most 255 policies,
// k and m count units, cellsize is bytes and a multiple of 1024. Which codecs, units and cells
// there may be is the namenode's to judge.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/erasure_admin.h"

namespace cairn::tools {

// The policies in the file's order, named as HDFS names them; one that is there twice is there
// once. kInvalidArgument: "SOURCE:LINE: what is wrong".
absl::StatusOr<std::vector<client::ErasurePolicy>> ParsePolicyFile(absl::string_view text,
                                                                   absl::string_view source);

// The same of a file of this machine: its path, or a file: URI. Errors: besides, that it cannot be
// read, or is larger than 1 MiB.
absl::StatusOr<std::vector<client::ErasurePolicy>> ReadPolicyFile(const std::string& file);

}  // namespace cairn::tools
