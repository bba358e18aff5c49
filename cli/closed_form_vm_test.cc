// SPDX-License-Identifier: GPL-2.0-only
// The observer on guests whose measured loop is known (harness/observed_guest.cc): what it counts
// is what can be worked out by hand, with no tolerance. On the default kernel, or on those that
// FAULTLINE_TEST_KERNELS lists (names and globs, as for --kernel).
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <vector>

#include "campaign/machine.h"
#include "campaign/observation.h"
#include "campaign/plugin_file.h"
#include "campaign/testing.h"
#include "harness/wire.h"
#include "observe/profile.h"
#include "vm/saved_state.h"
#include "vm/strategy_module.h"

namespace faultline {
namespace {

using observe::Profile;

struct Seen {
  std::uint64_t ticks = 0;  // by the guest's own clock
  Profile profile;
  VectorFigures vector;
};

// A guest of one kernel, restored for each loop.
class ObservedGuest {
 public:
  ObservedGuest(const FetchedKernel& kernel, const char* file_system)
      : states_(FAULTLINE_OBSERVED_CACHE, print_line) {
    CommandContext context;
    context.parts.guest_binary = FAULTLINE_OBSERVED_GUEST;
    const BuiltModule call_tree = build_strategy_module(
        kernel, FAULTLINE_SOURCE_DIR "/harness/call_tree", cache_dir(), print_line);
    const GuestImage image =
        make_guest_image(context, kernel, cache_dir(), print_line, call_tree.path);
    spec_ = guest_spec(kernel, image.path, file_system, Accel::kTcgIcount);
    std::string packed;
    run_cell("symbols", {}, [&](const wire::Frame& frame) {
      if (frame.type == wire::kSymbols) packed = frame.payload;
    });
    std::string text(std::size_t{64} << 20, '\0');
    uLongf size = text.size();
    if (uncompress(reinterpret_cast<Bytef*>(text.data()), &size,
                   reinterpret_cast<const Bytef*>(packed.data()), packed.size()) != Z_OK) {
      throw Failure(ExitCode::kVmFailed, "the guest's symbols are damaged");
    }
    text.resize(size);
    symbols_ = std::make_shared<const observe::Symbols>(observe::Symbols::of_kallsyms(text));
  }

  // Two at a time, for a life is a QEMU's. `touches` as below.
  std::map<std::string, Seen> run_all(const std::vector<std::string>& loops, Count touches) {
    std::vector<Seen> seen(loops.size());
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
      for (std::size_t i = next++; i < loops.size(); i = next++) seen[i] = run(loops[i], touches);
    };
    std::future<void> other = std::async(std::launch::async, work);
    work();
    other.get();
    std::map<std::string, Seen> named;
    for (std::size_t i = 0; i < loops.size(); ++i) named[loops[i]] = std::move(seen[i]);
    return named;
  }

  // `touches`: of 8 bytes each, for the amplification.
  Seen run(const std::string& loop, Count touches = 1) {
    const std::filesystem::path here = std::filesystem::path(FAULTLINE_COMMAND).parent_path();
    const Observation observation(spec_, Cell{}, {.profile = true, .vector = true},
                                  here / plugin_file(kObserverPlugin, the_qemu().version),
                                  symbols_);
    Seen seen;
    run_cell(loop, {.qemu_parameters = observation.qemu_parameters()},
             [&](const wire::Frame& frame) {
               if (frame.type != wire::kResult) return;
               seen.ticks = nlohmann::json::parse(frame.payload).at("ticks");
             });
    Row row;
    row.pages = 1;
    row.per_page = static_cast<double>(seen.ticks);
    row.touches = touches;
    row.journal = JournalFigures{};
    row.journal->kernel.commits = 0;
    seen.profile = observation.profile(row);
    seen.vector = vector_figures(seen.profile, row, {});
    return seen;
  }

 private:
  void run_cell(const std::string& loop, const LifeExtras& extras, const FrameCallback& on_frame) {
    const std::atomic<bool> cancel = false;
    const GuestOutcome outcome = states_.run_cell(spec_, nlohmann::json{{"loop", loop}}.dump(), {},
                                                  on_frame, cancel, extras);
    if (!outcome.ok()) {
      throw Failure(ExitCode::kVmFailed, loop + ": " + outcome.message + outcome.console);
    }
  }

  StateCache states_;
  VmSpec spec_;
  std::shared_ptr<const observe::Symbols> symbols_;
};

// What a loop of observed_guest.cc comes to: `instructions` between the marks, the rest as fields
// of a row's `vector`.
struct Known {
  const char* loop;
  std::uint64_t instructions;
  double bytes = 0;
  double bytes_nt = 0;
  double lines = 0;
  double blocks256 = 0;
  double flushed = 0;
  double flushed_clean = 0;
  double fences = 0;
  double fences_idle = 0;
  double lines_read = 0;
  double locked = 0;
};
constexpr Known kKnown[] = {
    {.loop = "nothing", .instructions = 2},
    {.loop = "stride",
     .instructions = 2 + 4 * 1024,
     .bytes = 8192,
     .lines = 1024,
     .blocks256 = 256},
    {.loop = "in_order",
     .instructions = 2 + 4 * 1024,
     .bytes = 8192,
     .lines = 128,
     .blocks256 = 32},
    // 1 + 2 + 4 + 8 + 16 bytes to each of 32 lines.
    {.loop = "widths", .instructions = 2 + 8 * 32, .bytes = 992, .lines = 32, .blocks256 = 8},
    // 63 stores over the ends of lines, from the first of a page to its last.
    {.loop = "across", .instructions = 2 + 4 * 63, .bytes = 504, .lines = 64, .blocks256 = 16},
    // The string instruction counts each of its rounds, and the one that finds nothing left.
    {.loop = "by_string", .instructions = 2 + 1 + 513, .bytes = 4096, .lines = 64, .blocks256 = 16},
    {.loop = "non_temporal",
     .instructions = 2 + 4 * 512 + 1,
     .bytes = 4096,
     .bytes_nt = 4096,
     .lines = 64,
     .blocks256 = 16,
     .fences = 1},
    {.loop = "non_temporal_wide",
     .instructions = 2 + 4 * 64,
     .bytes = 1024,
     .bytes_nt = 1024,
     .lines = 16,
     .blocks256 = 4},
    {.loop = "clwb_dirty",
     .instructions = 2 + 5 * 64 + 1,
     .bytes = 512,
     .lines = 64,
     .blocks256 = 16,
     .flushed = 64,
     .fences = 1},
    {.loop = "clwb_clean",
     .instructions = 2 + 4 * 64 + 1,
     .flushed = 64,
     .flushed_clean = 64,
     .fences = 1},
    {.loop = "clwb_twice",
     .instructions = 2 + 6 * 64,
     .bytes = 512,
     .lines = 64,
     .blocks256 = 16,
     .flushed = 128,
     .flushed_clean = 64},
    {.loop = "evictions",
     .instructions = 2 + 6 * 16 + 1,
     .bytes = 128,
     .lines = 16,
     .blocks256 = 4,
     .flushed = 32,
     .flushed_clean = 16,
     .fences = 1},
    // One line, stored to twice a round with a fence in between; clean before the first round.
    {.loop = "fences",
     .instructions = 2 + 12 * 10,
     .bytes = 160,
     .bytes_nt = 80,
     .lines = 20,
     .blocks256 = 20,
     .flushed = 10,
     .flushed_clean = 1,
     .fences = 60,
     .fences_idle = 40},
    // Twice around 256 lines; then with a fence after the first time.
    {.loop = "chase", .instructions = 2 + 3 * 512, .lines_read = 256},
    {.loop = "chase_fenced",
     .instructions = 2 + 3 * 512 + 3,
     .fences = 1,
     .fences_idle = 1,
     .lines_read = 512},
    {.loop = "modify",
     .instructions = 2 + 4 * 64,
     .bytes = 512,
     .lines = 64,
     .blocks256 = 16,
     .lines_read = 64},
    // Two by the prefix, and an xchg, which locks without.
    {.loop = "locked", .instructions = 2 + 6 * 100, .locked = 300},
    {.loop = "locked_pmem",
     .instructions = 2 + 4 * 64,
     .bytes = 512,
     .lines = 64,
     .blocks256 = 16,
     .lines_read = 64,
     .locked = 64},
    {.loop = "memory", .instructions = 2 + 5 * 100},
    // Eight times: a page of 64 lines and 16 blocks, an entry of a line, a tail.
    {.loop = "nova",
     .instructions = 2 + 2 + 8 * (2 + 4 * 512 + 1 + 4 * 8 + 2 + 3 + 2),
     .bytes = 8 * (4096 + 64 + 8),
     .bytes_nt = 8 * 4096,
     .lines = 8 * (64 + 1 + 1),
     .blocks256 = 8 * (16 + 1 + 1),
     .flushed = 8 * 2,
     .fences = 8 * 3},
};

void expect_known(const Known& known, const Seen& seen) {
  EXPECT_EQ(seen.ticks, known.instructions);
  const Profile& profile = seen.profile;
  EXPECT_EQ(profile.functions,
            (std::map<std::string, std::uint64_t>{{"[user]", known.instructions}}));
  const VectorFigures& vector = seen.vector;
  EXPECT_EQ(vector.bytes, known.bytes);
  EXPECT_EQ(vector.bytes_nt, known.bytes_nt);
  EXPECT_EQ(vector.lines, known.lines);
  EXPECT_EQ(vector.blocks256, known.blocks256);
  EXPECT_EQ(vector.flushed, known.flushed);
  EXPECT_EQ(vector.flushed_clean.value_or(known.flushed_clean), known.flushed_clean);
  EXPECT_EQ(vector.fences, known.fences);
  EXPECT_EQ(vector.fences_idle, known.fences_idle);
  EXPECT_EQ(vector.lines_read, known.lines_read);
  EXPECT_EQ(vector.tlb_invalidations, 0);
  EXPECT_EQ(vector.locked, known.locked);
  EXPECT_EQ(vector.exceptions, 0);
  EXPECT_EQ(vector.journal_bytes, 0);
  EXPECT_EQ(vector.amplification, known.bytes / 8 / 1024);
}

TEST(ClosedForm, AVectorIsWhatTheLoopDoes) {
  for (const FetchedKernel& kernel : obtain_test_kernels()) {
    ObservedGuest guest(kernel, "ext4");
    std::vector<std::string> loops = {"faults", "call:tlb0", "call:tlb1", "commit"};
    for (const Known& known : kKnown) loops.emplace_back(known.loop);
    const std::map<std::string, Seen> seen = guest.run_all(loops, 1024);
    for (const Known& known : kKnown) {
      SCOPED_TRACE(fmt::format("{} {}", kernel.release, known.loop));
      expect_known(known, seen.at(known.loop));
    }
    SCOPED_TRACE(kernel.release);
    // A store to each of 16 pages that are not there, run again after its fault.
    const Seen& faults = seen.at("faults");
    EXPECT_EQ(faults.vector.exceptions, 16);
    EXPECT_EQ(faults.profile.functions.at("[user]"), 2 + 4 * 16U);
    EXPECT_EQ(faults.vector.bytes, 0);
    // The same path but for 7 invlpg and 4 stores to CR3.
    EXPECT_EQ(seen.at("call:tlb1").vector.tlb_invalidations -
                  seen.at("call:tlb0").vector.tlb_invalidations,
              11);
    // Four transactions of a block each, of the inode, between a descriptor and the commit record.
    const Seen& commits = seen.at("commit");
    EXPECT_EQ(commits.vector.journal_bytes, 4 * 3 * 4096);
    EXPECT_EQ(commits.vector.bytes, 4 * 3 * 4096);
    EXPECT_EQ(commits.vector.bytes_nt, 4 * 3 * 4096);
    EXPECT_EQ(commits.vector.lines, 4 * 3 * 64);
    EXPECT_EQ(commits.vector.blocks256, 4 * 3 * 16);
    EXPECT_EQ(commits.vector.exceptions, 0);
  }
}

using Calls = std::map<std::pair<std::string, std::string>, std::uint64_t>;
using Stacks = std::map<std::string, std::uint64_t>;

bool of_the_tree(const std::string& function) { return function.starts_with("fl_"); }

// The tree of harness/call_tree/faultline.c.
const Calls kCalls = {{{"fl_set", "fl_tree"}, 1},
                      {{"fl_tree", "fl_recurse"}, 1},
                      {{"fl_tree", "fl_tail"}, 1},
                      {{"fl_tree", "fl_pointer"}, 1},
                      {{"fl_tree", "fl_thunk"}, 2},
                      {{"fl_tree", "fl_fault"}, 1},
                      {{"fl_tree", "fl_spin"}, 1},
                      {{"fl_tree", "fl_sleep"}, 1},
                      {{"fl_tree", "fl_leaf"}, 1},
                      {{"fl_recurse", "fl_recurse"}, 4},
                      {{"fl_recurse", "fl_leaf"}, 5 + 1},
                      {{"fl_tail", "fl_tail_middle"}, 2},
                      {{"fl_tail_middle", "fl_tail_last"}, 2},
                      {{"fl_tail_last", "fl_leaf"}, 2},
                      {{"fl_pointer", "fl_leaf"}, 1},
                      {{"fl_pointer", "fl_tail"}, 1},
                      {{"fl_thunk", "fl_leaf"}, 1},
                      {{"fl_thunk", "fl_recurse"}, 1},
                      {{"fl_fault", "fl_leaf"}, 2},
                      {{"fl_sleep", "fl_leaf"}, 2}};

// What is in assembly executes so many instructions of its own, by the stack below fl_tree.
const Stacks kStacks = {{"fl_recurse", 5},
                        {"fl_recurse;fl_recurse", 5},
                        {"fl_recurse;fl_recurse;fl_recurse", 5},
                        {"fl_recurse;fl_recurse;fl_recurse;fl_recurse", 5},
                        {"fl_recurse;fl_recurse;fl_recurse;fl_recurse;fl_recurse", 4},
                        {"fl_recurse;fl_leaf", 4},
                        {"fl_recurse;fl_recurse;fl_leaf", 4},
                        {"fl_recurse;fl_recurse;fl_recurse;fl_leaf", 4},
                        {"fl_recurse;fl_recurse;fl_recurse;fl_recurse;fl_leaf", 4},
                        {"fl_recurse;fl_recurse;fl_recurse;fl_recurse;fl_recurse;fl_leaf", 4},
                        {"fl_tail", 2},
                        {"fl_tail;fl_tail_middle", 3},
                        {"fl_tail;fl_tail_middle;fl_tail_last", 5},
                        {"fl_tail;fl_tail_middle;fl_tail_last;fl_leaf", 4},
                        {"fl_pointer", 5},
                        {"fl_pointer;fl_leaf", 4},
                        {"fl_pointer;fl_tail", 2},
                        {"fl_pointer;fl_tail;fl_tail_middle", 3},
                        {"fl_pointer;fl_tail;fl_tail_middle;fl_tail_last", 5},
                        {"fl_pointer;fl_tail;fl_tail_middle;fl_tail_last;fl_leaf", 4},
                        {"fl_thunk;fl_leaf", 4},
                        {"fl_thunk;fl_recurse", 4},
                        {"fl_thunk;fl_recurse;fl_leaf", 4},
                        {"fl_fault;fl_leaf", 8},
                        {"fl_spin", 2 * 3000000 + 2},
                        {"fl_sleep;fl_leaf", 8},
                        {"fl_leaf", 4}};

TEST(ClosedForm, AProfilesTreeIsTheOneThatWasCalled) {
  for (const FetchedKernel& kernel : obtain_test_kernels()) {
    SCOPED_TRACE(kernel.release);
    ObservedGuest guest(kernel, "ext4");
    const Seen seen = guest.run("call:tree");
    const Profile& profile = seen.profile;
    EXPECT_EQ(profile.total(), seen.ticks);
    EXPECT_EQ(profile.unattributed, 0U);
    Calls calls;
    for (const auto& [call, count] : profile.calls) {
      if (of_the_tree(call.second) && call.second != "fl_set") calls[call] = count;
    }
    EXPECT_EQ(calls, kCalls);
    Stacks stacks;
    bool faulted = false;
    bool slept = false;
    for (const auto& [stack, instructions] : profile.stacks) {
      auto at = std::find(stack.begin(), stack.end(), "fl_tree");
      if (at == stack.end()) {
        EXPECT_TRUE(std::none_of(stack.begin(), stack.end(), [](const std::string& frame) {
          return of_the_tree(frame) && frame != "fl_set";
        })) << fmt::format("{}", fmt::join(stack, ";"));
        continue;
      }
      const std::string below = fmt::format("{}", fmt::join(std::next(at), stack.end(), ";"));
      if (std::all_of(at, stack.end(), of_the_tree)) stacks[below] = instructions;
      faulted = faulted || below.find("asm_exc_page_fault;exc_page_fault") != std::string::npos;
      slept = slept || below.starts_with("fl_sleep;schedule_timeout_uninterruptible");
      EXPECT_EQ(stack.front(), "touch") << below;
    }
    for (const char* compiled : {"", "fl_thunk", "fl_fault", "fl_sleep"}) stacks.erase(compiled);
    EXPECT_EQ(stacks, kStacks);
    EXPECT_TRUE(faulted) << "in the middle of fl_fault";
    EXPECT_TRUE(slept);
    EXPECT_GT(profile.parties[static_cast<std::size_t>(observe::Party::kInterruption)], 0U)
        << "a clock tick falls into fl_spin";
  }
}

}  // namespace
}  // namespace faultline
