// SPDX-License-Identifier: GPL-2.0-only
// What a folder of the cache says of itself, written last: a folder without a stamp is not whole.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace faultline {

// null if there is none, or it is damaged.
nlohmann::json read_stamp(const std::filesystem::path& folder);
void write_stamp(const std::filesystem::path& folder, const nlohmann::json& stamp);

}  // namespace faultline
