#include "bench/rpc_operations.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "common/check.h"
#include "proto/hdfs/client_namenode.pb.h"
#include "wire/rpc/wire_reader.h"

namespace cairn::bench {
namespace {

constexpr uint64_t kBlockBytes = uint64_t{128} << 20;
constexpr uint64_t kPrefetchBytes = 10 * kBlockBytes;  // what a Java client asks for at open
constexpr char kLeaseHolder[] = "rpc_bench";

// The last length-delimited field `number`; without data if there is none.
absl::string_view BytesField(absl::string_view message, uint32_t number) {
  rpc::WireReader reader(message);
  absl::string_view found;
  uint32_t field = 0;
  for (rpc::WireType type; reader.ReadTag(&field, &type);) {
    const bool wanted = field == number && type == rpc::kLengthDelimited;
    if (wanted ? !reader.ReadBytes(&found) : !reader.Skip(field, type)) return {};
  }
  return found;
}

uint64_t NumberField(absl::string_view message, uint32_t number) {
  rpc::WireReader reader(message);
  uint64_t found = 0;
  uint32_t field = 0;
  for (rpc::WireType type; reader.ReadTag(&field, &type);) {
    const bool wanted = field == number && type == rpc::kVarint;
    if (wanted ? !reader.ReadVarint(&found) : !reader.Skip(field, type)) return 0;
  }
  return found;
}

// Field numbers are those of proto/hdfs. Answers are not parsed into messages: that would cost the
// client more than most of them cost the server.
bool IsTrue(absl::string_view answer) { return NumberField(answer, 1) == 1; }
bool HasField1(absl::string_view answer) { return BytesField(answer, 1).data() != nullptr; }
uint64_t FileIdOf(absl::string_view create_answer) {
  return NumberField(BytesField(create_answer, 1), 13);
}
bool ListsAll(absl::string_view answer, uint64_t entries) {
  rpc::WireReader page(BytesField(answer, 1));
  uint64_t found = 0;
  uint32_t field = 0;
  for (rpc::WireType type; page.ReadTag(&field, &type);) {
    if (field == 1) ++found;
    if (!page.Skip(field, type)) return false;
  }
  return found == entries;
}

// `fill`(item, previous answer, request) sets every field that it ever sets: the request is reused.
template <typename Request, typename Fill>
Step MakeStep(absl::string_view method, Fill fill, std::function<bool(absl::string_view)> check) {
  return {method,
          [fill, request = Request()](uint64_t item, absl::string_view previous,
                                      std::string* bytes) mutable {
            fill(item, previous, request);
            CHECK(request.SerializeToString(bytes));
          },
          std::move(check)};
}

}  // namespace

Operation GetFileInfo(const PathOf& path) {
  return {MakeStep<hdfs::GetFileInfoRequestProto>(
      "getFileInfo", [path](uint64_t i, absl::string_view, auto& r) { r.set_src(path(i)); },
      &HasField1)};
}

Operation GetBlockLocations(const PathOf& path) {
  return {MakeStep<hdfs::GetBlockLocationsRequestProto>(
      "getBlockLocations",
      [path](uint64_t i, absl::string_view, auto& r) {
        r.set_src(path(i));
        r.set_offset(0);
        r.set_length(kPrefetchBytes);
      },
      &HasField1)};
}

Operation GetListing(const PathOf& path, uint64_t entries) {
  return {MakeStep<hdfs::GetListingRequestProto>(
      "getListing",
      [path](uint64_t i, absl::string_view, auto& r) {
        r.set_src(path(i));
        r.set_startafter("");
        r.set_needlocation(false);
      },
      [entries](absl::string_view answer) { return ListsAll(answer, entries); })};
}

Operation Mkdirs(const PathOf& path) {
  return {MakeStep<hdfs::MkdirsRequestProto>(
      "mkdirs",
      [path](uint64_t i, absl::string_view, auto& r) {
        r.set_src(path(i));
        r.mutable_masked()->set_perm(0755);
        r.mutable_unmasked()->set_perm(0755);
        r.set_createparent(true);
      },
      &IsTrue)};
}

Operation Create(const PathOf& path) {
  return {MakeStep<hdfs::CreateRequestProto>(
              "create",
              [path](uint64_t i, absl::string_view, auto& r) {
                r.set_src(path(i));
                r.mutable_masked()->set_perm(0644);
                r.mutable_unmasked()->set_perm(0644);
                r.set_clientname(kLeaseHolder);
                r.set_createflag(hdfs::CREATE_FLAG_CREATE);
                r.set_createparent(true);
                r.set_replication(1);
                r.set_blocksize(kBlockBytes);
              },
              &HasField1),
          MakeStep<hdfs::CompleteRequestProto>(
              "complete",
              [path](uint64_t i, absl::string_view created, auto& r) {
                r.set_src(path(i));
                r.set_clientname(kLeaseHolder);
                r.set_fileid(FileIdOf(created));
              },
              &IsTrue)};
}

Operation Rename(const PathOf& from, const PathOf& to) {
  return {MakeStep<hdfs::RenameRequestProto>(
      "rename",
      [from, to](uint64_t i, absl::string_view, auto& r) {
        r.set_src(from(i));
        r.set_dst(to(i));
      },
      &IsTrue)};
}

Operation Delete(const PathOf& path, bool recursive) {
  return {MakeStep<hdfs::DeleteRequestProto>(
      "delete",
      [path, recursive](uint64_t i, absl::string_view, auto& r) {
        r.set_src(path(i));
        r.set_recursive(recursive);
      },
      &IsTrue)};
}

}  // namespace cairn::bench
