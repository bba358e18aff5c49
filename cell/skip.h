// SPDX-License-Identifier: GPL-2.0-only
// Why a cell is not measured: every reason that follows from what the cell, the kernel and the
// place are, in one list.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "cell/axes.h"
#include "cell/cell.h"

namespace faultline {

// A folder on the machine itself, where cells run without a VM.
struct HostPlace {
  std::string where = {};      // its mount
  std::string map_sync = {};   // why the kernel refuses MAP_SYNC there; empty: it grants it
  bool module_loaded = false;  // the strategy module is
};

// Where a cell is to run.
struct Surroundings {
  std::string release = {};  // of a VM's kernel; empty: not known yet, and nothing follows from it
  std::set<std::string> lacks = {};  // modules of file systems that the VM's kernel does not have
  std::optional<HostPlace> place = {};  // on the host
};

// Says in words that a kernel of this release does not have a file system's module.
std::string without_module(const std::string& release, const std::string& module);

// The first reason why such a cell cannot be measured; empty when it can. The cell's names must be
// of the tables.
std::string why_not(const Cell& cell, const Sources& sources, const Surroundings& around);

}  // namespace faultline
