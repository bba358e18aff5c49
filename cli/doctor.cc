// SPDX-License-Identifier: GPL-2.0-only
// faultline doctor: what is there, what is missing, which accelerator really boots.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <memory>

#include "campaign/machine.h"
#include "campaign/progress.h"
#include "cli/verbs.h"
#include "cli/version.h"
#include "vm/accel.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/kernels.h"
#include "vm/packages/headers.h"

namespace faultline {
namespace {

struct Finding {
  std::string what;
  bool good = false;
  bool needed = true;  // without it nothing can be measured
  std::string detail;
};

// Room for one kernel, an image and the states of three file systems.
constexpr double kNeededGib = 2;

Finding check_tool(const std::string& name, const std::string& package) {
  const auto path = find_program(name);
  return {name, !path.empty(), true, path.empty() ? "missing: package " + package : path.string()};
}

Finding check_qemu() {
  try {
    return {"qemu", true, true, found_qemu()};
  } catch (const Failure& failure) {
    return {"qemu", false, true, failure.what()};
  }
}

Finding check_python() {
  Finding finding{"python", false, false, ""};
  try {
    const CommandOutput output =
        run_command({"/usr/bin/python3", "-c",
                     "import numpy, scipy, matplotlib, jinja2, jsonschema; "
                     "import sys; print(sys.version.split()[0])"});
    finding.good = output.status == 0;
    finding.detail = finding.good ? output.out.substr(0, output.out.find('\n')) +
                                        " with numpy, scipy, matplotlib, jinja2, jsonschema"
                                  : "modules missing: no report or table; packages python3-numpy, "
                                    "-scipy, -matplotlib, -jinja2, -jsonschema";
  } catch (const Failure& failure) {
    finding.detail = failure.what();
  }
  return finding;
}

Finding check_cache(const std::filesystem::path& cache) {
  Finding finding{"cache", false, true, ""};
  try {
    make_dirs(cache);
    const TempDir trial(cache);
    struct statvfs room {};
    statvfs(cache.c_str(), &room);
    const double gib =
        static_cast<double>(room.f_bavail) * static_cast<double>(room.f_frsize) / (1 << 30);
    finding.good = gib >= kNeededGib;
    finding.detail = fmt::format("{}: {:.1f} GiB free{}", cache.string(), gib,
                                 finding.good ? "" : fmt::format(", {:.0f} needed", kNeededGib));
  } catch (const Failure& failure) {
    finding.detail = failure.what();
  }
  return finding;
}

// The strategy module's build; without it the cells of its strategies are skipped.
Finding check_module_tools() {
  Finding finding{"module compiler", false, false, ""};
  for (const char* name : {"make", "gcc"}) {
    const auto path = find_program(name);
    if (path.empty()) {
      finding.detail = fmt::format("missing: package {}; no cells of the strategy module", name);
      return finding;
    }
    finding.detail = path.string();
  }
  finding.good = true;
  return finding;
}

Finding check_headers(const KernelRow& row, bool fetched, const std::filesystem::path& cache) {
  const bool good = fetched && have_headers(fetch_kernel(row, cache), cache);
  return {"headers " + row.id, good, false,
          good ? "fetched"
               : fmt::format("fetched when a cell needs the strategy module, or by `faultline "
                             "kernels module {}`",
                             row.id)};
}

}  // namespace

Verb add_doctor(CLI::App& app) {
  struct Options {
    bool json = false;
    bool quick = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* doctor = app.add_subcommand("doctor", "Say what is there, what is missing, what boots");
  doctor->footer(
      "Boots the default kernel in every accelerator, if it is fetched.\n\n"
      "Exit: 0 all that is needed is there; 2 something is missing.\n\n"
      "Examples:\n  faultline doctor\n  faultline doctor --quick --json");
  doctor->add_flag("--json", options->json, "as JSON");
  doctor->add_flag("--quick", options->quick, "boot nothing");
  return {doctor, [options](const CommandContext& context) {
            ProgressLine progress(options->json);
            std::vector<Finding> findings = {check_qemu(), check_tool("apt-get", "apt"),
                                             check_tool("modprobe", "kmod"),
                                             check_tool("depmod", "kmod"), check_python()};
            findings.push_back({"guest binary", std::filesystem::exists(context.parts.guest_binary),
                                true, context.parts.guest_binary.string()});
            const auto cache = cache_dir();
            findings.push_back(check_cache(cache));
            const KernelRow& row = kernel_table().front();
            bool fetched = false;
            for (const nlohmann::json& kernel : kernels_json(cache)) {
              if (kernel.at("id") == row.id) fetched = kernel.at("fetched").get<bool>();
            }
            findings.push_back(
                {"kernel " + row.id, fetched, false,
                 fetched ? "fetched" : "not fetched: `faultline kernels fetch " + row.id + "`"});
            findings.push_back(check_module_tools());
            findings.push_back(check_headers(row, fetched, cache));
            bool any_boots = !fetched || options->quick;
            if (fetched && !options->quick && findings.front().good) {
              const FetchedKernel kernel = fetch_kernel(row, cache);
              for (const AccelInfo& accel : accels()) {
                progress.say(fmt::format("booting {} in {} ...", kernel.release, accel.name));
                const AccelProbe probe = probe_accel(accel.accel, kernel.vmlinuz, cache,
                                                     *context.interrupted, 0, the_qemu().program);
                if (*context.interrupted) throw Failure(ExitCode::kUsage, "interrupted");
                findings.push_back(
                    {"accelerator " + std::string(accel.name), probe.works, false,
                     probe.works ? fmt::format("first process spoke after {:.1f} s{}",
                                               probe.seconds, probe.cached ? " (kept answer)" : "")
                                 : fmt::format("{}{}", probe.reason,
                                               probe.cached ? " (kept answer)" : "")});
                any_boots = any_boots || probe.works;
              }
            }
            bool good = any_boots;
            nlohmann::json json = nlohmann::json::array();
            for (const Finding& finding : findings) {
              good = good && (finding.good || !finding.needed);
              json.push_back({{"what", finding.what},
                              {"good", finding.good},
                              {"needed", finding.needed},
                              {"detail", finding.detail}});
              if (!options->json) {
                fmt::print("{:<4} {:<23} {}\n",
                           finding.good     ? "ok"
                           : finding.needed ? "MISS"
                                            : "-",
                           finding.what, finding.detail);
              }
            }
            if (options->json)
              fmt::print("{}\n", nlohmann::json({{"good", good}, {"findings", json}}).dump(1));
            return good ? ExitCode::kPass : ExitCode::kUsage;
          }};
}

}  // namespace faultline
