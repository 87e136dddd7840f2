#include "namenode/namespace/first_records.h"

#include "common/ids.h"
#include "namenode/store/keys.h"
#include "proto/store.pb.h"

namespace cairn::namenode {
namespace {

constexpr uint64_t kFirstBlockId = (uint64_t{1} << 30) + 1;  // as HDFS begins
constexpr uint64_t kFirstStamp = 1001;

}  // namespace

Store::Records FirstRecords(const NewNamespace& options) {
  store::Namespace identity;
  identity.set_cluster_id(options.cluster_id);
  identity.set_block_pool_id(options.block_pool_id);
  identity.set_layout_version(options.layout_version);
  identity.set_created_ms(options.created_ms);
  identity.set_next_inode_id(ToInt(kRootInode) + 1);
  identity.set_next_block_id(kFirstBlockId);
  identity.set_next_generation_stamp(kFirstStamp);
  store::Inode root;
  root.set_id(ToInt(kRootInode));
  root.set_directory(true);
  root.set_mode(0755);
  root.set_owner(options.superuser);
  root.set_group(options.supergroup);
  root.set_mtime_ms(options.created_ms);
  store::Sums sums;
  sums.set_directories(1);
  return {{keys::Namespace(), identity.SerializeAsString()},
          {keys::Entry(kNoInode, ""), root.SerializeAsString()},
          {keys::Sums(kRootInode), sums.SerializeAsString()},
          {keys::Location(kRootInode), store::Location().SerializeAsString()}};
}

}  // namespace cairn::namenode
