// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/asked.h"

#include <optional>
#include <system_error>

#include "cell/file_system.h"
#include "cell/fs_row.h"
#include "vm/files.h"
#include "vm/kernel_tree.h"
#include "vm/kernels.h"

namespace faultline {

namespace fs = std::filesystem;

AskedBuild build_with(const CommandContext& context, const std::string& kernel) {
  AskedBuild build{.command = "/proc/self/exe", .guest = context.parts.guest_binary};
  std::error_code error;
  if (const std::optional<OwnKernel> own = own_kernel(kernel)) {
    build.kernel = fs::exists(own->path, error) ? own->path : planted_name(own->path).name;
    if (fs::is_directory(build.kernel, error)) {
      build.kernel = kernel_of_path(build.kernel, "").vmlinuz;
    }
  } else {
    // A row of the table is the newest of its package, which may be fetched anew.
    for (const nlohmann::json& row :
         kernels_json(cache_dir(), rows_matching(planted_name(kernel).name, kernel_table()))) {
      build.package += row.at("version").dump();
    }
  }
  return build;
}

std::string asked_key(const nlohmann::json& options, const AskedBuild& build) {
  nlohmann::json key = {{"options", options},
                        {"command", sha256_of_file(build.command)},
                        {"guest", sha256_of_file(build.guest)},
                        {"package", build.package}};
  if (!build.kernel.empty()) key["kernel"] = sha256_of_file(build.kernel);
  return key.dump();
}

void add_given_rows(nlohmann::json& options) {
  for (const FileSystem& row : file_systems()) {
    if (row.given == nullptr) continue;
    options["fs_row"] = fs_row_for_guest(*row.given);
    if (is_path(row.given->module)) options["fs_module"] = sha256_of_file(row.given->module);
  }
}

}  // namespace faultline
