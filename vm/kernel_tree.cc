// SPDX-License-Identifier: GPL-2.0-only
#include "vm/kernel_tree.h"

#include <fmt/format.h>

#include <sstream>

#include "cell/failure.h"
#include "vm/bzimage.h"
#include "vm/files.h"
#include "vm/modules.h"
#include "vm/own_kernel.h"

namespace faultline {
namespace fs = std::filesystem;
namespace {

// A line of modules.order: fs/xfs/xfs.o since v6.3, before it fs/xfs/xfs.ko, or kernel/fs/...
// (scripts/Makefile.build).
fs::path module_of_line(const fs::path& tree, std::string line) {
  if (line.ends_with(".o")) line.replace(line.size() - 2, 2, ".ko");
  std::error_code ignored;
  const std::string below = "kernel/";
  if (line.starts_with(below) && !fs::exists(tree / line, ignored)) line.erase(0, below.size());
  return line;
}

}  // namespace

FetchedKernel kernel_from_tree(const fs::path& tree, const fs::path& into) {
  const fs::path bzimage = tree / "arch" / "x86" / "boot" / "bzImage";
  std::error_code error;
  if (!fs::is_regular_file(bzimage, error)) {
    throw Failure(ExitCode::kUsage, fmt::format("no {}; build the kernel first, `make bzImage "
                                                "modules`",
                                                bzimage.string()));
  }
  const std::string build = bzimage_version(read_file(bzimage, 1 << 30), bzimage.string());
  const std::string release = build.substr(0, build.find(' '));
  const fs::path root = fs::absolute(tree);
  const fs::path modules = into / "lib" / "modules" / release;
  make_dirs(modules / "kernel");
  const auto lines_of = [&](const char* name) {
    std::istringstream lines(fs::exists(tree / name, error) ? read_file(tree / name) : "");
    return lines;
  };
  std::string order;
  std::istringstream lines = lines_of("modules.order");
  for (std::string line; std::getline(lines, line);) {
    const fs::path file = module_of_line(tree, line);
    if (!fs::is_regular_file(tree / file, error)) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("no {}, which {} names; build the modules too",
                                (tree / file).string(), (tree / "modules.order").string()));
    }
    const fs::path link = modules / "kernel" / file;
    make_dirs(link.parent_path());
    fs::create_symlink(root / file, link, error);
    if (error) throw_io_failure("cannot write", link, error.value());
    order += fmt::format("kernel/{}\n", file.string());
  }
  write_file(modules / "modules.order", order);
  std::string built_in;
  std::istringstream names = lines_of("modules.builtin");
  for (std::string line; std::getline(names, line);) built_in += line + "\n";
  write_file(modules / "modules.builtin", built_in);
  // As modules_install leaves it: where kernel_from_path() finds the configuration.
  fs::create_symlink(root, modules / "build", error);
  write_module_index(modules);
  return kernel_from_path(bzimage, into);
}

}  // namespace faultline
