// SPDX-License-Identifier: GPL-2.0-only
// Debian packages of any suite, through a private apt configuration that is derived from this
// machine's own apt sources: the same mirrors and keys, other suites. The system's package state is
// neither read for answers nor changed, and apt checks every signature.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace faultline {

// One `deb` source of the machine: a line of *.list, or a stanza of *.sources.
struct AptSource {
  std::vector<std::string> uris = {};
  std::vector<std::string> suites = {};
  std::vector<std::string> components = {};
  std::string signed_by = {};          // as written: a file, a fingerprint, or a key over lines
  std::string check_valid_until = {};  // as written; empty: apt's default
};

// The enabled `deb` sources in a file's text. What is not understood is left out.
std::vector<AptSource> parse_list_sources(const std::string& text);
std::vector<AptSource> parse_deb822_sources(const std::string& text);

// All sources below `etc_apt`: sources.list, and *.list and *.sources of sources.list.d.
std::vector<AptSource> system_sources(const std::filesystem::path& etc_apt = "/etc/apt");

// The text of a deb822 file that serves `wanted_suites` from the mirrors in `system` that serve
// Debian itself. Failure(kUsage) if none does.
std::string private_sources(const std::vector<AptSource>& system,
                            const std::vector<std::string>& wanted_suites);

// One version of a package that a suite offers.
struct AptPackage {
  std::string name = {};
  std::string version = {};
  std::string sha256 = {};  // lower-case hex
  std::uint64_t size_bytes = 0;
};

// Output of `apt-cache show`. Stanzas without name, version or SHA256 are left out.
std::vector<AptPackage> parse_packages(const std::string& text);

// apt's own complaint as one line: its errors, else its warnings, else "".
std::string apt_complaint(const std::string& error_output);

// Debian's order of versions: negative, 0 or positive. Pure.
int compare_versions(const std::string& left, const std::string& right);

// A private configuration in `dir`: make_apt() writes it, the others use it. One process at a time
// may use a folder (FileLock). Errors: Failure(kUsage) if apt is not installed,
// Failure(kVmFailed) with apt's complaint otherwise.
struct Apt {
  std::filesystem::path dir;
};
Apt make_apt(const std::filesystem::path& dir, const std::vector<AptSource>& system,
             const std::vector<std::string>& wanted_suites);
void apt_update(const Apt& apt);
std::vector<std::string> apt_names(const Apt& apt, const std::string& prefix);
// The versions of each of `names`; names that have none are simply absent.
std::vector<AptPackage> apt_show(const Apt& apt, const std::vector<std::string>& names);
// Downloads into `directory` and returns the file, whose SHA256 has been compared with the index.
std::filesystem::path apt_download(const Apt& apt, const AptPackage& package,
                                   const std::filesystem::path& directory);

}  // namespace faultline
