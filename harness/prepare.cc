// SPDX-License-Identifier: GPL-2.0-only
#include "harness/prepare.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "cell/failure.h"
#include "harness/clock.h"
#include "harness/seed.h"
#include "harness/wait.h"

namespace faultline {
namespace {

// Touches before the measured ones, on pages of their own, so that first-call costs are paid.
constexpr uint64_t kWarmupPte = 16;
constexpr uint64_t kWarmupPmd = 1;
// Long enough for the kernel's deferred work after the preparation.
constexpr uint64_t kSettleNs = 50'000'000;

// After which a process beside is out of its first steps, and not longer: what it does until then
// QEMU has to execute too.
constexpr uint64_t kUnderWayNs = 10'000'000;

}  // namespace

PreparedCell::PreparedCell(const Cell& cell, const RunContext& context)
    : cell_(cell),
      context_(context),
      stride_(cell.stride()),
      warmup_(context.warmup.value_or(cell.order == Order::kPmd ? kWarmupPmd : kWarmupPte) +
              more_warmup(cell)),
      bytes_((warmup_ + cell.touches) * stride_),
      file_(context.directory + "/cell", context.workload.many_files ? stride_ : bytes_, cell.state,
            cell.order == Order::kPmd) {
  if (context.workload.many_files) {
    many_ = std::make_unique<ManyFiles>(context.directory, warmup_ + cell.touches, cell.state,
                                        context.strategy.mapped, context.strategy.map_sync);
  } else if (context.strategy.mapped) {
    mapping_ = std::make_unique<Mapping>(file_, bytes_, context.strategy.map_sync, cell.order);
  }
}

void PreparedCell::get_ready() {
  // Loaded by the cell that needs it; the file keeps the strategy until it is closed.
  if (context_.strategy.needs_module()) {
    module_ = std::make_unique<StrategyModule>();
    for (const int fd : fds()) module_->set(fd, context_.strategy);
  }
  if (cell_.dirty_inodes > 0) {
    unrelated_ = std::make_unique<Unrelated>(context_.directory, cell_.dirty_inodes);
  }
  const uint64_t per_thread = cell_.touches / cell_.threads;
  for (unsigned i = 0; i < cell_.threads; ++i) {
    lanes_.push_back(lane_of(warmup_ + i * per_thread, per_thread, cell_.stores()));
  }
  // The warm-up dirties none of them.
  for (LaneSpec& lane : lanes_) lane.unrelated = unrelated_.get();
  if (context_.workload.rewrite && mapping_) store_to_every_page();
  // No sync() here: the file is fsynced, as an application would do it. On ext4 with fast_commit a
  // full commit would hide that mtime alone makes its faults sync (i_datasync_tid counts as
  // committed only then: fs/ext4/inode.c, ext4_inode_datasync_dirty).
  wait_ns(kSettleNs + tick_phase_ns(cell_, clock_tick_ns()));
}

LaneSpec PreparedCell::lane_of(uint64_t first, uint64_t count, uint64_t stores) const {
  LaneSpec lane;
  if (many_) {
    lane.base = many_->base() == nullptr ? nullptr : many_->base() + first * stride_;
    lane.fds = many_->fds().data() + first;
  } else {
    lane.base = mapping_ ? mapping_->base() + first * stride_ : nullptr;
  }
  lane.fd = file_.fd();
  lane.offset = static_cast<off_t>(first * stride_);
  lane.stride = stride_;
  lane.touches = count * stores;
  lane.pages = count;
  lane.every = cell_.writes_per_sync == kNoK ? kEveryAll : cell_.writes_per_sync.k;
  lane.persist = context_.strategy.persist;
  lane.flush = best_line_flush();
  lane.paced = context_.workload.paced;
  lane.timed = context_.workload.timed;
  lane.scattered = context_.workload.scattered;
  return lane;
}

void PreparedCell::store_to_every_page() {
  for (uint64_t at = 0; at < bytes_; at += stride_) {
    *reinterpret_cast<volatile uint64_t*>(mapping_->base() + at) = at;
  }
  if (fsync(file_.fd()) != 0) {
    throw Failure(ExitCode::kRegression, fmt::format("fsync: {}", std::strerror(errno)));
  }
}

std::vector<int> PreparedCell::fds() const {
  return many_ ? many_->fds() : std::vector<int>{file_.fd()};
}

bool PreparedCell::is_map_sync() const {
  if (many_ && many_->base() != nullptr) return is_map_sync_at(many_->base());
  return mapping_ && mapping_->is_map_sync();
}

void PreparedCell::reset_module() const {
  if (!module_) return;
  for (const int fd : fds()) module_->reset(fd);
}

std::optional<fl_kmod_stats> PreparedCell::module_stats() const {
  if (!module_) return std::nullopt;
  fl_kmod_stats sum{};
  for (const int fd : fds()) add_stats(module_->stats(fd), sum);
  return sum;
}

const char* PreparedCell::mapped_order() const {
  if (many_ && many_->base() != nullptr) return "pte";
  return mapping_ ? mapping_->mapped_order(warmup_ * stride_, bytes_, stride_) : "none";
}

ProcessBeside::ProcessBeside(WorkBeside* work, const std::string& directory) {
  if (work == nullptr) return;
  child_ = fork();
  if (child_ < 0) {
    throw Failure(ExitCode::kVmFailed, fmt::format("fork: {}", std::strerror(errno)));
  }
  if (child_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work(directory);
    _exit(0);
  }
  wait_ns(kUnderWayNs);
}

void ProcessBeside::pause() {
  if (child_ <= 0) return;
  kill(child_, SIGSTOP);
  int status = 0;
  while (waitpid(child_, &status, WUNTRACED) < 0 && errno == EINTR) {
  }
  if (WIFSTOPPED(status)) return;
  ended_ = true;
  child_ = -1;
}

void ProcessBeside::go_on() {
  if (child_ > 0) kill(child_, SIGCONT);
}

bool ProcessBeside::stop() {
  if (child_ <= 0) return !ended_;
  kill(child_, SIGKILL);
  int status = 0;
  while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
  }
  child_ = -1;
  return WIFSIGNALED(status);
}

}  // namespace faultline
