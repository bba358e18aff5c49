// SPDX-License-Identifier: GPL-2.0-only
#include "vm/verdict.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

namespace faultline {
namespace {

constexpr char kOops[] =
    "[    3.1] BUG: kernel NULL pointer dereference, address: 0000000000000010\r\n"
    "[    3.1] #PF: supervisor write access in kernel mode\r\n"
    "[    3.1] Oops: 0002 [#1] PREEMPT SMP NOPTI\r\n"
    "[    3.1] Call Trace:\r\n"
    "[    3.1] Kernel panic - not syncing: Fatal exception\r\n";
constexpr char kSysrq[] =
    "[    3.1] sysrq: Trigger a crash\r\n"
    "[    3.1] Kernel panic - not syncing: sysrq triggered crash\r\n"
    "[    3.1] CPU: 0 PID: 1 Comm: init Not tainted 6.1.0 #1\r\n"
    "[    3.1] Call Trace:\r\n";
constexpr char kInit[] =
    "[    3.1] init[1]: segfault at 10 ip 0000000000401e4c sp 00007fffffffe2b0 error 6 in init\r\n"
    "[    3.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\r\n";
constexpr char kKilled[] =
    "[    9.1] Out of memory: Killed process 33 (init) total-vm:500000kB, anon-rss:400000kB\r\n";
constexpr char kDeadlock[] =
    "[    9.1] Kernel panic - not syncing: System is deadlocked on memory\r\n";
constexpr char kWarn[] =
    "[    3.1] WARNING: CPU: 0 PID: 9 at fs/iomap/iter.c:35 iomap_iter+0x1/0x2\r\n"
    "[    3.1] Kernel panic - not syncing: panic_on_warn set ...\r\n";

Evidence running_cell() {
  Evidence evidence;
  evidence.stage = Stage::kCell;
  evidence.exit = ExitStatus{};
  return evidence;
}

Evidence finished() {
  Evidence evidence = running_cell();
  evidence.stage = Stage::kPowerOff;
  evidence.done = true;
  evidence.shutdown_reason = "guest-shutdown";
  return evidence;
}

TEST(Judge, AGuestThatIsNotNeededAnyMoreWasWell) {
  Evidence evidence = running_cell();
  evidence.exit.reset();
  EXPECT_FALSE(judge(evidence).ok());
  evidence.released = true;
  EXPECT_TRUE(judge(evidence).ok());
}

TEST(Judge, AllWell) {
  const GuestOutcome outcome = judge(finished());
  EXPECT_EQ(outcome.verdict, Verdict::kOk);
  EXPECT_EQ(outcome.exit_code, ExitCode::kPass);
  EXPECT_EQ(outcome.message, "");
  EXPECT_TRUE(outcome.console_tail.empty());
  EXPECT_TRUE(outcome.console_warnings.empty());
}

struct Case {
  const char* name;
  Evidence evidence;
  Verdict verdict;
  std::string message;
};

Evidence with(Evidence evidence, const std::function<void(Evidence&)>& change) {
  change(evidence);
  return evidence;
}

TEST(Judge, EveryFailureHasItsName) {
  const auto with_console = [](const char* text) {
    return with(running_cell(), [&](Evidence& e) {
      e.console = text;
      e.shutdown_reason = "guest-reset";
    });
  };
  const std::vector<Case> cases = {
      {"panic", with_console(kSysrq), Verdict::kKernelPanic,
       "kernel panic (cell): the guest's kernel says: [    3.1] Kernel panic - not syncing: sysrq "
       "triggered crash"},
      {"oops", with_console(kOops), Verdict::kKernelOops,
       "kernel oops (cell): the guest's kernel says: [    3.1] Oops: 0002 [#1] PREEMPT SMP NOPTI"},
      {"warning", with_console(kWarn), Verdict::kKernelOops,
       "kernel oops (cell): the guest's kernel says: [    3.1] Kernel panic - not syncing: "
       "panic_on_warn set ..."},
      {"init", with_console(kInit), Verdict::kInitDied,
       "init died (cell): the guest's kernel says: [    3.1] Kernel panic - not syncing: Attempted "
       "to kill init! exitcode=0x0000000b"},
      {"killed", with_console(kKilled), Verdict::kOutOfMemory,
       "out of memory (cell): the guest's kernel says: [    9.1] Out of memory: Killed process 33 "
       "(init) total-vm:500000kB, anon-rss:400000kB"},
      {"deadlock", with_console(kDeadlock), Verdict::kOutOfMemory,
       "out of memory (cell): the guest's kernel says: [    9.1] Kernel panic - not syncing: "
       "System "
       "is deadlocked on memory"},
      {"silent panic", with(running_cell(), [](Evidence& e) { e.panic_reported = true; }),
       Verdict::kKernelPanic,
       "kernel panic (cell): the guest's kernel reported a panic and printed nothing"},
      {"hang in boot",
       {.stage = Stage::kBoot, .overdue_s = 120},
       Verdict::kHang,
       "hang (boot): no sign of life within 120 s; if the host is only slow, raise the limit"},
      {"hang in cell", with(running_cell(), [](Evidence& e) { e.overdue_s = 0.5; }), Verdict::kHang,
       "hang (cell): no sign of life within 0.5 s; if the host is only slow, raise the limit"},
      {"hang after done",
       {.stage = Stage::kPowerOff, .overdue_s = 30, .done = true},
       Verdict::kHang,
       "hang (power-off): no sign of life within 30 s; if the host is only slow, raise the limit"},
      {"no done", with(running_cell(), [](Evidence& e) { e.shutdown_reason = "guest-shutdown"; }),
       Verdict::kNoDone, "no done (cell): the guest went away without sending `done`"},
      {"reset", with(finished(), [](Evidence& e) { e.shutdown_reason = "guest-reset"; }),
       Verdict::kNoDone, "no done (power-off): the guest did not power off by itself"},
      {"damaged", with(finished(), [](Evidence& e) { e.damaged_frames = 2; }),
       Verdict::kDamagedFrame, "damaged frame (power-off): 2 damaged frame(s) among the results"},
      {"half", with(running_cell(), [](Evidence& e) { e.half_frame_bytes = 17; }),
       Verdict::kHalfFrame,
       "half frame (cell): the results end within a frame, after 17 bytes of it"},
      {"cancelled", with(with_console(kOops), [](Evidence& e) { e.cancelled = true; }),
       Verdict::kCancelled, "cancelled (cell): cancelled"},
      {"QEMU's error",
       {.stage = Stage::kStart,
        .exit = ExitStatus{1, 0},
        .qemu_output = "qemu: warning: TCG lacks this\nqemu: -foo: invalid option\n"},
       Verdict::kQemuFailed,
       "QEMU failed (start): QEMU ended with status 1: qemu: -foo: invalid option"},
      {"KVM",
       {.stage = Stage::kStart,
        .exit = ExitStatus{1, 0},
        .qemu_output = "Could not access KVM kernel module: Permission denied\nqemu: -accel kvm: "
                       "failed to initialize kvm: Permission denied\n"},
       Verdict::kKvmRefused,
       "KVM refused (start): KVM cannot be used: qemu: -accel kvm: failed to initialize kvm: "
       "Permission denied; choose another accelerator"},
      {"QEMU gives KVM up",
       {.stage = Stage::kStart,
        .exit = ExitStatus{0, SIGABRT},
        .qemu_output = "qemu: target/i386/kvm/kvm.c:3183: kvm_buf_set_msrs: Assertion failed.\n"},
       Verdict::kKvmRefused,
       "KVM refused (start): KVM cannot be used: qemu: target/i386/kvm/kvm.c:3183: "
       "kvm_buf_set_msrs: Assertion failed.; choose another accelerator"},
      {"QEMU killed",
       {.stage = Stage::kCell, .exit = ExitStatus{0, SIGKILL}},
       Verdict::kQemuKilled,
       "QEMU killed (cell): signal 9 (KILL) ended QEMU: it gave no reason"},
      {"QEMU told to end",
       with(running_cell(), [](Evidence& e) { e.shutdown_reason = "host-signal"; }),
       Verdict::kQemuKilled, "QEMU killed (cell): somebody on the host told QEMU to end"},
      {"bad state",
       {.mode = GuestMode::kRestore,
        .stage = Stage::kRestore,
        .exit = ExitStatus{1, 0},
        .qemu_output = "qemu: load of migration failed: Invalid argument\n"},
       Verdict::kStateUnusable,
       "state unusable (restore): QEMU cannot start from the saved state: qemu: load of migration "
       "failed: Invalid argument"},
      {"bad state, read before QEMU answers",
       {.mode = GuestMode::kRestore,
        .stage = Stage::kStart,
        .exit = ExitStatus{1, 0},
        .qemu_output = "qemu: load of migration failed: Invalid argument\n"},
       Verdict::kStateUnusable,
       "state unusable (start): QEMU cannot start from the saved state: qemu: load of migration "
       "failed: Invalid argument"},
      {"QEMU's error at a restore",
       {.mode = GuestMode::kRestore,
        .stage = Stage::kStart,
        .exit = ExitStatus{1, 0},
        .qemu_output = "qemu: -foo: invalid option\n"},
       Verdict::kQemuFailed,
       "QEMU failed (start): QEMU ended with status 1: qemu: -foo: invalid option"},
      {"QEMU aborts on a state",
       {.mode = GuestMode::kRestore, .stage = Stage::kRestore, .exit = ExitStatus{0, SIGABRT}},
       Verdict::kStateUnusable,
       "state unusable (restore): QEMU cannot start from the saved state: it gave no reason"},
      {"QEMU stops",
       {.stage = Stage::kCell, .qmp_error = "QEMU stopped the guest: KVM internal error"},
       Verdict::kQemuFailed,
       "QEMU failed (cell): QEMU stopped the guest: KVM internal error"},
      {"save",
       {.mode = GuestMode::kBootAndPark, .stage = Stage::kSave, .qmp_error = "not migratable"},
       Verdict::kSaveFailed,
       "save failed (save): not migratable"},
  };
  for (const Case& one : cases) {
    const GuestOutcome outcome = judge(one.evidence);
    EXPECT_EQ(verdict_name(outcome.verdict), verdict_name(one.verdict)) << one.name;
    EXPECT_EQ(outcome.message, one.message) << one.name;
    EXPECT_EQ(outcome.exit_code, ExitCode::kVmFailed) << one.name;
    EXPECT_EQ(outcome.stage, one.evidence.stage) << one.name;
  }
}

TEST(Judge, TheGuestsOwnWordComesFirst) {
  const auto failed = [](const char* payload) {
    Evidence evidence = running_cell();
    evidence.console = kOops;
    evidence.fail = wire::Frame{"fail", payload};
    return judge(evidence);
  };
  const GuestOutcome outcome =
      failed(R"({"stage": "mkfs", "message": "no such device", "exit_code": 2})");
  EXPECT_EQ(outcome.verdict, Verdict::kGuestFailed);
  EXPECT_EQ(outcome.message, "guest failed (cell): the guest failed in mkfs: no such device");
  EXPECT_EQ(outcome.exit_code, ExitCode::kUsage);
  EXPECT_FALSE(outcome.console_tail.empty());
  // What it lacks is no failure: the reason alone.
  const GuestOutcome skipped =
      failed(R"({"stage": "cell", "message": "it has no clones", "exit_code": 77})");
  EXPECT_EQ(skipped.message, "it has no clones");
  EXPECT_EQ(skipped.exit_code, ExitCode::kSkipped);
  EXPECT_FALSE(skipped.ok());
  EXPECT_TRUE(skipped.console_tail.empty());
  // No exit code that means nothing, or pass.
  EXPECT_EQ(failed(R"({"exit_code": 0})").exit_code, ExitCode::kVmFailed);
  EXPECT_EQ(failed(R"({"exit_code": 99})").exit_code, ExitCode::kVmFailed);
  EXPECT_EQ(failed(R"({"exit_code": "2", "message": 3})").exit_code, ExitCode::kVmFailed);
  EXPECT_EQ(failed("not JSON").verdict, Verdict::kGuestFailed);
}

TEST(Judge, WarningsOfAHealthyGuestAreKept) {
  Evidence evidence = finished();
  evidence.console =
      "[ 1.0] EXT4-fs: DAX enabled. Warning: EXPERIMENTAL, use at your own risk\r\n"
      "[ 1.1] WARNING: CPU: 0 PID: 9 at fs/iomap/iter.c:35 iomap_iter+0x1/0x2\r\n"
      "[ 1.2] reboot: Power down\r\n";
  const GuestOutcome outcome = judge(evidence);
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(outcome.console_warnings,
            (std::vector<std::string>{
                "[ 1.1] WARNING: CPU: 0 PID: 9 at fs/iomap/iter.c:35 iomap_iter+0x1/0x2"}));
}

// Lines that healthy kernels print: a mitigation's on KVM, a driver's.
TEST(KernelWarnings, AreTheKernelsOwnAndNotADriversWord) {
  EXPECT_TRUE(kernel_warnings("[    0.1] RETBleed: WARNING: Spectre v2 mitigation leaves CPU "
                              "vulnerable to RETBleed attacks, data leaks possible!\r\n"
                              "[    0.2] Spectre V2 : WARNING: Unprivileged eBPF is enabled\r\n"
                              "[    0.3] nd_pmem DEBUG: no label\r\n")
                  .empty());
  for (const char* line : {"WARNING: CPU: 0 PID: 9 at fs/iomap/iter.c:35 iomap_iter+0x1/0x2",
                           "[    3.1] WARNING: CPU: 0 PID: 9 at fs/dax.c:3 dax_x+0x1/0x2",
                           "[    3.1][    T9] WARNING: fs/dax.c:3 at dax_x+0x1/0x2, CPU#0: init/1",
                           "[    3.1] WARNING: possible circular locking dependency detected",
                           "[    3.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
                           "[    3.1] XFS (pmem0): Internal error x at line 3"}) {
    EXPECT_EQ(kernel_warnings(line), std::vector<std::string>{line});
  }
}

TEST(Judge, TheLastWordsOfAGuestThatDiesEarlyAreInTheMessage) {
  Evidence evidence;
  evidence.stage = Stage::kBoot;
  evidence.exit = ExitStatus{};
  evidence.console =
      "[    0.9] Run /init as init process\r\n"
      "faultline: ioperm: Function not implemented\r\n"
      "[    1.0] reboot: Power down\r\n";
  EXPECT_EQ(judge(evidence).message,
            "no done (boot): the guest went away without sending `done`; its last words: "
            "faultline: ioperm: Function not implemented");
  evidence.console = "[    0.9] Run /init as init process\r\n[    1.0] reboot: Power down\r\n";
  EXPECT_EQ(judge(evidence).message,
            "no done (boot): the guest went away without sending `done`; its last words: "
            "[    0.9] Run /init as init process");
  evidence.overdue_s = 60;
  EXPECT_EQ(judge(evidence).message,
            "hang (boot): no sign of life within 60 s; if the host is only slow, raise the limit; "
            "its last words: [    0.9] Run /init as init process");
}

TEST(Judge, AFailureKeepsTheLastTwentyLines) {
  Evidence evidence = running_cell();
  for (int i = 0; i < 50; ++i) evidence.console += "line " + std::to_string(i) + "\r\n\r\n";
  const GuestOutcome outcome = judge(evidence);
  ASSERT_EQ(outcome.console_tail.size(), 20U);
  EXPECT_EQ(outcome.console_tail.front(), "line 30");
  EXPECT_EQ(outcome.console_tail.back(), "line 49");
}

TEST(LastLines, AreCleanAndNeedNoNewline) {
  EXPECT_EQ(last_lines("a\r\n\x1b[0mb\n\nc", 2), (std::vector<std::string>{"[0mb", "c"}));
  EXPECT_TRUE(last_lines("", 2).empty());
}

}  // namespace
}  // namespace faultline
