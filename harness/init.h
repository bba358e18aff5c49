// SPDX-License-Identifier: GPL-2.0-only
// The guest's side of a VM run: process 1, the result channel, the point where the machine stops.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "cell/failure.h"
#include "harness/filesystem.h"
#include "harness/probe.h"
#include "harness/workload.h"

namespace faultline {

// Runs as process 1: mounts, loads the modules, makes the file system named on the kernel's command
// line, loads the probes, parks, takes the cell, runs it, sends its row and powers off. Never
// returns.
[[noreturn]] void guest_main();

// Runs as process 1 whatever the guest is for: `serve` is called in a child, so that a crash of it
// is seen and told, with the file system named on the kernel's command line, its modules loaded,
// its device there. What fails it tells itself; if it exits, that is told. Then the guest powers
// off.
[[noreturn]] void run_guest(const std::function<void(const FileSystem& fs)>& serve);

// The parts of process 1 that a session (harness/guest_session.h) needs too.
// Mounts what the kernel offers, seeds its random numbers, opens the ports. Powers off if it
// cannot.
void begin_guest();
// The value of `name=` on the kernel's command line.
std::string kernel_parameter(const char* name);
// Adds the file systems that the user has described, of an image that lies at that path.
void add_given_file_systems(const std::string& image = "");
// What the last line that the kernel logged of a module says of its refusal, to be put behind the
// message; empty for none. Pure.
std::string explained_refusal(const std::string& kernel_line);
// Loads the image's modules in their order, but for those of file systems not in `wanted`. Throws
// Failure(kVmFailed) for a module that is required and does not load.
void load_modules(std::span<const FileSystem* const> wanted);
// Waits until the device is there, for up to 5 s. Throws Failure(kVmFailed).
void wait_for_device(const std::string& device);
[[noreturn]] void power_off();
// The payload of the `hello` frame: {ticks, release, version, command_line, cpu_model, btf_crc32}.
nlohmann::json hello_payload(uint64_t ticks);
// Stops the machine, for its state to be saved; a restored one goes on here. With exact waits
// (harness/wait.h) at an instruction that hangs on no host: the CPU halts once, between two clock
// ticks and around the end of the watchdog's time, so that in a restored guest the first timer to
// run over is that of this sleep, and QEMU moves the clock there with no instruction left to
// account for.
void park();
// What the host handed in (wire::kCellFile): a cell, a crash test or a session. Throws
// Failure(kVmFailed) when it is no JSON.
nlohmann::json take_request();
// The lines of /proc/kallsyms that are of code, deflated: each byte that goes out is a call of the
// host's. Throws Failure(kVmFailed).
std::string packed_symbols();
void send_failure(const std::string& stage, const Failure& failure);
// One commit of the journal. Until there has been one since the mount, ext4 makes no fast commit
// (fs/jbd2/journal.c, jbd2_fc_begin_commit: j_stats.ts_tid), so that the first fsync of a cell
// would be unlike all others.
void commit_once(const std::string& directory);

// Writes one frame to the host (harness/wire.h); the second, with any bytes as payload.
void send_frame(std::string_view type, const nlohmann::json& payload);
void send_bytes(std::string_view type, std::string_view payload);

inline constexpr char kPmemDevice[] = "/dev/pmem0";
inline constexpr char kMountPoint[] = "/mnt/faultline";

}  // namespace faultline
