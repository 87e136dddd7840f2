// Files that are replicated as long as they are small, through libcairn: what ends where, and by
// which calls.
#include "client/small_file_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/copy_name.h"
#include "client/erasure_convert.h"
#include "client/testing/fake_namenode.h"
#include "client/testing/group_streams_fixture.h"
#include "common/fs_error.h"
#include "proto/client.pb.h"

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kFileInode = 17000;  // of every file that the fakes have
constexpr uint64_t kCopyInode = 17001;
constexpr char kFileById[] = "/.reserved/.inodes/17000";
constexpr char kCopyById[] = "/.reserved/.inodes/17001";

// One file, /f, which is on the one fake while it is replicated, and on the other once it is coded.
class SmallFilesNamenode {
 public:
  std::unique_ptr<FileSystem> Connect(ClientOptions options) {
    return FileSystem::Over(FakeContext(
        [this](absl::string_view method, const std::string& request,
               google::protobuf::MessageLite& response) {
          return Handle(method, request, response);
        },
        std::move(options), SystemClock(),
        [this](absl::string_view method, const std::string& request,
               google::protobuf::MessageLite& response) {
          (void)response;
          return HandleCairn(method, request);
        }));
  }

  // The next answers of codeSmallFile, one each; after `done` calls that take effect.
  struct Refusal {
    absl::Status status;
    bool done = false;  // it was carried out, and the answer says otherwise
    bool late = false;  // only after the next getFileInfo was answered
  };
  void Refuse(Refusal refusal) {
    MutexLock lock(mu_);
    refusals_.push_back(std::move(refusal));
  }
  void RefuseCopies() {
    MutexLock lock(mu_);
    refusing_copies_ = true;
  }
  std::vector<client_calls::CodeSmallFileRequest> Requests() const {
    MutexLock lock(mu_);
    return requests_;
  }
  std::vector<std::string> Deleted() const {
    MutexLock lock(mu_);
    return deleted_;
  }
  bool is_coded() const {
    MutexLock lock(mu_);
    return coded_;
  }
  FakeCluster& replicated() { return replicated_; }
  FakeGroups& groups() { return groups_; }

 private:
  absl::Status Handle(absl::string_view method, const std::string& bytes,
                      google::protobuf::MessageLite& response) {
    MutexLock lock(mu_);
    if (method == "create") return Create(bytes, response);
    if (method == "append") {
      if (coded_) return groups_.Answer(method, bytes, response);
      RETURN_IF_ERROR(replicated_.Answer(method, bytes, response));
      MarkSmall(*As<hdfs::AppendResponseProto>(response).mutable_stat());
      return absl::OkStatus();
    }
    if (method == "getFileInfo") {
      hdfs::HdfsFileStatusProto& status =
          *As<hdfs::GetFileInfoResponseProto>(response).mutable_fs();
      status = FakeStatus();
      if (coded_ && !std::exchange(late_, false)) *status.mutable_ecpolicy() = ToProto(policy_);
      return absl::OkStatus();
    }
    if (method == "getBlockLocations") {
      auto request = Parse<hdfs::GetBlockLocationsRequestProto>(bytes);
      if (request.src() == kFileById) request.set_src("/f");
      return replicated_.Answer(method, request.SerializeAsString(), response);
    }
    if (method == "delete") {
      deleted_.push_back(Parse<hdfs::DeleteRequestProto>(bytes).src());
      As<hdfs::DeleteResponseProto>(response).set_result(true);
      return absl::OkStatus();
    }
    if (IsOfGroups(method, bytes)) return groups_.Answer(method, bytes, response);
    return replicated_.Answer(method, bytes, response);
  }

  absl::Status Create(const std::string& bytes, google::protobuf::MessageLite& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto request = Parse<hdfs::CreateRequestProto>(bytes);
    hdfs::HdfsFileStatusProto& made = *As<hdfs::CreateResponseProto>(response).mutable_fs();
    if (!request.ecpolicyname().empty()) {
      EXPECT_EQ(request.ecpolicyname(), policy_.name);
      EXPECT_EQ(request.src(), absl::StrCat(kFileById, "/../", ToName(CopyNameOf(kFileInode))));
      EXPECT_FALSE(request.createparent());
      if (refusing_copies_) return MakeFsError(FsError::kAccessControl, "not here");
      request.set_src(kCopyById);
      RETURN_IF_ERROR(groups_.Answer("create", request.SerializeAsString(), response));
      made.set_fileid(kCopyInode);
      return absl::OkStatus();
    }
    coded_ = !request.replicatewhilesmall();
    if (coded_) return groups_.Answer("create", bytes, response);
    RETURN_IF_ERROR(replicated_.Answer("create", bytes, response));
    MarkSmall(made);
    return absl::OkStatus();
  }

  bool IsOfGroups(absl::string_view method, const std::string& bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    std::string path;
    if (method == "addBlock") path = Parse<hdfs::AddBlockRequestProto>(bytes).src();
    if (method == "abandonBlock") path = Parse<hdfs::AbandonBlockRequestProto>(bytes).src();
    if (method == "fsync") path = Parse<hdfs::FsyncRequestProto>(bytes).src();
    if (method == "complete") path = Parse<hdfs::CompleteRequestProto>(bytes).src();
    return path == kCopyById || (path == "/f" && coded_);
  }

  void MarkSmall(hdfs::HdfsFileStatusProto& status) {
    *status.mutable_smallof() = ToProto(policy_);
  }

  absl::Status HandleCairn(absl::string_view method, const std::string& bytes) {
    EXPECT_EQ(method, "codeSmallFile");
    MutexLock lock(mu_);
    requests_.push_back(Parse<client_calls::CodeSmallFileRequest>(bytes));
    const client_calls::CodeSmallFileRequest& request = requests_.back();
    EXPECT_EQ(request.path(), "/f");
    EXPECT_EQ(request.inode(), kFileInode);
    EXPECT_FALSE(request.client_name().empty());
    Refusal refusal;
    if (!refusals_.empty()) {
      refusal = std::move(refusals_.front());
      refusals_.erase(refusals_.begin());
      if (!refusal.done) return refusal.status;
    }
    if (request.source().empty()) {
      hdfs::CreateRequestProto made;
      made.set_src("/f");
      made.mutable_masked()->set_perm(0644);
      made.set_clientname("c");
      made.set_createflag(1);
      made.set_createparent(true);
      made.set_replication(1);
      made.set_blocksize(kUnitBytes);
      hdfs::CreateResponseProto ignored;
      RETURN_IF_ERROR(groups_.Answer("create", made.SerializeAsString(), ignored));
    } else {
      EXPECT_EQ(request.source(), kCopyById);
      groups_.Take(kCopyById, "/f");
    }
    coded_ = true;
    late_ = refusal.late;
    return refusal.status;
  }

  const erasure::Policy policy_ = SmallCells(3, 2);
  FakeCluster replicated_{4};
  FakeGroups groups_{policy_, 7};
  mutable Mutex mu_;
  bool coded_ ABSL_GUARDED_BY(mu_) = false;
  bool late_ ABSL_GUARDED_BY(mu_) = false;
  bool refusing_copies_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Refusal> refusals_ ABSL_GUARDED_BY(mu_);
  std::vector<client_calls::CodeSmallFileRequest> requests_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> deleted_ ABSL_GUARDED_BY(mu_);
};

class SmallFileWriterTest : public GroupStreamsTest {
 protected:
  void Put(OutputStream& out, uint64_t bytes) {
    const std::string more = RandomBytes(bytes);
    for (size_t at = 0; at < more.size(); at += 300) {
      ASSERT_OK(out.Write(absl::string_view(more).substr(at, 300)));
    }
    data_ += more;
  }
  std::unique_ptr<OutputStream> Create() {
    data_.clear();
    auto out = fs_->Create("/f");
    EXPECT_OK(out);
    return *std::move(out);
  }
  void ExpectReplicated() {
    EXPECT_FALSE(namenode_.is_coded());
    EXPECT_TRUE(namenode_.replicated().Contents("/f") == data_);
    EXPECT_TRUE(namenode_.replicated().ReplicasAgree("/f"));
  }
  // In groups of so many bytes.
  void ExpectCoded(const std::vector<uint64_t>& groups) {
    EXPECT_TRUE(namenode_.is_coded());
    ExpectStored(namenode_.groups(), SmallCells(3, 2), data_);
    std::vector<uint64_t> found;
    for (const FakeGroups::Group& group : namenode_.groups().Groups("/f")) {
      found.push_back(group.bytes);
    }
    EXPECT_EQ(found, groups);
    EXPECT_THAT(namenode_.Deleted(), IsEmpty());
  }

  SmallFilesNamenode namenode_;
  std::unique_ptr<FileSystem> fs_ = namenode_.Connect(Options());
  std::string data_;
};

TEST_F(SmallFileWriterTest, UpToACellItHasReplicas) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, kCell - 1, kCell}) {
    SCOPED_TRACE(absl::StrCat(bytes, " bytes"));
    const auto out = Create();
    Put(*out, bytes);
    ASSERT_OK(out->Close());
    EXPECT_EQ(out->position(), bytes);
    ExpectReplicated();
    EXPECT_EQ(namenode_.replicated().BlockCount("/f"), bytes == 0 ? 0u : 1u);
  }
  EXPECT_THAT(namenode_.Requests(), IsEmpty());
}

TEST_F(SmallFileWriterTest, BeyondThatItIsCodedFromItsFirstByte) {
  const std::vector<std::pair<uint64_t, std::vector<uint64_t>>> cases = {
      {kCell + 1, {kCell + 1}},
      {kStripeBytes, {kStripeBytes}},
      {kGroupBytes + 1, {kGroupBytes, 1}}};
  for (const auto& [bytes, groups] : cases) {
    SCOPED_TRACE(absl::StrCat(bytes, " bytes"));
    const auto out = Create();
    Put(*out, bytes);
    ASSERT_OK(out->Close());
    ExpectCoded(groups);
  }
  ASSERT_THAT(namenode_.Requests(), SizeIs(3));
  EXPECT_TRUE(namenode_.Requests()[0].source().empty());
  EXPECT_EQ(namenode_.replicated().Calls("addBlock"), 0);
}

TEST_F(SmallFileWriterTest, OneLargeWriteIsCodedToo) {
  const auto out = Create();
  data_ = RandomBytes(2 * kStripeBytes + 5);
  ASSERT_OK(out->Write(data_));
  ASSERT_OK(out->Close());
  ExpectCoded({2 * kStripeBytes + 5});
}

TEST_F(SmallFileWriterTest, NothingIsSentBeforeAFlushOrTheEnd) {
  const auto out = Create();
  Put(*out, kCell);
  EXPECT_EQ(namenode_.replicated().Calls("addBlock"), 0);
  ASSERT_OK(out->Hflush());
  EXPECT_EQ(namenode_.replicated().Calls("addBlock"), 1);
  EXPECT_EQ(namenode_.replicated().Calls("fsync"), 1);
  EXPECT_EQ(namenode_.replicated().BytesReceived("/f"), kCell);
  ASSERT_OK(out->Close());
  ExpectReplicated();
}

TEST_F(SmallFileWriterTest, FlushesOfASmallFileGoOnInItsBlock) {
  const auto out = Create();
  ASSERT_OK(out->Hsync()) << "of nothing";
  for (int i = 0; i < 5; ++i) {
    Put(*out, 100);
    ASSERT_OK(out->Hsync());
  }
  ASSERT_OK(out->Close());
  ExpectReplicated();
  EXPECT_EQ(namenode_.replicated().BlockCount("/f"), 1u);
  EXPECT_THAT(namenode_.replicated().SyncedAtEnd("/f"), ElementsAre(true));
}

TEST_F(SmallFileWriterTest, WhatWasFlushedIsCopiedWhenItGrows) {
  for (const bool sync : {false, true}) {
    const auto out = Create();
    Put(*out, 100);
    ASSERT_OK(sync ? out->Hsync() : out->Hflush());
    Put(*out, 300);
    EXPECT_FALSE(namenode_.is_coded());
    const std::string more = RandomBytes(kCell);
    ASSERT_OK(out->Write(more));
    data_ += more;
    EXPECT_TRUE(namenode_.is_coded());
    const client_calls::CodeSmallFileRequest request = namenode_.Requests().back();
    EXPECT_EQ(request.source(), kCopyById);
    EXPECT_EQ(request.last().length(), 400u) << "the old block was ended";
    Put(*out, kStripeBytes);
    ASSERT_OK(out->Close());
    ExpectCoded({400, kCell + kStripeBytes});
    const std::vector<FakeGroups::Group> groups = namenode_.groups().Groups("/f");
    ASSERT_THAT(groups, SizeIs(2));
    EXPECT_TRUE(groups[0].units[0].synced) << "its old block may have been, and goes";
    EXPECT_EQ(groups[1].units[0].synced, sync);
  }
}

TEST_F(SmallFileWriterTest, AnAppendThatStaysSmallGoesOnInTheBlock) {
  auto out = Create();
  Put(*out, 500);
  ASSERT_OK(out->Close());
  ASSERT_OK_AND_ASSIGN(out, fs_->Append("/f"));
  Put(*out, kCell - 500);
  ASSERT_OK(out->Close());
  EXPECT_EQ(out->position(), kCell);
  ExpectReplicated();
  EXPECT_EQ(namenode_.replicated().BlockCount("/f"), 1u);
  EXPECT_THAT(namenode_.Requests(), IsEmpty());
}

TEST_F(SmallFileWriterTest, AnAppendThatGrowsIsCodedWithWhatWasThere) {
  auto out = Create();
  Put(*out, 500);
  ASSERT_OK(out->Close());
  ASSERT_OK_AND_ASSIGN(out, fs_->Append("/f"));
  const std::string more = RandomBytes(kCell);
  ASSERT_OK(out->Write(more));
  data_ += more;
  ASSERT_OK(out->Close());
  EXPECT_EQ(namenode_.Requests().back().last().length(), 500u);
  ExpectCoded({500, kCell});
  EXPECT_EQ(out->position(), data_.size());
}

// By one who does not know of small files; to copy all of it now would take as long as it is long.
TEST_F(SmallFileWriterTest, OneThatIsLargeAlreadyStaysReplicated) {
  ClientOptions generous = Options();
  generous.small_file_bytes = 8 * kCell;
  const auto other = namenode_.Connect(generous);
  ASSERT_OK_AND_ASSIGN(auto out, other->Create("/f"));
  Put(*out, 3 * kCell);
  ASSERT_OK(out->Close());
  ASSERT_OK_AND_ASSIGN(out, fs_->Append("/f"));
  Put(*out, kStripeBytes);
  ASSERT_OK(out->Close());
  ExpectReplicated();
  EXPECT_THAT(namenode_.Requests(), IsEmpty());
}

TEST_F(SmallFileWriterTest, WhatCannotBeCodedStaysReplicated) {
  for (const bool flushed : {false, true}) {
    SCOPED_TRACE(flushed ? "flushed" : "not flushed");
    namenode_.Refuse({.status = MakeFsError(FsError::kUnsupported, "it is off")});
    const auto out = Create();
    Put(*out, 100);
    if (flushed) {
      ASSERT_OK(out->Hflush());
    }
    Put(*out, 2 * kStripeBytes);
    ASSERT_OK(out->Hflush());
    Put(*out, kStripeBytes);
    ASSERT_OK(out->Close());
    ExpectReplicated();
  }
  EXPECT_THAT(namenode_.Requests(), SizeIs(2)) << "each was tried once";
  EXPECT_THAT(namenode_.Deleted(), ElementsAre(kCopyById));
}

TEST_F(SmallFileWriterTest, SoDoesOneWhereNoCopyCanBeMade) {
  namenode_.RefuseCopies();
  const auto out = Create();
  Put(*out, 100);
  ASSERT_OK(out->Hflush());
  Put(*out, 2 * kStripeBytes);
  ASSERT_OK(out->Close());
  ExpectReplicated();
  EXPECT_THAT(namenode_.Requests(), IsEmpty());
}

// The namenode would not take it, and the writer would wait for that in vain.
TEST_F(SmallFileWriterTest, ACopyThatLacksAUnitIsNotOffered) {
  namenode_.groups().OfferAtMost(4);
  const auto out = Create();
  Put(*out, 100);
  ASSERT_OK(out->Hflush());
  Put(*out, 2 * kStripeBytes);
  ASSERT_OK(out->Close());
  ExpectReplicated();
  EXPECT_THAT(namenode_.Requests(), IsEmpty());
  EXPECT_THAT(namenode_.Deleted(), ElementsAre(kCopyById));
}

// A flipped bit would become one with a checksum that is right, and the other replicas would go.
TEST_F(SmallFileWriterTest, WhatIsReadUncheckedIsNotWrittenAnew) {
  auto out = Create();
  Put(*out, 500);
  ASSERT_OK(out->Close());
  ClientOptions unchecked = Options();
  unchecked.verify_checksums = false;
  const auto other = namenode_.Connect(unchecked);
  ASSERT_OK_AND_ASSIGN(out, other->Append("/f"));
  Put(*out, kCell);
  ASSERT_OK(out->Close());
  ExpectReplicated();
  EXPECT_THAT(namenode_.Requests(), IsEmpty());
}

TEST_F(SmallFileWriterTest, WhoCouldNotCodeItMayAppendAllTheSame) {
  ASSERT_OK(Create()->Close());
  ClientOptions coarse = Options();
  coarse.bytes_per_checksum = 2 * kCell;
  const auto other = namenode_.Connect(coarse);
  EXPECT_THAT(other->Create("/f").status(), StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_OK(Create()->Close());
  ASSERT_OK_AND_ASSIGN(const auto out, other->Append("/f"));
  Put(*out, 2 * kStripeBytes);
  ASSERT_OK(out->Close());
  ExpectReplicated();
  EXPECT_THAT(namenode_.Requests(), IsEmpty());
}

TEST_F(SmallFileWriterTest, UnitsThatAreNotReportedYetAreWaitedFor) {
  for (int i = 0; i < 2; ++i) {
    namenode_.Refuse({.status = MakeFsError(FsError::kNotReplicatedYet, "wait")});
  }
  const auto out = Create();
  Put(*out, 100);
  ASSERT_OK(out->Hflush());
  Put(*out, kCell);
  ASSERT_OK(out->Close());
  EXPECT_THAT(namenode_.Requests(), SizeIs(3));
  EXPECT_TRUE(namenode_.is_coded());
}

TEST_F(SmallFileWriterTest, AnAnswerThatWasLostIsFoundOut) {
  for (const bool flushed : {false, true}) {
    SCOPED_TRACE(flushed ? "flushed" : "not flushed");
    namenode_.Refuse(
        {.status = MakeFsError(FsError::kIllegalArgument, "it is no small file"), .done = true});
    const auto out = Create();
    Put(*out, 100);
    if (flushed) {
      ASSERT_OK(out->Hflush());
    }
    const std::string more = RandomBytes(kCell);
    ASSERT_OK(out->Write(more));
    data_ += more;
    ASSERT_OK(out->Close());
    if (flushed) {
      ExpectCoded({100, kCell});
    } else {
      ExpectCoded({100 + kCell});
    }
  }
}

// The file may be of either form: whatever was sent next could be wrong.
TEST_F(SmallFileWriterTest, WithoutAnAnswerTheStreamEnds) {
  namenode_.Refuse({.status = absl::DeadlineExceededError("no answer")});
  const auto out = Create();
  const std::string large(2 * kCell, 'x');
  EXPECT_THAT(out->Write(large), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(out->Close(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

// A call that was given up, and is carried out when nobody waits for it any more.
TEST_F(SmallFileWriterTest, AGroupIsNotTakenForABlockWithReplicas) {
  namenode_.Refuse(
      {.status = MakeFsError(FsError::kIllegalArgument, "not yet"), .done = true, .late = true});
  const auto out = Create();
  EXPECT_THAT(out->Write(std::string(2 * kCell, 'x')), StatusIs(absl::StatusCode::kInternal));
  EXPECT_TRUE(namenode_.groups().Groups("/f").at(0).units.at(0).bytes.empty());
}

TEST_F(SmallFileWriterTest, AnEndOfABlockIsOneOfASmallFileToo) {
  const auto out = Create();
  Put(*out, 100);
  ASSERT_OK(out->EndBlock());
  Put(*out, 100);
  ASSERT_OK(out->Close());
  ExpectReplicated();
  EXPECT_EQ(namenode_.replicated().BlockCount("/f"), 2u);
}

TEST_F(SmallFileWriterTest, WhereItIsOffOrNotWantedNobodyIsAskedForIt) {
  ClientOptions off = Options();
  off.small_file_bytes = 0;
  const auto fs = namenode_.Connect(off);
  data_.clear();
  ASSERT_OK_AND_ASSIGN(auto out, fs->Create("/f"));
  Put(*out, 10);
  ASSERT_OK(out->Close());
  ExpectCoded({10});
  ASSERT_OK_AND_ASSIGN(out, fs_->Create("/f", {.should_replicate = true}));
  EXPECT_TRUE(namenode_.is_coded()) << "the fake codes what it is not asked to keep small";
  EXPECT_THAT(namenode_.Requests(), IsEmpty());
}

}  // namespace
}  // namespace cairn::client
