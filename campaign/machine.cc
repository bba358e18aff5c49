// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include "campaign/fs_rows.h"
#include "campaign/host_process.h"
#include "cell/failure.h"
#include "cell/file_system.h"
#include "cell/fs_row.h"
#include "cell/planted.h"
#include "cell/words.h"
#include "harness/wire.h"
#include "vm/accel.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/modules.h"
#include "vm/saved_state.h"
#include "vm/strategy_module.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// Old images are dropped beyond this many; one run of all kernels makes two of each.
constexpr size_t kImagesKept = 24;

void prune_images(const fs::path& folder, const fs::path& keep) {
  std::vector<std::pair<fs::file_time_type, fs::path>> images;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path() != keep) images.emplace_back(entry.last_write_time(error), entry.path());
  }
  std::sort(images.rbegin(), images.rend());
  for (size_t i = kImagesKept; i < images.size(); ++i) fs::remove(images[i].second, error);
}

// The rows of cell/file_system.cc name every feature; this is what no option of mke2fs says.
constexpr char kMke2fsConf[] =
    "[defaults]\n"
    "  default_mntopts = acl,user_xattr\n"
    "  enable_periodic_fsck = 0\n"
    "  blocksize = 4096\n"
    "  inode_size = 256\n"
    "  inode_ratio = 16384\n"
    "[fs_types]\n"
    "  ext4 = {\n  }\n";

// What the rows of file systems ask of a kernel's own modules, each once, in the table's order. A
// row of the user's may bring its module as a file, which is none of the kernel's.
std::vector<WantedModule> file_system_modules() {
  std::vector<WantedModule> wanted;
  for (const FileSystem& row : file_systems()) {
    const bool own = row.given != nullptr && is_path(row.given->module);
    const bool have = std::any_of(wanted.begin(), wanted.end(),
                                  [&](const WantedModule& m) { return m.name == row.module; });
    if (*row.module == '\0' || own || have) continue;
    wanted.push_back({.name = row.module, .lacking = true});
  }
  return wanted;
}

}  // namespace

std::set<std::string> lacking_file_systems(const FetchedKernel& kernel) {
  std::set<std::string> lacks;
  load_order(kernel.modules_dir, file_system_modules(), &lacks);
  return lacks;
}

KernelSource fetched_kernels(const fs::path& cache, const Say& say) {
  return {.rows = [=](const std::string& name) { return kernels_named(name, cache, say); },
          .fetch = [=](const KernelRow& row) { return fetch_kernel(row, cache, say); }};
}

std::vector<FetchedKernel> obtain_kernels(const std::string& names, const std::string& modules,
                                          const fs::path& cache, const Say& say, Planted planted) {
  return obtain_kernels(names, modules, fetched_kernels(cache, say), say, planted);
}

std::vector<FetchedKernel> obtain_kernels(const std::string& names, const std::string& modules,
                                          const KernelSource& source, const Say& say,
                                          Planted planted) {
  const auto plant = [&](FetchedKernel kernel, uint64_t delay) {
    if (delay == 0) return kernel;
    if (planted == Planted::kRefuse) {
      throw Failure(ExitCode::kUsage, fmt::format("--kernel {}+{}: only `run` and `bisect` can "
                                                  "plant a delay",
                                                  kernel.id, delay));
    }
    check_delay(delay, kernel.release);
    kernel.delay = delay;
    kernel.id += fmt::format("+{}", delay);
    return kernel;
  };
  std::error_code error;
  // A path may hold commas.
  const std::vector<std::string> texts =
      fs::exists(names, error) ? std::vector<std::string>{names} : split_list(names);
  if (!modules.empty() && std::none_of(texts.begin(), texts.end(), [](const std::string& text) {
        return own_kernel(text).has_value();
      })) {
    throw Failure(ExitCode::kUsage, "--modules goes with --kernel PATH, the path of a bzImage");
  }
  std::vector<FetchedKernel> kernels;
  const auto add_own = [&](const OwnKernel& given) {
    const PlantedName wanted =
        fs::exists(given.path, error) ? PlantedName{.name = given.path} : planted_name(given.path);
    const std::vector<std::string> known = all_kernel_names();
    if (std::find(known.begin(), known.end(), given.name) != known.end() ||
        given.name == kHostKernel || given.name == "all" || given.name == "releases") {
      throw Failure(ExitCode::kUsage,
                    fmt::format("--kernel {0}={1}: {0} is another kernel's name; give another",
                                given.name, given.path));
    }
    FetchedKernel kernel = plant(kernel_of_path(wanted.name, modules, given.name), wanted.delay);
    for (const FetchedKernel& other : kernels) {
      if (other.id != kernel.id) continue;
      // One build under two paths is one kernel.
      if (given.name.empty()) return;
      throw Failure(ExitCode::kUsage, fmt::format("--kernel: two are called {}", kernel.id));
    }
    check_own_config(kernel, say);
    kernels.push_back(std::move(kernel));
  };
  for (const std::string& name : texts) {
    if (const std::optional<OwnKernel> given = own_kernel(name)) {
      add_own(*given);
      continue;
    }
    const PlantedName wanted = planted_name(name);
    for (const KernelRow& row : source.rows(wanted.name)) {
      const bool have = std::any_of(kernels.begin(), kernels.end(), [&](const FetchedKernel& k) {
        return planted_name(k.id).name == row.id && k.delay == wanted.delay;
      });
      if (!have) kernels.push_back(plant(source.fetch(row), wanted.delay));
    }
  }
  if (kernels.empty()) throw Failure(ExitCode::kUsage, "--kernel: names no kernel");
  return kernels;
}

void check_own_config(FetchedKernel& kernel, const Say& say) {
  const auto tell = [&](const std::string& text) {
    if (say) say(fmt::format("kernel {}: {}", kernel.id, text));
  };
  const FoundConfig config = config_of(kernel);
  if (config.where.empty()) {
    tell("no configuration is found in it or beside it; what it lacks shows when it boots");
    return;
  }
  const std::vector<ConfigFinding> findings =
      check_config(parse_config(config.text), kernel.release, !kernel.modules_dir.empty());
  const std::string command = fmt::format("`faultline kernels check {}`", kernel.path);
  if (const std::string needed = options_of(findings, ConfigNeed::kNeeded); !needed.empty()) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("kernel {}: no guest runs without {} ({}); {} prints what to add",
                              kernel.id, needed, config.where, command));
  }
  if (const std::string wanted = options_of(findings, ConfigNeed::kWanted); !wanted.empty()) {
    tell(fmt::format("without {}; {} says what goes without", wanted, command));
  }
  kernel.config_notes = path_notes(findings);
  for (const std::string& note : kernel.config_notes) tell(note);
}

GuestImage make_guest_image(const CommandContext& context, const FetchedKernel& kernel,
                            const fs::path& cache, const Say& say, const fs::path& strategy_module,
                            const ImageExtras& more) {
  static std::once_flag told;
  if (!context.parts.passed_over.empty()) {
    std::call_once(told, [&] { say(context.parts.passed_over); });
  }
  ImageSpec spec;
  spec.files = more.files;
  spec.executables = more.executables;
  spec.executables.push_back({wire::kGuestBinary, context.parts.image_binary.empty()
                                                      ? context.parts.guest_binary
                                                      : context.parts.image_binary});
  // The order in which the kernel needs them; what a kernel has built in is left out.
  std::vector<WantedModule> wanted = {{"qemu_fw_cfg", false}, {"libnvdimm", false},
                                      {"nd_btt", true},       {"nd_pmem", false},
                                      {"nd_e820", false},     {"crc32c", true}};
  wanted.insert(wanted.end(), more.modules.begin(), more.modules.end());
  const GivenParts given = given_parts(kernel.release);
  for (const std::string& name : given.needs) wanted.push_back({.name = name, .lacking = true});
  // Cells on a file system that the kernel does not have are skipped; the others are not. The image
  // is the same whichever are selected, and so are the figures.
  for (const WantedModule& module : file_system_modules()) {
    if (std::none_of(wanted.begin(), wanted.end(),
                     [&](const WantedModule& m) { return m.name == module.name; })) {
      wanted.push_back(module);
    }
  }
  std::set<std::string> tools;
  for (const FileSystem& row : file_systems()) {
    const bool own_tool = row.given != nullptr && is_path(first_word(row.given->mkfs));
    if (*row.tool != '\0' && !own_tool) tools.insert(row.tool);
  }
  GuestImage image;
  image.guest = fetch_guest_root(cache, say);
  const GuestRoot& guest = image.guest;
  check_given_tools(guest);
  spec.root = guest.root;
  for (const std::string& tool : tools) {
    spec.executables.push_back({"/usr/sbin/" + tool, tool_of(guest, tool)});
  }
  spec.files.push_back({"/etc/mke2fs.conf", {}, kMke2fsConf, 0644});
  spec.files.insert(spec.files.end(), given.files.begin(), given.files.end());
  spec.executables.insert(spec.executables.end(), given.executables.begin(),
                          given.executables.end());
  if (!strategy_module.empty()) {
    spec.files.push_back({wire::kStrategyModule, strategy_module, {}, 0644});
  }
  spec.modules = load_order(kernel.modules_dir, wanted, &image.lacks);
  for (const std::string& name : given.needs) {
    if (!image.lacks.contains(name)) continue;
    throw Failure(ExitCode::kUsage,
                  fmt::format("--fs-row: a module of yours depends on {}, which kernel {} does not "
                              "have; check --modules",
                              name, kernel.release));
  }
  spec.modules.insert(spec.modules.end(), given.modules.begin(), given.modules.end());

  const fs::path folder = cache / "images";
  make_dirs(folder);
  const TempDir work(folder);
  const fs::path fresh = work.path() / "image";
  image.sha256 = build_image(spec, fresh).sha256;
  image.path = folder / (image.sha256 + ".cpio");
  std::error_code error;
  fs::rename(fresh, image.path, error);
  if (error) throw_io_failure("cannot write", image.path, error.value());
  prune_images(folder, image.path);
  return image;
}

ModuleImage make_module_image(const CommandContext& context, const FetchedKernel& kernel,
                              const fs::path& cache, const Say& say) {
  ModuleImage made;
  try {
    const BuiltModule module = build_strategy_module(kernel, context.parts.kmod, cache, say);
    made.image = make_guest_image(context, kernel, cache, say, module.path);
    made.context = {{"sha256", module.sha256},
                    {"compiler", module.compiler},
                    {"image_sha256", made.image.sha256}};
  } catch (const Failure& failure) {
    made.reason = failure.what();
    say(made.reason);
  }
  return made;
}

const QemuProgram& the_qemu(const Say& say) {
  static const QemuProgram qemu = guest_qemu(cache_dir(), say);
  return qemu;
}

nlohmann::json qemu_context() {
  const QemuProgram& qemu = the_qemu();
  return {{"version", qemu.version},
          {"binary_sha256", sha256_of_file(qemu.binary)},
          {"fetched", qemu.fetched},
          {"arguments", nlohmann::json::object()}};
}

nlohmann::json kernel_context(const FetchedKernel& kernel, const GuestImage& image) {
  nlohmann::json context = {
      {"release", kernel.release},
      {"path", kernel.path.empty() ? nlohmann::json(nullptr) : nlohmann::json(kernel.path)},
      {"version", nullptr},
      {"package", kernel.package.empty() ? nlohmann::json(nullptr)
                                         : nlohmann::json(kernel.package + " " + kernel.version)},
      {"vmlinuz_sha256", sha256_of_file(kernel.vmlinuz)},
      {"config_sha256", kernel.config.empty() ? nlohmann::json(nullptr)
                                              : nlohmann::json(sha256_of_file(kernel.config))},
      {"btf_crc32", nullptr},
      {"image_sha256", image.sha256},
      {"command_line", nullptr},
      {"cpu_model", nullptr}};
  if (!kernel.config_notes.empty()) context["config_notes"] = kernel.config_notes;
  return context;
}

VmSpec guest_spec(const FetchedKernel& kernel, const fs::path& image, const std::string& fs_id,
                  Accel accel) {
  VmSpec spec;
  spec.qemu = the_qemu().program;
  static const bool sandbox = the_qemu().has_sandbox();
  spec.sandbox = sandbox;
  spec.kernel = kernel.vmlinuz;
  spec.initrd = image;
  spec.kernel_parameters = boot_parameters(kernel.release);
  spec.ram_mib = kRamMib;
  spec.pmem_mib = kPmemMib;
  spec.accel = accel;
  spec.fs = fs_id;
  return spec;
}

Accel settle_accel(const std::string& wanted, const FetchedKernel& kernel, const fs::path& cache,
                   const std::atomic<bool>& cancel, const Say& say) {
  if (wanted == kAccelAuto) {
    const AccelProbe kvm =
        probe_accel(Accel::kKvm, kernel.vmlinuz, cache, cancel, 0, the_qemu().program);
    if (kvm.works) {
      say("accelerator: kvm");
      return Accel::kKvm;
    }
    say(fmt::format("accelerator: tcg-icount (kvm: {})", kvm.reason));
    return Accel::kTcgIcount;
  }
  const AccelInfo& info = accel_named(wanted);
  if (info.accel == Accel::kKvm) {
    const AccelProbe kvm =
        probe_accel(Accel::kKvm, kernel.vmlinuz, cache, cancel, 0, the_qemu().program);
    if (!kvm.works) {
      throw Failure(ExitCode::kVmFailed,
                    fmt::format("kvm does not boot {}: {}; use --accel auto or tcg-icount",
                                kernel.release, kvm.reason));
    }
  }
  return info.accel;
}

}  // namespace faultline
