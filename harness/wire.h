// SPDX-License-Identifier: GPL-2.0-only
// What the guest's binary and the host agree on: the frames that carry results out, the port that
// stops the guest for a saved state, and the file that hands a cell in. The only header of the
// harness, beside failure.h, that vm/ and cli/ may include.
#pragma once

#include <zlib.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "harness/faultline_crash.h"

namespace faultline::wire {

// Bytes written to this port come out of QEMU's isa-debugcon. Port I/O needs no driver and raises
// no interrupt, so the channel leaves no trace in the guest's time.
inline constexpr uint16_t kResultPort = 0xe9;

// The guest parks, for its state to be saved, by arming QEMU's ib700 watchdog (`-action
// watchdog=pause`) and sleeping past it: the machine stops at a timer of its own clock, with its
// CPU idle. `stop` from outside lands wherever the guest happens to be. Stopping at an instruction
// (pvpanic) is no better: QEMU 7.2 may take the stopped CPU for an idle one and move the clock on
// to the next timer; 63 of 80 parks moved so, against 0 of 240 by the watchdog.
inline constexpr uint16_t kWatchdogPort = 0x443;
inline constexpr uint8_t kWatchdogTwoSeconds = 0x0e;
inline constexpr int kWatchdogSeconds = 2;
inline constexpr int kParkSleepSeconds = 3;  // of a guest that does not park to the instruction

// The port by which a guest can stop itself at once, where the clock need not be exact.
inline constexpr uint16_t kParkPort = 0x505;
inline constexpr uint8_t kPark = 1;

// The cell's text, JSON padded with zero bytes to kCellSize: QEMU wants the same size at save and
// at restore.
inline constexpr char kCellFile[] = "opt/faultline/cell";
inline constexpr char kCellSysfs[] = "/sys/firmware/qemu_fw_cfg/by_name/opt/faultline/cell/raw";
inline constexpr size_t kCellSize = 8192;

// Kernel command line parameters that the guest's init reads.
inline constexpr char kParamFs[] = "faultline.fs=";  // a file system's id, or `none`
inline constexpr char kParamPark[] =
    "faultline.park=";  // 1: park once ready; 0: run the cell at once
inline constexpr char kParamWaits[] =
    "faultline.waits=";  // kExactWaits: as harness/wait.h has them; absent: sleeps
inline constexpr std::string_view kExactWaits = "exact";
inline constexpr char kParamMode[] = "faultline.mode=";  // kModeSession, or absent: a cell
inline constexpr std::string_view kModeSession = "session";

// Paths inside the image.
inline constexpr char kGuestBinary[] = "/init";
inline constexpr char kModuleFolder[] = "/lib/modules";
inline constexpr char kModuleOrder[] = "/lib/modules/order";
// The file systems that the user has described, a list of rows as of cell/fs_row.h; absent where
// there are none.
inline constexpr char kFileSystemRows[] = "/etc/faultline/fs-rows.json";
// The strategy module, loaded by the cell that needs it; absent from images of cells that do not.
inline constexpr char kStrategyModule[] = "/lib/faultline/faultline.ko";

// A session: a command of the user's in a guest with tools and every file system mounted. The
// cell's file (kCellFile) holds its parameters as JSON. What it prints comes out in frames whose
// payload is the bytes themselves; what is typed goes in by the guest's second serial port, in
// messages of a type, a length (two bytes, the higher first) and that many bytes, each answered by
// `took` before the next.
inline constexpr std::string_view kOut = "out";    // bytes for the user's stdout
inline constexpr std::string_view kErr = "err";    // bytes for the user's stderr
inline constexpr std::string_view kTook = "took";  // {}
inline constexpr std::string_view kExit = "exit";  // {code}: of the session's command
inline constexpr char kInput = 'i';                // bytes for the command
inline constexpr char kInputEnd = 'e';             // no more of them
inline constexpr char kWindow = 'w';               // rows and columns, two bytes each
inline constexpr char kInterrupt = 'c';            // as Ctrl-C, where there is no terminal
inline constexpr size_t kInputHead = 3;
inline constexpr size_t kMaxInput = 1024;
inline constexpr char kSessionPort[] = "/dev/ttyS1";
// Where a session's root has the guest's own image, and what of it is on its PATH.
inline constexpr char kSessionImage[] = "/opt/faultline";

// The crash test. Its writer tells what it does by storing words at this address of its own memory:
// QEMU's plugin (observe/pmem_log_plugin.cc) writes them, and every store to pmem, into one log, in
// the order in which they happen. A word is what happened, and above it 8 bits of CrashWord.
inline constexpr uint64_t kCrashWordAddress = FAULTLINE_CRASH_ADDRESS;
inline constexpr unsigned kCrashWordShift = FAULTLINE_CRASH_SHIFT;
enum class CrashWord : uint8_t {
  kBegin = 1,     // everything before is durable, as are the first kSize and kMtime
  kEnd,           // of the writer
  kWriting,       // page and sequence (kCrashPageShift): the first store comes
  kWritten,       // page and sequence: the last store is done
  kPromised,      // page and sequence: durable, says the strategy
  kSize,          // bytes: the file's size in memory
  kSizePromised,  // bytes
  kMtime,         // kCrashEpoch: the file's mtime in memory
  kMtimePromised,
  // These are words of the writers that number what they write, programs among them; the value is
  // that number.
  kItemBegun = FAULTLINE_CRASH_ITEM_BEGUN,
  kItemPromised = FAULTLINE_CRASH_ITEM_PROMISED,
};
inline constexpr unsigned kCrashPageShift = 16;        // page index above the sequence
inline constexpr int64_t kCrashEpoch = 1'577'836'800;  // mtimes are ns since then (2020)
inline constexpr uint64_t crash_word_of(CrashWord word, uint64_t value) {
  return static_cast<uint64_t>(word) << kCrashWordShift | value;
}
// The crash test's file, on the mount.
inline constexpr char kCrashFile[] = "crash";
// A program of the user's that a crash test runs, in the image; with its libraries, if it has any,
// and the loader that is to start it.
inline constexpr char kCrashProgram[] = "/program/program";
inline constexpr char kCrashLibraries[] = "/program/lib";
inline constexpr char kCrashLoader[] = "/program/lib/loader";

// What the observer (observe/plugin.cc) knows the measured loop by: the guest's user space reads
// its clock at these places with a segment prefix, which has no meaning there.
inline constexpr uint8_t kMarkArm = 0x36;     // the next loop is the measured one
inline constexpr uint8_t kMarkBegin = 0x3e;   // of a thread's loop: what follows counts
inline constexpr uint8_t kMarkPause = 0x26;   // what follows does not
inline constexpr uint8_t kMarkResume = 0x64;  // what follows does again
inline constexpr uint8_t kMarkEnd = 0x2e;     // this instruction counts as the last

// The last byte of the cell's file, which the guest looks at when its row has been sent. The path
// up to there is the same with and without.
inline constexpr char kWantsSymbols = 's';

// Frame types, in the order in which a guest sends them.
inline constexpr std::string_view kHello = "hello";  // {ticks, release, version, ...}
inline constexpr std::string_view kReady = "ready";  // {mkfs, mount, tool_version, btf_sha256, ...}
inline constexpr std::string_view kSamples =
    "samples";                                         // records of cell/sample_file.h, of the row
inline constexpr std::string_view kResult = "result";  // one row of benchmarks[]
// Its payload is zlib's deflate of /proc/kallsyms; it is sent if the cell's file ends in
// kWantsSymbols.
inline constexpr std::string_view kSymbols = "symbols";
// Its payload is {}. The guest stops itself at kParkPort next; the host lets it go on
// (GuestJob::on_wait).
inline constexpr std::string_view kWait = "wait";
inline constexpr std::string_view kFail = "fail";  // {stage, message, exit_code}
inline constexpr std::string_view kDone = "done";  // {}: the guest powers off next

struct Frame {
  std::string type;
  std::string payload;  // JSON text
};

// A frame is `\nFLT1 TYPE LENGTH CRC32\n` PAYLOAD `\n`: LENGTH in bytes and the CRC-32 (zlib) of
// the payload, both 8 hex digits. Anything between frames is noise and is passed over.
inline uint32_t checksum(std::string_view payload) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(payload.data()), static_cast<uInt>(payload.size())));
}

inline std::string encode(std::string_view type, std::string_view payload) {
  std::array<char, 64> head{};
  const int n =
      std::snprintf(head.data(), head.size(), "\nFLT1 %.*s %08zx %08x\n",
                    static_cast<int>(type.size()), type.data(), payload.size(), checksum(payload));
  std::string out(head.data(), static_cast<size_t>(n));
  out.append(payload);
  out.push_back('\n');
  return out;
}

// Takes bytes as they come and gives whole frames. A frame whose length or checksum is wrong is
// counted in `damaged` and dropped; reading goes on at the next header.
class Decoder {
 public:
  void feed(std::string_view bytes) {
    if (damaged_ < kMostDamaged) buffer_.append(bytes);
  }

  std::optional<Frame> next() {
    for (;;) {
      const size_t start = buffer_.find("\nFLT1 ");
      if (start == std::string::npos) {
        if (buffer_.size() > 6) buffer_.erase(0, buffer_.size() - 6);  // a header may be half here
        return std::nullopt;
      }
      buffer_.erase(0, start);
      std::string head = buffer_.substr(0, kMaxHeader);
      const size_t end = head.find('\n', 1);
      if (end == std::string::npos) {
        if (buffer_.size() < kMaxHeader) return std::nullopt;
        drop();
        continue;
      }
      head.resize(end);  // what is read of a header stands in its line
      std::array<char, 16> type{};
      size_t length = 0;
      unsigned sum = 0;
      if (std::sscanf(head.c_str(), "\nFLT1 %15s %8zx %8x", type.data(), &length, &sum) != 3 ||
          length > kMaxPayload) {
        drop();
        continue;
      }
      if (buffer_.size() < end + 1 + length + 1) return std::nullopt;
      Frame frame{type.data(), buffer_.substr(end + 1, length)};
      if (buffer_[end + 1 + length] != '\n' || checksum(frame.payload) != sum) {
        drop();
        continue;
      }
      // The closing newline may open the next header.
      buffer_.erase(0, end + 1 + length);
      return frame;
    }
  }

  [[nodiscard]] size_t damaged() const { return damaged_; }
  // Bytes of a frame that has begun and not ended: not zero at the end of a stream means half a
  // record, which is never delivered.
  [[nodiscard]] size_t pending() const {
    return buffer_.find("\nFLT1 ") == std::string::npos ? 0 : buffer_.size();
  }

 private:
  static constexpr size_t kMaxHeader = 64;
  static constexpr size_t kMaxPayload = size_t{1} << 28;
  // Each of them may have claimed, and cost, as much as kMaxPayload; of a stream with so many
  // nothing is believed anyway.
  static constexpr size_t kMostDamaged = 64;
  void drop() {
    buffer_.erase(0, 1);
    if (++damaged_ == kMostDamaged) buffer_.clear();
  }
  std::string buffer_;
  size_t damaged_ = 0;
};

}  // namespace faultline::wire
