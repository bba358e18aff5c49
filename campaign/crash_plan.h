// SPDX-License-Identifier: GPL-2.0-only
// What a crash test's wish comes to: what is written on which file system, what the guests are
// asked for, and the words for it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "campaign/crash_campaign.h"
#include "campaign/crash_images.h"
#include "campaign/crash_report.h"
#include "cell/cell.h"
#include "cell/crash_writer.h"
#include "cell/plan.h"
#include "cell/strategy.h"
#include "vm/kernels.h"
#include "vm/qemu.h"

namespace faultline {

// One writer on one file system.
struct CrashTest {
  nlohmann::json row;  // of crashtest.json
  std::string writer;  // an id of cell/crash_writer.h
  Cell cell;
  VmSpec spec;
  std::string what;  // in progress lines
  std::string path;  // of a kernel of the user's own
  CrashCounts counts;
};

// The name of a model, as --model takes it.
std::string id_of(CrashModel model);

// Tells whether a plant leaves out what writes lines back, or what waits for that.
bool is_plant_of_lines(const std::string& plant);

// Failure(kUsage) when what is asked for does not go together, whatever the kernel.
void check_crash_wish(const CrashWish& wish);
// Failure(kUsage) for a wish that a model without lines cannot fulfil.
void check_model_order(const CrashWish& wish);
// The ids of the writers that the wish names. Each is tested by itself.
std::vector<std::string> crash_writer_ids(const CrashWish& wish);
Selection crash_selection(const CrashWish& wish, const std::string& writer);
// The tests of a writer on a kernel; those that cannot be have `skipped` in their row, and a
// reason.
std::vector<CrashTest> plan_crash_tests(const CrashWish& wish, const std::string& writer,
                                        CrashModel model, const FetchedKernel& kernel,
                                        const Surroundings& around);
// The request that a guest finds in its cell's file, as text. `what` it is to do is `write` or
// `check`.
std::string crash_request(const CrashWish& wish, const CrashTest& test, const char* what);
// The command that makes an image again.
std::string crash_replay(const CrashWish& wish, const CrashTest& test, CrashModel model,
                         const CrashImage& image);
// What can be told of a loss to those who have no faultline. `context` is the result's.
CrashReport crash_report(const CrashWish& wish, const CrashTest& test, CrashModel model,
                         const nlohmann::json& context, const CrashImage& image,
                         const Recovered& recovered, const CrashVerdict& verdict);

}  // namespace faultline
