// SPDX-License-Identifier: GPL-2.0-only
#include "vm/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "cell/json_text.h"

namespace faultline {
namespace {

struct StageName {
  Stage stage;
  std::string_view name;
};
constexpr std::array kStageNames = {
    StageName{.stage = Stage::kStart, .name = "start"},
    StageName{.stage = Stage::kBoot, .name = "boot"},
    StageName{.stage = Stage::kReady, .name = "ready"},
    StageName{.stage = Stage::kPark, .name = "park"},
    StageName{.stage = Stage::kSave, .name = "save"},
    StageName{.stage = Stage::kRestore, .name = "restore"},
    StageName{.stage = Stage::kCell, .name = "cell"},
    StageName{.stage = Stage::kPowerOff, .name = "power-off"},
};

struct VerdictName {
  Verdict verdict;
  std::string_view name;
};
constexpr std::array kVerdictNames = {
    VerdictName{.verdict = Verdict::kOk, .name = "ok"},
    VerdictName{.verdict = Verdict::kCancelled, .name = "cancelled"},
    VerdictName{.verdict = Verdict::kKernelPanic, .name = "kernel panic"},
    VerdictName{.verdict = Verdict::kKernelOops, .name = "kernel oops"},
    VerdictName{.verdict = Verdict::kInitDied, .name = "init died"},
    VerdictName{.verdict = Verdict::kOutOfMemory, .name = "out of memory"},
    VerdictName{.verdict = Verdict::kHang, .name = "hang"},
    VerdictName{.verdict = Verdict::kTooMuchSaid, .name = "too much said"},
    VerdictName{.verdict = Verdict::kGuestFailed, .name = "guest failed"},
    VerdictName{.verdict = Verdict::kNoDone, .name = "no done"},
    VerdictName{.verdict = Verdict::kDamagedFrame, .name = "damaged frame"},
    VerdictName{.verdict = Verdict::kHalfFrame, .name = "half frame"},
    VerdictName{.verdict = Verdict::kQemuNotFound, .name = "QEMU not found"},
    VerdictName{.verdict = Verdict::kQemuFailed, .name = "QEMU failed"},
    VerdictName{.verdict = Verdict::kQemuKilled, .name = "QEMU killed"},
    VerdictName{.verdict = Verdict::kKvmRefused, .name = "KVM refused"},
    VerdictName{.verdict = Verdict::kStateUnusable, .name = "state unusable"},
    VerdictName{.verdict = Verdict::kSaveFailed, .name = "save failed"},
};

constexpr std::size_t kTailLines = 20;

// What a console line says about the kernel's health.
struct Sign {
  std::string_view text;
  // What a guest that failed has died of; none if the line is only a warning.
  std::optional<Verdict> verdict;
  // The line begins with it. A driver's message has its own name before it ("RETBleed: WARNING:
  // Spectre v2 mitigation leaves CPU vulnerable"), and a healthy kernel prints some.
  bool first = false;
};
// The first sign that the console shows decides: an oops is followed by a panic, and both may come
// from lack of memory, so causes stand before what they cause.
constexpr std::array kSigns = {
    Sign{.text = "Out of memory: Killed process", .verdict = Verdict::kOutOfMemory},
    Sign{.text = "System is deadlocked on memory", .verdict = Verdict::kOutOfMemory},
    Sign{.text = "Attempted to kill init", .verdict = Verdict::kInitDied},
    Sign{.text = "Oops:", .verdict = Verdict::kKernelOops},
    Sign{
        .text = "[#1]",
        .verdict =
            Verdict::kKernelOops},  // of any oops; kernels before 6.10 do not always print the word
    Sign{.text = "BUG:", .verdict = Verdict::kKernelOops},
    Sign{.text = "kernel BUG at", .verdict = Verdict::kKernelOops},
    Sign{.text = "Kernel panic - not syncing: panic_on_warn", .verdict = Verdict::kKernelOops},
    Sign{.text = "Kernel panic", .verdict = Verdict::kKernelPanic},
    Sign{.text = "WARNING:", .verdict = std::nullopt, .first = true},
    Sign{.text = "Call Trace:", .verdict = std::nullopt},
    Sign{.text = "INFO: task ", .verdict = std::nullopt},
    Sign{.text = "rcu_sched self-detected stall", .verdict = std::nullopt},
    Sign{.text = "rcu: INFO:", .verdict = std::nullopt},
    Sign{.text = "blocked for more than", .verdict = std::nullopt},
    Sign{.text = "I/O error", .verdict = std::nullopt},
    Sign{.text = "Internal error", .verdict = std::nullopt},
    Sign{.text = "corruption", .verdict = std::nullopt},
    Sign{.text = "page allocation failure", .verdict = std::nullopt},
};

std::string cleaned(std::string_view line) {
  std::string out;
  for (const char c : line) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) out.push_back(c);
  }
  return out;
}

// A console line without the time, and the task or CPU, that a kernel may put before it.
std::string_view without_time(std::string_view line) {
  while (line.starts_with('[')) {
    const std::size_t end = line.find(']');
    if (end == std::string_view::npos) break;
    line.remove_prefix(end + 1);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  }
  return line;
}

bool shows(std::string_view line, const Sign& sign) {
  if (sign.first) return without_time(line).starts_with(sign.text);
  // A word of its own: "DEBUG:" is no "BUG:".
  for (std::size_t at = line.find(sign.text); at != std::string_view::npos;
       at = line.find(sign.text, at + 1)) {
    if (at == 0 || std::isalnum(static_cast<unsigned char>(line[at - 1])) == 0) return true;
  }
  return false;
}

template <typename Visit>
void each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line = cleaned(text.substr(0, end));
    if (!line.empty()) visit(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// The worst that the console tells, and the line that tells it.
std::optional<std::pair<Verdict, std::string>> console_verdict(std::string_view console) {
  for (const Sign& sign : kSigns) {
    if (!sign.verdict) continue;
    std::string found;
    each_line(console, [&](const std::string& line) {
      if (found.empty() && shows(line, sign)) found = line;
    });
    if (!found.empty()) return std::pair{*sign.verdict, found};
  }
  return std::nullopt;
}

// The last that a guest said which came to no result: its first process's own words, or, if it did
// not get so far, its kernel's.
std::string last_words(const Evidence& evidence) {
  std::string own;
  std::string last;
  each_line(evidence.console, [&](const std::string& line) {
    if (line.starts_with("faultline: ")) own = line;
    if (!without_time(line).starts_with("reboot:")) last = line;
  });
  if (own.empty() && evidence.stage <= Stage::kReady) own = last;
  return own.empty() ? "" : "; its last words: " + own;
}

// Tells whether QEMU complains of a saved state. It may read one before it answers at all, so the
// stage alone does not tell.
bool speaks_of_loading(std::string_view output) {
  return output.find("migration") != std::string_view::npos ||
         output.find("loading state") != std::string_view::npos;
}

bool speaks_of_kvm(std::string_view output) {
  for (const std::string_view sign : {"KVM", "kvm"}) {
    if (output.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

// What the evidence amounts to, and the words for it.
struct Finding {
  Verdict verdict = Verdict::kOk;
  std::string message = {};
};

std::string fail_message(const wire::Frame& fail, ExitCode& code) {
  const auto payload = parse_json(fail.payload);
  if (!payload.is_object()) return "the guest failed and its reason is no JSON: " + fail.payload;
  const auto text = [&](const char* key) {
    const auto it = payload.find(key);
    return it != payload.end() && it->is_string() ? it->get<std::string>() : std::string("?");
  };
  const auto it = payload.find("exit_code");
  if (it != payload.end() && it->is_number_integer()) {
    switch (const int value = it->get<int>(); value) {
      case static_cast<int>(ExitCode::kRegression):
      case static_cast<int>(ExitCode::kUsage):
      case static_cast<int>(ExitCode::kVmFailed):
      case static_cast<int>(ExitCode::kSkipped):
      case static_cast<int>(ExitCode::kCannotTest):
        code = static_cast<ExitCode>(value);
        break;
      default:
        break;
    }
  }
  // What a guest lacks is no failure of it.
  if (code == ExitCode::kSkipped) return text("message");
  return fmt::format("the guest failed in {}: {}", text("stage"), text("message"));
}

// What others have said, as a line for a terminal and a result.
std::string one_line(const std::string& text) {
  constexpr std::size_t kLongest = 1000;
  std::string line = text.substr(0, kLongest);
  for (char& c : line) {
    if (std::iscntrl(static_cast<unsigned char>(c)) != 0) c = ' ';
  }
  return text.size() > kLongest ? line + "..." : line;
}

// What follows from the way in which QEMU ended, if it ended by itself.
std::optional<Finding> finding_of_qemu(const Evidence& evidence) {
  // After SIGTERM and the like QEMU shuts down in order and ends with status 0.
  if (evidence.shutdown_reason == "host-signal") {
    return Finding{Verdict::kQemuKilled, "somebody on the host told QEMU to end"};
  }
  if (!evidence.exit) return std::nullopt;
  const int signal = evidence.exit->signal;
  const std::string reason = qemu_reason(evidence.qemu_output);
  const bool loading = evidence.stage == Stage::kRestore ||
                       (evidence.mode == GuestMode::kRestore && evidence.stage == Stage::kStart &&
                        speaks_of_loading(evidence.qemu_output));
  if (loading && signal != SIGKILL && signal != SIGTERM &&
      (signal != 0 || evidence.exit->code != 0)) {
    return Finding{Verdict::kStateUnusable, "QEMU cannot start from the saved state: " + reason};
  }
  if (evidence.stage <= Stage::kBoot && speaks_of_kvm(evidence.qemu_output) &&
      (signal == SIGABRT || evidence.exit->code != 0)) {
    return Finding{Verdict::kKvmRefused,
                   fmt::format("KVM cannot be used: {}; choose another accelerator", reason)};
  }
  if (signal != 0) {
    const char* name = sigabbrev_np(signal);
    return Finding{Verdict::kQemuKilled, fmt::format("signal {} ({}) ended QEMU: {}", signal,
                                                     name != nullptr ? name : "unknown", reason)};
  }
  if (evidence.exit->code == 0) return std::nullopt;
  return Finding{Verdict::kQemuFailed,
                 fmt::format("QEMU ended with status {}: {}", evidence.exit->code, reason)};
}

Finding finding_of(const Evidence& evidence, ExitCode& code) {
  if (evidence.cancelled) return {Verdict::kCancelled, "cancelled"};
  if (!evidence.outgrown.empty()) {
    return {Verdict::kTooMuchSaid,
            fmt::format("{}; it was ended{}", evidence.outgrown, last_words(evidence))};
  }
  if (evidence.fail) {
    // The guest knows that one of its processes was killed; its kernel's console says why.
    const auto told = console_verdict(evidence.console);
    if (told && told->first == Verdict::kOutOfMemory) {
      return {told->first, "the guest's kernel says: " + told->second};
    }
    return {Verdict::kGuestFailed, fail_message(*evidence.fail, code)};
  }
  if (evidence.saved || evidence.released) return {};
  const bool finished = evidence.done && evidence.shutdown_reason == "guest-shutdown";
  if (!finished) {
    if (auto told = console_verdict(evidence.console)) {
      return {told->first, "the guest's kernel says: " + told->second};
    }
    if (evidence.panic_reported) {
      return {Verdict::kKernelPanic, "the guest's kernel reported a panic and printed nothing"};
    }
    if (auto qemu = finding_of_qemu(evidence)) return *qemu;
    if (!evidence.qmp_error.empty()) {
      return {evidence.stage == Stage::kSave      ? Verdict::kSaveFailed
              : evidence.stage == Stage::kRestore ? Verdict::kStateUnusable
                                                  : Verdict::kQemuFailed,
              evidence.qmp_error};
    }
    if (evidence.overdue_s > 0) {
      return {
          Verdict::kHang,
          fmt::format("no sign of life within {:g} s; if the host is only slow, raise the limit{}",
                      evidence.overdue_s, last_words(evidence))};
    }
  }
  if (evidence.damaged_frames > 0) {
    return {Verdict::kDamagedFrame,
            fmt::format("{} damaged frame(s) among the results", evidence.damaged_frames)};
  }
  if (evidence.half_frame_bytes > 0) {
    return {Verdict::kHalfFrame, fmt::format("the results end within a frame, after {} bytes of it",
                                             evidence.half_frame_bytes)};
  }
  if (evidence.done && !finished)
    return {Verdict::kNoDone, "the guest did not power off by itself"};
  if (!finished) {
    return {Verdict::kNoDone, "the guest went away without sending `done`" + last_words(evidence)};
  }
  return {};
}

}  // namespace

std::string_view stage_name(Stage stage) {
  for (const StageName& row : kStageNames) {
    if (row.stage == stage) return row.name;
  }
  return "?";
}

std::string_view verdict_name(Verdict verdict) {
  for (const VerdictName& row : kVerdictNames) {
    if (row.verdict == verdict) return row.name;
  }
  return "?";
}

std::string qemu_reason(std::string_view output) {
  std::string reason;
  each_line(output, [&](const std::string& line) {
    if (line.find("warning:") == std::string::npos) reason = line;
  });
  return reason.empty() ? "it gave no reason" : reason;
}

std::vector<std::string> kernel_warnings(std::string_view console) {
  std::vector<std::string> found;
  each_line(console, [&](const std::string& line) {
    const bool bad = std::any_of(kSigns.begin(), kSigns.end(),
                                 [&](const Sign& sign) { return shows(line, sign); });
    if (bad && found.size() < kTailLines) found.push_back(line);
  });
  return found;
}

std::vector<std::string> last_lines(std::string_view text, std::size_t count) {
  std::vector<std::string> lines;
  each_line(text, [&](const std::string& line) { lines.push_back(line); });
  if (lines.size() > count) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  }
  return lines;
}

GuestOutcome judge(const Evidence& evidence) {
  GuestOutcome outcome;
  ExitCode code = ExitCode::kVmFailed;
  const Finding judged = finding_of(evidence, code);
  outcome.verdict = judged.verdict;
  outcome.stage = evidence.stage;
  outcome.restored = evidence.mode == GuestMode::kRestore;
  outcome.console = evidence.console;
  outcome.console_warnings = kernel_warnings(evidence.console);
  if (code == ExitCode::kSkipped) {
    outcome.exit_code = code;
    outcome.message = one_line(judged.message);
  } else if (!outcome.ok()) {
    outcome.exit_code = code;
    outcome.console_tail = last_lines(evidence.console, kTailLines);
    outcome.message = one_line(fmt::format("{} ({}): {}", verdict_name(judged.verdict),
                                           stage_name(evidence.stage), judged.message));
  }
  return outcome;
}

}  // namespace faultline
