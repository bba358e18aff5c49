// SPDX-License-Identifier: GPL-2.0-only
// What a guest's image holds beside our own binary: the tools that make and check file systems, and
// the libraries. They are of one Debian suite whatever the host is, so that what is measured hangs
// on nothing of the host's.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vm/packages/fetch.h"

namespace faultline {

// The suite that all guests' user space comes from. Another one is another figure.
inline constexpr char kGuestSuite[] = "bookworm";

struct GuestRoot {
  std::filesystem::path root = {};  // what its packages call /
  nlohmann::json packages = {};     // name: [version, SHA256 of the .deb]
};

// Fetches the packages and unpacks them. Those already in `cache`/guest are returned without
// touching the network. Safe with other commands that use the same cache; whatever interrupts it,
// the cache holds a whole root or none. Errors as those of fetch_kernel().
GuestRoot fetch_guest_root(const std::filesystem::path& cache, const Progress& progress = {},
                           const FetchOptions& options = {});

// A root file system of the same suite with all that builds our own binary for the guest:
// compilers, CMake, libraries with their headers. For hosts of another suite, whose compiler would
// give other bytes and so other figures; tools/pinned-guest enters it. Kept in `cache`/compiler,
// some 670 MB.
std::filesystem::path fetch_guest_compiler(const std::filesystem::path& cache,
                                           const Progress& progress = {},
                                           const FetchOptions& options = {});

// Where a program of the root lies on the host. Failure(kUsage) if no package has it.
std::filesystem::path tool_of(const GuestRoot& guest, const std::string& name);

// The command that runs a program of the root on the host: its own loader and libraries.
std::vector<std::string> command_in(const GuestRoot& guest, const std::filesystem::path& program);

// Where a package's file goes below the root: programs and shared libraries, all in /usr as merged
// systems have it; empty: it is left out. Pure.
std::string guest_place_of(const std::string& member);

}  // namespace faultline
