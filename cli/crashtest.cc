// SPDX-License-Identifier: GPL-2.0-only
// faultline crashtest: what of a strategy's promises is left when the power goes.
//
// One guest writes, under a plugin of QEMU's that logs its stores to pmem; from the log the image
// at any moment can be made. Other guests mount such images and tell what is in them.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>

#include "cli/crash.h"
#include "cli/machine.h"
#include "cli/progress.h"
#include "cli/result.h"
#include "cli/verbs.h"
#include "cli/watch.h"
#include "harness/wire.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/guest.h"
#include "vm/saved_state.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

constexpr char kCrashName[] = "crashtest.json";
// The strategies that are asked for when none is named.
constexpr char kDefaultStrategies[] =
    "volatile,fsync:8,msync:8,map_sync,prealloc,pwrite,sync_fault,sync_retry,sync_retry_extent,"
    "daxfile";
constexpr std::size_t kFailuresKept = 20;  // of a test

constexpr char kTearSector[] = "sector";
constexpr char kTearStore[] = "store";

struct CrashOptions {
  std::string kernel = "bookworm";
  std::string modules;
  std::string strategy = kDefaultStrategies;
  std::string file_systems = "ext4,xfs";
  std::string state;
  std::size_t points = 50;
  std::optional<std::size_t> point;
  std::uint64_t seed = 0;
  std::size_t pages = 96;
  unsigned rounds = 2;
  unsigned jobs = 0;
  std::string plant;
  std::string tear = kTearSector;
  std::string out = "crashtest";
  double boot_s = 300;
  double cell_s = 300;
  bool force = false;
  bool json = false;
  bool quiet = false;
};

// What is done wrong on purpose, for the tests of the test.
constexpr char kSkipSync[] = "skip_sync";      // the writer promises and does not sync
constexpr char kDropCommit[] = "drop_commit";  // every image lacks its journal's last commit

// One strategy on one file system.
struct Test {
  nlohmann::json row;
  nlohmann::json cell;
  VmSpec spec;
  std::string what;
  CrashCounts counts;
};

// A guest's whole memory, as a file.
class GuestMemory {
 public:
  explicit GuestMemory(const VmSpec& spec)
      : start_(std::uint64_t{spec.ram_mib} << 20),
        bytes_(std::uint64_t{spec.pmem_mib} << 20),
        file_(memory_file("")) {
    if (::ftruncate(file_.get(), static_cast<off_t>(memory_bytes(spec))) != 0) {
      throw_io_failure("cannot grow", "the guest's memory", errno);
    }
  }
  [[nodiscard]] std::string path() const {
    return fmt::format("/proc/{}/fd/{}", ::getpid(), file_.get());
  }
  void load(const PmemImage& image) const { image.write(file_.get(), start_, bytes_); }
  // The pmem as a file of its own.
  void save(const fs::path& to) const {
    const Fd out(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!out || ::ftruncate(out.get(), static_cast<off_t>(bytes_)) != 0) {
      throw_io_failure("cannot write", to, errno);
    }
    std::vector<char> buffer(1 << 20);
    const auto end = static_cast<off_t>(start_ + bytes_);
    for (off_t at = static_cast<off_t>(start_);;) {
      at = ::lseek(file_.get(), at, SEEK_DATA);
      if (at < 0 || at >= end) break;
      const off_t hole = std::min(end, ::lseek(file_.get(), at, SEEK_HOLE));
      while (at < hole) {
        const auto piece =
            std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(hole - at));
        const ssize_t n = ::pread(file_.get(), buffer.data(), piece, at);
        if (n <= 0 || ::pwrite(out.get(), buffer.data(), static_cast<std::size_t>(n),
                               at - static_cast<off_t>(start_)) != n) {
          throw_io_failure("cannot write", to, errno);
        }
        at += n;
      }
    }
  }

 private:
  std::uint64_t start_;
  std::uint64_t bytes_;
  Fd file_;
};

class CrashTest {
 public:
  CrashTest(const CrashOptions& options, const CommandContext& context)
      : options_(options), context_(context), progress_(options.quiet) {}

  ExitCode execute();

 private:
  void prepare();
  void plan(const nlohmann::json& tables, const FetchedKernel& kernel);
  GuestOutcome run(Test& test);
  GuestOutcome write(const Test& test, const fs::path& folder);
  GuestOutcome check(Test& test, const fs::path& folder, const PmemTrace& trace,
                     const std::vector<std::size_t>& points);
  void judge(Test& test, std::size_t point, const CrashState& state, nlohmann::json found,
             const fs::path& recovered);
  void note_kernel(const Test& test, const wire::Frame& frame);
  void end(Test& test, const GuestOutcome& outcome);
  void save();
  void print_table() const;
  [[nodiscard]] std::string replay(const Test& test, std::size_t point) const;

  CrashOptions options_;
  const CommandContext& context_;
  ProgressLine progress_;
  fs::path cache_;
  std::unique_ptr<StateCache> states_;
  std::map<std::string, std::vector<std::string>> fsck_;  // by file system
  nlohmann::json result_context_;
  std::vector<Test> tests_;
  std::mutex mutex_;  // of rows and context, while guests run
  std::atomic<bool> cancel_{false};
  bool vm_failed_ = false;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// The selection as the guest's binary takes it.
std::vector<std::string> plan_arguments(const CrashOptions& options) {
  std::vector<std::string> arguments = {"plan",
                                        "--probes",
                                        "off",
                                        "--workload",
                                        "first_touch",
                                        "--fs",
                                        options.file_systems,
                                        "--strategy",
                                        options.strategy,
                                        "--seeds",
                                        fmt::format("{0}..{0}", options.seed)};
  if (!options.state.empty()) arguments.insert(arguments.end(), {"--state", options.state});
  return arguments;
}

std::string promises_of(const nlohmann::json& tables, const std::string& strategy) {
  for (const nlohmann::json& row : tables.at("strategy")) {
    if (row.at("id") == strategy) return row.at("promises").get<std::string>();
  }
  return "";
}

void CrashTest::plan(const nlohmann::json& tables, const FetchedKernel& kernel) {
  std::vector<std::string> arguments = plan_arguments(options_);
  arguments.insert(arguments.end(), {"--kernel", kernel.id});
  const GuestImage image = make_guest_image(context_, tables, kernel, cache_);
  result_context_["kernels"][kernel.id] = kernel_context(kernel, image);
  const std::set<std::string> needs_module = module_strategies(tables);
  std::optional<ModuleImage> with_module;
  const Say say = [this](const std::string& line) { progress_.say(line); };
  std::set<std::string> planned_already;
  nlohmann::json skipped = nlohmann::json::array();
  for (const nlohmann::json& planned : ask_guest_binary(context_, arguments)) {
    Test test;
    test.cell = planned.at("cell");
    auto skip = planned.at("skip").get<std::string>();
    const auto id = test.cell.at("strategy").get<std::string>();
    const nlohmann::json& k = test.cell.at("writes_per_sync");
    const std::string strategy =
        k.is_null() ? id : id + ":" + (k.is_string() ? k.get<std::string>() : k.dump());
    const auto file_system = test.cell.at("fs").get<std::string>();
    // Without a wish, each in the first state that it has.
    const std::string key = file_system + "/" + strategy;
    if (options_.state.empty() && (!skip.empty() || !planned_already.insert(key).second)) continue;
    test.what = fmt::format("{}/{}/{}/{}", kernel.id, file_system, strategy,
                            test.cell.at("state").get<std::string>());
    const bool module = skip.empty() && needs_module.count(id) != 0;
    if (module && !with_module) {
      with_module = make_module_image(context_, tables, kernel, cache_, say);
    }
    if (module && !with_module->reason.empty()) skip = with_module->reason;
    test.row = {
        {"kernel", kernel.id},
        {"release", kernel.release},
        {"fs", file_system},
        {"strategy", strategy},
        {"state", test.cell.at("state")},
        {"promises", promises_of(tables, id)},
        {"seed", options_.seed},
        {"points", options_.points},
        {"checked", 0},
        {"status", skip.empty() ? "incomplete" : "skipped"},
        {"reason", skip.empty() ? "not run" : skip},
        {"recovery", {{"replayed", 0}, {"fsck_clean", 0}, {"fsck_errors", 0}, {"unmountable", 0}}},
        {"failures", nlohmann::json::array()}};
    test.row.update(test.counts.json());
    test.spec = guest_spec(kernel, module && skip.empty() ? with_module->image.path : image.path,
                           file_system, Accel::kTcgIcount);
    tests_.push_back(std::move(test));
  }
  if (with_module && with_module->reason.empty()) {
    result_context_["kernels"][kernel.id]["module"] = with_module->context;
  }
}

void CrashTest::prepare() {
  std::error_code error;
  const fs::path result = fs::path(options_.out) / kCrashName;
  if (fs::exists(result, error) && !options_.force) {
    throw Failure(ExitCode::kUsage, fmt::format("{} holds another crash test; give another --out, "
                                                "or --force to replace it",
                                                options_.out));
  }
  if (options_.points == 0) throw Failure(ExitCode::kUsage, "--points: at least one");
  if (options_.point && *options_.point >= options_.points) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--point {}: with --points {} they are 0 to {}", *options_.point,
                              options_.points, options_.points - 1));
  }
  make_dirs(options_.out);
  const fs::path plugin = context_.guest_binary.parent_path() / kPmemLogPlugin;
  if (!fs::exists(plugin, error)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is missing; run `make build`", plugin.string()));
  }
  cache_ = cache_dir();
  make_dirs(cache_);
  const Say say = [this](const std::string& line) { progress_.say(line); };
  // Names first: a typing error should not cost a download.
  const nlohmann::json tables = ask_guest_binary(context_, {"list"});
  ask_guest_binary(context_, plan_arguments(options_));
  for (const nlohmann::json& row : tables.at("fs")) {
    std::vector<std::string> words;
    std::istringstream line(row.at("check").get<std::string>());
    for (std::string word; line >> word;) words.push_back(word);
    const fs::path tool = find_tool(words.front());
    if (tool.empty()) {
      throw Failure(
          ExitCode::kUsage,
          fmt::format("{} is not installed; `make deps` installs what is missing", words.front()));
    }
    words.front() = tool.string();
    fsck_[row.at("id").get<std::string>()] = words;
  }
  result_context_ =
      host_context(context_.command_line, "vm", time_base(accel_info(Accel::kTcgIcount)));
  result_context_["qemu"] = qemu_context();
  for (const FetchedKernel& kernel :
       obtain_kernels(options_.kernel, options_.modules, cache_, say)) {
    plan(tables, kernel);
  }
  states_ = std::make_unique<StateCache>(cache_, say);
}

void CrashTest::note_kernel(const Test& test, const wire::Frame& frame) {
  const nlohmann::json payload = nlohmann::json::parse(frame.payload, nullptr, false);
  if (!payload.is_object()) return;
  const std::lock_guard lock(mutex_);
  if (frame.type == wire::kHello) {
    nlohmann::json& entry = result_context_["kernels"][test.row.at("kernel").get<std::string>()];
    for (const char* field : {"release", "version", "btf_crc32", "cpu_model"}) {
      if (payload.contains(field)) entry[field] = payload[field];
    }
  } else if (frame.type == wire::kReady) {
    result_context_["file_systems"][test.spec.fs] = {
        {"mkfs", payload.value("mkfs", "")},
        {"mount", payload.value("mount", "")},
        {"tool_version", payload.value("tool_version", "")}};
  }
}

// The guest that writes, once: its log goes into `folder`.
GuestOutcome CrashTest::write(const Test& test, const fs::path& folder) {
  const Deadlines deadlines{.boot_s = options_.boot_s, .cell_s = options_.cell_s};
  const StateOutcome obtained = states_->obtain(test.spec, deadlines, cancel_);
  if (!obtained.state) return obtained.outcome;
  note_kernel(test, {std::string(wire::kHello), obtained.state->hello});
  note_kernel(test, {std::string(wire::kReady), obtained.state->ready});
  const GuestMemory memory(test.spec);
  GuestJob job;
  job.spec = test.spec;
  job.spec.memory_file = memory.path();
  const fs::path plugin = context_.guest_binary.parent_path() / kPmemLogPlugin;
  job.spec.qemu_parameters = {
      "-plugin", fmt::format("{},ram={},low={},pmem={},out={}", option_value(plugin.string()),
                             option_value(memory.path()), test.spec.ram_mib, test.spec.pmem_mib,
                             option_value(folder.string()))};
  job.mode = Mode::kRestore;
  job.state = obtained.state->path;
  job.deadlines = deadlines;
  job.cell = nlohmann::json({{"crash",
                              {{"do", "write"},
                               {"cell", test.cell},
                               {"pages", options_.pages},
                               {"rounds", options_.rounds},
                               {"plant", options_.plant}}}})
                 .dump();
  return run_guest(job, {}, cancel_);
}

std::string CrashTest::replay(const Test& test, std::size_t point) const {
  std::string command = fmt::format(
      "faultline crashtest --kernel {} --fs {} --strategy {} --state {} --points {} --seed {} "
      "--point {}",
      test.row.at("kernel").get<std::string>(), test.spec.fs,
      test.row.at("strategy").get<std::string>(), test.row.at("state").get<std::string>(),
      options_.points, options_.seed, point);
  const CrashOptions usual;
  if (!options_.modules.empty()) {
    command = fmt::format("{} --kernel {} --modules {}", command.substr(0, 19), options_.kernel,
                          options_.modules) +
              command.substr(command.find(" --fs"));
  }
  if (options_.pages != usual.pages) command += fmt::format(" --pages {}", options_.pages);
  if (options_.rounds != usual.rounds) command += fmt::format(" --rounds {}", options_.rounds);
  if (options_.tear != usual.tear) command += fmt::format(" --tear {}", options_.tear);
  if (!options_.plant.empty()) command += fmt::format(" --plant {}", options_.plant);
  return command + fmt::format(" --out point-{}", point);
}

void CrashTest::judge(Test& test, std::size_t point, const CrashState& state, nlohmann::json found,
                      const fs::path& recovered) {
  CrashVerdict verdict = judge_crash(state, found);
  nlohmann::json recovery = test.row.at("recovery");
  const auto count = [&](const char* what) { recovery[what] = recovery[what].get<int>() + 1; };
  std::vector<std::string> wrong = verdict.what;
  if (found.value("replayed", false)) count("replayed");
  if (!found.value("mounted", false)) {
    count("unmountable");
    if (wrong.empty()) wrong.push_back(found.value("error", "not mounted"));
    const nlohmann::json said = found.value("kernel", nlohmann::json::array());
    if (!said.empty()) wrong.front() += "; the kernel: " + said.front().get<std::string>();
  } else {
    std::vector<std::string> command = fsck_.at(test.spec.fs);
    command.push_back(recovered.string());
    const CommandOutput checked = run_command(command);
    count(checked.status == 0 ? "fsck_clean" : "fsck_errors");
    if (checked.status != 0) {
      const std::string said = checked.out + checked.error;
      wrong.push_back(fmt::format("{}: exit {}: {}", fs::path(command.front()).filename().string(),
                                  checked.status, said.substr(0, 300)));
    }
  }
  const std::lock_guard lock(mutex_);
  test.counts.add(verdict.counts);
  test.row["recovery"] = recovery;
  test.row["checked"] = test.row["checked"].get<std::size_t>() + 1;
  test.row.update(test.counts.json());
  if (!wrong.empty()) {
    test.row["status"] = "failed";
    if (test.row["failures"].size() < kFailuresKept) {
      std::string what = wrong.front();
      if (wrong.size() > 1) what += fmt::format("; and {} more", wrong.size() - 1);
      test.row["failures"].push_back({{"point", point},
                                      {"instant", state.instructions},
                                      {"what", what},
                                      {"command", replay(test, point)}});
    }
  }
}

// The guests that recover, image after image; one more whenever one has died of an image.
GuestOutcome CrashTest::check(Test& test, const fs::path& folder, const PmemTrace& trace,
                              const std::vector<std::size_t>& points) {
  std::vector<std::size_t> wanted;  // by number
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!options_.point || *options_.point == i) wanted.push_back(i);
  }
  const GuestMemory memory(test.spec);
  const fs::path recovered = folder / "recovered";
  PmemImage image = trace.begin;
  CrashState state(options_.pages);
  std::size_t applied = 0;
  const auto go_to = [&](std::size_t records) {
    for (; applied < records; ++applied) {
      image.apply(trace.records[applied]);
      state.apply(trace.records[applied]);
    }
  };
  GuestOutcome outcome;
  std::size_t next = 0;  // of wanted: the first that is not judged
  while (next < wanted.size()) {
    const Deadlines deadlines{.boot_s = options_.boot_s, .cell_s = options_.cell_s};
    const StateOutcome obtained = states_->obtain(test.spec, deadlines, cancel_);
    if (!obtained.state) return obtained.outcome;
    std::optional<nlohmann::json> found;
    bool loaded = false;
    const auto settle = [&] {
      judge(test, wanted[next], state, *found, recovered);
      found.reset();
      loaded = false;
      ++next;
      progress_.step(test.what);
    };
    GuestJob job;
    job.spec = test.spec;
    job.spec.memory_file = memory.path();
    job.mode = Mode::kRestore;
    job.state = obtained.state->path;
    job.deadlines = deadlines;
    job.cell =
        nlohmann::json({{"crash", {{"do", "check"}, {"images", wanted.size() - next}}}}).dump();
    job.on_wait = [&] {
      if (found) {
        memory.save(recovered);
        settle();
      }
      if (next == wanted.size()) return;
      go_to(points[wanted[next]]);
      PmemImage cut = image;
      if (options_.plant == kDropCommit && !cut.drop_last_commit()) {
        throw Failure(ExitCode::kUsage, "the image has no commit to drop");
      }
      memory.load(cut);
      if (options_.point) {
        memory.save(fs::path(options_.out) / fmt::format("point-{}.img", *options_.point));
      }
      loaded = true;
    };
    const std::size_t before = next;
    outcome = run_guest(
        job,
        [&](const wire::Frame& frame) {
          if (frame.type != wire::kResult) return;
          found = nlohmann::json::parse(frame.payload, nullptr, false);
        },
        cancel_);
    if (outcome.verdict == Verdict::kCancelled) return outcome;
    if (!outcome.ok() && loaded && !found) {
      // The image was too much for the kernel.
      found = {{"mounted", false}, {"error", outcome.message}};
      settle();
      outcome = {};
    } else if (!outcome.ok() || next == before) {
      return outcome;
    }
  }
  return outcome;
}

GuestOutcome CrashTest::run(Test& test) try {
  const TempDir folder(cache_ / "unfinished");
  GuestOutcome outcome = write(test, folder.path());
  if (!outcome.ok()) return outcome;
  const PmemTrace trace = PmemTrace::read(folder.path());
  const std::vector<std::size_t> points =
      crash_points(trace.records, options_.points, options_.seed,
                   options_.tear == kTearStore ? Tear::kStore : Tear::kSector);
  {
    const std::lock_guard lock(mutex_);
    test.row["stores"] = static_cast<std::uint64_t>(
        std::count_if(trace.records.begin(), trace.records.end(),
                      [](const PmemRecord& record) { return !record.is_word(); }));
  }
  return check(test, folder.path(), trace, points);
} catch (const Failure& failure) {
  // Of this test; the others can go on.
  if (failure.code() != ExitCode::kVmFailed) throw;
  GuestOutcome outcome;
  outcome.verdict = Verdict::kNoDone;
  outcome.exit_code = failure.code();
  outcome.message = failure.what();
  return outcome;
}

void CrashTest::end(Test& test, const GuestOutcome& outcome) {
  const std::lock_guard lock(mutex_);
  const std::size_t wanted = options_.point ? 1 : options_.points;
  if (!outcome.ok()) {
    const bool cancelled = outcome.verdict == Verdict::kCancelled;
    if (test.row["status"] != "failed") {
      test.row["status"] = cancelled ? "incomplete" : "failed";
    }
    test.row["reason"] = cancelled ? "interrupted" : outcome.message;
    if (!cancelled && outcome.exit_code == ExitCode::kSkipped) test.row["status"] = "skipped";
    vm_failed_ = vm_failed_ || (!cancelled && outcome.exit_code == ExitCode::kVmFailed);
    if (!cancelled) {
      progress_.say(fmt::format("{}: {}", test.what, outcome.message));
      for (const std::string& line : outcome.console_tail) progress_.say("  | " + line);
    }
  } else if (test.row["status"] == "failed") {
    test.row["reason"] = test.row["failures"][0]["what"];
    progress_.say(fmt::format("{}: point {}, seed {}: {}\n  {}", test.what,
                              test.row["failures"][0]["point"].get<std::size_t>(), options_.seed,
                              test.row["failures"][0]["what"].get<std::string>(),
                              test.row["failures"][0]["command"].get<std::string>()));
  } else if (test.row["checked"] == wanted) {
    test.row["status"] = "ok";
    test.row["reason"] = "";
  }
  save();
}

void CrashTest::save() {
  result_context_["elapsed_s"] =
      std::round(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count() *
                 10) /
      10;
  nlohmann::json rows = nlohmann::json::array();
  std::size_t incomplete = 0;
  for (const Test& test : tests_) {
    rows.push_back(test.row);
    if (test.row["status"] == "incomplete") ++incomplete;
  }
  result_context_["complete"] = incomplete == 0;
  result_context_["reason"] = incomplete == 0 ? "" : fmt::format("{} tests incomplete", incomplete);
  const nlohmann::json result = {
      {"schema_version", kSchemaVersion}, {"context", result_context_}, {"tests", rows}};
  write_file(fs::path(options_.out) / kCrashName,
             result.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void CrashTest::print_table() const {
  std::string kernel;
  for (const Test& test : tests_) {
    const nlohmann::json& row = test.row;
    if (row["release"] != kernel) {
      kernel = row["release"].get<std::string>();
      fmt::print("{} (kernel {}), seed {}; pages over all points\n",
                 row["kernel"].get<std::string>(), kernel, options_.seed);
      fmt::print("{:<8} {:<17} {:<9} {:>6} {:>8} {:>5} {:>9} {:>4} {}\n", "fs", "strategy", "state",
                 "points", "promised", "lost", "unpromis.", "kept", "status");
    }
    const CrashCounts& counts = test.counts;
    const std::uint64_t left = counts.unpromised.pages;
    fmt::print("{:<8} {:<17} {:<9} {:>6} {:>8} {:>5} {:>9} {:>4} {}\n",
               row["fs"].get<std::string>(), row["strategy"].get<std::string>(),
               row["state"].get<std::string>(), row["checked"].get<std::size_t>(),
               counts.promised.pages,
               counts.lost.pages + counts.lost.torn + counts.lost.size + counts.lost.mtime, left,
               left == 0 ? "-" : fmt::format("{}%", counts.unpromised.survived * 100 / left),
               row["status"].get<std::string>());
  }
}

ExitCode CrashTest::execute() {
  const Watch watch([this] {
    if (*context_.interrupted) cancel_ = true;
  });
  prepare();
  std::vector<Test*> wanted;
  for (Test& test : tests_) {
    if (test.row["status"] != "skipped") wanted.push_back(&test);
  }
  save();
  progress_.start(wanted.size() * (options_.point ? 1 : options_.points));
  run_many(
      wanted.size(), options_.jobs == 0 ? workers_for(Accel::kTcgIcount) : options_.jobs,
      [&](std::size_t i) { return run(*wanted[i]); },
      [&](std::size_t i, const GuestOutcome& outcome) { end(*wanted[i], outcome); }, cancel_);
  save();

  std::map<std::string, std::size_t> by_status;
  for (const Test& test : tests_) ++by_status[test.row["status"].get<std::string>()];
  progress_.say(fmt::format("{} tests: {} ok, {} skipped, {} failed, {} incomplete; {}",
                            tests_.size(), by_status["ok"], by_status["skipped"],
                            by_status["failed"], by_status["incomplete"],
                            clock_text(result_context_["elapsed_s"].get<double>())));
  progress_.say((fs::path(options_.out) / kCrashName).string());
  if (options_.json) {
    fmt::print("{}", read_file(fs::path(options_.out) / kCrashName));
  } else if (!options_.quiet) {
    print_table();
  }
  if (vm_failed_) return ExitCode::kVmFailed;
  if (*context_.interrupted || by_status["incomplete"] != 0) return ExitCode::kUsage;
  if (by_status["failed"] != 0) return ExitCode::kRegression;
  return by_status["ok"] == 0 ? ExitCode::kSkipped : ExitCode::kPass;
}

}  // namespace

Verb add_crashtest(CLI::App& app) {
  auto options = std::make_shared<CrashOptions>();
  CLI::App* verb = app.add_subcommand(
      "crashtest", "Takes the power away while a strategy writes; checks what it had promised");
  verb->footer(
      "A guest writes pages and tells what its strategy promises to be durable; every store to "
      "its\n"
      "pmem is logged. The image at each of N points is mounted in a fresh guest and checked.\n"
      "Writes DIR/crashtest.json. docs/crashtest.md says what it can and cannot show.\n\n"
      "Examples:\n"
      "  faultline crashtest --points 50\n"
      "      all strategies, ext4 and XFS, the default kernel\n"
      "  faultline crashtest --strategy map_sync,fsync:8 --fs xfs --points 1000\n"
      "  faultline crashtest --strategy map_sync --fs ext4 --seed 3 --point 17\n"
      "      one point again; keeps its image, as the power left it, in DIR\n\n"
      "Exit: 0 all promises kept; 1 one was not, or fsck found errors; 2 usage, interrupted;\n"
      "69 a VM failed; 77 everything was skipped.");
  verb->add_option("--kernel", options->kernel, "kernels, `all`, or the PATH of a bzImage")
      ->capture_default_str();
  verb->add_option("--modules", options->modules, "modules folder that belongs to --kernel PATH");
  // The default is too long for the column of names.
  verb->add_option("--strategy", options->strategy,
                   fmt::format("strategies, NAME or NAME:K (default: {})",
                               fmt::join(split_list(options->strategy), ", ")));
  verb->add_option("--fs", options->file_systems, "file systems")->capture_default_str();
  verb->add_option("--state", options->state,
                   "of the blocks beforehand: hole, unwritten, written (default: the first that a "
                   "strategy has)");
  verb->add_option("--points", options->points, "how often the power goes")->capture_default_str();
  verb->add_option("--point", options->point, "this one of them alone; its image is kept");
  verb->add_option("--seed", options->seed, "of the order of writes, and of the points")
      ->capture_default_str();
  verb->add_option("--pages", options->pages, "pages of the file")
      ->check(CLI::Range(1, 32768))
      ->capture_default_str();
  verb->add_option("--rounds", options->rounds, "how often each page is written")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  verb->add_option("--jobs", options->jobs, "guests side by side (default: cores)");
  verb->add_option("--tear", options->tear,
                   "the smallest piece that is whole: sector (512 bytes, as file systems assume), "
                   "store (as pmem does)")
      ->check(CLI::IsMember({kTearSector, kTearStore}))
      ->capture_default_str();
  verb->add_option("--plant", options->plant,
                   "a loss on purpose, which the test must find: skip_sync, drop_commit")
      ->check(CLI::IsMember({kSkipSync, kDropCommit}));
  verb->add_option("--out", options->out, "folder of the result")->capture_default_str();
  verb->add_flag("--force", options->force, "replace a crash test that is there");
  verb->add_option("--boot-deadline", options->boot_s, "seconds for a boot")->capture_default_str();
  verb->add_option("--cell-deadline", options->cell_s, "seconds without a sign of life")
      ->capture_default_str();
  verb->add_flag("--json", options->json, "print the result as JSON instead of a table");
  verb->add_flag("--quiet", options->quiet, "no progress and no table");
  return {verb, [options](const CommandContext& context) {
            return CrashTest(*options, context).execute();
          }};
}

}  // namespace faultline
