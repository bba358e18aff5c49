// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/crash_plan.h"

#include <fmt/format.h>

#include <set>

#include "campaign/program_image.h"
#include "cell/failure.h"
#include "cell/fs_row.h"
#include "cell/name.h"
#include "cell/row.h"
#include "cell/words.h"

namespace faultline {

std::string id_of(CrashModel model) {
  return model == CrashModel::kPx86 ? kModelPx86 : kModelOrder;
}

bool is_plant_of_lines(const std::string& plant) {
  return plant == kSkipFlush || plant == kSkipFence;
}

void check_crash_wish(const CrashWish& wish) {
  const auto refuse = [](const std::string& why) { throw Failure(ExitCode::kUsage, why); };
  if (wish.points == 0) refuse("--points: at least one");
  if (wish.point && *wish.point >= wish.points) {
    refuse(fmt::format("--{} {}: with --points {} they are 0 to {}",
                       wish.report ? "report" : "point", *wish.point, wish.points,
                       wish.points - 1));
  }
  if (wish.image && !wish.point) refuse("--image: says which image of a --point");
  if (!wish.run.empty() && !wish.write.empty()) {
    refuse("--run and --write: a program of yours writes, or one of faultline's; not both");
  }
  if (!wish.run.empty() && !wish.plant.empty() && wish.plant != kDropCommit) {
    refuse(
        fmt::format("--plant {}: with --run your program decides what it leaves out", wish.plant));
  }
  if (wish.model == kModelOrder) check_model_order(wish);
}

void check_model_order(const CrashWish& wish) {
  if (is_plant_of_lines(wish.plant)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--plant {}: --model order takes every store for durable, and cannot "
                              "find it; use --model px86",
                              wish.plant));
  }
  if (!wish.mutate.empty()) {
    throw Failure(ExitCode::kUsage,
                  "--mutate flushes: --model order knows no write-backs; use --model px86");
  }
}

std::vector<std::string> crash_writer_ids(const CrashWish& wish) {
  if (!wish.run.empty()) return {kProgramWriter};
  std::vector<std::string> ids;
  for (const CrashWriter* writer :
       crash_writers_named(wish.write.empty() ? kPagesWriter : wish.write)) {
    ids.emplace_back(writer->id);
  }
  return ids;
}

Selection crash_selection(const CrashWish& wish, const std::string& writer) {
  const CrashWriter* row = find_crash_writer(writer);
  // A program decides for itself how it syncs: it is held to what it says.
  std::string strategy = "volatile";
  if (row != nullptr) strategy = *row->strategy == '\0' ? wish.strategy : row->strategy;
  Selection selection{.patterns = {{"workload", {"first_touch"}},
                                   {"fs", split_list(wish.file_systems)},
                                   {"strategy", split_list(strategy)}}};
  if (!wish.state.empty()) selection.patterns["state"] = split_list(wish.state);
  return selection;
}

namespace {

// A writer that has nothing to leave out would pass for one that was tried.
std::string why_no_plant(const CrashWish& wish, const Strategy& rule) {
  if (is_plant_of_lines(wish.plant) && rule.persist != Persist::kFlushLines) {
    return fmt::format("--plant {}: {} writes no line back itself", wish.plant, rule.id);
  }
  if (wish.plant == kSkipSync && rule.promise == Promise::kNothing) {
    return fmt::format("--plant {}: {} promises nothing", wish.plant, rule.id);
  }
  return "";
}

std::string promise_of(const std::string& writer, const Strategy& rule) {
  if (writer == kPagesWriter) {
    return promise_text(rule.promise);
  }
  const CrashWriter* row = find_crash_writer(writer);
  return row == nullptr ? "what the program says" : row->promise;
}

}  // namespace

std::vector<CrashTest> plan_crash_tests(const CrashWish& wish, const std::string& writer,
                                        CrashModel model, const FetchedKernel& kernel,
                                        const Surroundings& around) {
  const bool pages = writer == kPagesWriter;
  std::vector<CrashTest> tests;
  std::set<std::string> planned_already;
  for (const PlannedCell& planned : plan_cells(crash_selection(wish, writer), {}, around)) {
    CrashTest test;
    test.writer = writer;
    test.cell = planned.cell;
    test.cell.kernel = kernel.id;
    test.path = kernel.path;
    test.cell.seed = wish.seed;
    std::string skip = planned.skip;
    const Strategy& rule = *find_strategy(test.cell.strategy);
    const std::string strategy = strategy_name(rule.id, test.cell.writes_per_sync);
    // If no state is wished for, each strategy is tested in the first that it has.
    const std::string key = test.cell.fs + "/" + strategy;
    if (wish.state.empty() && (!skip.empty() || !planned_already.insert(key).second)) continue;
    test.what = fmt::format("{}/{}/{}", kernel.id, test.cell.fs, pages ? strategy : writer);
    if (pages) test.what += fmt::format("/{}", id_of(test.cell.state));
    if (skip.empty() && writer != kProgramWriter) skip = why_no_plant(wish, rule);
    test.row = {
        {"kernel", kernel.id},
        {"release", kernel.release},
        {"fs", test.cell.fs},
        {"write", writer},
        {"strategy", writer == kProgramWriter ? nlohmann::json() : nlohmann::json(strategy)},
        {"state", pages ? nlohmann::json(id_of(test.cell.state)) : nlohmann::json()},
        {"promises", promise_of(writer, rule)},
        {"seed", wish.seed},
        {"model", id_of(model)},
        {"tear", wish.tear},
        {"points", wish.points},
        {"checked", 0},
        {"images", 0},
        {"classes", 0},
        {"status", skip.empty() ? kStatusIncomplete : kStatusSkipped},
        {"reason", skip.empty() ? "not run" : skip},
        {"recovery", {{"replayed", 0}, {"fsck_clean", 0}, {"fsck_errors", 0}, {"unmountable", 0}}},
        {"failures", nlohmann::json::array()}};
    test.row.update(test.counts.json());
    tests.push_back(std::move(test));
  }
  return tests;
}

std::string crash_request(const CrashWish& wish, const CrashTest& test, const char* what) {
  nlohmann::json request = {{"do", what}, {"write", test.writer}};
  if (test.writer == kProgramWriter) {
    std::vector<std::string> words = program_words(wish.run);
    words.erase(words.begin());
    request["arguments"] = words;
  }
  if (std::string_view(what) == "write") {
    request.update({{"cell", cell_to_json(test.cell)},
                    {"pages", wish.pages},
                    {"rounds", wish.rounds},
                    {"plant", wish.plant}});
  } else {
    request["reads"] = wish.brute;
  }
  return nlohmann::json({{"crash", request}}).dump();
}

std::string crash_replay(const CrashWish& wish, const CrashTest& test, CrashModel model,
                         const CrashImage& image) {
  std::string kernel = test.cell.kernel;
  // The kernel is to have the same name again, which its path alone need not give.
  if (!test.path.empty()) kernel += "=" + test.path;
  if (!test.path.empty() && !wish.modules.empty()) kernel += " --modules " + wish.modules;
  if (const FileSystem* row = find_file_system(test.cell.fs); row->given != nullptr) {
    kernel += " --fs-row " + row->given->file;
  }
  std::string written = "--write " + test.writer;
  if (test.writer == kPagesWriter) {
    written = fmt::format("--strategy {} --state {}", test.row.at("strategy").get<std::string>(),
                          test.row.at("state").get<std::string>());
  } else if (test.writer == kProgramWriter) {
    written = fmt::format("--run \"{}\"", wish.run);
  }
  std::string command = fmt::format(
      "faultline crashtest --kernel {} --fs {} {} --model {} --points {} --seed {} --point {}",
      kernel, test.cell.fs, written, id_of(model), wish.points, wish.seed, image.point);
  const CrashWish usual;
  if (model == CrashModel::kPx86) command += fmt::format(" --image {}", image.number);
  if (wish.images != usual.images) command += fmt::format(" --images {}", wish.images);
  if (wish.pages != usual.pages) command += fmt::format(" --pages {}", wish.pages);
  if (wish.rounds != usual.rounds) command += fmt::format(" --rounds {}", wish.rounds);
  if (wish.tear != usual.tear) command += fmt::format(" --tear {}", wish.tear);
  if (!wish.plant.empty()) command += fmt::format(" --plant {}", wish.plant);
  return command + fmt::format(" --out point-{}", image.point);
}

CrashReport crash_report(const CrashWish& wish, const CrashTest& test, CrashModel model,
                         const nlohmann::json& context, const CrashImage& image,
                         const Recovered& recovered, const CrashVerdict& verdict) {
  const FileSystem& file_system = *find_file_system(test.cell.fs);
  const auto text = [&](const char* table, const std::string& of, const char* key) {
    const auto found = context.find(table);
    if (found == context.end() || !found->contains(of)) return std::string();
    const nlohmann::json& value = found->at(of).value(key, nlohmann::json());
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  const auto made = [&](const char* key) { return text("file_systems", test.cell.fs, key); };
  CrashReport about{
      .type = file_system.type,
      .kernel = fmt::format("{} ({})", text("kernels", test.cell.kernel, "release"),
                            text("kernels", test.cell.kernel, "package")),
      .made = fmt::format("{} ({}); {}", made("mkfs"), made("tool_version"), made("mount")),
      .promise = test.row.at("promises").get<std::string>(),
      .model = id_of(model),
      .check = file_system.check,
      .command = crash_replay(wish, test, model, image),
      .instant = image.state.instructions,
      .image = fmt::format("point-{}.img", image.point),
      .image_bytes = std::uint64_t{test.spec.pmem_mib} << 20U,
      .wrong = verdict.what,
      .says = recovered.found.value("kernel", std::vector<std::string>()),
      .mounts = recovered.found.value("mounted", false),
      .size = image.state.size.promised,
      .mtime = image.state.mtime.promised,
      .lost = verdict.pages,
      .elsewhere = verdict.elsewhere};
  if (test.writer == kPagesWriter) {
    about.written = fmt::format("{}; blocks beforehand: {}",
                                find_strategy(test.cell.strategy)->summary, id_of(test.cell.state));
  } else if (const CrashWriter* writer = find_crash_writer(test.writer)) {
    about.written = writer->summary;
    about.promise += fmt::format(" ({})", writer->source);
  } else {
    about.written = "by the program " + wish.run;
  }
  return about;
}

}  // namespace faultline
