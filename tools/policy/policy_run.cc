// -run: the rules are carried out, round after round.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/file_system.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "tools/ec/print.h"
#include "tools/hadoop_text.h"
#include "tools/json.h"
#include "tools/policy/cluster_world.h"
#include "tools/policy/policy_commands.h"
#include "tools/policy/print.h"
#include "tools/policy/rule_options.h"
#include "tools/policy/run_keeper.h"

namespace cairn::tools {
namespace {

// A namenode that restarts must not end the conversions that are under way.
constexpr absl::Duration kRestartPatience = absl::Minutes(2);
// One that was killed is not told of any more after 20 s.
constexpr absl::Duration kBusyPatience = absl::Seconds(25);
constexpr absl::Duration kBusyPause = absl::Seconds(1);
constexpr absl::Duration kStopPoll = absl::Milliseconds(200);

volatile std::sig_atomic_t run_interrupted = 0;

// A first signal ends the run in order, without waiting for files; the second one the process.
void CatchRunSignals() {
  for (const int signal : {SIGINT, SIGTERM}) {
    std::signal(signal, [](int caught) {
      run_interrupted = 1;
      std::signal(caught, SIG_DFL);
    });
  }
}

std::string RunHolder() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return absl::StrCat("cairn policy, process ", ::getpid(), " on ", host);
}

// What the run says, from any thread.
class RunOutput {
 public:
  RunOutput(EcCall& call, bool as_json) : call_(call), as_json_(as_json) {}

  void Failure(const std::string& path, const absl::Status& why) ABSL_LOCKS_EXCLUDED(mu_) {
    const std::string text = FailureText(call_.command.name, why);
    MutexLock lock(mu_);
    if (!as_json_) {
      call_.err << Escaped(path) << ": " << text << "\n" << std::flush;
      return;
    }
    {
      JsonWriter json(call_.out);
      json.BeginObject();
      json.Field("type", "failure");
      json.Field("path", path);
      json.Field("why", text);
      json.EndObject();
    }
    call_.out << std::flush;
  }
  void Outcome(const RuleOutcome& outcome) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    ++outcomes_;
    as_json_ ? WriteOutcome(outcome, call_.out) : PrintOutcome(outcome, call_.out);
    call_.out << std::flush;
  }
  void Round(bool done, const client::ConversionRun& progress) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (as_json_) {
      JsonWriter json(call_.out);
      json.BeginObject();
      json.Field("type", "round");
      json.Field("all_done", done);
      json.Field("rounds", progress.rounds);
      json.Field("converted", progress.files_converted);
      json.Field("converted_bytes", progress.bytes_converted);
      json.Field("failed", progress.files_failed);
      json.EndObject();
    } else if (outcomes_ == 0) {
      call_.out << "There are no rules\n";
    }
    outcomes_ = 0;
    call_.out << std::flush;
  }

 private:
  EcCall& call_;
  const bool as_json_;
  Mutex mu_;
  int outcomes_ ABSL_GUARDED_BY(mu_) = 0;
};

absl::Status AnotherRuns(const EcCall& call, const std::string& holder) {
  return EndWith(kExitEcFailed,
                 absl::StrCat("-", call.command.name,
                              ": somebody else carries the rules out: ", Escaped(holder)));
}

// Waits for somebody else: with -once, for one that may have been killed; else for as long as it
// takes.
absl::Status BeginRun(EcCall& call, const EcPath& path, bool once, RunKeeper& keeper) {
  const absl::Time deadline = once ? absl::Now() + kBusyPatience : absl::InfiniteFuture();
  for (bool told = false;; absl::SleepFor(kBusyPause)) {
    const absl::StatusOr<std::string> busy = keeper.Begin();
    RETURN_IF_ERROR(ExplainNoRules(call, path, busy.status()));
    if (busy->empty()) return absl::OkStatus();
    if (run_interrupted != 0 || absl::Now() > deadline) return AnotherRuns(call, *busy);
    if (!told) call.err << "Waiting for " << Escaped(*busy) << "\n" << std::flush;
    told = true;
  }
}

absl::Status RunRounds(EcCall& call, const RunArguments& arguments, PolicyRunner& runner,
                       RunKeeper& keeper, RunOutput& output) {
  while (true) {
    const absl::StatusOr<bool> done = runner.RunRound();
    if (!done.ok() && arguments.once) return done.status();
    if (!done.ok()) output.Failure("/", done.status());
    const bool all_done = done.ok() && *done;
    if (done.ok()) output.Round(all_done, runner.progress());
    if (arguments.once && !all_done) call.exit_code = kExitEcFailed;
    if (arguments.once) return absl::OkStatus();
    const absl::Time next = absl::Now() + arguments.interval;
    keeper.SetNextRound(next);
    while (!runner.has_stopped() && absl::Now() < next) absl::SleepFor(kStopPoll);
    keeper.SetNextRound(std::nullopt);
    if (runner.has_stopped()) return absl::OkStatus();
  }
}

}  // namespace

absl::Status RunPolicyRun(EcCall& call) {
  ASSIGN_OR_RETURN(const RunArguments arguments, TakeRunArguments(call));
  ASSIGN_OR_RETURN(const EcPath path, call.Resolve("/"));
  ASSIGN_OR_RETURN(const auto admin, ConnectToRules(call, path));
  client::ClientOptions patient = call.options;
  patient.rpc_retry_time = std::max(patient.rpc_retry_time, kRestartPatience);
  ASSIGN_OR_RETURN(const auto fs, client::FileSystem::Connect(path.uri, patient));
  RunOutput output(call, arguments.as_json);
  ClusterWorld world(*fs, *admin);
  PolicyRunner runner(world, arguments.settings,
                      {.on_failure = [&](const std::string& file,
                                         const absl::Status& why) { output.Failure(file, why); },
                       .on_outcome = [&](const RuleOutcome& outcome) { output.Outcome(outcome); }});
  CatchRunSignals();
  RunKeeper keeper(*admin, runner,
                   {.holder = RunHolder(), .is_interrupted = [] { return run_interrupted != 0; }});
  RETURN_IF_ERROR(BeginRun(call, path, arguments.once, keeper));
  RETURN_IF_ERROR(RunRounds(call, arguments, runner, keeper, output));
  const std::string lost_to = keeper.lost_to();
  return lost_to.empty() ? absl::OkStatus() : AnotherRuns(call, lost_to);
}

}  // namespace cairn::tools
