#include "client/visible_length.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/convert.h"
#include "client/rpc_channel.h"
#include "common/clock.h"
#include "common/fs_error.h"
#include "common/mutex.h"
#include "proto/hdfs/client_datanode.pb.h"

namespace cairn::client {
namespace {

struct ToldLength {
  uint64_t bytes = 0;
  bool is_lacking = false;
};
// nullopt: nothing has come.
using Answer = std::optional<absl::StatusOr<ToldLength>>;
using Nodes = std::vector<const hdfs::DatanodeIDProto*>;

// One question to each of `nodes`.
class LengthPoll {
 public:
  // What is given outlives this.
  LengthPoll(ClientContext& context, const hdfs::LocatedBlockProto& block, const Nodes& nodes)
      : context_(context),
        block_(block),
        nodes_(nodes),
        questions_(nodes.size()),
        answers_(nodes.size()) {}
  // Not the constructor's: where no further thread or descriptor can be had, what is thrown finds
  // the questions that are under way ended.
  ~LengthPoll() { Stop(); }
  LengthPoll(const LengthPoll&) = delete;
  LengthPoll& operator=(const LengthPoll&) = delete;

  // Once. `for_each`: what the connection may take, and the answer.
  void Ask(absl::Duration for_each) ABSL_LOCKS_EXCLUDED(mu_);
  // Until all have answered, or those that have not are to be waited for no longer.
  void Await(const LengthPatience& patience) ABSL_LOCKS_EXCLUDED(mu_);
  // By node. Gives up those that have not answered, and notes who was silent and who was not.
  std::vector<Answer> TakeAnswers() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Question {
    std::unique_ptr<RpcChannel> channel;  // null: it cannot be asked
    hdfs::GetReplicaVisibleLengthResponseProto response;
    bool was_silent = false;
  };

  void Take(size_t node, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<ToldLength> Judge(const hdfs::GetReplicaVisibleLengthResponseProto& told) const;
  // On the clock of the world; in the past: nobody is to be waited for.
  absl::Duration WaitUntil(const LengthPatience& patience) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  ClientContext& context_;
  const hdfs::LocatedBlockProto& block_;
  const Nodes& nodes_;
  std::vector<Question> questions_;  // by node
  Mutex mu_;
  CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Answer> answers_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Duration> told_at_ ABSL_GUARDED_BY(mu_);  // the first length that counts
};

void LengthPoll::Ask(absl::Duration for_each) {
  hdfs::GetReplicaVisibleLengthRequestProto request;
  *request.mutable_block() = block_.b();
  // Before the first answer: it may be the end of the wait for those that were silent.
  for (size_t i = 0; i < nodes_.size(); ++i) {
    questions_[i].was_silent = context_.silent_nodes.Has(nodes_[i]->datanodeuuid());
  }
  // Where all were, it may have been us, and the first that answers is no better than the others.
  if (std::all_of(questions_.begin(), questions_.end(),
                  [](const Question& q) { return q.was_silent; })) {
    for (Question& question : questions_) question.was_silent = false;
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Question& question = questions_[i];
    absl::StatusOr<std::unique_ptr<RpcChannel>> channel = context_.datanode_rpc->Connect(
        context_.TransferHost(*nodes_[i]), static_cast<uint16_t>(nodes_[i]->ipcport()), for_each);
    if (!channel.ok()) {
      Take(i, channel.status());
      continue;
    }
    question.channel = *std::move(channel);
    question.channel->CallAsync("getReplicaVisibleLength", request, question.response,
                                [this, i](const absl::Status& status) { Take(i, status); });
  }
}

absl::StatusOr<ToldLength> LengthPoll::Judge(
    const hdfs::GetReplicaVisibleLengthResponseProto& told) const {
  if (told.length() > kMaxLength - block_.offset()) {
    return MakeFsError(FsError::kIo, "a datanode sent a negative length");
  }
  return ToldLength{.bytes = told.length(),
                    .is_lacking = told.waitsforrecovery() || told.length() < block_.b().numbytes()};
}

void LengthPoll::Take(size_t node, const absl::Status& status) {
  const absl::StatusOr<ToldLength> answer =
      status.ok() ? Judge(questions_[node].response) : absl::StatusOr<ToldLength>(status);
  MutexLock lock(mu_);
  if (stopped_) return;
  if (answer.ok() && !answer->is_lacking && !told_at_.has_value()) {
    told_at_ = SystemClock().Monotonic();
  }
  answers_[node] = answer;
  changed_.NotifyAll();
}

absl::Duration LengthPoll::WaitUntil(const LengthPatience& patience) const {
  bool all = true, all_but_silent = true;
  for (size_t i = 0; i < answers_.size(); ++i) {
    if (answers_[i].has_value()) continue;
    all = false;
    all_but_silent = all_but_silent && questions_[i].was_silent;
  }
  if (all) return -absl::InfiniteDuration();
  // Each question has its own end.
  if (!told_at_.has_value()) return absl::InfiniteDuration();
  return *told_at_ + (all_but_silent ? patience.silent : patience.others);
}

void LengthPoll::Await(const LengthPatience& patience) {
  MutexLock lock(mu_);
  while (true) {
    const absl::Duration left = WaitUntil(patience) - SystemClock().Monotonic();
    if (left <= absl::ZeroDuration()) return;
    changed_.WaitFor(mu_, absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
  }
}

void LengthPoll::Stop() {
  {
    MutexLock lock(mu_);
    stopped_ = true;
  }
  // Ends the calls, which Take hears of: without the lock.
  for (Question& question : questions_) question.channel = nullptr;
}

std::vector<Answer> LengthPoll::TakeAnswers() {
  Stop();
  MutexLock lock(mu_);
  for (size_t i = 0; i < answers_.size(); ++i) {
    const std::string& uuid = nodes_[i]->datanodeuuid();
    const Answer& answer = answers_[i];
    const bool is_silent = !answer.has_value() || absl::IsDeadlineExceeded(answer->status());
    // Who had hardly any time is not found to hang by that: it may only be a little slow, and would
    // never count again where somebody asks all the time.
    const bool had_time = answer.has_value() || !questions_[i].was_silent;
    if (is_silent) {
      if (had_time) context_.silent_nodes.Note(uuid);
    } else if (answer->ok() || GetFsError(answer->status()) != FsError::kNone) {
      context_.silent_nodes.Heard(uuid);
    }
  }
  return std::move(answers_);
}

}  // namespace

absl::StatusOr<uint64_t> AskVisibleLength(ClientContext& context,
                                          const hdfs::LocatedBlockProto& block, bool patient,
                                          const LengthPatience& patience) {
  Nodes nodes;
  for (const hdfs::DatanodeInfoProto& node : block.locs()) {
    if (node.id().ipcport() > 0 && node.id().ipcport() <= 65535) nodes.push_back(&node.id());
  }
  std::optional<uint64_t> least, longest_lacking;
  absl::Status last = absl::UnavailableError("no datanode has told where to ask it");
  int without_replica = 0;
  // Whoever is silent is waited for as long as it takes only where nobody else can tell.
  for (const absl::Duration for_each : {patience.first, absl::InfiniteDuration()}) {
    LengthPoll poll(context, block, nodes);
    poll.Ask(for_each);
    poll.Await(patience);
    const std::vector<Answer> answers = poll.TakeAnswers();
    Nodes silent;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const absl::StatusOr<ToldLength> told =
          answers[i].value_or(absl::DeadlineExceededError("a datanode does not tell the length"));
      if (told.ok()) {
        if (told->is_lacking) {
          longest_lacking = std::max(told->bytes, longest_lacking.value_or(0));
        } else {
          least = std::min(told->bytes, least.value_or(told->bytes));
        }
        continue;
      }
      last = told.status();
      if (GetFsError(last) == FsError::kReplicaNotFound) ++without_replica;
      if (GetFsError(last) == FsError::kNone) silent.push_back(nodes[i]);
    }
    if (least.has_value()) return *least;
    if (longest_lacking.has_value()) return *longest_lacking;
    if (!patient || silent.empty()) break;
    nodes = std::move(silent);
  }
  // The pipeline has not been set up anywhere: nothing was written. Bytes that the namenode knows
  // of were, and must not be left out silently.
  if (without_replica == block.locs_size() && block.b().numbytes() == 0) return 0;
  return without_replica > 0 ? MakeFsError(FsError::kReplicaNotFound, last.message()) : last;
}

}  // namespace cairn::client
