// SPDX-License-Identifier: GPL-2.0-only
// `faultline run --on host` on real DAX mounts with real probes: in a guest, which is the host
// (harness/host_guest_test.cc). On the default kernel, or those of FAULTLINE_TEST_KERNELS.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "campaign/machine.h"
#include "campaign/testing.h"
#include "harness/wire.h"
#include "vm/guest.h"
#include "vm/strategy_module.h"

namespace faultline {
namespace {

void expect_23_of(const nlohmann::json& row) {
  EXPECT_EQ(row["status"], "ok") << row["reason"];
  EXPECT_EQ(row["kernel"], "host");
  EXPECT_EQ(row["accel"], "none");
  EXPECT_EQ(row["unit"], "ns");
  EXPECT_EQ(row["dax"], true);
  EXPECT_EQ(row["touches"], 23);
  EXPECT_EQ(row["faults"], 23);
  EXPECT_EQ(row["map_sync"], row["strategy"] == "map_sync" || row["strategy"] == "sync_fault");
  // QEMU emulates no PMU.
  ASSERT_TRUE(row["counters"].is_object()) << row["name"];
  EXPECT_TRUE(row["counters"]["instructions"].is_null());
  EXPECT_NE(row["counters"]["reason"].get<std::string>().find("no such counter"),
            std::string::npos);
  if (row["probes"] == "off") return;
  EXPECT_EQ(row["probe"]["fault"]["count"], 23);
  EXPECT_TRUE(row["tax"].is_number());
}

void expect_result(const nlohmann::json& said, const std::string& file_system) {
  const nlohmann::json& without = said["without_module"];
  EXPECT_EQ(without["exit"], 0) << without["output"];
  const nlohmann::json& context = without["result"]["context"];
  EXPECT_EQ(context["on"], "host");
  EXPECT_EQ(context["complete"], true);
  EXPECT_TRUE(context["qemu"].is_null());
  bool counts_faults = false;
  for (const nlohmann::json& point : context["kernels"]["host"]["probes"][file_system]) {
    counts_faults |= point["set"] == "on" && point["id"] == "fault.end" && point["means"] != "";
  }
  EXPECT_TRUE(counts_faults);
  EXPECT_NE(context["file_systems"][file_system]["mount"].get<std::string>().find("dax"),
            std::string::npos);
  size_t rows = 0;
  for (const nlohmann::json& row : without["result"]["benchmarks"]) {
    EXPECT_EQ(row["fs"], file_system);
    if (row["strategy"] == "sync_fault") {
      EXPECT_EQ(row["status"], "skipped");
      EXPECT_NE(row["reason"].get<std::string>().find("insmod"), std::string::npos);
      continue;
    }
    ++rows;
    expect_23_of(row);
    if (row["probes"] == "off") continue;
    EXPECT_EQ(row["syncs"], 23);
    EXPECT_EQ(row["commits"], 23);
    EXPECT_EQ(row["fast_commits"], file_system == "ext4-fc" ? 23 : 0);
    size_t faults = 0;
    const auto first = row["samples"]["first"].get<size_t>();
    for (size_t k = first; k < first + row["samples"]["count"].get<size_t>(); ++k) {
      faults += said["without_module"]["kinds"].at(k) == 0 ? 1 : 0;
    }
    EXPECT_EQ(faults, 23U);
  }
  EXPECT_EQ(rows, 2U);

  EXPECT_EQ(said["module_loaded"], true);
  const nlohmann::json& with = said["with_module"];
  EXPECT_EQ(with["exit"], 0) << with["output"];
  rows = 0;
  for (const nlohmann::json& row : with["result"]["benchmarks"]) {
    ++rows;
    expect_23_of(row);
    if (row["strategy"] == "fsync") {
      EXPECT_EQ(row["app_syncs"], 3) << "23 = 8 + 8 + 7";
    }
    if (row["strategy"] == "sync_fault") {
      EXPECT_EQ(row["module"]["syncs"], 23);
    }
  }
  EXPECT_EQ(rows, 6U);

  ASSERT_EQ(said["before"].size(), file_system == "xfs" ? 1U : 2U) << "and lost+found";
  EXPECT_EQ(said["before"], said["after"]) << "the mount is as it was";
}

TEST(HostInAGuest, MeasuresWithProbesAndLeavesTheMountAsItWas) {
  CommandContext context;
  context.parts.guest_binary = FAULTLINE_HOST_GUEST_TEST;
  const std::atomic<bool> cancel = false;
  for (const FetchedKernel& kernel : obtain_test_kernels()) {
    const BuiltModule module =
        build_strategy_module(kernel, FAULTLINE_SOURCE_DIR "/kmod", cache_dir(), print_line);
    const GuestImage image =
        make_guest_image(context, kernel, cache_dir(), print_line, module.path,
                         {.executables = {{"/usr/bin/faultline", FAULTLINE_COMMAND, true},
                                          {"/usr/bin/faultline-guest", FAULTLINE_GUEST, true}}});
    std::vector<std::string> file_systems = {"ext4", "xfs"};
    if (kernels_asked() != nullptr) file_systems.emplace_back("ext4-fc");
    for (const std::string& file_system : file_systems) {
      SCOPED_TRACE(fmt::format("{} {}", kernel.release, file_system));
      GuestJob job;
      job.spec.kernel = kernel.vmlinuz;
      job.spec.initrd = image.path;
      job.spec.fs = file_system;
      job.spec.ram_mib = 1024;  // for the command with its symbols
      nlohmann::json said;
      const GuestOutcome outcome = run_guest(
          job,
          [&](const wire::Frame& frame) {
            if (frame.type == wire::kResult) said = nlohmann::json::parse(frame.payload);
          },
          cancel);
      EXPECT_TRUE(outcome.ok()) << outcome.message << '\n'
                                << fmt::format("{}", fmt::join(outcome.console_tail, "\n"));
      EXPECT_EQ(outcome.console_warnings, std::vector<std::string>{}) << "of the kernel";
      ASSERT_TRUE(said.is_object()) << outcome.console;
      expect_result(said, file_system);
      // The schema holds.
      const Scratch scratch;
      write_file(scratch / "result.json", said["without_module"]["result"].dump());
      const CommandOutput table = faultline_command({"table", scratch / ""});
      EXPECT_EQ(table.status, 0) << table.error;
    }
  }
}

}  // namespace
}  // namespace faultline
