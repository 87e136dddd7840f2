// Any bytes: no crash, and what the generated parser takes is read alike.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "namenode/namespace/inode.h"
#include "namenode/namespace/inode_record.h"
#include "proto/store.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn::namenode;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  NameTable names;
  const ErasurePolicies policies;
  InodeRecordReader reader(names, policies, nullptr);
  FileStatus status;
  uint64_t txid = 0;
  const bool read = reader.Read(bytes, &status, &txid);
  cairn::store::Inode record;
  if (!record.ParseFromArray(data, static_cast<int>(size))) return 0;
  // Groups and text that is not UTF-8 aside, which no version writes, both agree.
  if (read && (txid != record.txid() || ToInt(status.id) != record.id())) std::abort();
  return 0;
}
