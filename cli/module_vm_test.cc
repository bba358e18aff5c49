// SPDX-License-Identifier: GPL-2.0-only
// The strategy module's own tests (harness/module_guest_test.cc) in real guests: on the default
// kernel, or on those that FAULTLINE_TEST_KERNELS lists (names and globs, as for --kernel).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "campaign/machine.h"
#include "campaign/testing.h"
#include "harness/wire.h"
#include "vm/guest.h"
#include "vm/strategy_module.h"

namespace faultline {
namespace {

TEST(ModuleInAGuest, DoesWhatItSays) {
  CommandContext context;
  context.parts.guest_binary = FAULTLINE_MODULE_GUEST_TEST;
  const std::atomic<bool> cancel = false;
  for (const FetchedKernel& kernel : obtain_test_kernels()) {
    const BuiltModule module =
        build_strategy_module(kernel, FAULTLINE_SOURCE_DIR "/kmod", cache_dir(), print_line);
    const GuestImage image =
        make_guest_image(context, kernel, cache_dir(), print_line, module.path);
    for (const char* file_system : {"ext4", "ext4-fc", "xfs"}) {
      SCOPED_TRACE(fmt::format("{} {}", kernel.release, file_system));
      GuestJob job;
      job.spec.kernel = kernel.vmlinuz;
      job.spec.initrd = image.path;
      job.spec.fs = file_system;
      nlohmann::json result;
      const GuestOutcome outcome = run_guest(
          job,
          [&](const wire::Frame& frame) {
            if (frame.type == wire::kResult) result = nlohmann::json::parse(frame.payload);
          },
          cancel);
      EXPECT_TRUE(outcome.ok()) << outcome.message << '\n'
                                << fmt::format("{}", fmt::join(outcome.console_tail, "\n"));
      EXPECT_EQ(outcome.console_warnings, std::vector<std::string>{}) << "of the kernel";
      ASSERT_TRUE(result.is_object()) << outcome.console;
      EXPECT_EQ(result["failed"], 0);
      EXPECT_GE(result["tests"], 19) << "all of them ran";
      for (const nlohmann::json& failure : result["failures"]) {
        ADD_FAILURE() << failure.get<std::string>();
      }
    }
  }
}

}  // namespace
}  // namespace faultline
