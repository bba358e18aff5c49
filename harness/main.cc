// SPDX-License-Identifier: GPL-2.0-only
// The guest's binary: process 1 of a VM, the process of a cell on the host, faultline-cell in a
// session.
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "cell/axes.h"
#include "cell/failure.h"
#include "cell/number_option.h"
#include "cell/plan.h"
#include "cell/row.h"
#include "harness/by_hand.h"
#include "harness/host.h"
#include "harness/init.h"
#include "harness/order.h"
#include "harness/wire.h"

namespace faultline {

namespace {

// `cell`: one cell in a session, by hand or in the background.
struct ByHand {
  std::string fs = "ext4";
  std::string strategy = "map_sync";
  std::string workload = "first_touch";
  std::string state = "hole";
  std::string order = "pte";
  std::string directory;
  uint64_t touches = 512;
  unsigned threads = 1;
  std::optional<uint64_t> warmup;
  std::string probes = id_of(Probes::k_off);
  bool json = false;
};

CLI::App* add_by_hand(CLI::App& app, ByHand& by_hand) {
  CLI::App* cell = app.add_subcommand("cell", "run one cell on a file system that is mounted");
  cell->footer(
      "Names are those of `faultline list`. Example:\n"
      "  faultline-cell --fs xfs --strategy fsync:64 --state unwritten --touches 512");
  cell->add_option("--fs", by_hand.fs, "mounted on /mnt/FS")->capture_default_str();
  cell->add_option("--strategy", by_hand.strategy, "NAME or NAME:K")->capture_default_str();
  cell->add_option("--workload", by_hand.workload)->capture_default_str();
  cell->add_option("--state", by_hand.state, axis_help(*find_axis("state")))->capture_default_str();
  cell->add_option("--order", by_hand.order, axis_help(*find_axis("order")))->capture_default_str();
  whole_numbers(cell->add_option("--touches", by_hand.touches), 1, kMaxTouches)
      ->capture_default_str();
  whole_numbers(cell->add_option("--threads", by_hand.threads), 1, 4)->capture_default_str();
  whole_numbers(
      cell->add_option("--warmup", by_hand.warmup, "touches before the measured ones (usually 16)"),
      0, kMaxTouches);
  cell->add_option("--dir", by_hand.directory, "another place than /mnt/FS");
  cell->add_flag("--probes{on}", by_hand.probes,
                 "attach faultline's own: on, or --probes=phases, --probes=locks");
  cell->add_flag("--json", by_hand.json, "the row of a result");
  return cell;
}

int run_cell_by_hand(const ByHand& by_hand) {
  // So that `comm` is a name to filter by, whatever loader runs this.
  prctl(PR_SET_NAME, "faultline-cell");
  add_given_file_systems(wire::kSessionImage);
  const char* time = std::getenv("FAULTLINE_TIME");
  Selection selection{.patterns = {{"fs", {by_hand.fs}},
                                   {"strategy", {by_hand.strategy}},
                                   {"workload", {by_hand.workload}},
                                   {"state", {by_hand.state}},
                                   {"order", {by_hand.order}},
                                   {"threads", {std::to_string(by_hand.threads)}}}};
  selection.wall = time == nullptr || std::string(time) != "virtual";
  selection.touches = by_hand.touches;
  const std::vector<PlannedCell> planned = plan_cells(selection);
  if (planned.size() != 1) {
    throw Failure(ExitCode::kUsage, "name one cell, as fsync:64 or first_touch");
  }
  if (!planned.front().skip.empty()) throw Failure(ExitCode::kSkipped, planned.front().skip);
  Cell cell = planned.front().cell;
  cell.kernel = "here";
  cell.vary = kVaryNone;
  cell.probes = probes_named(by_hand.probes);
  const Row row = run_by_hand(
      cell, by_hand.directory.empty() ? "/mnt/" + by_hand.fs : by_hand.directory, by_hand.warmup);
  std::cout << (by_hand.json ? json_of(row).dump() + "\n" : tell_row(row)) << std::flush;
  return is_ok(row) ? 0 : static_cast<int>(ExitCode::kRegression);
}

// `order`: which entries the kernel maps a file by.
struct OrderWish {
  std::string path;
  std::string make;  // a state: of a new file in the folder `path`
  bool unaligned = false;
  bool json = false;
};

CLI::App* add_order(CLI::App& app, OrderWish& wish) {
  CLI::App* order = app.add_subcommand("order", "say whether a file is mapped by entries of 2 MiB");
  order->add_option("path", wish.path, "a file, or a folder")->required();
  order->add_option("--make", wish.make, "a state: makes a file of it in the folder, stores to it");
  order->add_flag("--unaligned", wish.unaligned, "does not ask for extents of 2 MiB");
  order->add_flag("--json", wish.json);
  return order;
}

int tell_order(const OrderWish& wish) {
  std::optional<State> made;
  for (const State state : all_of_enum<State>()) {
    if (wish.make == id_of(state)) made = state;
  }
  if (!wish.make.empty() && !made) throw Failure(ExitCode::kUsage, "no such state: " + wish.make);
  const OrderAnswer answer =
      made ? order_of_new_file(wish.path, *made, !wish.unaligned) : order_of_path(wish.path);
  std::cout << (wish.json ? order_json(answer).dump(1) + "\n" : order_text(answer)) << std::flush;
  return answer.huge() ? 0 : static_cast<int>(ExitCode::kRegression);
}

int guest_command(int argc, char** argv) {
  CLI::App app{"faultline's binary for the guest; on the host it runs the cells of --on host"};
  app.require_subcommand(1);
  std::string directory;
  std::string cell_file;
  int frames = STDOUT_FILENO;
  CLI::App* host = app.add_subcommand("host", "run a cell in a folder of this machine");
  host->add_option("--dir", directory, "an empty folder")->required();
  host->add_option("--cell", cell_file, "JSON, as cell_to_json() writes it; without: only look");
  host->add_option("--frames", frames, "descriptor for the frames of harness/wire.h");
  ByHand by_hand;
  const CLI::App* cell = add_by_hand(app, by_hand);
  OrderWish order_wish;
  const CLI::App* order = add_order(app, order_wish);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  if (cell->parsed()) return run_cell_by_hand(by_hand);
  if (order->parsed()) return tell_order(order_wish);
  return host->parsed() ? host_main(directory, cell_file, frames)
                        : static_cast<int>(ExitCode::kUsage);
}

}  // namespace
}  // namespace faultline

int main(int argc, char** argv) {
  if (getpid() == 1) faultline::guest_main();
  try {
    return faultline::guest_command(argc, argv);
  } catch (const faultline::Failure& failure) {
    std::cerr << failure.what() << '\n';
    return static_cast<int>(failure.code());
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return static_cast<int>(faultline::ExitCode::kUsage);
  }
}
