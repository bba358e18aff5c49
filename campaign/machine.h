// SPDX-License-Identifier: GPL-2.0-only
// Makes a virtual machine that can run cells from a kernel's name.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "campaign/context.h"
#include "vm/image.h"
#include "vm/kernel_tree.h"
#include "vm/kernels.h"
#include "vm/modules.h"
#include "vm/packages/guest_qemu.h"
#include "vm/packages/guest_root.h"
#include "vm/qemu.h"

namespace faultline {

using Say = Progress;

// Where the kernels of a name come from: those that it stands for, and one of them to boot.
struct KernelSource {
  std::function<std::vector<KernelRow>(const std::string& name)> rows;
  std::function<FetchedKernel(const KernelRow& row)> fetch;
};
// A source that takes kernels from the cache, and from the mirrors what is not there.
KernelSource fetched_kernels(const std::filesystem::path& cache, const Say& say);

// The kernels that `names` (names and globs; `all`; `releases`; PATH or NAME=PATH as
// kernel_of_path() takes it, with its modules in `modules`) stand for, fetched. NAME+N, a kernel
// with a planted delay, is for those that hand it to the guest. One of the user's own is checked:
// check_own_config().
enum class Planted { kRefuse, kTake };
std::vector<FetchedKernel> obtain_kernels(const std::string& names, const std::string& modules,
                                          const KernelSource& source, const Say& say,
                                          Planted planted = Planted::kRefuse);
std::vector<FetchedKernel> obtain_kernels(const std::string& names, const std::string& modules,
                                          const std::filesystem::path& cache, const Say& say,
                                          Planted planted = Planted::kRefuse);

// Holds the configuration of a kernel of the user's own against what a guest needs. Says once what
// goes without, and what makes the path another one, which it notes in the kernel. Failure(kUsage)
// that names the options when no guest can run.
void check_own_config(FetchedKernel& kernel, const Say& say);

// The modules of file systems that the kernel does not have: cells on them are skipped.
std::set<std::string> lacking_file_systems(const FetchedKernel& kernel);

// NOLINTNEXTLINE(bugprone-exception-escape): json's move checks itself, and does not throw.
struct GuestImage {
  std::filesystem::path path;
  std::string sha256;
  std::set<std::string> lacks = {};  // modules of file systems that the kernel does not have
  GuestRoot guest = {};              // where its tools are from
};

// The initramfs for a kernel: faultline-guest, the file systems' tools, their libraries, and the
// modules in load order. The same bytes for the same inputs, kept in the cache under their hash.
// With `strategy_module` (a file) it holds that too: another image, so that cells which do not need
// the module have the figures that they have where it was never built. So has `more`. Says what it
// fetches, which it does once.
struct ImageExtras {
  std::vector<WantedModule> modules = {};
  std::vector<ImageFile> files = {};
  std::vector<ImageExecutable> executables = {};
};
GuestImage make_guest_image(const CommandContext& context, const FetchedKernel& kernel,
                            const std::filesystem::path& cache, const Say& say,
                            const std::filesystem::path& strategy_module = {},
                            const ImageExtras& more = {});

// The second image of a kernel, made when a cell needs it. Without one there is a reason: whatever
// stands in the way (no network, no compiler), the other cells can be measured. Its reason is said.
// NOLINTNEXTLINE(bugprone-exception-escape): json's move checks itself, and does not throw.
struct ModuleImage {
  GuestImage image;
  std::string reason;
  nlohmann::json context;
};
ModuleImage make_module_image(const CommandContext& context, const FetchedKernel& kernel,
                              const std::filesystem::path& cache, const Say& say);

// The QEMU of this command's guests, found or fetched once: guest_qemu().
const QemuProgram& the_qemu(const Say& say = {});

// What a result's context says of QEMU, and of a kernel; `arguments` and what only a guest knows
// are empty.
nlohmann::json qemu_context();
nlohmann::json kernel_context(const FetchedKernel& kernel, const GuestImage& image);

inline constexpr unsigned kRamMib = 512;
inline constexpr unsigned kPmemMib = 512;

// A machine of one vCPU for cells on this file system.
VmSpec guest_spec(const FetchedKernel& kernel, const std::filesystem::path& image,
                  const std::string& fs, Accel accel);

// `auto` becomes the best accelerator that really boots this kernel; any other must boot it, or
// Failure(kVmFailed) says why it does not.
Accel settle_accel(const std::string& wanted, const FetchedKernel& kernel,
                   const std::filesystem::path& cache, const std::atomic<bool>& cancel,
                   const Say& say);

}  // namespace faultline
