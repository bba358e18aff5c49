// SPDX-License-Identifier: GPL-2.0-only
#include "observe/decode.h"

#include <cstring>

namespace faultline::observe {
namespace {

struct Prefixes {
  bool operand_size = false;  // 66
  bool lock = false;          // f0
  bool repeat = false;        // f2, f3
  std::uint8_t segment = 0;
  std::uint8_t rex = 0;
};

std::size_t take_prefixes(std::span<const std::uint8_t> bytes, Prefixes& found) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint8_t byte = bytes[i];
    switch (byte) {
      case 0x66:
        found.operand_size = true;
        break;
      case 0xf0:
        found.lock = true;
        break;
      case 0xf2:
      case 0xf3:
        found.repeat = true;
        break;
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
      case 0x64:
      case 0x65:
        found.segment = byte;
        break;
      case 0x67:
        break;
      default:
        if ((byte & 0xf0) == 0x40) {
          found.rex = byte;
          return i + 1;
        }
        return i;
    }
  }
  return bytes.size();
}

// The opcodes after 0f.
void decode_two_bytes(std::span<const std::uint8_t> rest, const Prefixes& prefixes, Decoded& out) {
  const std::uint8_t opcode = rest[0];
  const std::uint8_t modrm = rest.size() > 1 ? rest[1] : 0;
  const bool memory = modrm < 0xc0;
  const unsigned reg = modrm >> 3 & 7;
  switch (opcode) {
    case 0x01:
      out.tlb_invalidation = memory && reg == 7;  // invlpg
      break;
    case 0x07:
      out.ending = Ending::kInterruptReturn;  // sysret
      break;
    case 0x22:
      out.address_space = reg == 3;  // mov to cr3; with REX.R it would be cr11, which no CPU has
      out.tlb_invalidation = out.address_space;
      out.control_register = !out.address_space;
      break;
    case 0x2b:  // movntps, movntpd
    case 0xc3:  // movnti
    case 0xe7:  // movntq, movntdq
      out.non_temporal = memory;
      break;
    case 0x31:
      out.mark = prefixes.segment;
      break;
    case 0x38:
      out.tlb_invalidation =
          rest.size() > 1 && rest[1] == 0x82 && prefixes.operand_size;  // invpcid
      break;
    case 0xae:
      if (!memory) {
        // 66 makes tpause and the like of them, f3 the CET's.
        const bool plain = !prefixes.operand_size && !prefixes.repeat;
        out.fence = plain && (reg == 6 || reg == 7);
      } else if (prefixes.operand_size && !prefixes.repeat) {
        if (reg == 6) out.flush = Flush::kWriteBack;
        if (reg == 7) out.flush = Flush::kEvict;
      } else if (!prefixes.repeat && reg == 7) {
        out.flush = Flush::kEvictInOrder;
      }
      break;
    default:
      break;
  }
}

// VEX with opcode map 1: vmovntps, vmovntdq.
bool is_vex_non_temporal(std::span<const std::uint8_t> bytes) {
  const std::size_t at = bytes[0] == 0xc5 ? 2 : 3;
  if (bytes.size() <= at + 1) return false;
  if (bytes[0] == 0xc4 && (bytes[1] & 0x1f) != 1) return false;
  return (bytes[at] == 0x2b || bytes[at] == 0xe7) && bytes[at + 1] < 0xc0;
}

// Tells whether an instruction is one of those between registers of which kernels mostly consist.
// No wrong "yes": it would be lost where the instruction faults.
bool is_of_registers(std::span<const std::uint8_t> rest) {
  const std::uint8_t opcode = rest[0];
  const std::uint8_t modrm = rest.size() > 1 ? rest[1] : 0;
  const bool registers = rest.size() > 1 && modrm >= 0xc0;
  if (opcode == 0x0f && rest.size() > 2) {
    const std::uint8_t second = rest[1];
    const bool second_registers = rest[2] >= 0xc0;
    if (second == 0x1f || second == 0x18) return true;              // nop, prefetch
    if (second >= 0x80 && second <= 0x8f) return true;              // jcc
    if (second >= 0x40 && second <= 0x4f) return second_registers;  // cmovcc
    if (second >= 0x90 && second <= 0x9f) return second_registers;  // setcc
    return second_registers && (second == 0xaf || second == 0xb6 || second == 0xb7 ||
                                second == 0xbe || second == 0xbf || second == 0xa3);
  }
  if (opcode < 0x40) return (opcode & 7) >= 4 ? (opcode & 7) <= 5 : registers;  // arithmetic
  if (opcode >= 0x70 && opcode <= 0x7f) return true;                            // jcc
  if (opcode >= 0xb0 && opcode <= 0xbf) return true;                            // mov of a constant
  switch (opcode) {
    case 0x8d:  // lea
    case 0x90:  // nop
    case 0xa8:
    case 0xa9:  // test with a constant
    case 0xe9:
    case 0xeb:  // jmp
      return true;
    case 0x63:
    case 0x69:
    case 0x6b:
    case 0x80:
    case 0x81:
    case 0x83:
    case 0x84:
    case 0x85:
    case 0x88:
    case 0x89:
    case 0x8a:
    case 0x8b:
    case 0xc0:
    case 0xc1:
    case 0xc6:
    case 0xc7:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
      return registers;
    case 0xf6:
    case 0xf7:
      return registers && (modrm >> 3 & 7) < 6;  // no division
    default:
      return false;
  }
}

}  // namespace

Decoded decode(std::span<const std::uint8_t> bytes) {
  Decoded out;
  Prefixes prefixes;
  const std::size_t start = take_prefixes(bytes, prefixes);
  if (start >= bytes.size()) return out;
  const std::span<const std::uint8_t> rest = bytes.subspan(start);
  const std::uint8_t modrm = rest.size() > 1 ? rest[1] : 0;
  out.locked = prefixes.lock;
  out.may_fault = prefixes.lock || prefixes.repeat || !is_of_registers(rest);
  switch (rest[0]) {
    case 0x0f:
      if (rest.size() > 1) decode_two_bytes(rest.subspan(1), prefixes, out);
      break;
    case 0x86:
    case 0x87:
      out.locked = out.locked || modrm < 0xc0;  // xchg with memory
      break;
    case 0x89:
    case 0x8b:
      // mod 2, 32 bits of displacement, rsp, and rdi or rsi.
      if (prefixes.rex == 0x48 && rest.size() == 6 && modrm == (rest[0] == 0x89 ? 0xa7 : 0xa6)) {
        (rest[0] == 0x89 ? out.saves_stack : out.loads_stack) = true;
        std::memcpy(&out.offset, rest.data() + 2, sizeof out.offset);
      }
      break;
    case 0xc2:
    case 0xc3:
      out.ending = Ending::kReturn;
      break;
    case 0xc4:
    case 0xc5:
      out.non_temporal = is_vex_non_temporal(rest);
      break;
    case 0xcf:
      out.ending = Ending::kInterruptReturn;
      break;
    case 0xe8:
      out.ending = Ending::kCall;
      break;
    case 0xf4:
      out.halt = true;
      break;
    case 0xff:
      if ((modrm >> 3 & 7) == 2) out.ending = Ending::kCall;
      break;
    default:
      break;
  }
  return out;
}

std::optional<MemoryOperand> flushed_operand(std::span<const std::uint8_t> bytes) {
  if (decode(bytes).flush == Flush::kNone) return std::nullopt;
  Prefixes prefixes;
  std::size_t at = take_prefixes(bytes, prefixes) + 2;  // past 0f ae
  constexpr std::uint8_t kFs = 0x64;
  constexpr std::uint8_t kGs = 0x65;
  if (prefixes.segment == kFs || prefixes.segment == kGs) return std::nullopt;
  const std::uint8_t modrm = bytes[at++];
  const unsigned mode = modrm >> 6;
  unsigned base = modrm & 7;
  // Intel SDM volume 2, tables 2-2 and 2-3: 4 stands for an index byte, 5 without displacement for
  // the next instruction's address, and in an index byte for no base.
  MemoryOperand operand;
  bool wide = mode == 2;
  if (base == 4) {
    if (at >= bytes.size()) return std::nullopt;
    const std::uint8_t sib = bytes[at++];
    const unsigned index = (sib >> 3 & 7) | (prefixes.rex & 2) << 2;
    if (index != 4) operand.index = static_cast<int>(index);
    operand.scale = 1U << (sib >> 6);
    base = sib & 7;
    if (base == 5 && mode == 0) {
      wide = true;
    } else {
      operand.base = static_cast<int>(base | (prefixes.rex & 1) << 3);
    }
  } else if (base == 5 && mode == 0) {
    operand.base = MemoryOperand::kNextInstruction;
    wide = true;
  } else {
    operand.base = static_cast<int>(base | (prefixes.rex & 1) << 3);
  }
  const std::size_t more = wide ? 4 : mode == 1 ? 1 : 0;
  if (at + more > bytes.size()) return std::nullopt;
  if (wide) std::memcpy(&operand.displacement, &bytes[at], 4);
  // One byte, with its sign.
  if (mode == 1) operand.displacement = bytes[at] < 0x80 ? bytes[at] : bytes[at] - 0x100;
  return operand;
}

}  // namespace faultline::observe
