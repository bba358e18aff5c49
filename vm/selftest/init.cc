// SPDX-License-Identifier: GPL-2.0-only
// The first process of a guest that misbehaves on request: the first word of the cell's text, or of
// `faultline.test=` on the command line for what happens before the guest is ready. The verdicts
// that the host must give stand in guest_vm_test.cc.
#include <fcntl.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include "harness/wire.h"
#include "vm/qemu.h"

namespace {

namespace wire = faultline::wire;

std::string read_all(const char* path) {
  std::string text;
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  char buffer[4096];
  for (ssize_t n = 0; fd >= 0 && (n = ::read(fd, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
  }
  if (fd >= 0) ::close(fd);
  return text;
}

void write_to(const char* path, std::string_view text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ::write(fd, text.data(), text.size()) < 0) std::perror(path);
  if (fd >= 0) ::close(fd);
}

void load(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || ::syscall(SYS_finit_module, fd, "", 0) != 0) std::perror(path.c_str());
  if (fd >= 0) ::close(fd);
}

void load_all() {
  const std::string order = read_all(wire::kModuleOrder);
  for (size_t at = 0; at < order.size();) {
    const size_t end = order.find('\n', at);
    load("/lib/modules/" + order.substr(at, order.find(' ', at) - at));
    at = end == std::string::npos ? order.size() : end + 1;
  }
}

void send(std::string_view bytes) {
  for (const char c : bytes) outb(static_cast<unsigned char>(c), wire::kResultPort);
}
void send(std::string_view type, const std::string& payload) { send(wire::encode(type, payload)); }

[[noreturn]] void power_off() {
  ::reboot(RB_POWER_OFF);
  for (;;) ::pause();
}

[[noreturn]] void spin() {
  for (;;) __builtin_ia32_pause();
}

// A child, because the kernel spares the first process.
void use_up_memory() {
  if (::fork() == 0) {
    for (;;) {
      constexpr size_t kChunk = 1 << 20;
      auto* chunk = static_cast<volatile char*>(std::malloc(kChunk));
      for (size_t i = 0; chunk != nullptr && i < kChunk; i += 4096) chunk[i] = 1;
    }
  }
  ::wait(nullptr);
}

void sleep_through_the_watchdog() {
  timespec until{};
  ::clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += 3;
  outb(wire::kWatchdogTwoSeconds, wire::kWatchdogPort);
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

void misbehave(const std::string& how) {
  if (how == "panic") write_to("/proc/sysrq-trigger", "c");
  if (how == "oops") load("/oops.ko");
  if (how == "warning") write_to("/dev/kmsg", "<4>WARNING: CPU: 0 PID: 1 at a/test.c:1\n");
  if (how == "hang") spin();
  if (how == "sleep") {
    for (;;) ::pause();
  }
  if (how == "oom") {
    use_up_memory();
    power_off();
  }
  if (how == "no-done") power_off();
  if (how == "half") {
    const std::string whole = wire::encode(wire::kResult, "{\"a\": 1}");
    send(whole.substr(0, whole.size() - 5));
    power_off();
  }
  if (how == "damaged") {
    std::string frame = wire::encode(wire::kResult, "{\"a\": 1}");
    frame[frame.size() - 3] = '2';
    send(frame);
  }
  if (how == "noise") send("\n noise \nFLT0 \n");
  if (how == "segv") __asm__ volatile("movl $1, 16");
  if (how == "exit") ::_exit(3);
  if (how == "fail") {
    send(wire::kFail, R"({"stage": "mkfs", "message": "no such device", "exit_code": 2})");
    power_off();
  }
  if (how == "reset") {
    send(wire::kDone, "{}");
    ::reboot(RB_AUTOBOOT);
  }
  if (how == "park") outb(wire::kPark, wire::kParkPort);
}

std::string number(const char* key, unsigned long long value) {
  return "\"" + std::string(key) + "\": " + std::to_string(value);
}

}  // namespace

int main() {
  ::mount("proc", "/proc", "proc", 0, nullptr);
  ::mount("sysfs", "/sys", "sysfs", 0, nullptr);
  ::mount("dev", "/dev", "devtmpfs", 0, nullptr);
  ::iopl(3);
  const std::string line = read_all("/proc/cmdline");
  const auto option = [&line](const std::string& name) {
    const size_t at = line.find(name);
    if (at == std::string::npos) return std::string();
    const size_t from = at + name.size();
    return line.substr(from, line.find_first_of(" \n", from) - from);
  };
  load_all();
  misbehave(option("faultline.test="));

  send(wire::kHello, R"({"release": "test"})");
  bool pmem = false;  // it appears a while after its driver
  for (int i = 0; i < 1000 && !(pmem = ::access("/dev/pmem0", F_OK) == 0); ++i) ::usleep(1000);
  send(wire::kReady, "{" + number("tsc", __rdtsc()) + ", " + number("pmem", pmem ? 1 : 0) + "}");
  if (option(wire::kParamPark) == "1") sleep_through_the_watchdog();

  const unsigned long long woke = __rdtsc();
  const std::string cell = read_all(wire::kCellSysfs);
  const std::string text = cell.substr(0, cell.find('\0'));
  misbehave(text.substr(0, text.find(' ')));
  send(wire::kResult, "{" + number("woke", woke) + ", " + number("tsc", __rdtsc()) + ", " +
                          number("cell_bytes", cell.size()) + ", \"cell\": \"" + text + "\"}");
  send(wire::kDone, "{}");
  power_off();
}
