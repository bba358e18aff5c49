// SPDX-License-Identifier: GPL-2.0-only
// faultline list: what there is to measure, from the one table each name stands in.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <sstream>

#include "cell/schema.h"
#include "cell/words.h"
#include "cli/fs_row.h"
#include "cli/verbs.h"
#include "vm/files.h"
#include "vm/kernels.h"
#include "vm/qemu.h"

namespace faultline {
namespace {

constexpr size_t kIdWidth = 20;
constexpr size_t kWidth = 80;

void print_rows(const std::string& title, const nlohmann::json& rows) {
  fmt::print("{}\n", title);
  for (const nlohmann::json& row : rows) {
    auto text = row.value("summary", "");
    if (row.contains("writes_per_sync") && !row["writes_per_sync"].empty()) {
      std::vector<std::string> ks;
      for (const nlohmann::json& k : row["writes_per_sync"]) {
        ks.push_back(k.is_string() ? k.get<std::string>() : k.dump());
      }
      text += fmt::format("; K: {}", fmt::join(ks, " "));
    }
    const std::string id = fmt::format("  {} {:<{}} ", row.value("default", false) ? '*' : ' ',
                                       row.at("id").get<std::string>(), kIdWidth - 2);
    fmt::print("{}{}\n", id, wrapped(text, kWidth, id.size(), id.size()).substr(id.size()));
  }
}

}  // namespace

Verb add_list(CLI::App& app) {
  struct Options {
    bool json = false;
    bool schema = false;
    bool fields = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* list = app.add_subcommand("list", "Print what there is to measure");
  list->footer(
      "A star marks what is measured where nothing is named.\n\n"
      "Examples:\n  faultline list\n  faultline list --json | jq '.strategy[].id'\n"
      "  faultline list --schema");
  fs_row_of(list);
  list->add_flag("--json", options->json, "as JSON");
  list->add_flag("--schema", options->schema, "the JSON Schema of a result instead");
  list->add_flag("--fields", options->fields, "the fields of a row, as a Markdown table, instead");
  return {list, [options](const CommandContext& /*context*/) {
            if (options->schema) {
              fmt::print("{}\n", result_schema().dump(2));
              return ExitCode::kPass;
            }
            if (options->fields) {
              fmt::print("{}", row_reference());
              return ExitCode::kPass;
            }
            nlohmann::json tables = tables_json();
            tables.erase("selftest");
            tables["kernel"] = kernels_json(cache_dir());
            for (const AccelInfo& accel : accels()) {
              tables["accel"].push_back(
                  {{"id", accel.name},
                   {"summary", fmt::format("{} time, unit {}", accel.time_domain, accel.unit)},
                   {"default", accel.accel == Accel::kTcgIcount}});
            }
            if (options->json) {
              fmt::print("{}\n", tables.dump(1));
              return ExitCode::kPass;
            }
            for (nlohmann::json& kernel : tables["kernel"])
              kernel["summary"] = kernel.value("note", "");
            for (const auto& [key, title] :
                 {std::pair{"kernel", "kernels (--kernel)"}, std::pair{"fs", "file systems (--fs)"},
                  std::pair{"strategy", "strategies (--strategy)"},
                  std::pair{"workload", "workloads (--workload)"},
                  std::pair{"touch", "touches of dos and bystander (--touch)"},
                  std::pair{"state", "states (--state)"}, std::pair{"order", "orders (--order)"},
                  std::pair{"accel", "accelerators (--accel)"},
                  std::pair{"probes", "sets of probes (--probes)"},
                  std::pair{"probe", "what they time"}, std::pair{"phase", "phases of a fault"}}) {
              print_rows(title, tables[key]);
            }
            return ExitCode::kPass;
          }};
}

}  // namespace faultline
