// SPDX-License-Identifier: GPL-2.0-only
// faultline crashtest: what of a strategy's promises is left when the power goes.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "campaign/crash_campaign.h"
#include "cell/row.h"
#include "cell/words.h"
#include "cli/earlier.h"
#include "cli/fs_row.h"
#include "cli/ranges.h"
#include "cli/verbs.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// Each is an image to mount and check: some ten a second.
constexpr std::int64_t kMostPoints = 100'000;

struct CrashtestOptions {
  CrashWish wish = {};
  std::optional<std::size_t> report = {};
  std::string resume = {};  // a folder
  bool json = false;
};

struct CrashVerb {
  CLI::App* verb = nullptr;
  std::shared_ptr<CrashtestOptions> options = std::make_shared<CrashtestOptions>();
};

void print_mutants(const nlohmann::json& mutants) {
  const nlohmann::json& score = mutants.at("score");
  fmt::print("  flushes left out: {} places, {} found, {} redundant, {} survived{}\n",
             mutants.at("sites").get<int>(), mutants.at("killed").get<int>(),
             mutants.at("redundant").get<int>(), mutants.at("survived").get<int>(),
             score.is_null() ? "" : fmt::format("; score {:.1f} %", score.get<double>() * 100));
  for (const nlohmann::json& one : mutants.at("survivors")) {
    std::string line = fmt::format("    survived: {} in {}", one.at("kind").get<std::string>(),
                                   one.at("function").get<std::string>());
    constexpr std::size_t kRoom = 80;
    for (const nlohmann::json& caller : one.at("stack")) {
      const std::string more = " < " + caller.get<std::string>();
      if (line.size() + more.size() > kRoom) break;
      line += more;
    }
    fmt::print("{}\n", line);
  }
}

void print_crash_table(const std::vector<nlohmann::json>& tests, std::uint64_t seed) {
  const auto what_of = [](const nlohmann::json& row) {
    return row[row["write"] == kPagesWriter ? "strategy" : "write"].get<std::string>();
  };
  std::size_t fs_width = 4;
  std::size_t what_width = 12;
  for (const nlohmann::json& row : tests) {
    fs_width = std::max(fs_width, row["fs"].get<std::string>().size());
    what_width = std::max(what_width, what_of(row).size());
  }
  std::string kernel;
  for (const nlohmann::json& row : tests) {
    if (row["release"] != kernel) {
      kernel = row["release"].get<std::string>();
      fmt::print("{} (kernel {}), seed {}\nPages, or items, summed over all images\n",
                 row["kernel"].get<std::string>(), kernel, seed);
      fmt::print("{:<{}} {:<{}} {:<9} {:>6} {:>8} {:>5} {:>7} {:>4} {}\n", "fs", fs_width, "what",
                 what_width, "state", "points", "promised", "lost", "unprom.", "kept", "status");
    }
    const auto count = [&](const char* of, const char* what) {
      return row.at(of).at(what).get<std::uint64_t>();
    };
    const std::uint64_t left = count("unpromised", "pages") + count("unpromised", "items");
    const std::uint64_t kept =
        count("unpromised", "survived") + count("unpromised", "items_survived");
    const nlohmann::json& state = row["state"];
    fmt::print(
        "{:<{}} {:<{}} {:<9} {:>6} {:>8} {:>5} {:>7} {:>4} {}\n", row["fs"].get<std::string>(),
        fs_width, what_of(row), what_width, state.is_null() ? "-" : state.get<std::string>(),
        row["checked"].get<std::size_t>(), count("promised", "pages") + count("promised", "items"),
        count("lost", "pages") + count("lost", "torn") + count("lost", "items"), left,
        left == 0 ? "-" : fmt::format("{}%", kept * 100 / left), row["status"].get<std::string>());
    if (row["status"] == kStatusSkipped) fmt::print("  {}\n", row["reason"].get<std::string>());
    if (const std::uint64_t broken = count("lost", "broken")) {
      fmt::print("  in {} images there was what no order of events leaves\n", broken);
    }
    const std::uint64_t sizes = count("lost", "size");
    const std::uint64_t mtimes = count("lost", "mtime");
    if (sizes + mtimes != 0) {
      fmt::print("  also lost: {} of {} sizes, {} of {} mtimes\n", sizes, count("promised", "size"),
                 mtimes, count("promised", "mtime"));
    }
    if (row.contains("mutants")) print_mutants(row["mutants"]);
    if (const auto images = row.at("recovery").value("not_checked", std::uint64_t{0})) {
      fmt::print("  {} images were mounted and read; no fsck is known for {}\n", images,
                 row["fs"].get<std::string>());
    }
  }
}

// A line each.
std::string writers_text() {
  std::string text;
  for (const CrashWriter& writer : crash_writers()) {
    text += fmt::format("  {:<12} {}\n", writer.id, writer.summary);
  }
  return text;
}

CrashVerb declare_crashtest(CLI::App& app) {
  CrashVerb declared;
  const std::shared_ptr<CrashtestOptions>& options = declared.options;
  CLI::App* verb = declared.verb = app.add_subcommand(
      "crashtest", "Takes the power away while a strategy writes; checks what it had promised");
  verb->footer(
      "A guest writes and tells what is promised to be durable; every store to its pmem\n"
      "is logged. What the power may leave at each of N points is mounted in another\n"
      "guest and checked. Writes DIR/crashtest.json. docs/crashtest.md says what it can\n"
      "and cannot show.\n\n"
      "Examples:\n"
      "  faultline crashtest --points 50\n"
      "      all strategies, ext4 and XFS, the default kernel\n"
      "  faultline crashtest --strategy map_sync,fsync:8 --fs xfs --points 1000\n"
      "  faultline crashtest --strategy map_sync --fs ext4 --seed 3 --point 17\n"
      "      one point again; keeps its image, as the power left it, in DIR\n"
      "  faultline crashtest --write rename,truncate --points 20\n"
      "  faultline crashtest --run \"./queue 100\" --fs ext4\n"
      "      a program of yours, which tells what is durable (faultline_crash.h)\n\n"
      "--write (docs/crashtest.md says of each what must be found after a power cut):\n" +
      writers_text() +
      "\n"
      "Exit: 0 all promises kept; 1 one was not, or fsck found errors; 2 usage,\n"
      "interrupted; 69 a VM failed; 77 everything was skipped.");
  verb->add_option("--kernel", options->wish.kernel, "kernels, `all`, or [NAME=]PATH of a bzImage")
      ->capture_default_str();
  verb->add_option("--modules", options->wish.modules,
                   "modules folder that belongs to --kernel PATH");
  // The default is too long for the column of names.
  verb->add_option("--strategy", options->wish.strategy,
                   fmt::format("strategies, NAME or NAME:K (default: {})",
                               fmt::join(split_list(options->wish.strategy), ", ")));
  verb->add_option("--fs", options->wish.file_systems, "file systems")->capture_default_str();
  verb->add_option("--write", options->wish.write,
                   "what is written, a list of the names below or `all` (default: pages, by each "
                   "--strategy; the others have their own)");
  verb->add_option("--run", options->wish.run,
                   "instead, \"PROGRAM ARGUMENTS\" of yours: it is run with `write` as its last "
                   "word, and with `check` over each image");
  fs_row_of(verb);
  verb->add_option(
      "--state", options->wish.state,
      "of the blocks beforehand: hole, unwritten, written, shared (default: the first that a "
      "strategy has)");
  whole_numbers(verb->add_option("--points", options->wish.points, "how often the power goes"), 1,
                kMostPoints)
      ->capture_default_str();
  whole_numbers(
      verb->add_option("--point", options->wish.point, "this one of them alone; its image is kept"),
      0, kMostPoints - 1);
  whole_numbers(
      verb->add_option("--report", options->report,
                       "as --point; of what was lost there writes a text to mail, the image and a "
                       "script that shows it, which need nothing of faultline"),
      0, kMostPoints - 1)
      ->excludes("--point");
  whole_numbers(
      verb->add_option("--seed", options->wish.seed, "of the order of writes, and of the points"),
      0, kMostSeed)
      ->capture_default_str();
  whole_numbers(verb->add_option("--pages", options->wish.pages, "pages of the file"), 1, 32768)
      ->capture_default_str();
  whole_numbers(
      verb->add_option("--rounds", options->wish.rounds, "how often each page is written"), 1, 100)
      ->capture_default_str();
  jobs_of(verb->add_option("--jobs", options->wish.jobs, "guests side by side (default: cores)"));
  verb->add_option(
          "--model", options->wish.model,
          "how stores become durable: px86 (when their line is written back and fenced, or "
          "before), order (at once); default: px86 where QEMU can")
      ->check(CLI::IsMember({kModelPx86, kModelOrder}));
  whole_numbers(verb->add_option("--images", options->wish.images,
                                 "of a point, at most, which differ in the lines that were not yet "
                                 "durable; px86"),
                1, kMostPoints)
      ->capture_default_str();
  whole_numbers(verb->add_option("--image", options->wish.image, "of --point this one alone"), 0,
                kMostPoints - 1);
  verb->add_flag("--brute", options->wish.brute,
                 "recover every image, also those that recovery cannot tell from another");
  verb->add_option("--tear", options->wish.tear,
                   "the smallest piece that is whole: sector (that the file system was made for), "
                   "store (as pmem does)")
      ->check(CLI::IsMember({kTearSector, kTearStore}))
      ->capture_default_str();
  verb->add_option(
          "--mutate", options->wish.mutate,
          "flushes: tests the test; leaves out, one at a time, each place of the code that "
          "wrote lines back or fenced, and tells which losses are not found")
      ->check(CLI::IsMember({kMutateFlushes}));
  verb->add_option(
          "--plant", options->wish.plant,
          "a loss on purpose, which the test must find: skip_sync, skip_flush, skip_fence, "
          "drop_commit")
      ->check(CLI::IsMember({kSkipSync, kSkipFlush, kSkipFence, kDropCommit}));
  verb->add_option("--out", options->wish.out, "folder of the result")->capture_default_str();
  verb->add_flag("--force", options->wish.force, "replace a crash test that is there");
  verb->add_option("--resume", options->resume,
                   "go on with the crash test whose result is in this folder, with the options "
                   "that it had; what it has tested is kept");
  seconds_of(verb->add_option("--boot-deadline", options->wish.boot_s, "seconds for a boot"))
      ->capture_default_str();
  seconds_of(
      verb->add_option("--cell-deadline", options->wish.cell_s, "seconds without a sign of life"))
      ->capture_default_str();
  verb->add_flag("--json", options->json, "print the result as JSON instead of a table");
  verb->add_flag("--quiet", options->wish.quiet, "no progress and no table");
  return declared;
}

ExitCode crashtest(CrashtestOptions options, const CommandContext& context) {
  if (options.report) {
    options.wish.point = options.report;
    options.wish.report = true;
  }
  const CrashEnd end = run_crash_campaign(options.wish, context);
  if (options.json) {
    fmt::print("{}", read_file(fs::path(options.wish.out) / kCrashName));
  } else if (!options.wish.quiet) {
    print_crash_table(end.tests, options.wish.seed);
  }
  return end.code;
}

// The crash test whose result is in the folder, with the options that it had.
ExitCode resume(const CrashVerb& given, const CommandContext& context) {
  const std::string& folder = given.options->resume;
  refuse_beside_resume(*given.verb, {"--jobs", "--json", "--quiet"});
  ReadCrashTest before = read_crash_test(folder);
  CLI::App app;
  const CrashVerb declared = declare_crashtest(app);
  parse_earlier(app, declared.verb->get_name(), before.context, "--resume " + folder);
  refuse_complete(before.context, declared.verb->get_name(), folder);
  go_on_with(*declared.options, std::move(before), folder, *given.options);
  return crashtest(*declared.options, context);
}

}  // namespace

Verb add_crashtest(CLI::App& app) {
  const CrashVerb declared = declare_crashtest(app);
  return {declared.verb, [declared](const CommandContext& context) {
            return declared.options->resume.empty() ? crashtest(*declared.options, context)
                                                    : resume(declared, context);
          }};
}

}  // namespace faultline
