// SPDX-License-Identifier: GPL-2.0-only
#include "vm/stamp.h"

#include "vm/files.h"

namespace faultline {
namespace {

constexpr const char* kStamp = "stamp.json";

}  // namespace

nlohmann::json read_stamp(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(folder / kStamp, ignored)) return nullptr;
  nlohmann::json stamp = nlohmann::json::parse(read_file(folder / kStamp, 1 << 20), nullptr, false);
  return stamp.is_object() ? stamp : nlohmann::json();
}

void write_stamp(const std::filesystem::path& folder, const nlohmann::json& stamp) {
  write_file(folder / kStamp, stamp.dump(2) + "\n");
}

}  // namespace faultline
