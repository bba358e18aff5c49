// SPDX-License-Identifier: GPL-2.0-only
// A kernel's configuration, held against what a guest needs: known before the first boot, and named
// as options, where the guest itself could only die without a word.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vm/kernel.h"

namespace faultline {

// What it means when a kernel's option is not as the table wants it.
enum class ConfigNeed {
  kNeeded,  // no guest can run
  kWanted,  // some cells, or their probes, cannot be
  kPath     // all can be; a fault takes another path than on the kernels of the table
};
constexpr const char* id_of(ConfigNeed need) {
  return need == ConfigNeed::kNeeded ? "needed" : need == ConfigNeed::kWanted ? "wanted" : "path";
}

// A version of which two numbers count; 0.0: none.
struct ConfigVersion {
  int major = 0;
  int minor = 0;
};

// An option is called without CONFIG_. Lists are separated by spaces.
struct ConfigRow {
  const char* option = "";
  ConfigNeed need = ConfigNeed::kNeeded;
  const char* value = "";    // "y": or a module, where there is a folder of them; "n"; or a number
  const char* why = "";      // what for; of kPath what it does
  const char* with = "";     // what it depends on, and a small configuration may lack
  const char* instead = "";  // any of these does the same
  ConfigVersion from = {};   // of the kernel
  ConfigVersion until = {};  // the first kernel without it
};
std::span<const ConfigRow> config_table();

// The values of a kernel's options. One that is not set is not there, or is "n".
using KernelConfig = std::map<std::string, std::string>;
// Reads a .config's text. Pure.
KernelConfig parse_config(std::string_view text);
// The release that a .config's first lines name; empty if they name none. Pure.
std::string release_of_config(std::string_view text);

struct ConfigFinding {
  std::string option = {};
  ConfigNeed need = ConfigNeed::kNeeded;
  std::string found = {};  // "not set", "y", "m, and there are no modules"
  std::string why = {};
  std::vector<std::string> lines = {};  // CONFIG_X=y, for a configuration that lacks it
};
// What of a configuration is not as the table wants it, in the table's order, which has needed
// options first. `modules` says that the kernel's modules can be had. Pure.
std::vector<ConfigFinding> check_config(const KernelConfig& config, const std::string& release,
                                        bool modules);

// The options of those findings that are of this need, as "CONFIG_A, CONFIG_B". Pure.
std::string options_of(const std::vector<ConfigFinding>& findings, ConfigNeed need);
// The lines that a configuration lacks, each once, of needed options and of wanted ones. Pure.
std::vector<std::string> config_fragment(const std::vector<ConfigFinding>& findings);
// What a result says of a kernel whose options make the path another one: "CONFIG_HZ is 1000: ...".
// Pure.
std::vector<std::string> path_notes(const std::vector<ConfigFinding>& findings);
// The findings as a text for a terminal of 80 columns. Pure.
std::string config_report(const std::vector<ConfigFinding>& findings);

// The configuration that CONFIG_IKCONFIG puts into a kernel, from the bytes of a bzImage or a
// configs.ko; empty if there is none. Pure.
std::string embedded_config(std::string_view bytes);

// A file that may hold a kernel's configuration.
struct ConfigPlace {
  std::filesystem::path file = {};
  bool embedded = false;  // by CONFIG_IKCONFIG; else the file is its text
};
// Every place where the configuration may be of the kernel in `vmlinuz`, whose modules, if any, are
// in `modules_dir`: the kernel itself, its modules, then files: beside it, in its tree, in its
// modules, in /boot. Pure.
std::vector<ConfigPlace> config_places(const std::filesystem::path& vmlinuz,
                                       const std::string& release,
                                       const std::filesystem::path& modules_dir);

struct FoundConfig {
  std::string text = {};
  std::string where = {};  // "" if there is none
};
// What the kernel was built with: what is embedded, else the text of the file that the kernel was
// found with.
FoundConfig config_of(const FetchedKernel& kernel);

}  // namespace faultline
