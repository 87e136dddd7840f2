#include "namenode/namespace/inode_record.h"

#include <gtest/gtest.h>

#include <string>

#include "common/testing/status_matchers.h"
#include "namenode/namespace/inode.h"
#include "proto/store.pb.h"

namespace cairn::namenode {
namespace {

store::Inode File() {
  store::Inode record;
  record.set_id(16390);
  record.set_txid(77);
  record.set_mode(0640);
  record.set_owner("alice");
  record.set_group("staff");
  record.set_mtime_ms(1'700'000'000'123);
  record.set_atime_ms(1'700'000'000'456);
  record.set_storage_policy(7);
  record.set_replication(3);
  record.set_block_bytes(128 << 20);
  for (uint64_t length : {uint64_t{128} << 20, uint64_t{5}}) {
    store::Block& block = *record.add_blocks();
    block.set_id(1073741825);
    block.set_generation_stamp(1001);
    block.set_length(length);
  }
  record.set_lease_holder("client");
  record.set_truncating(true);
  return record;
}

store::Inode Directory() {
  store::Inode record;
  record.set_id(16391);
  record.set_txid(78);
  record.set_directory(true);
  record.set_mode(01777);
  record.set_owner("bob");
  record.set_group("staff");
  record.set_mtime_ms(5);
  record.set_children(12);
  return record;
}

// What the long way makes of it.
FileStatus Expected(const store::Inode& record, const ErasurePolicies& policies, NameTable& names) {
  Inode inode;
  EXPECT_OK(DecodeInode(record, names, policies, &inode));
  return StatusOf(inode);
}

void ExpectSame(const FileStatus& a, const FileStatus& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.directory, b.directory);
  EXPECT_EQ(a.mode, b.mode);
  EXPECT_EQ(a.length, b.length);
  EXPECT_EQ(a.mtime_ms, b.mtime_ms);
  EXPECT_EQ(a.atime_ms, b.atime_ms);
  EXPECT_EQ(a.owner, b.owner);
  EXPECT_EQ(a.group, b.group);
  EXPECT_EQ(a.replication, b.replication);
  EXPECT_EQ(a.block_bytes, b.block_bytes);
  EXPECT_EQ(a.storage_policy, b.storage_policy);
  EXPECT_EQ(a.children, b.children);
  EXPECT_EQ(a.erasure, b.erasure);
  EXPECT_EQ(a.small_of, b.small_of);
}

TEST(InodeRecordTest, ShowsWhatTheDecodedInodeShows) {
  NameTable names;
  const ErasurePolicies policies;
  InodeRecordReader reader(names, policies, nullptr);
  store::Inode small = File();
  small.set_small_of(1);
  for (const store::Inode& record : {File(), small, Directory(), store::Inode(), File()}) {
    FileStatus status;
    uint64_t txid = 0;
    ASSERT_TRUE(reader.Read(record.SerializeAsString(), &status, &txid));
    ExpectSame(status, Expected(record, policies, names));
    EXPECT_EQ(txid, record.txid());
  }
}

TEST(InodeRecordTest, ADirectoryShowsWhatItGetsFromAboveUnlessSomethingIsSet) {
  NameTable names;
  const ErasurePolicies policies;
  InodeRecordReader reader(names, policies, policies.Find(1));
  FileStatus status;
  uint64_t txid = 0;
  store::Inode record = Directory();
  ASSERT_TRUE(reader.Read(record.SerializeAsString(), &status, &txid));
  EXPECT_EQ(status.erasure, policies.Find(1));
  record.set_should_replicate(true);
  ASSERT_TRUE(reader.Read(record.SerializeAsString(), &status, &txid));
  EXPECT_EQ(status.erasure, nullptr);
  record.set_should_replicate(false);
  record.set_erasure_policy(2);
  ASSERT_TRUE(reader.Read(record.SerializeAsString(), &status, &txid));
  EXPECT_EQ(status.erasure, policies.Find(2));
  ASSERT_TRUE(reader.Read(File().SerializeAsString(), &status, &txid));
  EXPECT_EQ(status.erasure, nullptr) << "a file has its own, or none";
}

TEST(InodeRecordTest, AnUnknownPolicyIsDamage) {
  NameTable names;
  const ErasurePolicies policies;
  InodeRecordReader reader(names, policies, nullptr);
  FileStatus status;
  uint64_t txid = 0;
  for (const uint32_t id : {6u, 127u, 128u, 257u}) {
    store::Inode record = Directory();
    record.set_erasure_policy(id);
    EXPECT_FALSE(reader.Read(record.SerializeAsString(), &status, &txid)) << id;
    Inode inode;
    EXPECT_THAT(DecodeInode(record, names, policies, &inode), StatusIs(absl::StatusCode::kDataLoss))
        << id;
    store::Inode small = File();
    small.set_small_of(id);
    EXPECT_FALSE(reader.Read(small.SerializeAsString(), &status, &txid)) << id;
    Inode file;
    EXPECT_THAT(DecodeInode(small, names, policies, &file), StatusIs(absl::StatusCode::kDataLoss))
        << id;
  }
}

TEST(InodeRecordTest, BlocksGoWithTheFilesPolicy) {
  NameTable names;
  const ErasurePolicies policies;
  store::Inode record = File();
  record.set_erasure_policy(1);
  Inode inode;
  EXPECT_THAT(DecodeInode(record, names, policies, &inode), StatusIs(absl::StatusCode::kDataLoss));
  record.set_erasure_policy(0);
  record.mutable_blocks(0)->set_id(ToInt(MakeGroupId(7)));
  Inode other;
  EXPECT_THAT(DecodeInode(record, names, policies, &other), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(InodeRecordTest, FieldsOfALaterVersionAreSkipped) {
  NameTable names;
  const ErasurePolicies policies;
  InodeRecordReader reader(names, policies, nullptr);
  const std::string later(
      "\xf8\x07\x01"
      "\xfa\x07\x02xy"
      "\xfd\x07\x01\x02\x03\x04",
      14);
  FileStatus status;
  uint64_t txid = 0;
  ASSERT_TRUE(reader.Read(File().SerializeAsString() + later, &status, &txid));
  ExpectSame(status, Expected(File(), policies, names));
}

TEST(InodeRecordTest, ACutRecordIsDamagedOrEndsAtAField) {
  NameTable names;
  const ErasurePolicies policies;
  InodeRecordReader reader(names, policies, nullptr);
  const std::string whole = File().SerializeAsString();
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    FileStatus status;
    uint64_t txid = 0;
    store::Inode record;
    EXPECT_EQ(reader.Read(cut, &status, &txid), record.ParseFromString(cut)) << size;
  }
}

}  // namespace
}  // namespace cairn::namenode
