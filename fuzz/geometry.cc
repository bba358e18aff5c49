// SPDX-License-Identifier: GPL-2.0-only
// A file of caches' sizes.
#include "observe/geometry.h"

#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(geometry) {
  refused_or_taken([&] {
    const observe::Geometry geometry = observe::geometry_of(std::string(bytes), "my.toml");
    observe::describe(geometry);
    if (geometry.tlb) observe::describe_tlb(*geometry.tlb);
  });
}

}  // namespace faultline::fuzz
