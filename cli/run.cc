// SPDX-License-Identifier: GPL-2.0-only
// faultline run: a selection of cells to one result file.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "campaign/host_process.h"
#include "campaign/result.h"
#include "campaign/run_campaign.h"
#include "cell/axes.h"
#include "cli/earlier.h"
#include "cli/fs_row.h"
#include "cli/ranges.h"
#include "cli/run_options.h"
#include "cli/verbs.h"

namespace faultline {
namespace {

ExitCode print_plan(const RunPlan& plan, bool json) {
  if (json) {
    nlohmann::json skipped = nlohmann::json::array();
    for (const auto& [reason, cells] : plan.skipped) {
      skipped.push_back({{"cells", cells}, {"reason", reason}});
    }
    fmt::print("{}\n", nlohmann::json({{"cells", plan.cells},
                                       {"lives", plan.lives},
                                       {"boots", plan.boots},
                                       {"workers", plan.workers},
                                       {"seconds", plan.seconds},
                                       {"skipped", std::move(skipped)}})
                           .dump(1));
  } else {
    fmt::print("{}", plan_text(plan));
  }
  return plan.lives == 0 ? ExitCode::kSkipped : ExitCode::kPass;
}

ExitCode run(RunOptions options, const std::vector<std::string>& only_in_a_vm,
             const CommandContext& context) {
  RunWish& wish = options.wish;
  settle_observation(options, context);
  if (options.on == kHostKernel) {
    if (!only_in_a_vm.empty()) {
      throw Failure(ExitCode::kUsage, fmt::format("{}: of a VM only; --dir says what is measured",
                                                  fmt::join(only_in_a_vm, ", ")));
    }
    if (options.host.dir.empty()) {
      throw Failure(ExitCode::kUsage, "--on host needs --dir, a folder on the mount to measure");
    }
    options.host.boot_s = wish.vm.deadlines.boot_s;
    options.host.cell_s = wish.vm.deadlines.cell_s;
    wish.host = options.host;
  } else if (!options.host.dir.empty() || options.host.page_cache) {
    throw Failure(ExitCode::kUsage, "--dir and --allow-page-cache go with --on host");
  }
  if (options.dry) return print_plan(plan_campaign(wish, context), options.json);
  const RunEnd end = run_campaign(wish, context);
  if (options.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Row& row : end.rows) rows.push_back(json_of(row));
    fmt::print("{}\n", nlohmann::json({{"context", end.context}, {"benchmarks", rows}})
                           .dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (!wish.quiet && !options.no_table) {
    print_table(context, wish.out);
  }
  return end.code;
}

}  // namespace

void settle_observation(RunOptions& options, const CommandContext& context) {
  ObserveWish& observe = options.wish.vm.observe;
  observe = observe_named(options.observe);
  if (observe.vector || observe.caches) {
    observe.geometry = geometry_named(options.cache_geometry, context.parts.caches);
  } else if (!options.cache_geometry.empty()) {
    throw Failure(ExitCode::kUsage, "--cache-geometry goes with --observe caches, or vector");
  }
}

RunVerb declare_run_options(CLI::App* run_verb) {
  RunVerb declared{.verb = run_verb};
  const std::shared_ptr<RunOptions>& options = declared.options;
  std::vector<CLI::Option*>& of_a_vm = declared.of_a_vm;
  of_a_vm = {
      run_verb
          ->add_option("--kernel", options->wish.vm.kernel,
                       "kernels, point releases, `all`, `releases`, or [NAME=]PATH of a bzImage, a "
                       "built tree or an unpacked package; NAME+N: with N instructions planted in "
                       "each fault")
          ->capture_default_str(),
      run_verb->add_option("--modules", options->wish.vm.modules,
                           "modules folder that belongs to --kernel PATH")};
  for (const Axis& axis : axes()) {
    CLI::Option* list = run_verb->add_option(std::string("--") + axis.id,
                                             options->wish.lists[axis.id], axis_help(axis));
    if (axis.id == std::string("fs")) of_a_vm.insert(of_a_vm.end(), {list, fs_row_of(run_verb)});
  }
  run_verb->add_option("--on", options->on, "vm; host: the running kernel, in --dir")
      ->check(CLI::IsMember({"vm", kHostKernel}))
      ->capture_default_str();
  run_verb->add_option("--dir", options->host.dir,
                       "a folder on the DAX mount to measure (--on host)");
  run_verb->add_flag("--allow-page-cache", options->host.page_cache, "--dir need not be on DAX");
  std::string known;
  for (const Preset& preset : presets()) known += fmt::format("{}: {}", preset.id, preset.summary);
  run_verb->add_option("--preset", options->wish.preset, "a selection by name; " + known);
  run_verb
      ->add_option("--probes", options->wish.probes,
                   probe_set_ids() + "; globs; a probed cell always has its twin")
      ->capture_default_str();
  of_a_vm.push_back(run_verb->add_option(
      "--observe", options->observe,
      "profile: every instruction by function; vector: what is stored to pmem, written back, "
      "fenced; caches: misses of modelled caches; of cells without probes, and no figure changes"));
  of_a_vm.push_back(whole_numbers(
      run_verb->add_option("--observe-seeds", options->wish.observe_seeds,
                           "of the seeds, how many are observed, which takes some 2.5 times as "
                           "long (default: all)"),
      1, kMostSeeds));
  of_a_vm.push_back(run_verb->add_option(
      "--cache-geometry", options->cache_geometry,
      "how large modelled caches and TLB are: a file of observe/caches by its name, or a path of "
      "one that ends in .toml (default: cascadelake)"));
  of_a_vm.push_back(
      run_verb->add_option("--accel", options->wish.vm.accel, "tcg-icount, tcg, kvm, or auto")
          ->capture_default_str());
  run_verb->add_option("--out", options->wish.out, "folder of the result")->capture_default_str();
  run_verb->add_flag("--force", options->wish.force, "replace a result that is there");
  run_verb->add_option("--resume", options->resume,
                       "go on with the run whose result is in this folder, with the options that "
                       "it had; what it has measured is kept");
  touches_of(run_verb->add_option("--touches", options->wish.touches,
                                  "measured stores per cell (default: the workload's)"));
  of_a_vm.push_back(
      run_verb->add_option("--seeds", options->wish.seeds,
                           "N, or FIRST..LAST; each varies tick phase, page frames and "
                           "blocks, and is identical for ever (default: 5; contests: 1)"));
  of_a_vm.push_back(whole_numbers(
      run_verb->add_option("--probe-seeds", options->wish.probe_seeds,
                           "of the seeds, how many cells with probes get (default: 1; with "
                           "--seeds: all)"),
      1, kMostSeeds));
  of_a_vm.push_back(run_verb
                        ->add_option("--vary", options->wish.vary,
                                     "what seeds vary: all, or tick, pages, blocks alone")
                        ->capture_default_str());
  of_a_vm.push_back(
      numbers(run_verb->add_option("--outlier", options->wish.outlier,
                                   "percent: a sample that lies further off its cell's median is "
                                   "measured again, to learn why"),
              0, kMostPercent)
          ->capture_default_str());
  of_a_vm.push_back(
      run_verb->add_option("--shard", options->wish.shard, "I/N: every Nth cell from the Ith on"));
  run_verb->add_flag("--reverse", options->wish.reverse,
                     "the last cell first; no figure of virtual time changes");
  repetitions_of(
      run_verb->add_option("--repetitions", options->wish.repetitions,
                           "wall time: measures every cell N times, interleaved (default: 1)"));
  run_verb->add_flag("--samples", options->wish.samples,
                     "keep a record of every fault, sync and commit");
  of_a_vm.push_back(jobs_of(run_verb->add_option("--jobs", options->wish.jobs,
                                                 "guests side by side (default: cores; wall: 1)")));
  of_a_vm.push_back(
      pmem_of(run_verb->add_option("--pmem", options->wish.vm.pmem_mib, "MiB of emulated pmem"))
          ->capture_default_str());
  seconds_of(run_verb->add_option("--boot-deadline", options->wish.vm.deadlines.boot_s,
                                  "seconds for a boot"))
      ->capture_default_str();
  seconds_of(run_verb->add_option("--cell-deadline", options->wish.vm.deadlines.cell_s,
                                  "seconds for a cell"))
      ->capture_default_str();
  numbers(
      run_verb->add_option("--deadline", options->wish.total_s, "seconds for everything; 0: none"),
      0, kMostSeconds)
      ->capture_default_str();
  of_a_vm.push_back(run_verb->add_flag("--dry-run", options->dry,
                                       "say how many cells, lives and boots it comes to, what is "
                                       "skipped, and about how long it takes; boots and fetches "
                                       "nothing"));
  run_verb->add_flag("--json", options->json, "print the result as JSON instead of a table");
  run_verb->add_flag("--no-table", options->no_table, "progress, but no table");
  run_verb->add_flag("--quiet", options->wish.quiet, "no progress and no table");
  return declared;
}

namespace {

RunVerb declare_run(CLI::App& app) {
  CLI::App* run_verb = app.add_subcommand("run", "Measure cells and write DIR/result.json");
  run_verb->footer(
      "Names and globs, separated by commas; `faultline list` prints what there is.\n\n"
      "Examples:\n"
      "  faultline run --out out\n"
      "      the default matrix on the default kernel\n"
      "  faultline run --fs ext4,xfs --strategy 'map_*' --state hole --out holes\n"
      "  faultline run --kernel all --strategy fsync:8,map_sync --out kernels\n"
      "  faultline run --preset kara2017 --out kara\n"
      "  faultline run --workload dos --touch utimens,truncate --state written\n"
      "  faultline run --on host --dir /mnt/pmem --strategy map_sync,fsync\n"
      "  faultline run --kernel mine=./bzImage --modules ./mods/lib/modules/6.9.0\n"
      "  faultline run --kernel tree=./linux\n\n"
      "Exit: 0 all ok; 1 a cell failed; 2 usage, interrupted or incomplete;\n"
      "69 a VM failed; 77 every cell was skipped.");
  return declare_run_options(run_verb);
}

ExitCode run_declared(const RunVerb& declared, const CommandContext& context) {
  std::vector<std::string> only_in_a_vm;
  for (const CLI::Option* option : declared.of_a_vm) {
    if (option->count() > 0) only_in_a_vm.push_back(option->get_name());
  }
  return run(*declared.options, only_in_a_vm, context);
}

// The options of the run that wrote a context, declared anew. Failure(kUsage) when it is of none.
RunVerb declared_by(CLI::App& app, const nlohmann::json& context, const std::string& where) {
  RunVerb declared = declare_run(app);
  parse_earlier(app, declared.verb->get_name(), context, where);
  if (declared.options->on == kHostKernel) {
    throw Failure(
        ExitCode::kUsage,
        fmt::format("{}: was measured on the host, in wall time, which no two runs have in "
                    "common; run it anew",
                    where));
  }
  declared.options->wish.force = false;
  return declared;
}

// The run whose result is in the folder, with the options that it had.
ExitCode resume(const RunVerb& given, const CommandContext& context) {
  const std::string& folder = given.options->resume;
  refuse_beside_resume(*given.verb, {"--jobs", "--json", "--no-table", "--quiet", "--deadline"});
  ReadResult before = read_result(folder);
  CLI::App app;
  const RunVerb declared = declared_by(app, before.context, "--resume " + folder);
  refuse_complete(before.context, declared.verb->get_name(), folder);
  RunOptions& options = *declared.options;
  go_on_with(options, std::move(before), folder, *given.options);
  options.wish.total_s = given.options->wish.total_s;
  options.no_table = given.options->no_table;
  return run_declared(declared, context);
}

struct ReproduceOptions {
  std::string result;
  std::string out = "reproduced";
  std::string shard;
  unsigned jobs = 0;
  bool force = false;
  bool quiet = false;
};

// How many seeds cells with probes have, 0 where there are none.
std::size_t seeds_of_probed(const std::vector<Row>& rows) {
  std::set<Count> seeds;
  for (const Row& row : rows) {
    if (row.probes != Probes::k_off && row.time_domain == kTimeDomains[0]) seeds.insert(row.seed);
  }
  return seeds.size();
}

// Measures a result again as it was measured, and compares.
ExitCode reproduce(const ReproduceOptions& given, const CommandContext& context) {
  const ReadResult whole = read_result(given.result);
  const nlohmann::json& before = whole.context;
  CLI::App app;
  const RunVerb declared = declared_by(app, before, given.result);
  RunOptions& options = *declared.options;
  options.wish.out = given.out;
  options.wish.force = given.force;
  options.wish.quiet = given.quiet;
  options.wish.like = before;
  options.wish.total_s = 0;
  if (given.jobs != 0) options.wish.jobs = given.jobs;
  if (!given.shard.empty()) options.wish.shard = given.shard;
  // The default was once all seeds: an older result is measured again with as many as it has.
  if (options.wish.probe_seeds == 0) options.wish.probe_seeds = seeds_of_probed(whole.rows);
  options.no_table = true;
  options.json = false;
  const ExitCode ended = run_declared(declared, context);
  if (ended != ExitCode::kPass && ended != ExitCode::kRegression) return ended;
  std::fflush(stdout);
  return run_report_verb(context, {"identical", given.result, given.out});
}

}  // namespace

Verb add_reproduce(CLI::App& app) {
  auto options = std::make_shared<ReproduceOptions>();
  CLI::App* verb = app.add_subcommand(
      "reproduce", "Measure a published result again, and compare to the last digit");
  verb->footer(
      "With the options, seeds and kernels that the result's context tells of. What is another\n"
      "by now is said: faultline, QEMU; of a kernel that cannot be had any more nothing is\n"
      "measured. Then as `faultline identical RESULT DIR`.\n\n"
      "Example:\n  faultline reproduce docs/example/paced.json --out again\n\n"
      "Exit: 0 every figure is the same; 1 one differs; 2 usage, or a kernel that is gone;\n"
      "69 a VM failed.");
  verb->add_option("RESULT", options->result, "a folder, or a file")->required();
  verb->add_option("--out", options->out, "folder of what is measured now")->capture_default_str();
  verb->add_option("--shard", options->shard, "I/N: every Nth cell from the Ith on alone");
  jobs_of(verb->add_option("--jobs", options->jobs, "guests side by side (default: cores)"));
  verb->add_flag("--force", options->force, "replace a result that is there");
  verb->add_flag("--quiet", options->quiet, "no progress");
  return {verb, [options](const CommandContext& context) { return reproduce(*options, context); }};
}

Verb add_run(CLI::App& app) {
  const RunVerb declared = declare_run(app);
  return {declared.verb, [declared](const CommandContext& context) {
            return declared.options->resume.empty() ? run_declared(declared, context)
                                                    : resume(declared, context);
          }};
}

}  // namespace faultline
