// SPDX-License-Identifier: GPL-2.0-only
#include "harness/guest.h"

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

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/clock.h"
#include "harness/crash.h"
#include "harness/delay.h"
#include "harness/failure.h"
#include "harness/files.h"
#include "harness/filesystem.h"
#include "harness/probe.h"
#include "harness/run.h"
#include "harness/session.h"
#include "harness/wire.h"

namespace faultline {

void SendFailure(const std::string& stage, const Failure& failure) {
  Send(wire::kFail, {{"stage", stage},
                     {"message", failure.what()},
                     {"exit_code", static_cast<int>(failure.code())}});
}

[[noreturn]] void PowerOff() {
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

// The value of `name=` on the kernel's command line.
std::string Parameter(const char* name) {
  std::istringstream words(ReadFile("/proc/cmdline"));
  for (std::string word; words >> word;) {
    if (word.starts_with(name)) return word.substr(std::strlen(name));
  }
  return "";
}

namespace {

void Mount(const char* type, const char* where) {
  mkdir(where, 0755);
  // What a kernel was built without (tracefs in debugfs, say) is missed by whoever needs it.
  mount(type, where, type, 0, nullptr);
}

// Gives the kernel's random numbers a fixed seed. Else the first program that asks for some
// (mkfs.xfs, for a UUID) waits while the kernel gathers jitter, of which a machine without any has
// the least: 6 s of guest time (drivers/char/random.c, try_to_generate_entropy).
void SeedRandom() {
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

}  // namespace

// The order file names a module per line (NN-NAME.ko), and says whether the guest can do without.
// Another file system's module is left out: loading xfs.ko takes about as long as booting.
void LoadModules(std::span<const FileSystem* const> wanted) {
  const auto foreign = [&](const std::string& file) {
    const std::string name = file.substr(file.find('-') + 1);
    bool of_another = false;
    for (const FileSystem& fs : FileSystems()) {
      if (name == std::string(fs.module) + ".ko") of_another = true;
    }
    for (const FileSystem* fs : wanted) {
      if (name == std::string(fs->module) + ".ko") return false;
    }
    return of_another;
  };
  std::istringstream order(ReadFile(wire::kModuleOrder));
  std::string file;
  std::string need;
  while (order >> file >> need) {
    if (foreign(file)) continue;
    const std::string path = fmt::format("{}/{}", wire::kModuleFolder, file);
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const bool loaded = fd >= 0 && (syscall(SYS_finit_module, fd, "", 0) == 0 || errno == EEXIST);
    const int error = errno;
    if (fd >= 0) close(fd);
    if (!loaded && need == "required") {
      throw Failure(ExitCode::kVmFailed,
                    fmt::format("module {} does not load: {}", file, std::strerror(error)));
    }
  }
}

void WaitForDevice(const std::string& device) {
  for (int i = 0; i < 500 && access(device.c_str(), F_OK) != 0; ++i) usleep(10'000);
  if (access(device.c_str(), F_OK) != 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("{} did not appear: the kernel found no pmem in "
                                                   "the memmap= region",
                                                   device));
  }
}

nlohmann::json Hello(uint64_t ticks) {
  utsname name{};
  uname(&name);
  std::string cpu;
  std::istringstream info(ReadFile("/proc/cpuinfo"));
  for (std::string line; std::getline(info, line) && cpu.empty();) {
    if (line.starts_with("model name")) cpu = line.substr(line.find(':') + 2);
  }
  return {
      {"ticks", ticks},
      {"release", name.release},
      {"version", name.version},
      {"command_line", ReadFile("/proc/cmdline").substr(0, ReadFile("/proc/cmdline").find('\n'))},
      {"cpu_model", cpu},
      {"btf_crc32", fmt::format("{:08x}", wire::Checksum(ReadFile("/sys/kernel/btf/vmlinux")))}};
}

// Every read asks the device anew (drivers/firmware/qemu_fw_cfg.c), so what the restored machine
// was given is what comes.
nlohmann::json TakeCellText() {
  std::string text = ReadFile(wire::kCellSysfs);
  text.resize(std::strlen(text.c_str()));
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    throw Failure(ExitCode::kVmFailed, fmt::format("{} holds no cell", wire::kCellSysfs));
  }
  return json;
}

namespace {

// The machine stops while this sleeps; a restored one wakes up here.
void Park() {
  timespec until{};
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += wire::kParkSleepSeconds;
  outb(wire::kWatchdogTwoSeconds, wire::kWatchdogPort);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

}  // namespace

void CommitOnce(const std::string& directory) {
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

namespace {

// Everything but what process 1 must do itself: a crash here is seen there.
int Serve(const FileSystem& fs, bool park, std::span<const Workload* const> workloads) {
  std::string stage = "ready";
  try {
    const uint64_t modules = Ticks();
    const Mounted mounted = MakeAndMount(fs, kPmemDevice, kMountPoint);
    CommitOnce(kMountPoint);
    const uint64_t mount = Ticks();
    ProbeSets probes(fs);
    PlantedDelay delay;
    Send(wire::kReady, {{"mkfs", mounted.mkfs_line},
                        // Ticks at which each step had ended.
                        {"steps",
                         {{"modules", modules},
                          {"mkfs", mounted.made_ticks},
                          {"mount", mount},
                          {"probes", Ticks()}}},
                        {"mount", mounted.mount_line},
                        {"tool_version", mounted.tool_version},
                        {"ticks", Ticks()},
                        {"probes", probes.Report()}});
    // The pages of program and libraries, so that no fault on them falls into a measurement.
    mlockall(MCL_CURRENT);
    if (park) Park();

    stage = "cell";
    const nlohmann::json text = TakeCellText();
    if (text.contains("crash")) {
      RunCrash(text["crash"], fs, kMountPoint);
      return 0;
    }
    const Cell cell = CellFromJson(text);
    const Workload* workload = nullptr;
    for (const Workload* candidate : workloads) {
      if (cell.workload == candidate->id) workload = candidate;
    }
    const Strategy* strategy = FindStrategy(cell.strategy);
    if (workload == nullptr || strategy == nullptr || cell.fs != fs.id) {
      throw Failure(ExitCode::kUsage, fmt::format("cell {} does not fit this guest", cell.Name()));
    }
    if (cell.delay != 0) delay.Attach(cell.delay);
    Send(wire::kResult, RunCell(cell, {fs, *strategy, *workload, kMountPoint, probes}));
    // Taking this process down would take a sixth of the guest's life.
    Send(wire::kDone, nlohmann::json::object());
    PowerOff();
  } catch (const Failure& failure) {
    SendFailure(stage, failure);
  } catch (const std::exception& e) {
    SendFailure(stage, Failure(ExitCode::kVmFailed, e.what()));
  }
  return 1;
}

}  // namespace

void Send(std::string_view type, const nlohmann::json& payload) {
  SendBytes(type, payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void SendBytes(std::string_view type, std::string_view payload) {
  const std::string frame = wire::Encode(type, payload);
  // `rep outsb`: one instruction for the whole frame.
  const char* at = frame.data();
  size_t left = frame.size();
  asm volatile("rep outsb" : "+S"(at), "+c"(left) : "d"(wire::kResultPort) : "memory");
}

void GuestMain(std::span<const Workload* const> workloads) {
  RunGuest([&](const FileSystem& fs) {
    return Serve(fs, Parameter(wire::kParamPark) == "1", workloads);
  });
}

void BeginGuest() {
  Mount("proc", "/proc");
  Mount("sysfs", "/sys");
  Mount("devtmpfs", "/dev");
  Mount("debugfs", "/sys/kernel/debug");
  Mount("tracefs", "/sys/kernel/tracing");
  Mount("tmpfs", "/tmp");
  SeedRandom();
  setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
  if (ioperm(wire::kResultPort, 1, 1) != 0 || ioperm(wire::kWatchdogPort, 1, 1) != 0) {
    std::perror("faultline: ioperm");
    PowerOff();
  }
}

void RunGuest(const std::function<int(const FileSystem& fs)>& serve) {
  const uint64_t ticks = Ticks();
  BeginGuest();
  if (Parameter(wire::kParamMode) == wire::kModeSession) SessionMain(ticks);
  try {
    Send(wire::kHello, Hello(ticks));
    const std::string fs_id = Parameter(wire::kParamFs);
    if (fs_id != "none") {
      const FileSystem* fs = FindFileSystem(fs_id);
      if (fs == nullptr) {
        throw Failure(ExitCode::kUsage, fmt::format("no such file system: '{}'", fs_id));
      }
      const FileSystem* const wanted[] = {fs};
      LoadModules(wanted);
      WaitForDevice(kPmemDevice);
      const pid_t child = fork();
      if (child == 0) _exit(serve(*fs));
      int status = 0;
      while (waitpid(child, &status, 0) != child) {
      }
      if (WIFSIGNALED(status)) {
        throw Failure(ExitCode::kRegression,
                      fmt::format("the cell's process died of signal {} ({})", WTERMSIG(status),
                                  strsignal(WTERMSIG(status))));
      }
    }
  } catch (const Failure& failure) {
    SendFailure("cell", failure);
  }
  Send(wire::kDone, nlohmann::json::object());
  PowerOff();
}

}  // namespace faultline
