// SPDX-License-Identifier: GPL-2.0-only
// Tells whether the kernel maps a file by entries of 2 MiB, proved by faults, and if not, why.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cell/cell.h"
#include "harness/extents.h"

namespace faultline {

// What a huge entry hangs on beside the extents.
struct OrderSurroundings {
  bool dax = false;              // STATX_ATTR_DAX
  bool huge_pages = true;        // the kernel has them
  bool disabled = false;         // prctl(PR_SET_THP_DISABLE), inherited
  uint64_t size = 0;             // of the file, bytes
  uint64_t partition_start = 0;  // on its disk, bytes
  uint64_t namespace_start = 0;  // of the disk's data, a physical address; 0: not known
};

// One stretch of 2 MiB of a file.
struct OrderWindow {
  uint64_t at = 0;     // offset in the file, bytes
  bool huge = false;   // a second page took no fault
  std::string reason;  // an id; empty if it is huge
};

// Why a window is not mapped huge; `stored`: it was stored to, and not only read. Pure. Sources:
// fs/dax.c, dax_iomap_pmd_fault() and dax_fault_check_fallback(), 6.1 to 7.3.
std::string why_not_huge(const OrderSurroundings& around, const std::vector<FileExtent>& extents,
                         uint64_t at, bool stored);
// A reason in words: what is so, and what to change.
struct OrderReason {
  const char* id;
  const char* what;
  const char* change;
};
const OrderReason& order_reason(const std::string& id);

struct OrderAnswer {
  std::string path;
  std::string fs;  // type of the file system
  OrderSurroundings around;
  std::vector<OrderWindow> windows;
  // Tells whether there are whole windows, and all of them are huge.
  [[nodiscard]] bool huge() const;
};
// Looks at a file of this machine, read-only; for a folder at the first file in it that has 2 MiB.
// Failure(kUsage) when there is none.
OrderAnswer order_of_path(const std::string& path);
// Makes a file as a cell does, stores to it and removes it. `aligned`: asks for extents of 2 MiB,
// as cells of order pmd do.
OrderAnswer order_of_new_file(const std::string& directory, State state, bool aligned);

nlohmann::json order_json(const OrderAnswer& answer);
// The answer as a text of at most 80 columns.
std::string order_text(const OrderAnswer& answer);

}  // namespace faultline
