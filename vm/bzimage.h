// SPDX-License-Identifier: GPL-2.0-only
// The header of a bzImage.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace faultline {

// The version string ("6.1.0-56-cloud-amd64 (debian-kernel@...) #1 SMP ...") in a bzImage's first
// 64 KiB or more. Failure(kUsage) naming `where` if the bytes are no bzImage. Pure.
std::string bzimage_version(std::string_view bytes, const std::string& where);

// The version string of the bzImage in a file. Failure(kUsage) if it cannot be read, too.
std::string bzimage_version_of_file(const std::filesystem::path& bzimage);

// The packed kernel in a whole bzImage; empty if its header does not say where that is. Pure.
std::string_view bzimage_payload(std::string_view bytes);

}  // namespace faultline
