// SPDX-License-Identifier: GPL-2.0-only
// Real guests. Skipped, with the reason, where QEMU or a kernel is missing. The kernel is
// $FAULTLINE_TEST_KERNEL (a bzImage; its modules in ../lib/modules of its folder), else the
// bookworm one, if it has been fetched into the cache.
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "vm/accel.h"
#include "vm/files.h"
#include "vm/guest.h"
#include "vm/image.h"
#include "vm/kernels.h"
#include "vm/modules.h"
#include "vm/saved_state.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kSelftestInit[] = FAULTLINE_SELFTEST_INIT;
constexpr char kSelftestCache[] = FAULTLINE_SELFTEST_CACHE;

std::optional<FetchedKernel> test_kernel() {
  if (const char* own = std::getenv("FAULTLINE_TEST_KERNEL")) {
    return kernel_from_path(own, fs::path(own).parent_path().parent_path());
  }
  const KernelRow row = find_kernels("bookworm").front();
  for (const json& kernel : kernels_json(cache_dir())) {
    if (kernel.at("id") == row.id && kernel.at("fetched") == true) {
      return fetch_kernel(row, cache_dir());
    }
  }
  return std::nullopt;
}

// `bytes` of a module with an instruction that no CPU knows at the start of its init function, and
// without its signature, which is wrong now (an unsigned module may be loaded, a forged one not).
std::string spoiled_module(std::string bytes) {
  bytes.resize(bytes.size() - std::strlen("~Module signature appended~\n"));
  const auto at = [&bytes](std::size_t offset, auto value) {
    std::memcpy(&value, &bytes.at(offset), sizeof value);
    return value;
  };
  const auto file = at(0, Elf64_Ehdr{});
  const auto section = [&](std::size_t i) {
    return at(file.e_shoff + i * sizeof(Elf64_Shdr), Elf64_Shdr{});
  };
  for (std::size_t i = 0; i < file.e_shnum; ++i) {
    const Elf64_Shdr symbols = section(i);
    if (symbols.sh_type != SHT_SYMTAB) continue;
    const Elf64_Shdr names = section(symbols.sh_link);
    for (std::size_t s = 0; s < symbols.sh_size / sizeof(Elf64_Sym); ++s) {
      const auto symbol = at(symbols.sh_offset + s * sizeof(Elf64_Sym), Elf64_Sym{});
      if (std::strcmp(&bytes.at(names.sh_offset + symbol.st_name), "init_module") != 0) continue;
      bytes.at(section(symbol.st_shndx).sh_offset + symbol.st_value) = '\x06';
      return bytes;
    }
  }
  throw Failure(ExitCode::kCannotTest, "the module has no init_module");
}

// NOLINTNEXTLINE(bugprone-exception-escape): json moves without throwing
struct CellRun {
  GuestOutcome outcome;
  json ready;
  std::vector<json> results = {};
};

class VmTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (find_program("qemu-system-x86_64").empty()) {
      why_not_ = "qemu-system-x86_64 is not installed";
      return;
    }
    const auto kernel = test_kernel();
    if (!kernel) {
      why_not_ = "no kernel: set FAULTLINE_TEST_KERNEL, or fetch the bookworm one";
      return;
    }
    spec_.kernel = kernel->vmlinuz;
    ImageSpec image;
    image.files.push_back({.path = wire::kGuestBinary, .source = kSelftestInit, .mode = 0755});
    image.modules =
        load_order(kernel->modules_dir, {{"qemu_fw_cfg"}, {"libnvdimm"}, {"nd_pmem"}, {"nd_e820"}});
    const auto loop = load_order(kernel->modules_dir, {{"loop"}}).back();
    image.files.push_back({.path = "/oops.ko", .content = spoiled_module(read_module(loop.file))});
    fs::create_directories(kSelftestCache);
    // A path that must not be taken apart by anybody. One for each process: tests run in parallel.
    image_dir_.emplace(kSelftestCache, "a, b' ");
    spec_.initrd = image_dir_->path() / "init,rd \"1\"";
    build_image(image, spec_.initrd);
  }
  static void TearDownTestSuite() { image_dir_.reset(); }

  void SetUp() override {
    if (!why_not_.empty()) GTEST_SKIP() << why_not_;
  }

  static Deadlines short_deadlines() { return {.boot_s = 120, .cell_s = 3, .power_off_s = 5}; }

  CellRun run_cell(StateCache& cache, const VmSpec& spec, const std::string& cell,
                   const Deadlines& deadlines = short_deadlines()) {
    CellRun run;
    run.outcome = cache.run_cell(spec, cell, deadlines, collect(run), cancel_);
    return run;
  }

  static FrameCallback collect(CellRun& run) {
    return [&run](const wire::Frame& frame) {
      if (frame.type == wire::kReady) run.ready = json::parse(frame.payload);
      if (frame.type == wire::kResult) run.results.push_back(json::parse(frame.payload));
    };
  }

  // The children of this process, as the kernel lists them.
  static std::set<std::string> children() {
    std::set<std::string> found;
    for (const auto& task : fs::directory_iterator("/proc/self/task")) {
      std::ifstream file(task.path() / "children");
      for (std::string pid; file >> pid;) found.insert(pid);
    }
    return found;
  }

  static VmSpec spec_;
  static std::string why_not_;
  static std::optional<TempDir> image_dir_;
  StateCache cache_{kSelftestCache, [](const std::string& line) { std::cout << line << '\n'; }};
  std::atomic<bool> cancel_ = false;
};
VmSpec VmTest::spec_;
std::string VmTest::why_not_;
std::optional<TempDir> VmTest::image_dir_;

TEST_F(VmTest, ACellFromASavedState) {
  const CellRun first = run_cell(cache_, spec_, "ok 1");
  ASSERT_TRUE(first.outcome.ok()) << first.outcome.message << first.outcome.console;
  EXPECT_TRUE(first.outcome.restored);
  ASSERT_EQ(first.results.size(), 1U);
  EXPECT_EQ(first.results[0].at("cell"), "ok 1");
  EXPECT_EQ(first.results[0].at("cell_bytes"), wire::kCellSize);
  EXPECT_EQ(first.ready.at("pmem"), 1);
  EXPECT_TRUE(first.outcome.console_warnings.empty()) << first.outcome.console_warnings[0];
  std::cout << "restore " << first.outcome.restore_s << " s, cell " << first.outcome.cell_s
            << " s\n";

  // A cell's figures depend neither on which ran before nor on its text.
  const CellRun second = run_cell(cache_, spec_, "ok 2");
  const CellRun third = run_cell(cache_, spec_, "ok 1");
  EXPECT_EQ(second.results.at(0).at("cell"), "ok 2");
  EXPECT_EQ(second.results.at(0).at("woke"), first.results[0].at("woke"));
  EXPECT_EQ(third.results.at(0), first.results[0]);
}

struct Misbehaviour {
  const char* cell;
  Verdict verdict;
  Stage stage;
  const char* says;  // part of the message
};

TEST_F(VmTest, EveryMisbehaviourHasItsVerdict) {
  const std::vector<Misbehaviour> table = {
      {"ok", Verdict::kOk, Stage::kPowerOff, ""},
      {"noise", Verdict::kOk, Stage::kPowerOff, ""},
      {"warning", Verdict::kOk, Stage::kPowerOff, ""},
      {"panic", Verdict::kKernelPanic, Stage::kCell, "sysrq triggered crash"},
      {"oops", Verdict::kKernelOops, Stage::kCell, "invalid opcode: 0000 [#1]"},
      {"hang", Verdict::kHang, Stage::kCell, "no sign of life within 3 s"},
      {"sleep", Verdict::kHang, Stage::kCell, "no sign of life within 3 s"},
      {"oom", Verdict::kOutOfMemory, Stage::kCell, "Out of memory: Killed process"},
      {"no-done", Verdict::kNoDone, Stage::kCell, "without sending `done`"},
      {"reset", Verdict::kNoDone, Stage::kPowerOff, "did not power off"},
      {"half", Verdict::kHalfFrame, Stage::kCell, "within a frame"},
      {"damaged", Verdict::kDamagedFrame, Stage::kPowerOff, "1 damaged"},
      {"segv", Verdict::kInitDied, Stage::kCell, "exitcode=0x0000000b"},
      {"exit", Verdict::kInitDied, Stage::kCell, "exitcode=0x00000300"},
      {"fail", Verdict::kGuestFailed, Stage::kCell, "in mkfs: no such device"},
      {"park", Verdict::kKernelPanic, Stage::kCell, "reported a panic"},
  };
  for (const Misbehaviour& row : table) {
    Deadlines deadlines = short_deadlines();
    if (std::string_view(row.cell) == "oom") deadlines.cell_s = 60;
    const CellRun run = run_cell(cache_, spec_, row.cell, deadlines);
    const GuestOutcome& outcome = run.outcome;
    EXPECT_EQ(verdict_name(outcome.verdict), verdict_name(row.verdict))
        << row.cell << ": " << outcome.message << "\n"
        << outcome.console;
    EXPECT_EQ(stage_name(outcome.stage), stage_name(row.stage)) << row.cell;
    EXPECT_NE(outcome.message.find(row.says), std::string::npos) << row.cell << outcome.message;
    EXPECT_TRUE(outcome.restored) << row.cell;
    EXPECT_EQ(outcome.exit_code, row.verdict == Verdict::kOk            ? ExitCode::kPass
                                 : row.verdict == Verdict::kGuestFailed ? ExitCode::kUsage
                                                                        : ExitCode::kVmFailed);
    // Noise aside, no healthy cell has warnings, and no sick one lacks its last lines.
    EXPECT_EQ(!outcome.console_warnings.empty(),
              std::string_view(row.cell) == "warning" || std::string_view(row.cell) == "panic" ||
                  row.verdict == Verdict::kKernelOops || row.verdict == Verdict::kOutOfMemory ||
                  row.verdict == Verdict::kInitDied)
        << row.cell;
    // Nothing is waited for once it is clear that nothing comes.
    const std::string_view cell = row.cell;
    EXPECT_LT(outcome.cell_s, cell == "oom" ? 60 : cell == "park" ? 2.5 : 5) << cell;
    EXPECT_TRUE(children().empty()) << row.cell;
  }
}

TEST_F(VmTest, ManySideBySide) {
  std::vector<json> results(8);
  std::string wrong;
  run_many(
      results.size(), 2,
      [&](std::size_t i) {
        CellRun run = run_cell(cache_, spec_, "ok same");
        if (run.results.size() == 1) results[i] = run.results[0];
        return run.outcome;
      },
      [&](std::size_t, const GuestOutcome& outcome) { wrong += outcome.message; }, cancel_);
  EXPECT_EQ(wrong, "");
  for (const json& result : results) EXPECT_EQ(result, results[0]);
}

// Two caches, so two boots, at the same time and beside each other's load.
TEST_F(VmTest, AStateMadeTwiceIsTheSameToTheInstruction) {
  std::vector<CellRun> runs(2);
  run_many(
      2, 2,
      [&](std::size_t i) {
        const TempDir dir(kSelftestCache);
        StateCache cache(dir.path());
        runs[i] = run_cell(cache, spec_, "ok");
        return runs[i].outcome;
      },
      [](std::size_t, const GuestOutcome&) {}, cancel_);
  for (const CellRun& run : runs) ASSERT_TRUE(run.outcome.ok()) << run.outcome.message;
  EXPECT_EQ(runs[0].ready, runs[1].ready);
  EXPECT_EQ(runs[0].results, runs[1].results);
  std::cout << runs[0].ready << ' ' << runs[0].results.at(0) << '\n';
}

TEST_F(VmTest, TwoCommandsMakeOneState) {
  const TempDir dir(kSelftestCache);
  std::atomic<int> made = 0;
  std::atomic<int> waited = 0;
  run_many(
      2, 2,
      [&](std::size_t) {
        StateCache cache(dir.path(), [&](const std::string&) { ++waited; });
        const StateOutcome got = cache.obtain(spec_, short_deadlines(), cancel_);
        EXPECT_TRUE(got.state) << got.outcome.message;
        if (got.state && got.state->made_now) {
          ++made;
          std::cout << "boot " << got.outcome.boot_s << " s, save " << got.outcome.save_s << " s, "
                    << got.state->size_bytes << " bytes\n";
        }
        return got.outcome;
      },
      [](std::size_t, const GuestOutcome&) {}, cancel_);
  EXPECT_EQ(made, 1);
  EXPECT_EQ(waited, 1);

  // A limit that holds nothing keeps the newest alone, and what was half made goes.
  StateCache small(dir.path(), {}, 1);
  const fs::path old_state = dir.path() / "states" / "0123";
  const fs::path half_made = dir.path() / "states" / "f123.new";
  fs::create_directories(old_state);
  fs::create_directories(half_made);
  write_file(old_state / "devices", std::string(4096, 'o'));
  VmSpec other = spec_;
  other.kernel_parameters = {"faultline.other=1"};
  const StateOutcome got = small.obtain(other, short_deadlines(), cancel_);
  ASSERT_TRUE(got.state) << got.outcome.message;
  std::set<std::string> left;
  for (const auto& item : fs::directory_iterator(dir.path() / "states")) {
    if (item.is_directory()) left.insert(item.path().filename().string());
  }
  EXPECT_EQ(left, std::set<std::string>{got.state->key});

  // Hash right, content not a state: QEMU says so; after two tries each cell boots by itself.
  std::vector<std::string> said;
  StateCache damaged(dir.path(), [&](const std::string& line) { said.push_back(line); });
  const fs::path state_dir = dir.path() / "states" / got.state->key;
  const std::string junk(read_file(state_dir / "devices").size(), 'x');
  write_file(state_dir / "devices", junk);
  json about = json::parse(read_file(state_dir / "about.json"));
  about["sha256"]["devices"] = sha256_of(junk);
  write_file(state_dir / "about.json", about.dump());
  const CellRun run = run_cell(damaged, other, "ok");
  EXPECT_TRUE(run.outcome.ok()) << run.outcome.message;
  EXPECT_TRUE(run.outcome.restored);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_NE(said[0].find("load of migration failed"), std::string::npos) << said[0];
}

TEST_F(VmTest, WhereSavingFailsEachCellBoots) {
  const TempDir dir(kSelftestCache);
  std::vector<std::string> said;
  StateCache cache(dir.path(), [&](const std::string& line) { said.push_back(line); });
  VmSpec spec = spec_;
  // A device that cannot be migrated.
  spec.qemu_parameters = {"-blockdev", "null-co,node-name=none", "-device",
                          "nvme,drive=none,serial=1"};
  const CellRun run = run_cell(cache, spec, "ok");
  EXPECT_TRUE(run.outcome.ok()) << run.outcome.message;
  EXPECT_FALSE(run.outcome.restored);
  EXPECT_GT(run.outcome.boot_s, 0);
  ASSERT_EQ(run.results.size(), 1U);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_NE(said[0].find("every cell boots"), std::string::npos) << said[0];
  std::cout << said[0] << '\n';
}

// What goes wrong before the guest is ready.
TEST_F(VmTest, Boots) {
  const auto boot = [&](const std::string& how, GuestMode mode, double boot_s) {
    const TempDir dir(kSelftestCache);
    GuestJob job;
    job.spec = spec_;
    job.spec.kernel_parameters = {"faultline.test=" + how};
    job.mode = mode;
    job.state = {.devices = dir.path() / "devices", .memory = dir.path() / "memory"};
    job.deadlines = short_deadlines();
    job.deadlines.boot_s = boot_s;
    return run_guest(job, {}, cancel_);
  };
  GuestOutcome outcome = boot("hang", GuestMode::kBootAndPark, 2);
  EXPECT_EQ(verdict_name(outcome.verdict), "hang");
  EXPECT_EQ(stage_name(outcome.stage), "boot");
  outcome = boot("panic", GuestMode::kBootAndPark, 120);
  EXPECT_EQ(verdict_name(outcome.verdict), "kernel panic");
  EXPECT_EQ(stage_name(outcome.stage), "boot");
  // The park before `ready` is a panic that the kernel reported.
  outcome = boot("park", GuestMode::kBootAndPark, 120);
  EXPECT_EQ(verdict_name(outcome.verdict), "kernel panic");
  EXPECT_NE(outcome.message.find("reported a panic"), std::string::npos);
}

TEST_F(VmTest, WallClockAcceleratorWithTwoCpus) {
  VmSpec spec = spec_;
  spec.accel = Accel::kTcg;
  spec.vcpus = 2;
  const CellRun run = run_cell(cache_, spec, "ok");
  EXPECT_TRUE(run.outcome.ok()) << run.outcome.message << run.outcome.console;
  std::cout << (run.outcome.restored ? "restored\n" : "booted\n");
}

TEST_F(VmTest, CancelEndsAGuestAtOnce) {
  ASSERT_TRUE(run_cell(cache_, spec_, "ok").outcome.ok());
  using std::chrono::steady_clock;
  steady_clock::time_point asked;
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    asked = steady_clock::now();
    cancel_ = true;
  });
  const CellRun run = run_cell(cache_, spec_, "hang", {.cell_s = 60});
  EXPECT_EQ(verdict_name(run.outcome.verdict), "cancelled");
  EXPECT_LT(steady_clock::now() - asked, std::chrono::milliseconds(1000));
  EXPECT_TRUE(children().empty());
}

TEST_F(VmTest, AnExceptionOfTheCallerEndsTheGuest) {
  EXPECT_THROW(cache_.run_cell(
                   spec_, "ok", short_deadlines(),
                   [](const wire::Frame&) { throw std::runtime_error("mine"); }, cancel_),
               std::runtime_error);
  EXPECT_TRUE(children().empty());
}

TEST_F(VmTest, AKilledQemuIsTold) {
  for (const int signal : {SIGKILL, SIGTERM}) {
    std::jthread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(1500));
      for (const std::string& pid : children()) ::kill(std::stoi(pid), signal);
    });
    const CellRun run = run_cell(cache_, spec_, "hang", {.cell_s = 30});
    EXPECT_EQ(verdict_name(run.outcome.verdict), "QEMU killed") << run.outcome.message;
  }
}

TEST_F(VmTest, QemuRefusesAnArgument) {
  GuestJob job;
  job.spec = spec_;
  job.spec.qemu_parameters = {"-no-such-option"};
  const GuestOutcome outcome = run_guest(job, {}, cancel_);
  EXPECT_EQ(verdict_name(outcome.verdict), "QEMU failed");
  EXPECT_NE(outcome.message.find("-no-such-option"), std::string::npos) << outcome.message;
}

TEST_F(VmTest, AcceleratorsProveThemselves) {
  const TempDir dir(kSelftestCache);
  const AccelProbe emulator = probe_accel(Accel::kTcgIcount, spec_.kernel, dir.path(), cancel_);
  EXPECT_TRUE(emulator.works) << emulator.reason;
  const AccelProbe kvm = probe_accel(Accel::kKvm, spec_.kernel, dir.path(), cancel_);
  std::cout << "tcg-icount: " << emulator.seconds << " s; kvm: " << kvm.works << " in "
            << kvm.seconds << " s: " << kvm.reason << '\n';
  EXPECT_EQ(kvm.works, kvm.reason.empty());
  if (!kvm.works) {  // the model on which no QEMU gives up; there are hosts where it hangs for ever
    GuestJob job;
    job.spec = spec_;
    job.spec.accel = Accel::kKvm;
    job.spec.cpu = "qemu64";
    job.deadlines = {.boot_s = 4, .cell_s = 4, .power_off_s = 4};
    const GuestOutcome outcome = run_guest(job, {}, cancel_);
    EXPECT_FALSE(outcome.ok());
    std::cout << outcome.message << '\n';
  }
  EXPECT_LT(kvm.seconds, 15);
  const AccelProbe again = probe_accel(Accel::kKvm, spec_.kernel, dir.path(), cancel_);
  EXPECT_TRUE(again.cached);
  EXPECT_EQ(again.reason, kvm.reason);
  EXPECT_TRUE(children().empty());
}

}  // namespace
}  // namespace faultline
