#include "tests/load/writer.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "tests/load/content.h"

namespace cairn::load {
namespace {

constexpr uint64_t kChunk = 96 << 10;  // not a multiple of packet or checksum chunk count
constexpr size_t kMoreThings = 50;
constexpr uint64_t kSmallFileBytes = 3000;
constexpr size_t kMostSources = 3;   // of a concat
constexpr size_t kNeighbours = 100;  // looked at for them

// Clear answers that cannot be right for paths that only this writer touches.
bool IsWrong(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

// Marks what a writer does for as long as it does it.
class Doing {
 public:
  Doing(std::atomic<Writer::Activity>& activity, Writer::Activity what) : activity_(activity) {
    activity_.store(what, std::memory_order_relaxed);
  }
  ~Doing() { activity_.store(Writer::Activity::kNone, std::memory_order_relaxed); }
  Doing(const Doing&) = delete;
  Doing& operator=(const Doing&) = delete;

 private:
  std::atomic<Writer::Activity>& activity_;
};

}  // namespace

Writer::Writer(const WriterOptions& options, client::FileSystem& fs, Trace& trace, Board& board)
    : options_(options), fs_(fs), trace_(trace), board_(board), random_(options.seed) {}

absl::Status Writer::Start() { return fs_.Mkdirs(options_.directory); }

bool Writer::Chance(double probability) {
  return std::bernoulli_distribution(probability)(random_);
}

uint64_t Writer::Draw(uint64_t below) { return random_() % below; }

void Writer::Step() {
  if (model_.things().size() > most_things_) {
    // What a failed writer left open, and what is in doubt or around it, stays: there is more of it
    // after each crash, and the others must not be crowded out.
    if (!DeleteThing()) most_things_ += kMoreThings;
    return;
  }
  if (!truncating_.empty() && Chance(0.25)) SettleTruncation();
  const uint64_t draw = Draw(100);
  if (options_.data) {
    if (draw < 40) return CreateFile(Draw(options_.most_file_bytes));
    if (draw < 62) return AppendFile();
  }
  if (draw < (options_.data ? 66 : 58)) return Mkdir();
  if (draw < 76) return CreateFile(Chance(0.3) ? 0 : Draw(kSmallFileBytes));
  if (draw < 81) return RenameThing();
  if (draw < 85) return RenameOver();
  if (draw < 88) return ConcatFiles();
  if (draw < 92) return TruncateFile();
  if (draw < 95) return ChangeMode();
  (void)DeleteThing();
}

std::string Writer::NewPath() {
  const std::string parent = Chance(0.5) ? Pick(/*directory=*/true) : "";
  return absl::StrCat(parent.empty() ? options_.directory : parent, "/n", next_name_++);
}

std::string Writer::Pick(bool directory) {
  const auto& things = model_.things();
  if (things.empty()) return "";
  // From a name that may have been given on; a walk to the nth would be most of the load's work.
  auto at = things.lower_bound(absl::StrCat(options_.directory, "/n", Draw(next_name_)));
  for (size_t tried = 0; tried < things.size(); ++tried, ++at) {
    if (at == things.end()) at = things.begin();
    if (at->second.directory != directory || !at->second.closed) continue;
    if (directory && model_.InDoubtBelow(at->first)) continue;
    return at->first;
  }
  return "";
}

bool Writer::Judge(const char* operation, const std::string& path, const absl::Status& status) {
  trace_.Line(absl::StrCat(status.ok() ? "ok " : "fail ", operation, " ", path,
                           status.ok() ? "" : " " + status.ToString()));
  if (status.ok()) {
    ++acknowledged_[operation];
  } else if (IsWrong(status)) {
    wrong_answers_.push_back(absl::StrCat(operation, " ", path, ": ", status.ToString()));
  } else {
    ++unclear_[absl::StrCat(operation, " ", absl::StatusCodeToString(status.code()))];
  }
  return status.ok();
}

void Writer::Mkdir() {
  const std::string path = NewPath();
  trace_.Line(absl::StrCat("begin mkdir ", path));
  const Thing made{.directory = true, .mode = 0755};
  absl::Status status;
  {
    Doing doing(activity_, Activity::kCall);
    status = fs_.Mkdir(path);
  }
  if (Judge("mkdir", path, status)) return model_.Put(path, made);
  model_.AddDoubt({.before = {{path, std::nullopt}}, .after = {{path, made}}});
}

void Writer::CreateFile(uint64_t bytes) {
  const std::string path = NewPath();
  trace_.Line(absl::StrCat("begin create ", path, " ", bytes));
  Thing thing{.content = FileContent(random_()), .closed = false};
  absl::StatusOr<std::unique_ptr<client::OutputStream>> stream = absl::UnknownError("");
  {
    Doing doing(activity_, Activity::kCall);
    stream = fs_.Create(path);
  }
  if (!Judge("create", path, stream.status())) {
    return model_.AddDoubt({.before = {{path, std::nullopt}}, .after = {{path, thing}}});
  }
  Fill(**stream, bytes, path, thing);
  model_.Put(path, thing);
}

void Writer::AppendFile() {
  const std::string path = Pick(/*directory=*/false);
  if (path.empty()) return;
  Thing thing = *model_.Find(path);
  const uint64_t bytes = 1 + Draw(options_.most_file_bytes / 4);
  trace_.Line(absl::StrCat("begin append ", path, " ", thing.least_bytes, " + ", bytes));
  thing.closed = false;
  absl::StatusOr<std::unique_ptr<client::OutputStream>> stream = absl::UnknownError("");
  {
    Doing doing(activity_, Activity::kCall);
    stream = fs_.Append(path);
  }
  if (Judge("append", path, stream.status())) {
    if ((*stream)->position() != thing.least_bytes) {
      wrong_answers_.push_back(absl::StrCat("append ", path, " begins at ", (*stream)->position(),
                                            ", acknowledged are ", thing.least_bytes));
    }
    Fill(**stream, bytes, path, thing);
  }
  model_.Put(path, thing);
}

bool Writer::Fill(client::OutputStream& stream, uint64_t bytes, const std::string& path,
                  Thing& thing) {
  Doing doing(activity_, Activity::kStream);
  std::vector<std::byte> chunk;
  for (uint64_t done = 0; done < bytes;) {
    chunk.resize(std::min<uint64_t>(1 + Draw(kChunk), bytes - done));
    thing.content.Fill(thing.most_bytes, chunk);
    thing.most_bytes += chunk.size();
    done += chunk.size();
    if (!Judge("write", path, stream.Write(chunk))) return false;
    if (!Chance(0.15)) continue;
    if (!Judge("hsync", path, stream.Hsync())) return false;
    thing.least_bytes = thing.most_bytes;
    Post(path, thing);
  }
  if (!Judge("close", path, stream.Close())) return false;
  thing.least_bytes = thing.most_bytes;
  thing.closed = true;
  Post(path, thing);
  return true;
}

void Writer::Post(const std::string& path, const Thing& thing) {
  if (thing.rewritten) return;
  board_.Post({.path = path, .content = thing.content, .least_bytes = thing.least_bytes});
}

void Writer::RenameThing() {
  const std::string from = Pick(/*directory=*/false);
  if (from.empty()) return;
  const std::string to = NewPath();
  trace_.Line(absl::StrCat("begin rename ", from, " ", to));
  board_.TakeDown(from);
  absl::Status status;
  {
    Doing doing(activity_, Activity::kCall);
    status = fs_.Rename2(from, to, client::RenameOption::kNoOverwrite);
  }
  if (Judge("rename", from, status)) {
    model_.Move(from, to);
    Thing thing = *model_.Find(to);
    thing.rewritten = false;  // the path is new
    model_.Put(to, thing);
    return Post(to, thing);
  }
  const Thing thing = *model_.Find(from);
  model_.AddDoubt({.before = {{from, thing}, {to, std::nullopt}},
                   .after = {{from, std::nullopt}, {to, thing}}});
}

void Writer::RenameOver() {
  const std::string from = Pick(/*directory=*/false);
  const std::string to = Pick(/*directory=*/false);
  if (from.empty() || from == to) return;
  trace_.Line(absl::StrCat("begin rename-over ", from, " ", to));
  Doubt doubt = model_.Overwriting(from, to);
  board_.TakeDown(from);
  board_.TakeDown(to);
  absl::Status status;
  {
    Doing doing(activity_, Activity::kCall);
    status = fs_.Rename2(from, to, client::RenameOption::kOverwrite);
  }
  if (Judge("rename-over", from, status)) return model_.Apply(doubt.after);
  model_.AddDoubt(std::move(doubt));
}

std::vector<std::string> Writer::PickBeside(const std::string& path, size_t most) {
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  std::vector<std::string> found;
  const auto& things = model_.things();
  auto at = things.upper_bound(path);
  for (size_t looked = 0; looked < kNeighbours && found.size() < most && at != things.end();
       ++looked, ++at) {
    const auto& [name, thing] = *at;
    if (!absl::StartsWith(name, directory)) break;
    if (name.find('/', directory.size()) != std::string::npos) continue;
    const bool fits = thing.least_bytes > 0 && thing.least_bytes <= MostJoinedBytes();
    if (!thing.directory && thing.closed && fits) found.push_back(name);
  }
  return found;
}

void Writer::ConcatFiles() {
  const std::string target = Pick(/*directory=*/false);
  if (target.empty()) return;
  const uint64_t bytes = model_.Find(target)->least_bytes;
  if (bytes == 0 || bytes > MostJoinedBytes()) return;
  std::vector<std::string> sources = PickBeside(target, 1 + Draw(kMostSources));
  if (sources.empty()) return;
  std::shuffle(sources.begin(), sources.end(), random_);
  trace_.Line(absl::StrCat("begin concat ", target, " ", absl::StrJoin(sources, " ")));
  Doubt doubt = model_.Joining(target, sources);
  for (const auto& entry : doubt.before) board_.TakeDown(entry.first);
  absl::Status status;
  {
    Doing doing(activity_, Activity::kCall);
    status = fs_.Concat(target, sources);
  }
  if (Judge("concat", target, status)) return model_.Apply(doubt.after);
  model_.AddDoubt(std::move(doubt));
}

Writer::Place Writer::PickPlace(const std::string& path, uint64_t bytes) {
  if (Chance(0.5)) return {.offset = Draw(bytes), .inside = true};
  Doing doing(activity_, Activity::kCall);
  const auto blocks = fs_.GetBlockLocations(path, 0, bytes);
  if (!blocks.ok() || blocks->empty()) return {.offset = Draw(bytes), .inside = true};
  return {.offset = (*blocks)[Draw(blocks->size())].offset, .inside = false};
}

void Writer::TruncateFile() {
  const std::string path = Pick(/*directory=*/false);
  if (path.empty() || model_.Find(path)->least_bytes == 0) return;
  const uint64_t bytes = model_.Find(path)->least_bytes;
  const Place place = PickPlace(path, bytes);
  const uint64_t length = std::min(place.offset, bytes - 1);
  trace_.Line(absl::StrCat("begin truncate ", path, " ", bytes, " to ", length));
  Doubt doubt = model_.Truncating(path, length);
  board_.TakeDown(path);
  absl::StatusOr<bool> done = false;
  {
    Doing doing(activity_, Activity::kCall);
    done = fs_.Truncate(path, length);
  }
  if (!Judge("truncate", path, done.status())) return model_.AddDoubt(std::move(doubt));
  model_.Apply(doubt.after);
  if (place.inside) ++acknowledged_["truncate-inside"];
  if (*done) return model_.Put(path, Truncated(*model_.Find(path)));
  truncating_.push_back(path);
}

void Writer::SettleTruncation() {
  const std::string path = truncating_.front();
  truncating_.pop_front();
  const Thing* const thing = model_.Find(path);
  if (thing == nullptr || !thing->truncating) return;  // deleted, or in doubt
  absl::StatusOr<bool> closed = false;
  {
    Doing doing(activity_, Activity::kCall);
    closed = fs_.IsFileClosed(path);
  }
  if (!closed.ok() || !*closed) return truncating_.push_back(path);
  trace_.Line(absl::StrCat("ok cut ", path, " to ", thing->least_bytes));
  model_.Put(path, Truncated(*thing));
}

bool Writer::DeleteThing() {
  std::string path = Pick(/*directory=*/Chance(0.3));
  if (path.empty()) path = Pick(/*directory=*/true);
  if (path.empty()) return false;
  Doubt doubt;
  const std::string below = absl::StrCat(path, "/");
  for (const auto& [name, thing] : model_.things()) {
    if (name != path && !absl::StartsWith(name, below)) continue;
    doubt.before[name] = thing;
    doubt.after[name] = std::nullopt;
  }
  trace_.Line(absl::StrCat("begin delete ", path));
  board_.TakeDownTree(path);
  absl::StatusOr<bool> deleted = false;
  {
    Doing doing(activity_, Activity::kCall);
    deleted = fs_.Delete(path, /*recursive=*/true);
  }
  if (!Judge("delete", path, deleted.status())) {
    model_.AddDoubt(std::move(doubt));
    return true;
  }
  if (!*deleted) {
    wrong_answers_.push_back(absl::StrCat("delete ", path, ": answered that it is missing"));
  }
  for (const auto& entry : doubt.before) model_.Remove(entry.first);
  return true;
}

void Writer::ChangeMode() {
  const std::string path = Pick(/*directory=*/Chance(0.3));
  if (path.empty()) return;
  Thing thing = *model_.Find(path);
  const auto mode = static_cast<uint16_t>(0700 | Draw(0100));
  trace_.Line(absl::StrCat("begin chmod ", path, " ", mode));
  absl::Status status;
  {
    Doing doing(activity_, Activity::kCall);
    status = fs_.SetPermission(path, mode);
  }
  thing.mode = Judge("chmod", path, status) ? mode : 0;
  model_.Put(path, thing);
}

}  // namespace cairn::load
