// SPDX-License-Identifier: GPL-2.0-only
// Debian packages of any suite, through a private apt configuration that is derived from this
// machine's own apt sources: the same mirrors and keys, other suites. The system's package state is
// neither read for answers nor changed, and apt checks every signature, but of mirrors that the
// machine's own sources call trusted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "vm/files.h"

namespace faultline {

// One component of one suite on one mirror that apt would read packages for amd64 from.
struct AptSource {
  std::string uri = {};
  std::string suite = {};
  std::string component = {};
  std::string signed_by = {};          // as written: a file, a fingerprint, or a key over lines
  std::string check_valid_until = {};  // as written; empty: apt's default
  std::string trusted = {};            // likewise
};

// The sources that are configured below `etc_apt`, as apt itself understands them. The network and
// the system's package lists are not touched. Failure(kUsage) if apt is not installed,
// Failure(kVmFailed) with apt's complaint if it does not understand them.
std::vector<AptSource> system_sources(const std::filesystem::path& etc_apt = "/etc/apt");

// The text of a deb822 file that serves `wanted_suites` from the mirrors in `system` that serve
// Debian itself. Failure(kUsage) if none does, with the line of apt's sources that is missing.
std::string private_sources(const std::vector<AptSource>& system,
                            const std::vector<std::string>& wanted_suites);

// One version of a package that a suite offers.
struct AptPackage {
  std::string name = {};
  std::string version = {};
  std::string sha256 = {};  // lower-case hex
  std::uint64_t size_bytes = 0;
  std::vector<std::string> depends = {};  // names only; of alternatives the first
};

// Reads the output of `apt-cache show`. Stanzas without name, version or SHA256 are left out.
std::vector<AptPackage> parse_packages(const std::string& text);

// apt's own complaint as one line: its errors, else its warnings, else "".
std::string apt_complaint(const std::string& error_output);

// `versions` in Debian's order, oldest first; of several that Debian takes for the same one stays.
// One process sorts them all. Failure(kUsage) if apt is not installed, Failure(kVmFailed) if it
// cannot sort them.
std::vector<std::string> sorted_versions(const std::vector<std::string>& versions);

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
// The versions of each of `names`, of one name the newest first; names that have none are absent.
std::vector<AptPackage> apt_show(const Apt& apt, const std::vector<std::string>& names);
// The version `version` of `name` among `packages`; null if it is not there.
const AptPackage* find_package(const std::vector<AptPackage>& packages, const std::string& name,
                               const std::string& version);
// What apt would install with `names` on a machine that has nothing, in its order, recommendations
// left out. Failure(kVmFailed) if it cannot.
std::vector<AptPackage> apt_closure(const Apt& apt, const std::vector<std::string>& names);
// Downloads into `directory` and returns the file, whose SHA256 has been compared with the index.
std::filesystem::path apt_download(const Apt& apt, const AptPackage& package,
                                   const std::filesystem::path& directory);

// The names and versions that `apt-get --simulate install` says it would install, in its order.
// Pure.
std::vector<std::pair<std::string, std::string>> parse_simulation(const std::string& text);

// The package lists of `suites`, read anew and locked for as long as the object lives. One folder
// in `cache` for each set of suites, so that lists are shared and stay.
class AptLists {
 public:
  AptLists(const std::filesystem::path& cache, const std::vector<std::string>& suites,
           const std::filesystem::path& etc_apt,
           const std::function<void(const std::string&)>& tell);
  [[nodiscard]] const Apt& apt() const { return apt_; }

 private:
  FileLock lock_;
  Apt apt_;
};

// The size of all downloads together, as "12.3 MiB".
std::string download_size(const std::vector<AptPackage>& packages);

}  // namespace faultline
