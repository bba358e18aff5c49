// SPDX-License-Identifier: GPL-2.0-only
// A guest's last words: its console, up to the first NUL, and the frame by which it says that it
// failed.
#include "vm/verdict.h"

#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(verdict) {
  const std::size_t end = std::min(bytes.find('\0'), bytes.size());
  Evidence evidence{.stage = Stage::kCell, .console = std::string(bytes.substr(0, end))};
  require(!judge(evidence).ok(), "a guest that sent no `done` is not well");
  evidence.fail = wire::Frame{std::string(wire::kFail),
                              std::string(bytes.substr(std::min(end + 1, bytes.size())))};
  const GuestOutcome outcome = judge(evidence);
  require(!outcome.ok() && outcome.exit_code != ExitCode::kPass, "nor is one that says it failed");
  require(outcome.message.find('\n') == std::string::npos && outcome.message.size() < 4096,
          "what is said of it is one line");
}

}  // namespace faultline::fuzz
