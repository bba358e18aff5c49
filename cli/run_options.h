// SPDX-License-Identifier: GPL-2.0-only
// What `faultline run` takes, for the verbs that have others run it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "campaign/run_campaign.h"
#include "cli/verbs.h"

namespace faultline {

// What the command line holds besides the wish.
struct RunOptions {
  RunWish wish = {};
  HostWish host = {};
  std::string on = "vm";
  bool json = false;
  bool no_table = false;
  bool dry = false;
  std::string resume;  // a folder
  std::string observe;
  std::string cache_geometry;
};

// The verb with its options, and those of them that go with a VM alone.
struct RunVerb {
  CLI::App* verb = nullptr;
  std::shared_ptr<RunOptions> options = std::make_shared<RunOptions>();
  std::vector<CLI::Option*> of_a_vm = {};
};
RunVerb declare_run_options(CLI::App* run_verb);

// Puts what is to be observed into the wish. Failure(kUsage).
void settle_observation(RunOptions& options, const CommandContext& context);

}  // namespace faultline
