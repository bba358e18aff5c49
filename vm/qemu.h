// SPDX-License-Identifier: GPL-2.0-only
// A virtual machine as data: what it is made of, and the QEMU arguments that follow from it. All
// functions here are pure, so any thread may call them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/wire.h"

namespace faultline {

enum class Accel {
  kTcgIcount,  // one instruction is one nanosecond of guest time: the same figures everywhere
  kTcg,        // emulated against the host's clock
  kKvm,
};

struct AccelInfo {
  Accel accel;
  std::string_view name;         // as in options and results
  std::string_view time_domain;  // `virtual` or `wall`
  std::string_view unit;         // of every time measured in the guest: `instr` or `ns`
  bool saves_state;              // a parked guest can be saved and restored
};

std::span<const AccelInfo> accels();
// In place of one: the best that works (campaign/machine.h, settle_accel()).
inline constexpr char kAccelAuto[] = "auto";
const AccelInfo& accel_info(Accel accel);
// Finds an accelerator by its name. Failure(kUsage) naming those that exist.
const AccelInfo& accel_named(std::string_view name);

struct VmSpec {
  std::filesystem::path kernel = {};  // bzImage
  std::filesystem::path initrd = {};
  unsigned ram_mib = 512;   // 128 to 2048
  unsigned pmem_mib = 512;  // of each device, an even number; 0 for a guest without pmem
  unsigned pmem_devices = 1;
  unsigned vcpus = 1;
  Accel accel = Accel::kTcgIcount;
  // With kTcgIcount guest time passes with the host's clock while no vCPU has work. If false, that
  // time is skipped.
  bool idle_waits = false;
  std::string fs = "none";  // the id of the file system that the guest makes and mounts
  bool park = false;        // the guest stops once ready; run_guest() sets it from its mode
  std::vector<std::string> kernel_parameters = {};  // added to the command line
  std::string cpu = {};                             // QEMU's -cpu; empty: default_cpu(accel)
  std::vector<std::string> qemu_parameters = {};    // added to QEMU's arguments
  // A file that backs the guest's RAM and, at its end, the pmem, so that others can map it; empty
  // for memory of QEMU's own.
  std::string memory_file = {};
  // What the guest stores does not get into memory_file: pages are copied when they are written.
  bool memory_private = false;
  std::string qemu = "qemu-system-x86_64";  // found through PATH
  // What a guest that breaks out may ask the host's kernel for is filtered (seccomp): no program is
  // started, no other user become. Changes no figure, and is in no state's key.
  bool sandbox = false;
};

// The model and flags without which figures would not repeat: no random numbers from the CPU; no
// `rep` strings (each iteration counts as an instruction, so zeroing a page would cost 4096); and
// no cmpxchg16b, with which 6.12 crashes under QEMU 7.2.
std::string_view default_cpu(Accel accel);

// Where QEMU finds what the host passes to it.
struct Channels {
  std::string qmp_fd = "QMP";
  std::string result_path = "RESULT";
  std::string console_path = "CONSOLE";
  std::string cell_path = "CELL";
  bool incoming = false;  // the machine is told over QMP what saved state it starts from
};

// The kernel's command line. Failure(kUsage) if it is longer than a kernel takes (2047 characters)
// or holds a line break.
std::string kernel_command_line(const VmSpec& spec);

// What a kernel of this release (uname -r) is told besides, so that nothing in its boot halts the
// CPU before process 1 can keep it awake: 5.10 waits in mark_readonly() (init/main.c) for callbacks
// of modules, of which there are none yet, unless `rodata=off`. 6.1 and later do not halt there;
// releases between were not tried, and are told it. Pure.
std::vector<std::string> boot_parameters(const std::string& release);

// QEMU's arguments, all that follow the program's name. Failure(kUsage) when the spec asks for what
// cannot be.
std::vector<std::string> qemu_arguments(const VmSpec& spec, const Channels& channels);

// The same arguments with a word in place of every path and descriptor of this host, so that they
// can be written into a result and be part of a saved state's key.
std::vector<std::string> portable_arguments(const VmSpec& spec);
// The portable arguments of a guest that is to be saved, with one vCPU and no file system: those
// that all guests of a run with this kernel share, whichever cells are measured.
std::vector<std::string> common_arguments(const VmSpec& spec);

// Bytes of RAM and pmem together.
std::uint64_t memory_bytes(const VmSpec& spec);

// `value` as it is written inside a QEMU option of comma-separated keys.
std::string option_value(std::string_view value);

// The first two numbers of a QEMU's version: 7 and 2 of "QEMU emulator version 7.2.22". A text that
// names none is taken for a later QEMU, 99.
struct QemuRelease {
  unsigned major = 99;
  unsigned minor = 0;
};
QemuRelease qemu_release(std::string_view qemu_version);

}  // namespace faultline
