// SPDX-License-Identifier: GPL-2.0-only
#include "harness/files.h"

#include <fstream>
#include <iterator>

namespace faultline {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace faultline
