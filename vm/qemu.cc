// SPDX-License-Identifier: GPL-2.0-only
#include "vm/qemu.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "cell/failure.h"
#include "harness/wire.h"

namespace faultline {
namespace {

constexpr std::array kAccels = {
    AccelInfo{.accel = Accel::kTcgIcount,
              .name = "tcg-icount",
              .time_domain = "virtual",
              .unit = "instr",
              .saves_state = true},
    AccelInfo{.accel = Accel::kTcg,
              .name = "tcg",
              .time_domain = "wall",
              .unit = "ns",
              .saves_state = true},
    // A saved state would carry the host CPU's features along, which no other host need have.
    AccelInfo{.accel = Accel::kKvm,
              .name = "kvm",
              .time_domain = "wall",
              .unit = "ns",
              .saves_state = false},
};

constexpr unsigned kMinRamMib = 128;
constexpr unsigned kMaxRamMib =
    2048;  // with more, q35 would move a part of it above 4 GiB, where the pmem is
constexpr std::size_t kMaxCommandLine = 2047;
// Ordinary memory between two pmem devices, in MiB: a kernel takes two that touch for one.
constexpr unsigned kPmemGapMib = 128;
constexpr unsigned kPmemStartMib = 4096;

void append(std::vector<std::string>& to, std::vector<std::string> from) {
  for (std::string& text : from) to.push_back(std::move(text));
}

void check(const VmSpec& spec) {
  if (spec.ram_mib < kMinRamMib || spec.ram_mib > kMaxRamMib) {
    throw Failure(ExitCode::kUsage, fmt::format("guest RAM of {} MiB is outside {} to {} MiB",
                                                spec.ram_mib, kMinRamMib, kMaxRamMib));
  }
  if (spec.pmem_mib % 2 != 0) {
    throw Failure(
        ExitCode::kUsage,
        fmt::format("pmem of {} MiB is not a whole number of 2 MiB pages; use an even one",
                    spec.pmem_mib));
  }
  if (spec.pmem_devices == 0) throw Failure(ExitCode::kUsage, "a guest needs a pmem device");
  if (spec.vcpus == 0) throw Failure(ExitCode::kUsage, "a guest needs at least one vCPU");
}

// Tells whether the guest's waits are exact (harness/wait.h). With several vCPUs one that waits by
// running no-ops would keep the others waiting.
bool waits_exactly(const VmSpec& spec) {
  return spec.accel == Accel::kTcgIcount && spec.vcpus == 1 && !spec.idle_waits;
}

std::vector<std::string> accel_arguments(const VmSpec& spec) {
  switch (spec.accel) {
    case Accel::kTcgIcount:
      return {"-accel",  "tcg,thread=single",
              "-icount", spec.idle_waits ? "shift=0,sleep=on" : "shift=0,sleep=off",
              "-rtc",    "base=2020-01-01,clock=vm"};
    case Accel::kTcg:
      return {"-accel", spec.vcpus > 1 ? "tcg,thread=multi" : "tcg,thread=single", "-rtc",
              "base=2020-01-01,clock=host"};
    case Accel::kKvm:
      return {"-accel", "kvm", "-rtc", "base=2020-01-01,clock=host"};
  }
  return {};
}

}  // namespace

std::span<const AccelInfo> accels() { return kAccels; }

const AccelInfo& accel_info(Accel accel) { return kAccels.at(static_cast<std::size_t>(accel)); }

const AccelInfo& accel_named(std::string_view name) {
  std::vector<std::string_view> known;
  for (const AccelInfo& info : kAccels) {
    if (info.name == name) return info;
    known.push_back(info.name);
  }
  throw Failure(
      ExitCode::kUsage,
      fmt::format("no accelerator is called {}; there are: {}, or {}, the best that works", name,
                  fmt::join(known, ", "), kAccelAuto));
}

// A model whose features are listed, so that a newer QEMU adds none; `enforce` refuses one that
// lacks one. They are what a server of 2020 has and what TCG of QEMU 7.2 can: the kernel's paths
// hang on them (clwb, pclmulqdq for checksums, la57 for the depth of page tables, pku). erms and
// fsrm are left out because each turn of a rep string instruction counts as one instruction, rdrand
// and rdseed because they are random, cx16 because 6.12 dies of it now and then in QEMU 7.2. The
// vendor is AMD's, as TCG's own model has it: no kernel page-table isolation.
constexpr std::string_view kTcgCpu =
    "qemu64-v1,enforce,-cx16,+ssse3,+sse4.1,+sse4.2,+popcnt,+movbe,+aes,+pclmulqdq,+xsave,"
    "+xsaveopt,+xgetbv1,+avx,+avx2,+f16c,+fma,+bmi1,+bmi2,+adx,+abm,+fsgsbase,+smep,+smap,+umip,"
    "+pku,+la57,+clflushopt,+clwb,+pdpe1gb,+rdtscp,+arat";

std::string_view default_cpu(Accel accel) { return accel == Accel::kKvm ? "host" : kTcgCpu; }

std::uint64_t memory_bytes(const VmSpec& spec) {
  const unsigned pmem = spec.pmem_mib * spec.pmem_devices + (spec.pmem_devices - 1) * kPmemGapMib;
  return std::uint64_t{spec.ram_mib + pmem} << 20;
}

std::string option_value(std::string_view value) {
  std::string out;
  for (const char c : value) {
    out.push_back(c);
    if (c == ',') out.push_back(c);
  }
  return out;
}

std::string kernel_command_line(const VmSpec& spec) {
  // loglevel=5 and not `quiet`: a WARNING must reach the console to be seen by the host. damon_stat
  // (mm/damon/stat.c, 6.17 and later, where CONFIG_DAMON_STAT_ENABLED_DEFAULT) reads and clears
  // accessed bits without a flush of the TLB; whether QEMU sets one again hangs on the size of its
  // TLB, and that on the host's clock (7.2: accel/tcg/cputlb.c, tlb_mmu_resize_locked()).
  std::string line =
      "console=ttyS0 panic=-1 oops=panic loglevel=5 nokaslr norandmaps random.trust_cpu=off "
      "random.trust_bootloader=off damon_stat.enabled=0";
  // Without this option a kernel compares the counters of its vCPUs and, as one host thread may run
  // them in turn, distrusts them and takes a slower clock.
  if (spec.vcpus > 1) line += " tsc=reliable";
  if (spec.pmem_mib > 0) line += fmt::format(" memmap={}M!4G", spec.pmem_mib);
  for (unsigned i = 1; i < spec.pmem_devices && spec.pmem_mib > 0; ++i) {
    line += fmt::format(" memmap={}M!{}M", spec.pmem_mib,
                        kPmemStartMib + i * (spec.pmem_mib + kPmemGapMib));
  }
  line += fmt::format(" {}{} {}{}", wire::kParamFs, spec.fs, wire::kParamPark, spec.park ? 1 : 0);
  if (waits_exactly(spec)) line += fmt::format(" {}{}", wire::kParamWaits, wire::kExactWaits);
  for (const std::string& parameter : spec.kernel_parameters) line += " " + parameter;
  if (line.find_first_of(std::string_view("\n\r\0", 3)) != std::string::npos) {
    throw Failure(ExitCode::kUsage, "a kernel parameter holds a line break; give each on one line");
  }
  if (line.size() > kMaxCommandLine) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("the kernel command line has {} characters, a kernel takes {}; give "
                              "fewer kernel parameters",
                              line.size(), kMaxCommandLine));
  }
  return line;
}

std::vector<std::string> boot_parameters(const std::string& release) {
  if (release.starts_with("5.") || release.starts_with("6.0.")) return {"rodata=off"};
  return {};
}

std::vector<std::string> qemu_arguments(const VmSpec& spec, const Channels& channels) {
  check(spec);
  // All RAM below 4 GiB and all pmem above: pmem is aligned for any size of RAM, and touches
  // neither the last pages of low RAM, which QEMU reserves, nor the initrd, which QEMU puts there.
  const std::uint64_t memory = memory_bytes(spec) >> 20;
  const bool in_file = !spec.memory_file.empty();
  std::vector<std::string> arguments = {
      "-machine",
      fmt::format("q35,max-ram-below-4g={}M{}", spec.ram_mib,
                  in_file ? ",memory-backend=pc.ram" : ""),
      "-m",
      fmt::format("{}M", memory),
      "-smp",
      fmt::format("{}", spec.vcpus),
  };
  // `pc.ram` is what QEMU calls memory of its own; by that name it finds it in a saved state.
  if (in_file) {
    append(arguments,
           {"-object",
            fmt::format("memory-backend-file,id=pc.ram,size={}M,share={},mem-path={}", memory,
                        spec.memory_private ? "off" : "on", option_value(spec.memory_file))});
  }
  append(arguments, accel_arguments(spec));
  append(
      arguments,
      {"-cpu", spec.cpu.empty() ? std::string(default_cpu(spec.accel)) : spec.cpu, "-nodefaults",
       "-no-user-config", "-display", "none", "-no-reboot",
       // The channels are files. With a socket, the guest would wait whenever it is full, and its
       // time would depend on how fast the host reads.
       "-chardev", "file,id=console,path=" + option_value(channels.console_path), "-serial",
       "chardev:console", "-chardev", "file,id=result,path=" + option_value(channels.result_path),
       "-device", fmt::format("isa-debugcon,iobase={:#x},chardev=result", wire::kResultPort),
       "-device", fmt::format("pvpanic,ioport={}", wire::kParkPort), "-action", "panic=pause",
       "-device", "ib700", "-action", "watchdog=pause", "-chardev",
       "socket,id=qmp,fd=" + option_value(channels.qmp_fd), "-mon", "chardev=qmp,mode=control",
       "-fw_cfg", fmt::format("name={},file={}", wire::kCellFile, option_value(channels.cell_path)),
       "-kernel", spec.kernel.string(), "-initrd", spec.initrd.string(), "-append",
       kernel_command_line(spec)});
  append(arguments, spec.qemu_parameters);
  // A user's own comes in place of it.
  if (spec.sandbox && std::find(arguments.begin(), arguments.end(), "-sandbox") == arguments.end())
    append(arguments, {"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny"});
  if (channels.incoming) append(arguments, {"-incoming", "defer"});
  return arguments;
}

std::vector<std::string> portable_arguments(const VmSpec& spec) {
  VmSpec portable = spec;
  portable.sandbox = false;
  portable.kernel = "KERNEL";
  portable.initrd = "INITRD";
  return qemu_arguments(portable, Channels{});
}

std::vector<std::string> common_arguments(const VmSpec& spec) {
  VmSpec common = spec;
  common.park = true;
  common.fs.clear();
  common.vcpus = 1;
  return portable_arguments(common);
}

QemuRelease qemu_release(std::string_view qemu_version) {
  constexpr std::string_view kBefore = "version ";
  QemuRelease release;
  const std::size_t at = qemu_version.find(kBefore);
  if (at == std::string_view::npos) return release;
  const char* const end = qemu_version.data() + qemu_version.size();
  const auto major = std::from_chars(qemu_version.data() + at + kBefore.size(), end, release.major);
  if (major.ec == std::errc() && major.ptr != end && *major.ptr == '.') {
    std::from_chars(major.ptr + 1, end, release.minor);
  }
  return release;
}

}  // namespace faultline
