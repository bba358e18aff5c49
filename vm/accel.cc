// SPDX-License-Identifier: GPL-2.0-only
#include "vm/accel.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

#include "vm/command.h"
#include "vm/files.h"
#include "vm/image.h"
#include "vm/supervisor.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double kKvmDeadline = 10;
constexpr double kEmulatorDeadline = 120;
constexpr std::int64_t kKeepSeconds = std::int64_t{24} * 60 * 60;
constexpr unsigned kRamMib = 256;

std::string host_boot_id() {
  try {
    return read_file("/proc/sys/kernel/random/boot_id");
  } catch (const Failure&) {
    return "";
  }
}

// A text that changes whenever the file does.
std::string stamp_of(const fs::path& file) {
  struct stat info {};
  if (file.empty() || ::stat(file.c_str(), &info) != 0) return "none";
  return fmt::format("{} {} {}.{}", file.string(), info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

std::int64_t now_s() { return static_cast<std::int64_t>(std::time(nullptr)); }

std::string reason_of(const GuestOutcome& outcome, double deadline_s) {
  if (outcome.verdict == Verdict::kHang) {
    return fmt::format("started but no sign of life in {:g} s", deadline_s);
  }
  return outcome.message;
}

}  // namespace

double default_probe_deadline(Accel accel) {
  return accel == Accel::kKvm ? kKvmDeadline : kEmulatorDeadline;
}

std::string probe_program(const std::string& text) {
  constexpr std::uint64_t kBase = 0x400000;
  // iopl(3); outsb the text to the port; reboot(RB_POWER_OFF); loop
  constexpr std::array<unsigned char, 60> kCode = {
      0xbf, 0x03, 0x00, 0x00, 0x00,                    // mov edi, 3
      0xb8, 0xac, 0x00, 0x00, 0x00,                    // mov eax, SYS_iopl
      0x0f, 0x05,                                      // syscall
      0xbe, 0x00, 0x00, 0x00, 0x00,                    // mov esi, text    (13)
      0xb9, 0x00, 0x00, 0x00, 0x00,                    // mov ecx, length  (18)
      0x66, 0xba, 0x00, 0x00,                          // mov dx, port     (24)
      0xf3, 0x6e,                                      // rep outsb
      0xbf, 0xad, 0xde, 0xe1, 0xfe,                    // mov edi, LINUX_REBOOT_MAGIC1
      0xbe, 0x69, 0x19, 0x12, 0x28,                    // mov esi, LINUX_REBOOT_MAGIC2
      0xba, 0xdc, 0xfe, 0x21, 0x43,                    // mov edx, LINUX_REBOOT_CMD_POWER_OFF
      0xb8, 0xa9, 0x00, 0x00, 0x00,                    // mov eax, SYS_reboot
      0x0f, 0x05,                                      // syscall
      0xeb, 0xfe,                                      // jmp .
      0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,  //
  };
  constexpr std::size_t kHead = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);

  Elf64_Ehdr file{};
  std::memcpy(file.e_ident, ELFMAG, SELFMAG);
  file.e_ident[EI_CLASS] = ELFCLASS64;
  file.e_ident[EI_DATA] = ELFDATA2LSB;
  file.e_ident[EI_VERSION] = EV_CURRENT;
  file.e_type = ET_EXEC;
  file.e_machine = EM_X86_64;
  file.e_version = EV_CURRENT;
  file.e_entry = kBase + kHead;
  file.e_phoff = sizeof file;
  file.e_ehsize = sizeof file;
  file.e_phentsize = sizeof(Elf64_Phdr);
  file.e_phnum = 1;

  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_flags = PF_R | PF_X;
  segment.p_vaddr = kBase;
  segment.p_paddr = kBase;
  segment.p_filesz = kHead + kCode.size() + text.size();
  segment.p_memsz = segment.p_filesz;
  segment.p_align = 0x1000;

  auto code = kCode;
  const auto put = [&code](std::size_t at, auto value) {
    std::memcpy(&code.at(at), &value, sizeof value);
  };
  put(13, static_cast<std::uint32_t>(kBase + kHead + kCode.size()));
  put(18, static_cast<std::uint32_t>(text.size()));
  put(24, wire::kResultPort);

  std::string out(kHead + code.size(), '\0');
  std::memcpy(out.data(), &file, sizeof file);
  std::memcpy(&out.at(sizeof file), &segment, sizeof segment);
  std::memcpy(&out.at(kHead), code.data(), code.size());
  return out + text;
}

AccelProbe probe_accel(Accel accel, const fs::path& kernel, const fs::path& cache,
                       const std::atomic<bool>& cancel, double deadline_s,
                       const std::string& qemu) {
  if (deadline_s <= 0) deadline_s = default_probe_deadline(accel);
  const std::string key = sha256_of(json{accel_info(accel).name, stamp_of(kernel),
                                         stamp_of(find_program(qemu)), host_boot_id(), deadline_s}
                                        .dump());
  const fs::path kept = cache / "accel" / (key.substr(0, 32) + ".json");
  try {
    const json former = json::parse(read_file(kept));
    const auto age = now_s() - former.at("time").get<std::int64_t>();
    if (age >= 0 && age < kKeepSeconds) {
      return {former.at("works"), former.at("seconds"), former.at("reason"), true};
    }
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): then it is probed now
  }

  const TempDir work(cache / "accel");
  VmSpec spec;
  spec.kernel = kernel;
  spec.initrd = work.path() / "initrd";
  spec.accel = accel;
  spec.ram_mib = kRamMib;
  spec.pmem_mib = 0;
  spec.qemu = qemu;
  ImageSpec image;
  image.files.push_back(
      {.path = wire::kGuestBinary,
       .content = probe_program(wire::encode(wire::kHello, "{}") +
                                wire::encode(wire::kReady, "{}") + wire::encode(wire::kDone, "{}")),
       .mode = 0755});
  build_image(image, spec.initrd);

  GuestJob job;
  job.spec = spec;
  job.deadlines = {deadline_s, deadline_s, deadline_s, 0};
  bool spoke = false;
  const auto start = std::chrono::steady_clock::now();
  const GuestOutcome outcome = run_guest(
      job, [&](const wire::Frame& frame) { spoke = spoke || frame.type == wire::kHello; }, cancel);

  AccelProbe probe;
  probe.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  probe.works = spoke;
  if (!probe.works) probe.reason = reason_of(outcome, deadline_s);
  if (outcome.verdict != Verdict::kCancelled) {
    write_file(kept, json{{"works", probe.works},
                          {"seconds", probe.seconds},
                          {"reason", probe.reason},
                          {"accel", accel_info(accel).name},
                          {"kernel", kernel.string()},
                          {"time", now_s()}}
                             .dump(2) +
                         "\n");
  }
  return probe;
}

}  // namespace faultline
