// SPDX-License-Identifier: GPL-2.0-only
// What of a strategy's promises is left when the power goes.
//
// One guest writes, under a plugin of QEMU's that logs its stores to pmem; from the log the image
// at any moment can be made. Other guests mount such images and tell what is in them.
#include "campaign/crash_campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "campaign/crash_images.h"
#include "campaign/crash_plan.h"
#include "campaign/crash_report.h"
#include "campaign/flush_mutants.h"
#include "campaign/guest_memory.h"
#include "campaign/image_check.h"
#include "campaign/machines.h"
#include "campaign/observation.h"
#include "campaign/plugin_file.h"
#include "campaign/power_cut.h"
#include "campaign/program_image.h"
#include "campaign/progress.h"
#include "campaign/result.h"
#include "campaign/runner.h"
#include "campaign/watch.h"
#include "cell/json_text.h"
#include "cell/plan.h"
#include "cell/row.h"
#include "harness/wire.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/guest.h"
#include "vm/saved_state.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kFailuresKept = 20;  // of a test

// Images to recover, and what becomes of each.
struct ImageStream {
  std::function<std::optional<CrashImage>()> next;
  std::function<void(const CrashImage&, const Recovered&)> judge;
};

CrashVerdict judge_image(const CrashImage& image, const Recovered& recovered) {
  return judge_crash(image.state, found_in(image.bytes, recovered, image.state.pages.size()));
}

class CrashCampaign {
 public:
  CrashCampaign(const CrashWish& options, const CommandContext& context)
      : options_(options), context_(context), progress_(options.quiet) {}

  CrashEnd execute();

 private:
  void prepare();
  void choose_model(const QemuProgram& qemu);
  void plan(std::size_t number, const std::string& writer);
  void resume(const ReadCrashTest& before);
  GuestOutcome run(CrashTest& test);
  GuestOutcome write(const CrashTest& test, const fs::path& folder);
  GuestOutcome check(CrashTest& test, const fs::path& folder, const ImageStream& stream,
                     RecoveryClasses& classes);
  GuestOutcome mutate(CrashTest& test, const fs::path& folder, const PmemTrace& trace,
                      const CrashImages::Wish& wish, RecoveryClasses& classes);
  [[nodiscard]] std::vector<std::string> wrong_with(const CrashTest& test,
                                                    const CrashVerdict& verdict,
                                                    const Recovered& recovered) const;
  void judge(CrashTest& test, const CrashImage& image, const Recovered& recovered);
  void report(const CrashTest& test, const CrashImage& image, const Recovered& recovered,
              const CrashVerdict& verdict);
  void note_kernel(const CrashTest& test, const wire::Frame& frame);
  void end(CrashTest& test, const GuestOutcome& outcome);
  [[nodiscard]] Tally tally() const;
  void save();

  CrashWish options_;
  const CommandContext& context_;
  ProgressLine progress_;
  std::unique_ptr<Machines> machines_;
  fs::path plugin_;  // of QEMU's, which logs what the guest stores
  CrashModel model_ = CrashModel::kOrder;
  std::unique_ptr<ImageCheck> checks_;
  std::unique_ptr<KernelSymbols> symbols_;
  SharedContext shared_;
  std::vector<CrashTest> tests_;  // while guests run, under shared_.mutex
  std::atomic<bool> cancel_{false};
  bool vm_failed_ = false;
  double elapsed_before_ = 0;  // seconds, in the command that this one goes on with
  bool reported_ = false;      // under shared_.mutex
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

void CrashCampaign::plan(std::size_t number, const std::string& writer) {
  for (CrashTest& test : plan_crash_tests(options_, writer, model_, machines_->kernel(number),
                                          machines_->around(number))) {
    if (test.row["status"] != kStatusSkipped) {
      const std::string reason = machines_->equip(number, test.cell, test.spec, shared_.json);
      if (!reason.empty()) test.row.update({{"status", kStatusSkipped}, {"reason", reason}});
    }
    tests_.push_back(std::move(test));
  }
}

// px86 where QEMU tells which lines are written back.
void CrashCampaign::choose_model(const QemuProgram& qemu) {
  const bool asked = options_.model == kModelPx86;
  if (options_.model == kModelOrder) {
    model_ = CrashModel::kOrder;
  } else {
    const CommandOutput trial =
        run_command({qemu.program.string(), "-machine", "none", "-display", "none", "-plugin",
                     fmt::format("{},can=lines", option_value(plugin_.string()))});
    if (trial.status != 0 && asked) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("--model px86: {} does not tell a guest's registers; use another "
                                "QEMU (FAULTLINE_QEMU), or --model order",
                                qemu.version));
    }
    model_ = trial.status == 0 ? CrashModel::kPx86 : CrashModel::kOrder;
  }
  if (model_ == CrashModel::kOrder) check_model_order(options_);
}

void CrashCampaign::prepare() {
  check_crash_wish(options_);
  claim_output(options_.out, kCrashName, options_.force || options_.resume.has_value());
  const Say say = [this](const std::string& line) { progress_.say(line); };
  machines_ = std::make_unique<Machines>(context_, say);
  remove_left_temp_dirs(machines_->cache() / "unfinished");
  symbols_ = std::make_unique<KernelSymbols>(machines_->cache() / "symbols");
  // Names first: a typing error should not cost a download.
  for (const std::string& writer : crash_writer_ids(options_)) {
    plan_cells(crash_selection(options_, writer));
  }
  shared_.json =
      result_context(context_.command_line, false, time_base(accel_info(Accel::kTcgIcount)));
  machines_->prepare(
      {.kernel = options_.kernel,
       .modules = options_.modules,
       .more = options_.run.empty() ? ImageExtras() : program_in_image(options_.run)},
      shared_.json, cancel_);
  const QemuProgram& qemu = the_qemu();
  const std::string plugin = plugin_file(kPmemLogPlugin, qemu.version);
  if (plugin.empty()) {
    throw Failure(ExitCode::kUsage, fmt::format("{} has no plugin interface for the crash test: "
                                                "use another QEMU (FAULTLINE_QEMU)",
                                                qemu.version));
  }
  plugin_ = context_.parts.guest_binary.parent_path() / plugin;
  std::error_code error;
  if (!fs::exists(plugin_, error)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} is missing; install package faultline again (in a source tree, "
                              "`make build`)",
                              plugin_.string()));
  }
  choose_model(qemu);
  checks_ = std::make_unique<ImageCheck>(machines_->guest_root());
  for (std::size_t i = 0; i < machines_->count(); ++i) {
    for (const std::string& writer : crash_writer_ids(options_)) plan(i, writer);
  }
  if (options_.resume) resume(*options_.resume);
}

// Takes what an earlier command has tested, if it tested the same.
void CrashCampaign::resume(const ReadCrashTest& before) {
  refuse_other_context(before.context, shared_.json, options_.out);
  const auto of = [](const nlohmann::json& row) {
    nlohmann::json key;
    for (const char* field : {"kernel", "fs", "write", "strategy", "state", "model", "seed"}) {
      key.push_back(row.value(field, nlohmann::json()));
    }
    return key;
  };
  std::size_t had = 0;
  for (CrashTest& test : tests_) {
    const auto same = std::ranges::find_if(before.tests, [&](const nlohmann::json& row) {
      return row.is_object() && row.value("status", "") == kStatusOk && of(row) == of(test.row);
    });
    if (same == before.tests.end()) continue;
    test.row = *same;
    ++had;
  }
  take_earlier_context(before.context, shared_.json);
  elapsed_before_ = before.context.value("elapsed_s", 0.0);
  progress_.say(
      fmt::format("{}: {} of {} tests are there already", options_.out, had, tests_.size()));
}

void CrashCampaign::note_kernel(const CrashTest& test, const wire::Frame& frame) {
  const nlohmann::json payload = parse_json(frame.payload);
  if (!payload.is_object()) return;
  const std::lock_guard lock(shared_.mutex);
  if (frame.type == wire::kHello) {
    // The command line belongs to the machine and not to the kernel.
    nlohmann::json told = payload;
    told.erase("command_line");
    note_hello(told, shared_.json["kernels"][test.cell.kernel]);
  } else if (frame.type == wire::kReady) {
    shared_.json["file_systems"][test.spec.fs] = made_file_system(payload);
  }
}

// The guest that writes, once: its log goes into `folder`.
GuestOutcome CrashCampaign::write(const CrashTest& test, const fs::path& folder) {
  const Deadlines deadlines{.boot_s = options_.boot_s, .cell_s = options_.cell_s};
  const StateOutcome obtained = machines_->states().obtain(test.spec, deadlines, cancel_);
  if (!obtained.state) return obtained.outcome;
  note_kernel(test, {std::string(wire::kHello), obtained.state->hello});
  note_kernel(test, {std::string(wire::kReady), obtained.state->ready});
  const GuestMemory memory(test.spec);
  GuestJob job;
  job.spec = test.spec;
  job.spec.memory_file = memory.path();
  job.spec.qemu_parameters = {
      "-plugin", fmt::format("{},ram={},low={},pmem={},out={}", option_value(plugin_.string()),
                             option_value(memory.path()), test.spec.ram_mib, test.spec.pmem_mib,
                             option_value(folder.string())) +
                     (model_ == CrashModel::kPx86 ? ",lines=1" : "")};
  job.mode = GuestMode::kRestore;
  job.state = obtained.state->files;
  job.deadlines = deadlines;
  job.cell = crash_request(options_, test, "write");
  GuestOutcome outcome = run_guest(job, {}, cancel_);
  std::error_code error;
  if (!outcome.ok() && fs::exists(folder / kPmemInBlockFile, error)) {
    // Code whose write-backs are not known beforehand: a module's, a program of the user's.
    job.spec.qemu_parameters.emplace_back("-singlestep");
    outcome = run_guest(job, {}, cancel_);
  }
  return outcome;
}

// What speaks against an image: a promise that was lost, or a file system that is not well.
std::vector<std::string> CrashCampaign::wrong_with(const CrashTest& test,
                                                   const CrashVerdict& verdict,
                                                   const Recovered& recovered) const {
  std::vector<std::string> wrong = verdict.what;
  if (!recovered.found.value("mounted", false)) {
    if (wrong.empty()) wrong.push_back(recovered.found.value("error", "not mounted"));
    const nlohmann::json said = recovered.found.value("kernel", nlohmann::json::array());
    if (!said.empty()) wrong.front() += "; the kernel: " + said.front().get<std::string>();
  } else if (recovered.checked && recovered.status != 0) {
    const std::string tool = find_file_system(test.spec.fs)->check;
    wrong.push_back(fmt::format("{}: exit {}: {}", tool.substr(0, tool.find(' ')), recovered.status,
                                recovered.words.substr(0, 300)));
  }
  return wrong;
}

void CrashCampaign::judge(CrashTest& test, const CrashImage& image, const Recovered& recovered) {
  const CrashVerdict verdict = judge_image(image, recovered);
  const std::vector<std::string> wrong = wrong_with(test, verdict, recovered);
  const std::lock_guard lock(shared_.mutex);
  nlohmann::json& recovery = test.row.at("recovery");
  const auto count = [&](const char* what) { recovery[what] = recovery.value(what, 0) + 1; };
  if (recovered.found.value("replayed", false)) count("replayed");
  if (!recovered.found.value("mounted", false)) {
    count("unmountable");
  } else if (!recovered.checked) {
    count("not_checked");
  } else {
    count(recovered.status == 0 ? "fsck_clean" : "fsck_errors");
  }
  test.counts.add(verdict.counts);
  test.row["images"] = test.row["images"].get<std::size_t>() + 1;
  if (image.last) test.row["checked"] = test.row["checked"].get<std::size_t>() + 1;
  test.row.update(test.counts.json());
  if (!wrong.empty()) {
    test.row["status"] = kStatusFailed;
    if (test.row["failures"].size() < kFailuresKept) {
      std::string what = wrong.front();
      if (wrong.size() > 1) what += fmt::format("; and {} more", wrong.size() - 1);
      test.row["failures"].push_back({{"point", image.point},
                                      {"image", image.number},
                                      {"instant", image.state.instructions},
                                      {"what", what},
                                      {"command", crash_replay(options_, test, model_, image)}});
    }
    if (options_.report && !reported_) {
      CrashVerdict told = verdict;
      told.what = wrong;
      report(test, image, recovered, told);
    }
  }
}

// Under shared_.mutex.
void CrashCampaign::report(const CrashTest& test, const CrashImage& image,
                           const Recovered& recovered, const CrashVerdict& verdict) {
  const CrashReport about =
      crash_report(options_, test, model_, shared_.json, image, recovered, verdict);
  const fs::path folder = options_.out;
  write_packed_image(image.bytes, about.image_bytes, folder / (about.image + ".gz"));
  const fs::path script = folder / fmt::format("point-{}.sh", image.point);
  write_file(script, crash_report_script(about));
  fs::permissions(script, fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec,
                  fs::perm_options::add);
  const fs::path words = folder / fmt::format("point-{}.txt", image.point);
  write_file(words, crash_report_text(about));
  reported_ = true;
  progress_.say(
      fmt::format("{}, {} and {}.gz", words.string(), script.filename().string(), about.image));
}

// The guests that recover, image after image; one more whenever one has died of an image.
GuestOutcome CrashCampaign::check(CrashTest& test, const fs::path& folder,
                                  const ImageStream& stream, RecoveryClasses& classes) {
  GuestMemory memory(test.spec);
  const fs::path file = folder / "recovered";
  std::optional<CrashImage> image;
  const auto advance = [&] {
    image = stream.next();
    if (image && options_.plant == kDropCommit && !image->bytes.drop_last_commit()) {
      throw Failure(ExitCode::kUsage, "the image has no commit to drop");
    }
  };
  advance();
  const auto settle = [&](const Recovered& recovered) {
    stream.judge(*image, recovered);
    advance();
  };
  const auto run_anew = [&](Recovered recovered) {
    settle(classes.add(image->bytes, std::move(recovered)));
  };
  GuestOutcome outcome;
  while (image) {
    const Deadlines deadlines{.boot_s = options_.boot_s, .cell_s = options_.cell_s};
    const StateOutcome obtained = machines_->states().obtain(test.spec, deadlines, cancel_);
    if (!obtained.state) return obtained.outcome;
    std::optional<nlohmann::json> found;
    bool loaded = false;
    bool any = false;
    GuestJob job;
    job.spec = test.spec;
    job.spec.memory_file = memory.path();
    job.spec.qemu_parameters = {
        "-plugin",
        fmt::format("{},low={},pmem={},touched={}", option_value(plugin_.string()),
                    test.spec.ram_mib, test.spec.pmem_mib, option_value(memory.marks_path()))};
    job.mode = GuestMode::kRestore;
    job.state = obtained.state->files;
    job.deadlines = deadlines;
    job.cell = crash_request(options_, test, "check");
    job.on_wait = [&] {
      if (found) {
        run_anew(checks_->look_at(test.spec, *found, memory, file));
        found.reset();
      }
      for (const Recovered* known = nullptr; image && !options_.brute && !cancel_ &&
                                             (known = classes.find(image->bytes)) != nullptr;) {
        settle(*known);
      }
      if (!image) return false;
      memory.load(image->bytes, !any);
      if (options_.point && (options_.image || image->number == 0)) {
        memory.save(fs::path(options_.out) / fmt::format("point-{}.img", *options_.point));
      }
      loaded = any = true;
      return true;
    };
    outcome = run_guest(
        job,
        [&](const wire::Frame& frame) {
          if (frame.type != wire::kResult) return;
          found = parse_json(frame.payload);
          loaded = false;
        },
        cancel_);
    if (outcome.verdict == Verdict::kCancelled) return outcome;
    if (!outcome.ok() && loaded) {
      // The image was too much for the kernel. Of which lines is not known.
      run_anew(
          {.found = {{"mounted", false}, {"error", outcome.message}}, .read = memory.lines_read()});
      outcome = {};
    } else if (!outcome.ok()) {
      return outcome;
    }
  }
  return outcome;
}

GuestOutcome CrashCampaign::run(CrashTest& test) try {
  const TempDir folder(machines_->cache() / "unfinished");
  GuestOutcome outcome = write(test, folder.path());
  if (!outcome.ok()) return outcome;
  const PmemTrace trace = PmemTrace::read(folder.path());
  const std::uint64_t sector =
      options_.tear == kTearStore ? kTearsAnywhere : sector_of(trace.begin);
  {
    const std::lock_guard lock(shared_.mutex);
    test.row["stores"] = static_cast<std::uint64_t>(
        std::count_if(trace.records.begin(), trace.records.end(),
                      [](const PmemRecord& record) { return record.is_store(); }));
  }
  const CrashImages::Wish wish{.model = model_,
                               .sector = sector,
                               .per_point = options_.images,
                               .seed = options_.seed,
                               .pages = options_.pages,
                               .point = options_.point,
                               .image = options_.image};
  CrashImages images(trace, crash_points(trace.records, options_.points, options_.seed, sector),
                     wish);
  RecoveryClasses classes;
  outcome = check(test, folder.path(),
                  {.next = [&] { return images.next(); },
                   .judge =
                       [&](const CrashImage& image, const Recovered& recovered) {
                         judge(test, image, recovered);
                         if (image.last) progress_.step(test.what);
                       }},
                  classes);
  {
    const std::lock_guard lock(shared_.mutex);
    test.row["classes"] = classes.count();
  }
  if (!outcome.ok() || options_.mutate.empty()) return outcome;
  return mutate(test, folder.path(), trace, wish, classes);
} catch (const Failure& failure) {
  // Only this test has failed; the others can go on.
  if (failure.code() != ExitCode::kVmFailed) throw;
  GuestOutcome outcome;
  outcome.verdict = Verdict::kNoDone;
  outcome.exit_code = failure.code();
  outcome.message = failure.what();
  return outcome;
}

// Leaves out each place that wrote back or fenced, one at a time, and sees whether the loss shows.
GuestOutcome CrashCampaign::mutate(CrashTest& test, const fs::path& folder, const PmemTrace& trace,
                                   const CrashImages::Wish& wish, RecoveryClasses& classes) {
  const Deadlines deadlines{.boot_s = options_.boot_s, .cell_s = options_.cell_s};
  std::string why;
  const auto symbols =
      symbols_->obtain(machines_->states(), test.spec, test.cell, deadlines, cancel_, why);
  if (!symbols) throw Failure(ExitCode::kVmFailed, "the guest's functions are not known: " + why);
  const FlushMutants mutants(trace, PmemTrace::read_stacks(folder), *symbols);
  CrashImages::Wish all = wish;
  all.point.reset();
  all.image.reset();
  MutantStream stream(trace, mutants, all);
  GuestOutcome outcome =
      check(test, folder,
            {.next = [&] { return stream.next(); },
             .judge =
                 [&](const CrashImage& image, const Recovered& recovered) {
                   const CrashVerdict verdict = judge_image(image, recovered);
                   stream.judge(image, !wrong_with(test, verdict, recovered).empty(), recovered);
                 }},
            classes);
  if (!outcome.ok()) return outcome;
  const std::lock_guard lock(shared_.mutex);
  test.row["mutants"] = stream.json();
  return outcome;
}

void CrashCampaign::end(CrashTest& test, const GuestOutcome& outcome) {
  const std::lock_guard lock(shared_.mutex);
  const std::size_t wanted = options_.point ? 1 : options_.points;
  if (!outcome.ok()) {
    const bool cancelled = outcome.verdict == Verdict::kCancelled;
    const bool skipped = !cancelled && outcome.exit_code == ExitCode::kSkipped;
    if (test.row["status"] != kStatusFailed) {
      test.row["status"] = cancelled ? kStatusIncomplete : skipped ? kStatusSkipped : kStatusFailed;
    }
    test.row["reason"] = cancelled ? "interrupted" : outcome.message;
    vm_failed_ = vm_failed_ || (!cancelled && outcome.exit_code == ExitCode::kVmFailed);
    if (!cancelled) {
      progress_.say(fmt::format("{}: {}", test.what, outcome.message));
      for (const std::string& line : outcome.console_tail) progress_.say("  | " + line);
    }
  } else if (test.row["status"] == kStatusFailed) {
    test.row["reason"] = test.row["failures"][0]["what"];
    progress_.say(fmt::format("{}: point {}, seed {}: {}\n  {}", test.what,
                              test.row["failures"][0]["point"].get<std::size_t>(), options_.seed,
                              test.row["failures"][0]["what"].get<std::string>(),
                              test.row["failures"][0]["command"].get<std::string>()));
  } else if (test.row["checked"] == wanted) {
    test.row["status"] = kStatusOk;
    test.row["reason"] = "";
  }
  save();
}

Tally CrashCampaign::tally() const {
  Tally t;
  for (const CrashTest& test : tests_) t.count(test.row["status"].get<std::string>());
  return t;
}

void CrashCampaign::save() {
  note_elapsed(
      shared_.json,
      elapsed_before_ +
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count());
  nlohmann::json rows = nlohmann::json::array();
  for (const CrashTest& test : tests_) rows.push_back(test.row);
  note_complete(shared_.json, tally(), "tests");
  write_document(
      fs::path(options_.out) / kCrashName,
      {{"schema_version", kSchemaVersion}, {"context", shared_.json}, {"tests", std::move(rows)}});
}

CrashEnd CrashCampaign::execute() {
  const Watch watch([this] {
    if (*context_.interrupted) cancel_ = true;
  });
  prepare();
  std::vector<CrashTest*> wanted;
  for (CrashTest& test : tests_) {
    if (test.row["status"] == kStatusIncomplete) wanted.push_back(&test);
  }
  save();
  progress_.start(wanted.size() * (options_.point ? 1 : options_.points));
  run_many(
      wanted.size(), options_.jobs == 0 ? workers_for(Accel::kTcgIcount) : options_.jobs,
      [&](std::size_t i) { return run(*wanted[i]); },
      [&](std::size_t i, const GuestOutcome& outcome) { end(*wanted[i], outcome); }, cancel_);
  save();

  const Tally t = tally();
  progress_.say(fmt::format("{}; {}", tally_text(t, "test"),
                            clock_text(shared_.json["elapsed_s"].get<double>())));
  if (options_.report && !reported_ && !*context_.interrupted) {
    progress_.say(
        fmt::format("point {}: nothing was lost; there is nothing to report", *options_.point));
  }
  progress_.say((fs::path(options_.out) / kCrashName).string());
  CrashEnd end{.code = end_code(t, *context_.interrupted, vm_failed_)};
  for (CrashTest& test : tests_) end.tests.push_back(std::move(test.row));
  return end;
}

}  // namespace

ReadCrashTest read_crash_test(const fs::path& dir) {
  std::error_code error;
  const fs::path file = dir / kCrashName;
  if (!fs::is_regular_file(file, error)) return {};
  const nlohmann::json read = parse_json(read_file(file));
  if (!read.is_object() || !read.contains("context") || !read["context"].is_object() ||
      !read.contains("tests") || !read["tests"].is_array()) {
    return {};
  }
  return {.context = read["context"], .tests = read["tests"]};
}

CrashEnd run_crash_campaign(const CrashWish& wish, const CommandContext& context) {
  return CrashCampaign(wish, context).execute();
}

}  // namespace faultline
