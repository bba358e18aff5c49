// SPDX-License-Identifier: GPL-2.0-only
// The frames of a guest (harness/wire.h), however they are cut into pieces.
#include "harness/wire.h"

#include <vector>

#include "fuzz/target.h"

namespace faultline::fuzz {

FAULTLINE_FUZZ(wire) {
  const auto frames_by = [&](std::size_t piece) {
    wire::Decoder decoder;
    std::vector<wire::Frame> frames;
    for (std::string_view left = bytes; !left.empty();
         left.remove_prefix(std::min(piece, left.size()))) {
      decoder.feed(left.substr(0, piece));
      while (auto frame = decoder.next()) frames.push_back(*std::move(frame));
    }
    require(decoder.pending() <= bytes.size(), "no more is pending than came");
    return frames;
  };
  const std::vector<wire::Frame> whole = frames_by(bytes.size() + 1);
  const std::vector<wire::Frame> parts = frames_by(7);
  require(whole.size() == parts.size(), "frames do not hang on how their bytes come");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    require(whole[i].type == parts[i].type && whole[i].payload == parts[i].payload,
            "nor does what is in them");
    wire::Decoder again;
    again.feed(wire::encode(whole[i].type, whole[i].payload));
    const auto frame = again.next();
    require(frame && frame->payload == whole[i].payload, "a frame is read as it was written");
  }
}

}  // namespace faultline::fuzz
