// SPDX-License-Identifier: GPL-2.0-only
#include "vm/kernel_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <vector>

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

// Where distributions put a kernel: below the root of a package, or of its modules.
std::vector<fs::path> images_in(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> found;
  const auto add = [&](const fs::path& file) {
    if (fs::is_regular_file(file, error)) found.push_back(file);
  };
  add(folder / "vmlinuz");
  for (const fs::path& place : {folder / "boot", folder}) {
    for (const auto& entry : fs::directory_iterator(place, error)) {
      if (entry.path().filename().string().starts_with("vmlinuz-")) add(entry.path());
    }
  }
  for (const fs::path& place : {folder / "lib/modules", folder / "usr/lib/modules"}) {
    for (const auto& entry : fs::directory_iterator(place, error)) add(entry.path() / "vmlinuz");
  }
  std::sort(found.begin(), found.end());
  return found;
}

fs::path bzimage_of(const fs::path& tree) { return tree / "arch" / "x86" / "boot" / "bzImage"; }

// The modules of a kernel in `folder` that nothing else was said of; empty for none.
fs::path modules_in(const fs::path& folder, const std::string& release) {
  std::error_code error;
  for (const fs::path& place :
       {folder / "lib/modules" / release, folder / "usr/lib/modules" / release,
        folder / "modules" / release, folder}) {
    for (const char* list : {"modules.order", "modules.dep"}) {
      if (fs::exists(place / list, error)) return place;
    }
  }
  return {};
}

FetchedKernel kernel_from_folder(const fs::path& folder, const fs::path& modules_dir,
                                 const std::string& name) {
  const std::vector<fs::path> images = images_in(folder);
  if (images.empty()) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{} holds no kernel: neither arch/x86/boot/bzImage, nor "
                              "boot/vmlinuz-RELEASE, nor lib/modules/RELEASE/vmlinuz",
                              folder.string()));
  }
  std::vector<std::string> releases;
  for (const fs::path& image : images) {
    const std::string build = bzimage_version_of_file(image);
    releases.push_back(build.substr(0, build.find(' ')));
    if (releases.back() != releases.front()) {
      throw Failure(ExitCode::kUsage,
                    fmt::format("{} holds several kernels; give --kernel one of them, as {}",
                                folder.string(), image.string()));
    }
  }
  return kernel_from_path(images.front(),
                          modules_dir.empty() ? modules_in(folder, releases.front()) : modules_dir,
                          name);
}

}  // namespace

bool holds_kernel(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(bzimage_of(folder), error) || !images_in(folder).empty();
}

FetchedKernel kernel_from_tree(const fs::path& tree, const fs::path& into,
                               const std::string& name) {
  const fs::path bzimage = bzimage_of(tree);
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
  // The link is as modules_install leaves it: the strategy module is built against it.
  fs::create_symlink(root, modules / "build", error);
  write_module_index(modules);
  return kernel_from_path(bzimage, into, name);
}

FetchedKernel kernel_of_path(const fs::path& path, const fs::path& modules_dir,
                             const std::string& name) {
  std::error_code error;
  FetchedKernel kernel;
  if (!fs::is_directory(path, error)) return kernel_from_path(path, modules_dir, name);
  const fs::path bzimage = path / "arch/x86/boot/bzImage";
  if (fs::exists(bzimage, error) || fs::exists(path / "Kconfig", error)) {
    if (modules_dir.empty()) {
      // A tree where all is built in has modules.builtin and no modules.order, and an old build has
      // neither.
      static std::vector<std::unique_ptr<TempDir>> links;
      links.push_back(std::make_unique<TempDir>(temp_dir(), "faultline-"));
      kernel = kernel_from_tree(path, links.back()->path(), name);
      if (!fs::exists(path / "modules.order", error) &&
          !fs::exists(path / "modules.builtin", error)) {
        kernel.modules_dir.clear();
      }
    } else {
      kernel = kernel_from_path(bzimage, modules_dir, name);
    }
  } else {
    kernel = kernel_from_folder(path, modules_dir, name);
  }
  kernel.path = path.string();
  return kernel;
}

}  // namespace faultline
