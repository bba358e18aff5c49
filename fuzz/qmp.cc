// SPDX-License-Identifier: GPL-2.0-only
// What QEMU says on its control socket.
#include "vm/qmp.h"

#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(qmp) {
  refused_or_taken([&] {
    QmpStream stream;
    stream.feed(bytes);
    while (stream.next()) {
    }
  });
}

}  // namespace faultline::fuzz
