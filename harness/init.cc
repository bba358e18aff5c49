// SPDX-License-Identifier: GPL-2.0-only
#include "harness/init.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/random.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "cell/failure.h"
#include "cell/fs_row.h"
#include "cell/words.h"
#include "harness/clock.h"
#include "harness/crash.h"
#include "harness/delay.h"
#include "harness/files.h"
#include "harness/filesystem.h"
#include "harness/guest_session.h"
#include "harness/probe.h"
#include "harness/run.h"
#include "harness/wait.h"
#include "harness/wire.h"

namespace faultline {

void send_failure(const std::string& stage, const Failure& failure) {
  send_frame(wire::kFail, {{"stage", stage},
                           {"message", failure.what()},
                           {"exit_code", static_cast<int>(failure.code())}});
}

[[noreturn]] void power_off() {
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

std::string kernel_parameter(const char* name) {
  std::istringstream words(read_file("/proc/cmdline"));
  for (std::string word; words >> word;) {
    if (word.starts_with(name)) return word.substr(std::strlen(name));
  }
  return "";
}

namespace {

void mount_virtual(const char* type, const char* where) {
  mkdir(where, 0755);
  // What a kernel was built without (tracefs in debugfs, say) is missed by whoever needs it.
  mount(type, where, type, 0, nullptr);
}

// Gives the kernel's random numbers a fixed seed. Else the first program that asks for some
// (mkfs.xfs, for a UUID) waits while the kernel gathers jitter, of which a machine without any has
// the least: 6 s of guest time (drivers/char/random.c, try_to_generate_entropy).
void seed_random() {
  constexpr std::string_view kSeed = "faultline: the same random numbers in every guest, for ever";
  alignas(rand_pool_info) std::array<char, sizeof(rand_pool_info) + kSeed.size()> request{};
  auto* const info = reinterpret_cast<rand_pool_info*>(request.data());
  info->entropy_count = 8 * static_cast<int>(kSeed.size());
  info->buf_size = static_cast<int>(kSeed.size());
  std::memcpy(request.data() + sizeof(rand_pool_info), kSeed.data(), kSeed.size());
  const int fd = open("/dev/random", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ioctl(fd, RNDADDENTROPY, info) != 0) std::perror("faultline: RNDADDENTROPY");
  close(fd);
}

// "nova" of "07-nova.ko".
std::string name_of(const std::string& module_file) {
  const std::size_t begin = module_file.find('-') + 1;
  return module_file.substr(begin, module_file.rfind(".ko") - begin);
}

// Why the kernel refused a module, by the last line that it logged of it; empty if it said nothing.
std::string what_the_kernel_said(const std::string& module_file) {
  const int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return "";
  std::string last;
  std::array<char, 8192> record;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (;;) {
    const ssize_t n = read(fd, record.data(), record.size());
    if (n < 0 && errno == EPIPE) continue;  // the kernel has overwritten records
    if (n <= 0) break;
    const std::string text(record.data(), static_cast<std::size_t>(n));
    const std::size_t start = text.find(';') + 1;
    const std::string line = text.substr(start, text.find('\n', start) - start);
    if (line.find(name_of(module_file)) != std::string::npos) last = line;
  }
  close(fd);
  return explained_refusal(last);
}

}  // namespace

std::string explained_refusal(const std::string& kernel_line) {
  if (kernel_line.empty()) return "";
  // kernel/bpf/btf.c, btf_module_notify(), unless CONFIG_MODULE_ALLOW_BTF_MISMATCH.
  const bool btf = kernel_line.find("BTF") != std::string::npos;
  return fmt::format("; the kernel: {}{}", kernel_line,
                     btf ? ": its BTF is of another build of the kernel; build it against this "
                           "one's vmlinux, or strip it: objcopy -R .BTF"
                         : "");
}

void add_given_file_systems(const std::string& image) {
  const std::string path = image + wire::kFileSystemRows;
  if (access(path.c_str(), F_OK) != 0) return;
  const nlohmann::json rows = nlohmann::json::parse(read_file(path), nullptr, false);
  if (!rows.is_array()) throw Failure(ExitCode::kVmFailed, path + " holds no rows");
  for (const nlohmann::json& row : rows) add_file_system(parse_fs_row(row.dump(), path));
}

// The order file names a module per line (NN-NAME.ko), and says whether the guest can do without.
// Another file system's module is left out: loading xfs.ko takes about as long as booting.
void load_modules(std::span<const FileSystem* const> wanted) {
  const auto foreign = [&](const std::string& file) {
    const std::string name = name_of(file);
    bool of_another = false;
    for (const FileSystem& fs : file_systems()) {
      if (name == fs.module) of_another = true;
    }
    for (const FileSystem* fs : wanted) {
      if (name == fs->module) return false;
    }
    return of_another;
  };
  const auto parameters_of = [](const std::string& file) {
    for (const FileSystem& fs : file_systems()) {
      // A row of the user's may name a module of the table's.
      if (name_of(file) == fs.module && *fs.module_parameters != '\0') return fs.module_parameters;
    }
    return "";
  };
  std::istringstream order(read_file(wire::kModuleOrder));
  std::string file;
  std::string need;
  while (order >> file >> need) {
    if (foreign(file)) continue;
    const std::string path = fmt::format("{}/{}", wire::kModuleFolder, file);
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const bool loaded =
        fd >= 0 && (syscall(SYS_finit_module, fd, parameters_of(file), 0) == 0 || errno == EEXIST);
    const int error = errno;
    if (fd >= 0) close(fd);
    if (!loaded && need == "required") {
      throw Failure(ExitCode::kVmFailed,
                    fmt::format("module {} does not load: {}{}", file, std::strerror(error),
                                what_the_kernel_said(file)));
    }
  }
}

void wait_for_device(const std::string& device) {
  for (int i = 0; i < 500 && access(device.c_str(), F_OK) != 0; ++i) usleep(10'000);
  if (access(device.c_str(), F_OK) != 0) {
    throw Failure(ExitCode::kVmFailed,
                  fmt::format("{} did not appear: the kernel found no pmem in the memmap= region; "
                              "where nd_e820 and nd_pmem are modules of it, --modules names their "
                              "folder",
                              device));
  }
}

nlohmann::json hello_payload(uint64_t ticks) {
  utsname name{};
  uname(&name);
  return {
      {"ticks", ticks},
      {"release", name.release},
      {"version", name.version},
      {"command_line", read_file("/proc/cmdline").substr(0, read_file("/proc/cmdline").find('\n'))},
      {"cpu_model", cpu_info(read_file("/proc/cpuinfo"), "model name")},
      {"btf_crc32", fmt::format("{:08x}", wire::checksum(read_file("/sys/kernel/btf/vmlinux")))}};
}

// Every read asks the device anew (drivers/firmware/qemu_fw_cfg.c), so what the restored machine
// was given is what comes.
nlohmann::json take_request() {
  std::string text = read_file(wire::kCellSysfs);
  text.resize(std::strlen(text.c_str()));
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    throw Failure(ExitCode::kVmFailed, fmt::format("{} holds no cell", wire::kCellSysfs));
  }
  return json;
}

namespace {

void sleep_through_watchdog() {
  timespec until{};
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += wire::kParkSleepSeconds;
  outb(wire::kWatchdogTwoSeconds, wire::kWatchdogPort);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

timespec coarse_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now;
}

// Half a clock tick after one. The coarse clock moves at a tick (kernel/time/timekeeping.c,
// update_wall_time()).
uint64_t wait_between_ticks() {
  const timespec before = coarse_now();
  while (coarse_now().tv_nsec == before.tv_nsec) {
  }
  const uint64_t between = read_ticks() + clock_tick_ns() / 2;
  wait_for_tick(between);
  return between;
}

}  // namespace

void park() {
  if (!has_exact_waits()) {
    sleep_through_watchdog();
    return;
  }
  static_assert(wire::kWatchdogSeconds < wire::kParkSleepSeconds);
  const uint64_t begin = wait_between_ticks();
  outb(wire::kWatchdogTwoSeconds, wire::kWatchdogPort);
  const auto around = static_cast<long>(clock_tick_ns() / 8);
  wait_for_tick(begin + wire::kWatchdogSeconds * 1'000'000'000ULL - around);
  const timespec span{0, 2 * around};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &span, nullptr);
}

void commit_once(const std::string& directory) {
  const std::string path = directory + "/first";
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || fsync(fd) != 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("{}: {}", path, std::strerror(errno)));
  }
  // This file system alone: on the host there are others.
  syncfs(fd);
  close(fd);
  unlink(path.c_str());
}

std::string packed_symbols() {
  std::string code;
  std::ifstream in("/proc/kallsyms");
  for (std::string line; std::getline(in, line);) {
    // ADDRESS TYPE NAME [MODULE]
    const std::size_t type = line.find(' ') + 1;
    if (std::strchr("tTwW", line[type]) != nullptr) code += line + "\n";
  }
  uLongf size = compressBound(code.size());
  std::string packed(size, '\0');
  if (compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                reinterpret_cast<const Bytef*>(code.data()), code.size(), 1) != Z_OK) {
    throw Failure(ExitCode::kVmFailed, "the kernel's symbols cannot be packed");
  }
  packed.resize(size);
  return packed;
}

namespace {

// Only now: until the row was sent, a guest that is to send them has run what any other has.
void send_wanted_symbols() {
  const std::string file = read_file(wire::kCellSysfs);
  if (file.size() != wire::kCellSize || file.back() != wire::kWantsSymbols) return;
  send_bytes(wire::kSymbols, packed_symbols());
}

// Makes the file system, loads the probes, parks, and runs the cell that comes then. In a child of
// process 1: a crash here is seen there.
void serve_cell(const FileSystem& fs, bool parks) {
  std::string stage = "ready";
  try {
    std::optional<KeptAwake> awake(std::in_place);
    const uint64_t modules = read_ticks();
    const Mounted mounted = make_and_mount(fs, kPmemDevice, kMountPoint);
    commit_once(kMountPoint);
    const uint64_t mount = read_ticks();
    ProbeSets probes(fs);
    PlantedDelay delay;
    send_frame(wire::kReady, {{"mkfs", mounted.mkfs_line},
                              // Ticks at which each step had ended.
                              {"steps",
                               {{"modules", modules},
                                {"mkfs", mounted.made_ticks},
                                {"mount", mount},
                                {"probes", read_ticks()}}},
                              {"mount", mounted.mount_line},
                              {"tool_version", mounted.tool_version},
                              {"features", mounted.features},
                              {"ticks", read_ticks()},
                              {"probes", probes.report()}});
    // The pages of program and libraries, so that no fault on them falls into a measurement.
    mlockall(MCL_CURRENT);
    awake.reset();
    if (parks) park();

    stage = "cell";
    const nlohmann::json request = take_request();
    if (request.contains("crash")) {
      run_crash(request["crash"], fs, kMountPoint);
      return;
    }
    const Cell cell = cell_from_json(request);
    const Workload* workload = find_workload(cell.workload);
    const Strategy* strategy = find_strategy(cell.strategy);
    if (workload == nullptr || strategy == nullptr || cell.fs != fs.id) {
      throw Failure(ExitCode::kUsage, fmt::format("cell {} does not fit this guest", cell.name()));
    }
    if (cell.delay != 0) delay.attach(cell.delay);
    std::string samples;
    const Row row = run_cell(cell,
                             {.fs = fs,
                              .strategy = *strategy,
                              .workload = *workload,
                              .code = code_of(*workload),
                              .directory = kMountPoint,
                              .probes = probes},
                             &samples);
    if (!samples.empty()) send_bytes(wire::kSamples, samples);
    send_frame(wire::kResult, json_of(row));
    send_wanted_symbols();
    // Taking this process down would take a sixth of the guest's life.
    send_frame(wire::kDone, nlohmann::json::object());
    power_off();
  } catch (const Failure& failure) {
    send_failure(stage, failure);
  } catch (const std::exception& e) {
    send_failure(stage, Failure(ExitCode::kVmFailed, e.what()));
  }
}

}  // namespace

void send_frame(std::string_view type, const nlohmann::json& payload) {
  send_bytes(type, payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void send_bytes(std::string_view type, std::string_view payload) {
  const std::string frame = wire::encode(type, payload);
  // `rep outsb`: one instruction for the whole frame.
  const char* at = frame.data();
  size_t left = frame.size();
  asm volatile("rep outsb" : "+S"(at), "+c"(left) : "d"(wire::kResultPort) : "memory");
}

void guest_main() {
  run_guest(
      [&](const FileSystem& fs) { serve_cell(fs, kernel_parameter(wire::kParamPark) == "1"); });
}

void begin_guest() {
  mount_virtual("proc", "/proc");
  mount_virtual("sysfs", "/sys");
  mount_virtual("devtmpfs", "/dev");
  mount_virtual("debugfs", "/sys/kernel/debug");
  mount_virtual("tracefs", "/sys/kernel/tracing");
  mount_virtual("tmpfs", "/tmp");
  seed_random();
  setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
  if (ioperm(wire::kResultPort, 1, 1) != 0 || ioperm(wire::kWatchdogPort, 1, 1) != 0) {
    // These are its last words: without the port it can tell the host nothing.
    std::fprintf(stderr, "faultline: ioperm: %s%s\n", std::strerror(errno),
                 errno == ENOSYS ? "; the kernel needs CONFIG_X86_IOPL_IOPERM" : "");
    power_off();
  }
}

void run_guest(const std::function<void(const FileSystem& fs)>& serve) {
  const uint64_t ticks = read_ticks();
  begin_guest();
  try {
    // Before anything looks at the table.
    add_given_file_systems();
    if (kernel_parameter(wire::kParamMode) == wire::kModeSession) session_main(ticks);
    if (kernel_parameter(wire::kParamWaits) == wire::kExactWaits) make_waits_exact();
    send_frame(wire::kHello, hello_payload(ticks));
    const std::string fs_id = kernel_parameter(wire::kParamFs);
    if (fs_id != "none") {
      const FileSystem* fs = find_file_system(fs_id);
      if (fs == nullptr) {
        throw Failure(ExitCode::kUsage, fmt::format("no such file system: '{}'", fs_id));
      }
      const FileSystem* const wanted[] = {fs};
      {
        const KeptAwake awake;
        load_modules(wanted);
        wait_for_device(kPmemDevice);
      }
      const pid_t child = fork();
      if (child == 0) {
        serve(*fs);
        _exit(0);
      }
      int status = 0;
      while (waitpid(child, &status, 0) != child) {
      }
      if (WIFSIGNALED(status)) {
        throw Failure(ExitCode::kRegression,
                      fmt::format("the cell's process died of signal {} ({})", WTERMSIG(status),
                                  strsignal(WTERMSIG(status))));
      }
      // A library may exit (Google Benchmark does, where the kernel has no clock of CPU time).
      if (WEXITSTATUS(status) != 0) {
        throw Failure(ExitCode::kRegression,
                      fmt::format("the cell's process ended with {} and told nothing; its last "
                                  "words may be on the console",
                                  WEXITSTATUS(status)));
      }
    }
  } catch (const Failure& failure) {
    send_failure("cell", failure);
  }
  send_frame(wire::kDone, nlohmann::json::object());
  power_off();
}

}  // namespace faultline
