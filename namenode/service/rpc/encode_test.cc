// Every hand-written encoder against the generated code: the expected message is built field by
// field, and the bytes must be the same. Numbers in names are those of the client traps.
#include "namenode/service/rpc/encode.h"

#include <random>
#include <string>

#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

class EncodeTest : public EdgeTest {
 protected:
  void SetUp() override { AddDatanodes(); }

  BlockContext Context() { return {kPool, namenode_.cluster().View()}; }

  static void Expect(const erasure::Policy& policy, hdfs::ErasureCodingPolicyProto& out) {
    out.set_name(policy.name);
    out.mutable_schema()->set_codecname(erasure::CodecName(policy.schema.codec));
    out.mutable_schema()->set_dataunits(policy.schema.data_units);
    out.mutable_schema()->set_parityunits(policy.schema.parity_units);
    out.set_cellsize(policy.cell_bytes);
    out.set_id(policy.id);
  }

  static void Expect(const FileStatus& status, absl::string_view name,
                     hdfs::HdfsFileStatusProto& out) {
    const bool directory = status.directory;
    out.set_filetype(directory ? hdfs::HdfsFileStatusProto::IS_DIR
                               : hdfs::HdfsFileStatusProto::IS_FILE);
    out.set_path(std::string(name));
    out.set_length(directory ? 0 : status.length);
    out.mutable_permission()->set_perm(status.mode & 01777);
    out.set_owner(std::string(status.owner));
    out.set_group(std::string(status.group));
    out.set_modification_time(status.mtime_ms);
    out.set_access_time(directory ? 0 : status.atime_ms);
    out.set_block_replication(directory ? 0 : status.replication);
    out.set_blocksize(directory ? 0 : status.block_bytes);
    out.set_fileid(ToInt(status.id));
    out.set_childrennum(directory ? static_cast<int32_t>(status.children) : 0);
    out.set_storagepolicy(status.storage_policy);
    out.set_flags(status.erasure != nullptr ? 4 : 0);  // HAS_EC
    if (status.erasure != nullptr) Expect(*status.erasure, *out.mutable_ecpolicy());
    if (!directory) out.set_open(status.open);
    if (status.small_of != nullptr) Expect(*status.small_of, *out.mutable_smallof());
  }

  static void SetEmpty(hdfs::TokenProto& token) {
    token.set_identifier("");
    token.set_password("");
    token.set_kind("");
    token.set_service("");
  }

  static void ExpectUnits(const LocatedBlock& group, hdfs::LocatedBlockProto& out) {
    out.set_blockindices("");
    for (size_t i = 0; i < group.units.size(); ++i) {
      if (i < group.storages.size() && group.storages[i] != 1 && group.storages[i] != 2) continue;
      out.mutable_blockindices()->push_back(static_cast<char>(group.units[i]));
      SetEmpty(*out.add_blocktokens());
    }
  }

  static void Expect(const LocatedBlock& block, hdfs::LocatedBlockProto& out) {
    SetBlock(*out.mutable_b(), ToInt(block.block.id), ToInt(block.block.stamp), block.block.length);
    out.set_offset(block.offset);
    for (const uint32_t n : block.storages) {
      if (n != 1 && n != 2) continue;  // the cluster knows no other
      hdfs::DatanodeInfoProto& node = *out.add_locs();
      node.mutable_id()->set_ipaddr(absl::StrCat("10.0.0.", n));
      node.mutable_id()->set_hostname(absl::StrCat("host", n));
      node.mutable_id()->set_datanodeuuid(absl::StrCat("dn-", n));
      node.mutable_id()->set_xferport(9866);
      node.mutable_id()->set_infoport(9864);
      node.mutable_id()->set_ipcport(9867);
      node.set_location("/default-rack");
      out.add_iscached(false);
      out.add_storagetypes(static_cast<hdfs::StorageTypeProto>(n));
      out.add_storageids(absl::StrCat("DS-", n));
    }
    out.set_corrupt(block.corrupt);
    SetEmpty(*out.mutable_blocktoken());
    if (IsGrouped(block.block.id)) {
      out.mutable_blocktoken()->set_identifier("block group");
      ExpectUnits(block, out);
    }
  }

  static void Expect(const LocatedBlocks& blocks, hdfs::LocatedBlocksProto& out) {
    out.set_filelength(blocks.file_length);
    for (const LocatedBlock& block : blocks.blocks) Expect(block, *out.add_blocks());
    out.set_underconstruction(blocks.under_construction);
    if (blocks.last.has_value()) Expect(*blocks.last, *out.mutable_lastblock());
    out.set_islastblockcomplete(blocks.last_complete);
    if (blocks.contents != 0) out.set_contents(blocks.contents);
    if (blocks.converted_from != 0) out.set_convertedfrom(blocks.converted_from);
    if (blocks.erasure != nullptr) Expect(*blocks.erasure, *out.mutable_ecpolicy());
  }

  static LocatedBlock Block(uint64_t id, uint64_t offset, std::vector<uint32_t> storages) {
    LocatedBlock block;
    block.block = {BlockId{id}, GenerationStamp{1001}, 100};
    block.offset = offset;
    block.storages = std::move(storages);
    return block;
  }
  static LocatedBlock Group(std::vector<uint32_t> storages, std::vector<uint8_t> units) {
    LocatedBlock group = Block(ToInt(MakeGroupId(77)), 0, std::move(storages));
    group.units = std::move(units);
    group.erasure = &Policy(1);
    return group;
  }
  static const erasure::Policy& Policy(uint8_t id) { return *erasure::FindSystemPolicy(id); }

  hdfs::LocatedBlockProto Decoded(const LocatedBlock& block) {
    BackwardWriter w;
    PutLocatedBlock(w, 1, block, Context());
    hdfs::AddBlockResponseProto answer;
    EXPECT_TRUE(answer.ParseFromArray(w.view().data(), static_cast<int>(w.size())));
    return answer.block();
  }
};

TEST_F(EncodeTest, FileStatusIsWhatTheGeneratedCodeWrites) {
  FileStatus huge = SomeFile();
  huge.length = uint64_t{1} << 62;
  huge.replication = 512;
  huge.storage_policy = 12;
  huge.open = true;
  FileStatus root = SomeDirectory();
  root.id = kRootInode;
  FileStatus coded = SomeFile(), coded_directory = SomeDirectory();
  const erasure::Policy own = {.id = 64,
                               .name = "RS-12-4-64k",
                               .schema = {.data_units = 12, .parity_units = 4},
                               .cell_bytes = 64 << 10};
  coded.erasure = &Policy(1);
  coded_directory.erasure = &own;
  FileStatus small = SomeFile();
  small.small_of = &own;
  for (const FileStatus& status :
       {SomeFile(), SomeDirectory(), huge, root, FileStatus(), coded, coded_directory, small}) {
    for (const std::string& name : {std::string(), std::string("name"), std::string(255, '\xff')}) {
      hdfs::GetFileInfoResponseProto expected;
      Expect(status, name, *expected.mutable_fs());
      BackwardWriter w;
      PutFileStatus(w, 1, name, status);
      EXPECT_EQ(w.view(), expected.SerializeAsString());
    }
  }
}

TEST_F(EncodeTest, ListingOfAHundredIsWhatTheGeneratedCodeWrites) {
  Listing listing;
  listing.remaining = 7;
  hdfs::GetListingResponseProto expected;
  for (int i = 0; i < 100; ++i) {
    ListingEntry entry;
    entry.name = absl::StrCat("part-", i);
    entry.status = i % 3 == 0 ? SomeDirectory() : SomeFile();
    entry.status.id = InodeId{static_cast<uint64_t>(20000 + i * 1000)};
    Expect(entry.status, entry.name, *expected.mutable_dirlist()->add_partiallisting());
    listing.entries.push_back(std::move(entry));
  }
  expected.mutable_dirlist()->set_remainingentries(7);
  BackwardWriter w;
  PutListing(w, 1, listing, nullptr);
  EXPECT_EQ(w.view(), expected.SerializeAsString());
}

TEST_F(EncodeTest, ListingWithLocationsIsWhatTheGeneratedCodeWrites) {
  ListingEntry file;
  file.name = "f";
  file.status = SomeFile();
  file.located.emplace();
  file.located->file_length = 100;
  file.located->blocks = {Block(1073741825, 0, {1, 2})};
  file.located->last = file.located->blocks[0];
  file.located->last_complete = true;
  ListingEntry directory;
  directory.name = "g";
  directory.status = SomeDirectory();
  const Listing listing{.entries = {file, directory}, .remaining = 0};

  hdfs::GetListingResponseProto expected;
  hdfs::HdfsFileStatusProto& first = *expected.mutable_dirlist()->add_partiallisting();
  Expect(file.status, "f", first);
  Expect(*file.located, *first.mutable_locations());
  Expect(directory.status, "g", *expected.mutable_dirlist()->add_partiallisting());
  expected.mutable_dirlist()->set_remainingentries(0);
  BackwardWriter w;
  const BlockContext context = Context();
  PutListing(w, 1, listing, &context);
  EXPECT_EQ(w.view(), expected.SerializeAsString());
}

TEST_F(EncodeTest, LocatedBlocksAreWhatTheGeneratedCodeWrites) {
  LocatedBlocks blocks;
  blocks.file_length = 300;
  blocks.under_construction = true;
  blocks.blocks = {Block(1, 0, {1}), Block(2, 100, {2, 1}), Block(3, 200, {})};
  blocks.blocks[1].corrupt = true;
  blocks.last = Block(4, 300, {2});
  blocks.contents = 7;
  blocks.converted_from = 8;
  hdfs::GetBlockLocationsResponseProto expected;
  Expect(blocks, *expected.mutable_locations());
  BackwardWriter w;
  PutLocatedBlocks(w, 1, blocks, Context());
  EXPECT_EQ(w.view(), expected.SerializeAsString());
}

TEST_F(EncodeTest, BlockGroupsAreWhatTheGeneratedCodeWrites) {
  LocatedBlocks blocks;
  blocks.file_length = 1 << 30;
  blocks.blocks = {Group({1, 77, 2}, {0, 1, 8}), Group({}, {}), Group({2, 1}, {5, 0, 1, 2})};
  blocks.last = Group({1}, {15});
  blocks.last_complete = true;
  blocks.erasure = &Policy(3);
  hdfs::GetBlockLocationsResponseProto expected;
  Expect(blocks, *expected.mutable_locations());
  BackwardWriter w;
  PutLocatedBlocks(w, 1, blocks, Context());
  EXPECT_EQ(w.view(), expected.SerializeAsString());

  hdfs::GetFileInfoResponseProto with_locations;
  FileStatus status = SomeFile();
  status.erasure = blocks.erasure;
  Expect(status, "f", *with_locations.mutable_fs());
  Expect(blocks, *with_locations.mutable_fs()->mutable_locations());
  BackwardWriter file;
  PutLocatedFileStatus(file, 1, "f", status, blocks, Context());
  EXPECT_EQ(file.view(), with_locations.SerializeAsString());
}

TEST_F(EncodeTest, RandomLocatedBlocksAreWhatTheGeneratedCodeWrites) {
  const uint32_t seed = 20240611;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    LocatedBlocks blocks;
    blocks.file_length = random() >> (random() % 64);
    blocks.under_construction = random() % 2;
    blocks.last_complete = random() % 2;
    blocks.contents = random() >> (random() % 64);
    if (random() % 2) blocks.converted_from = random() >> (random() % 64);
    if (random() % 2) blocks.erasure = &Policy(static_cast<uint8_t>(1 + random() % 5));
    for (uint64_t i = random() % 4; i > 0; --i) {
      LocatedBlock block = Block(random() >> (random() % 64), random() >> (random() % 64), {});
      block.block.length = random() >> (random() % 64);
      block.corrupt = random() % 2;
      for (uint64_t n = random() % 6; n > 0; --n) {
        block.storages.push_back(static_cast<uint32_t>(random() % 4));
      }
      if (random() % 2) block.block.id = MakeGroupId(random() >> 5);
      if (IsGrouped(block.block.id)) block.units.resize(block.storages.size() + random() % 3);
      for (uint8_t& unit : block.units) unit = static_cast<uint8_t>(random() % 16);
      if (random() % 2) blocks.last = block;
      blocks.blocks.push_back(std::move(block));
    }
    hdfs::GetBlockLocationsResponseProto expected;
    Expect(blocks, *expected.mutable_locations());
    BackwardWriter w;
    PutLocatedBlocks(w, 1, blocks, Context());
    ASSERT_EQ(w.view(), expected.SerializeAsString()) << round;
  }
}

// Trap 6: a Java writer reads index 0 of the lists beside the locations; Rust panics without
// numBytes; proto2 throws when the token lacks one of its four empty parts.
TEST_F(EncodeTest, Trap6LocatedBlockHasParallelListsNumBytesAndAToken) {
  LocatedBlock block = Block(5, 0, {1, 77, 2});  // nobody knows storage 77
  block.block.length = 0;
  BackwardWriter w;
  PutLocatedBlock(w, 1, block, Context());
  hdfs::AddBlockResponseProto answer;
  ASSERT_TRUE(answer.ParseFromArray(w.view().data(), static_cast<int>(w.size())));
  const hdfs::LocatedBlockProto& located = answer.block();
  EXPECT_EQ(located.locs_size(), 2);
  EXPECT_EQ(located.storageids_size(), 2);
  EXPECT_EQ(located.storagetypes_size(), 2);
  EXPECT_EQ(located.iscached_size(), 2);
  EXPECT_EQ(located.storageids(1), "DS-2");
  EXPECT_EQ(located.locs(1).id().datanodeuuid(), "dn-2");
  EXPECT_TRUE(located.b().has_numbytes());
  EXPECT_TRUE(located.blocktoken().has_identifier());
  EXPECT_TRUE(located.blocktoken().has_service());
  EXPECT_FALSE(located.locs(0).id().hostname().empty());
  EXPECT_TRUE(located.locs(0).has_location());
}

// Both lists are read by the locations' indices, and clients take a block for a group by the first.
TEST_F(EncodeTest, UnitsOfAGroupGoWithTheLocationsThatAreTold) {
  const auto located = Decoded(Group({1, 77, 2}, {0, 1, 8}));  // nobody knows storage 77
  EXPECT_EQ(located.b().blockid(), kGroupBit | uint64_t{77} << 4);
  EXPECT_EQ(located.locs_size(), 2);
  EXPECT_EQ(located.storageids(1), "DS-2");
  EXPECT_EQ(located.blockindices(), std::string("\0\x8", 2));
  EXPECT_EQ(located.blocktokens_size(), 2);

  const auto nowhere = Decoded(Group({}, {}));
  EXPECT_TRUE(nowhere.has_blockindices());
  EXPECT_EQ(nowhere.blockindices(), "");
  EXPECT_FALSE(Decoded(Block(5, 0, {1})).has_blockindices());

  const auto placeless = Decoded(Group({2}, {3, 4, 5}));
  EXPECT_EQ(placeless.locs_size(), 1);
  EXPECT_EQ(placeless.blockindices(), "\x3\x4\x5");
  EXPECT_EQ(placeless.blocktokens_size(), 3);
}

TEST_F(EncodeTest, PoliciesAreWhatTheGeneratedCodeWritesAndStatesAreForReports) {
  for (const erasure::Policy& policy : erasure::SystemPolicies()) {
    hdfs::GetErasureCodingPolicyResponseProto expected;
    Expect(policy, *expected.mutable_ecpolicy());
    BackwardWriter w;
    PutErasurePolicy(w, 1, policy);
    EXPECT_EQ(w.view(), expected.SerializeAsString());

    hdfs::ErasureCodingPolicyProto filled;
    FillErasurePolicy({&policy, ErasurePolicyState::kRemoved}, filled);
    expected.mutable_ecpolicy()->set_state(hdfs::EC_POLICY_REMOVED);
    EXPECT_EQ(filled.SerializeAsString(), expected.ecpolicy().SerializeAsString());
  }
}

TEST_F(EncodeTest, StorageTypesThatOldClientsCannotDecodeAreToldAsDisk) {
  EXPECT_EQ(ClientStorageType(2), hdfs::STORAGE_TYPE_SSD);
  EXPECT_EQ(ClientStorageType(5), hdfs::STORAGE_TYPE_PROVIDED);
  EXPECT_EQ(ClientStorageType(6), hdfs::STORAGE_TYPE_DISK);  // NVDIMM
  EXPECT_EQ(ClientStorageType(0), hdfs::STORAGE_TYPE_DISK);
  EXPECT_EQ(ClientStorageType(~0u), hdfs::STORAGE_TYPE_DISK);
}

// Trap 8: clients loop for ever when entries are said to follow an unreadable count.
TEST_F(EncodeTest, Trap8CountsThatDoNotFitAreCutToWhatJavaReads) {
  Listing listing;
  listing.remaining = uint64_t{1} << 40;
  listing.entries.push_back({.name = "d", .status = SomeDirectory()});
  listing.entries[0].status.children = uint64_t{1} << 40;
  BackwardWriter w;
  PutListing(w, 1, listing, nullptr);
  hdfs::GetListingResponseProto answer;
  ASSERT_TRUE(answer.ParseFromArray(w.view().data(), static_cast<int>(w.size())));
  EXPECT_EQ(answer.dirlist().remainingentries(), 0x7fffffffu);
  EXPECT_EQ(answer.dirlist().partiallisting(0).childrennum(), 0x7fffffff);
}

// Trap 13: a present ecPolicy or fileEncryptionInfo sends clients to other readers, so that a file
// which is only replicated has neither; an absent keyProviderUri sends Java to a key server.
TEST_F(EncodeTest, Trap13WhatIsOffIsAbsentAndTheKeyProviderIsPresentAndEmpty) {
  BackwardWriter w;
  LocatedBlocks located;
  PutLocatedFileStatus(w, 1, "", SomeFile(), located, Context());
  hdfs::GetFileInfoResponseProto answer;
  ASSERT_TRUE(answer.ParseFromArray(w.view().data(), static_cast<int>(w.size())));
  EXPECT_FALSE(answer.fs().has_ecpolicy());
  EXPECT_FALSE(answer.fs().has_fileencryptioninfo());
  EXPECT_FALSE(answer.fs().has_symlink());
  ASSERT_TRUE(answer.fs().has_locations());
  EXPECT_FALSE(answer.fs().locations().has_ecpolicy());
  EXPECT_FALSE(answer.fs().locations().has_fileencryptioninfo());
  EXPECT_FALSE(answer.fs().locations().has_lastblock());

  hdfs::FsServerDefaultsProto defaults;
  FillServerDefaults(ServerDefaults(), defaults);
  EXPECT_TRUE(defaults.has_keyprovideruri());
  EXPECT_EQ(defaults.keyprovideruri(), "");
  EXPECT_EQ(defaults.checksumtype(), hdfs::CHECKSUM_CRC32C);
  EXPECT_TRUE(defaults.IsInitialized());
}

// Trap 17: 0 means "no id" to clients, whose table of leases is keyed by it.
TEST_F(EncodeTest, Trap17FileIdIsTheInodeNumber) {
  BackwardWriter w;
  PutFileStatus(w, 1, "", SomeFile());
  hdfs::GetFileInfoResponseProto answer;
  ASSERT_TRUE(answer.ParseFromArray(w.view().data(), static_cast<int>(w.size())));
  EXPECT_EQ(answer.fs().fileid(), 16390u);
}

TEST_F(EncodeTest, QuotasThatAreNotSetAreMinusOne) {
  const ContentSummary summary{.length = 10, .files = 2, .directories = 3, .space = 30};
  hdfs::ContentSummaryProto content;
  FillContentSummary(summary, content);
  EXPECT_EQ(static_cast<int64_t>(content.quota()), -1);
  EXPECT_EQ(static_cast<int64_t>(content.spacequota()), -1);
  EXPECT_EQ(content.spaceconsumed(), 30u);
  EXPECT_EQ(content.length(), 10u);
  hdfs::QuotaUsageProto usage;
  FillQuotaUsage(summary, usage);
  EXPECT_EQ(usage.fileanddirectorycount(), 5u);
  EXPECT_EQ(static_cast<int64_t>(usage.quota()), -1);
  EXPECT_TRUE(usage.IsInitialized());
}

TEST_F(EncodeTest, ReportLeavesFailedStoragesOutOfTheSums) {
  DatanodeInfo node;
  node.storages.resize(2);
  node.storages[0] = {.uuid = "DS-a",
                      .type = 2,
                      .capacity_bytes = 100,
                      .used_bytes = 30,
                      .remaining_bytes = 60,
                      .blocks = 4};
  node.storages[1] = {.uuid = "DS-b", .capacity_bytes = 100, .failed = true};
  hdfs::DatanodeStorageReportProto report;
  FillStorageReports(node, report);
  EXPECT_TRUE(report.IsInitialized());
  EXPECT_EQ(report.datanodeinfo().capacity(), 100u);
  EXPECT_EQ(report.datanodeinfo().numblocks(), 4u);
  ASSERT_EQ(report.storagereports_size(), 2);
  EXPECT_EQ(report.storagereports(0).storage().storagetype(), hdfs::STORAGE_TYPE_SSD);
  EXPECT_TRUE(report.storagereports(1).failed());
}

}  // namespace
}  // namespace cairn::namenode
