// SPDX-License-Identifier: GPL-2.0-only
// A row of a result: one sample of a cell under one set of probes. Each field is declared once, in
// the lists below; its JSON, the schema (`faultline list --schema`, reports/result.schema.json) and
// the reference in docs/result-format.md follow from them.
//
// Units: `unit` is the row's own (instr in virtual time, ns in wall time).
#pragma once

#include <string>

#include "cell/cell.h"
#include "cell/record.h"

namespace faultline {

inline constexpr const char* kStatusIds[] = {"ok", "skipped", "incomplete", "failed"};
inline constexpr const char* kRunTypes[] = {"iteration"};
inline constexpr const char* kTimeDomains[] = {"virtual", "wall"};
inline constexpr const char* kUnits[] = {"instr", "ns"};
inline constexpr const char* kAccelIds[] = {"tcg-icount", "tcg", "kvm", "none"};
inline constexpr const char* kMappedOrders[] = {"pte", "pmd", "none"};
inline constexpr const char* kLineFlushes[] = {"clwb", "clflushopt", "clflush"};
inline constexpr const char* kLives[] = {"restored", "booted"};
inline constexpr const char* kLockIds[] = {"mmap_read", "mmap_write", "vma"};
inline constexpr const char* kMeansIds[] = {"", "raw_tp", "fentry", "fexit", "kprobe", "kretprobe"};
inline constexpr const char* kVaryIds[] = {"all", "none", "tick", "pages", "blocks"};
inline constexpr const char* kStatusOk = kStatusIds[0];
inline constexpr const char* kStatusSkipped = kStatusIds[1];
inline constexpr const char* kStatusIncomplete = kStatusIds[2];
inline constexpr const char* kStatusFailed = kStatusIds[3];

using CountByName = std::map<std::string, Count>;
using CostByName = std::map<std::string, std::optional<double>>;
using Pair = std::array<Count, 2>;
using Bucket = std::array<Count, 3>;

#define FAULTLINE_LOSSES(FIELD)                                                       \
  FIELD(Count, dropped, "count", "records that the ring buffer had no room for")      \
  FIELD(Count, missed, "count", "faults that took place and that no probe saw")       \
  FIELD(Count, recursion, "count", "calls that the kernel did not hand to a program") \
  FIELD(Count, slots, "count", "events for which a table in the kernel had no slot left")
FAULTLINE_RECORD(Losses, FAULTLINE_LOSSES)

// The quantiles of many times. HALF says what half of them lie at or below.
#define FAULTLINE_QUANTILES(FIELD, TYPE, UNIT, HALF) \
  FIELD(TYPE, p50, UNIT, HALF)                       \
  FIELD(TYPE, p90, UNIT, "nine tenths")              \
  FIELD(TYPE, p99, UNIT, "99 in 100")                \
  FIELD(TYPE, p99_9, UNIT, "999 in 1000")            \
  FIELD(TYPE, max, UNIT, "the longest")

#define FAULTLINE_PROBE_PART(FIELD)                                                                \
  FIELD(Count, count, "count", "events")                                                           \
  FIELD(Count, sum, "ns", "of their durations, by the guest's clock")                              \
  FIELD(std::optional<double>, mean, "ns", "sum / count; null without events")                     \
  FAULTLINE_QUANTILES(FIELD, Count, "ns", "the duration at or below which half of the events lie") \
  FIELD(std::string, target, "", "kernel function or tracepoint where the event ends")             \
  FIELD(Choice<kMeansIds>, means, "", "by which the program is attached; empty: no way to it")     \
  FIELD(std::vector<Bucket>, histogram, "ns",                                                      \
        "[low, high, count] of each bucket that is not empty: low <= x < high")
FAULTLINE_RECORD(ProbePart, FAULTLINE_PROBE_PART)

#define FAULTLINE_PROBE(FIELD)                                               \
  FIELD(std::optional<ProbePart>, fault, "", "one write fault")              \
  FIELD(std::optional<ProbePart>, sync, "", "the sync inside a write fault") \
  FIELD(std::optional<ProbePart>, commit, "", "one commit of the journal")   \
  FIELD(std::optional<ProbePart>, fast_commit, "", "one ext4 fast commit that did not fall back")
FAULTLINE_RECORD(ProbeFigures, FAULTLINE_PROBE)

#define FAULTLINE_ASKED(FIELD)                                 \
  FIELD(Count, fault, "count", "by a write fault")             \
  FIELD(Count, fsync, "count", "by fsync, msync or fdatasync") \
  FIELD(Count, kernel, "count", "nobody waited, as with the timer")
FAULTLINE_RECORD(Asked, FAULTLINE_ASKED)

#define FAULTLINE_SERVED(FIELD)                                    \
  FIELD(Count, faults, "count", "faults that waited for a commit") \
  FIELD(Count, fsyncs, "count", "fsyncs that waited for a commit")
FAULTLINE_RECORD(Served, FAULTLINE_SERVED)

#define FAULTLINE_JOURNAL_KERNEL(FIELD)                                          \
  FIELD(std::optional<Count>, commits, "count", "transactions committed (jbd2)") \
  FIELD(std::optional<Count>, forces, "count", "log forces (XFS)")               \
  FIELD(std::optional<Count>, log_bytes, "bytes", "written to the log (XFS)")
FAULTLINE_RECORD(JournalKernel, FAULTLINE_JOURNAL_KERNEL)

#define FAULTLINE_JOURNAL(FIELD)                                                                 \
  FIELD(JournalKernel, kernel, "", "what the file system itself counts; null where it does not") \
  FIELD(Maybe<Asked>, asked, "count", "commits by who asked; with probes")                       \
  FIELD(Maybe<Asked>, log_forces, "count", "XFS: log forces by who asked; with probes")          \
  FIELD(Maybe<Served>, served, "count", "who waited for a commit; with probes")                  \
  FIELD(Maybe<Count>, log_bytes, "bytes", "written to the journal; with probes")                 \
  FIELD(Maybe<double>, commits_per_fault, "count", "with probes")                                \
  FIELD(Maybe<double>, log_bytes_per_fault, "bytes", "with probes")                              \
  FIELD(Maybe<std::optional<double>>, sync_waiting, "share",                                     \
        "of the syncs' time that the thread was off the CPU; with probes; null without syncs")
FAULTLINE_RECORD(JournalFigures, FAULTLINE_JOURNAL)

#define FAULTLINE_PHASE(FIELD)                                                                 \
  FIELD(Word, id, "", "of bpf/phases.def; last `other`: what lies outside all marks")          \
  FIELD(Signed, mean, "unit", "per fault; the means add up to per_fault")                      \
  FIELD(double, marks_cost, "unit", "what the marks should cost that fall on it, per fault")   \
  FIELD(std::optional<Signed>, tax, "unit", "its share of the row's tax; null without a twin") \
  FIELD(std::optional<Signed>, net, "unit",                                                    \
        "mean less tax; the nets add up to the twin's per_fault")
FAULTLINE_RECORD(PhaseFigures, FAULTLINE_PHASE)

#define FAULTLINE_LOCK(FIELD)                                                        \
  FIELD(std::int64_t, thread, "", "0: the first of the process, then as they began") \
  FIELD(Choice<kLockIds>, lock, "", "which lock of the address space")               \
  FIELD(Count, faults, "count", "that the thread took")                              \
  FIELD(Count, count, "count", "takings")                                            \
  FIELD(Count, wait, "ns", "sum of the waits")                                       \
  FIELD(Count, wait_max, "ns", "the longest")                                        \
  FIELD(Count, hold, "ns", "sum of the times held")                                  \
  FIELD(Count, hold_max, "ns", "the longest")
FAULTLINE_RECORD(LockFigures, FAULTLINE_LOCK)

#define FAULTLINE_FALLBACK_REASONS(FIELD)                               \
  FIELD(Count, alignment, "count", "of file offset, extent or address") \
  FIELD(Count, flag, "count", "the mapping may have no huge entry")     \
  FIELD(Count, mapping, "count", "beyond the mapping's ends")           \
  FIELD(Count, size, "count", "beyond the file's end")                  \
  FIELD(Count, extent, "count", "the extent is too short")
FAULTLINE_RECORD(FallbackReasons, FAULTLINE_FALLBACK_REASONS)

#define FAULTLINE_MODULE(FIELD)                                                  \
  FIELD(Count, attempts, "count", "calls of the module's handler")               \
  FIELD(Count, faults, "count", "faults that ended")                             \
  FIELD(Count, syncs, "count", "with the fault's lock held")                     \
  FIELD(Count, syncs_dropped, "count", "with the fault's lock dropped")          \
  FIELD(Count, retries, "count", "attempts that had to be made again")           \
  FIELD(Count, passed_over, "count", "faults that were left to the file system") \
  FIELD(Count, not_droppable, "count", "faults whose lock could not be dropped") \
  FIELD(Count, mmap_locks, "count", "attempts under mmap_lock")                  \
  FIELD(Count, vma_locks, "count", "attempts under the VMA's lock")              \
  FIELD(Count, errors, "count", "attempts that ended in an error")               \
  FIELD(std::vector<Pair>, retries_per_fault, "count", "[retries, faults that took so many]")
FAULTLINE_RECORD(ModuleFigures, FAULTLINE_MODULE)

#define FAULTLINE_STARVED(FIELD)                                                          \
  FIELD(Count, n, "count",                                                                \
        "runs in which a fault of the victim outlasted its deadline (fault_deadline_ms; " \
        "concurrent at least 640 ms), or not one touch of the bystander ended")           \
  FIELD(Count, of, "count", "of so many runs")
FAULTLINE_RECORD(Starved, FAULTLINE_STARVED)

#define FAULTLINE_REFUSED(FIELD)                  \
  FIELD(Count, n, "count", "touches that failed") \
  FIELD(std::optional<std::string>, error, "", "name of the first one's errno")
FAULTLINE_RECORD(Refused, FAULTLINE_REFUSED)

#define FAULTLINE_REFERENCE(FIELD)                        \
  FIELD(double, each, "unit", "mean store (touch)")       \
  FIELD(double, longest, "unit", "longest store (touch)") \
  FIELD(Count, stores, "count", "stores that ended")
FAULTLINE_RECORD(ReferenceFigures, FAULTLINE_REFERENCE)

#define FAULTLINE_SCAN(FIELD)                                                                   \
  FIELD(Count, period_us, "us", "of each toucher's timer; 0: a tight loop, or nobody touches")  \
  FIELD(Count, phase_us, "us", "of the first touch, after the victim's start")                  \
  FIELD(Count, stores, "count", "that ended")                                                   \
  FIELD(std::optional<Count>, kernel_faults, "count",                                           \
        "that the kernel accounted to the victim; above stores: entries were zapped between a " \
        "fault and its store")                                                                  \
  FIELD(bool, starved, "", "as in the row's starved")                                           \
  FIELD(double, each, "unit", "mean store (touch)")                                             \
  FIELD(double, longest, "unit", "longest store (touch), one still open at the end included")   \
  FIELD(double, slowdown, "ratio", "each over the reference's")                                 \
  FIELD(Count, retries, "count", "of all faults, by the module")                                \
  FIELD(Count, retries_max, "count", "of one fault")                                            \
  FIELD(Count, touches, "count", "that succeeded")                                              \
  FIELD(Count, refused, "count", "that failed")
FAULTLINE_RECORD(ScanRun, FAULTLINE_SCAN)

#define FAULTLINE_DURABLE(FIELD) \
  FAULTLINE_QUANTILES(FIELD, double, "unit", "the time at or below which half of the touches lie")
FAULTLINE_RECORD(DurableFigures, FAULTLINE_DURABLE)

#define FAULTLINE_COUNTERS(FIELD)                                               \
  FIELD(std::optional<Count>, instructions, "count", "in the kernel alone")     \
  FIELD(std::optional<Count>, cycles, "count", "in the kernel alone")           \
  FIELD(std::optional<Count>, dtlb_load_misses, "count", "in the kernel alone") \
  FIELD(std::string, reason, "", "why a count is null")
FAULTLINE_RECORD(CounterFigures, FAULTLINE_COUNTERS)

#define FAULTLINE_INTERRUPTS(FIELD)                                               \
  FIELD(Count, ticks, "count", "local timer interrupts")                          \
  FIELD(CountByName, softirqs, "count", "by name, over all CPUs; those that ran") \
  FIELD(Count, switches, "count", "of this process to another thread")
FAULTLINE_RECORD(Interrupts, FAULTLINE_INTERRUPTS)

#define FAULTLINE_INTERRUPTION(FIELD)                                            \
  FIELD(Word, kind, "", "of bpf/interruptions.def")                              \
  FIELD(std::string, name, "", "function, softirq, or thread (`swapper`: idle)") \
  FIELD(Count, count, "count", "how often")                                      \
  FIELD(Count, sum, "ns", "of the durations; they nest, so sums do not add up")  \
  FIELD(Count, max, "ns", "the longest")
FAULTLINE_RECORD(InterruptionFigures, FAULTLINE_INTERRUPTION)

#define FAULTLINE_AGAIN(FIELD)                                                       \
  FIELD(Count, seed, "", "of the sample")                                            \
  FIELD(Maybe<std::optional<std::vector<InterruptionFigures>>>, interruptions, "ns", \
        "what else ran meanwhile")                                                   \
  FIELD(Maybe<CostByName>, alone, "unit", "per_page with one accident alone, by accident")
FAULTLINE_RECORD(MeasuredAgain, FAULTLINE_AGAIN)

#define FAULTLINE_OUTLIER(FIELD)                                             \
  FIELD(double, median, "unit", "per_page of the cell's middle sample")      \
  FIELD(Signed, percent, "%", "how far this sample lies off it")             \
  FIELD(std::optional<MeasuredAgain>, here, "", "this seed, measured again") \
  FIELD(std::optional<MeasuredAgain>, typical, "", "the middle sample's seed, measured again")
FAULTLINE_RECORD(OutlierFigures, FAULTLINE_OUTLIER)

#define FAULTLINE_SAMPLES(FIELD)                                                               \
  FIELD(std::string, file, "", "beside the result, of records as cell/sample_file.h has them") \
  FIELD(Count, first, "count", "the row's first record, from 0 on")                            \
  FIELD(Count, count, "count", "the row's records, in order of their start")
FAULTLINE_RECORD(SamplesRef, FAULTLINE_SAMPLES)

using FunctionCost = std::pair<std::string, Count>;

#define FAULTLINE_PROFILE(FIELD)                                                                \
  FIELD(Count, total, "unit", "executed in the measured loop: per_page times pages")            \
  FIELD(Count, pages, "count", "as the row's")                                                  \
  FIELD(Count, unattributed, "unit", "of these outside every known function")                   \
  FIELD(CountByName, parties, "unit",                                                           \
        "by for whom: touch (the threads that touch, in the kernel), user (they in user "       \
        "space), jbd2, kworker, interruption (ticks, and softirqs as they end), idle, other")   \
  FIELD(std::vector<FunctionCost>, functions, "unit",                                           \
        "[name, instructions], the dearest first; those of others than the threads that touch " \
        "bear their party's name before a colon")
FAULTLINE_RECORD(ProfileFigures, FAULTLINE_PROFILE)

#define FAULTLINE_VECTOR(FIELD)                                                                   \
  FIELD(double, bytes, "bytes", "stored to pmem")                                                 \
  FIELD(double, bytes_nt, "bytes", "of these by non-temporal stores")                             \
  FIELD(double, lines, "count", "distinct 64-byte lines of these, between two fences")            \
  FIELD(double, blocks256, "count", "distinct 256-byte blocks of these, between two fences")      \
  FIELD(double, flushed, "count", "clwb, clflushopt and clflush executed")                        \
  FIELD(std::optional<double>, flushed_clean, "count",                                            \
        "of these on a line that was not stored to since; null where it is not known which line " \
        "each was of, as under every QEMU so far")                                                \
  FIELD(double, fences, "count", "sfence and mfence")                                             \
  FIELD(double, fences_idle, "count", "of these with nothing to wait for")                        \
  FIELD(double, lines_read, "count", "distinct 64-byte lines of pmem loaded, between two fences") \
  FIELD(std::optional<double>, tlb_refills, "count",                                              \
        "of a modelled TLB; null where its geometry has none, and in results written before")     \
  FIELD(Maybe<std::optional<std::string>>, tlb, "",                                               \
        "the geometry of that TLB; null without, absent in results written before")               \
  FIELD(double, tlb_invalidations, "count", "invlpg, invpcid and stores to CR3")                  \
  FIELD(double, locked, "count", "instructions that lock the bus")                                \
  FIELD(double, exceptions, "count", "page faults and the like")                                  \
  FIELD(std::optional<double>, journal_bytes, "bytes",                                            \
        "written to the journal: ext4, jbd2's stores and fast commits'; XFS, by its own counter") \
  FIELD(std::optional<double>, amplification, "ratio",                                            \
        "bytes stored to pmem over the 8 that each touch changes")                                \
  FIELD(Maybe<std::vector<FunctionCost>>, writers, "bytes",                                       \
        "[function, bytes stored to pmem], named as in profile, of the whole loop, most first; "  \
        "absent in results written before there was the field")
FAULTLINE_RECORD(VectorFigures, FAULTLINE_VECTOR)

#define FAULTLINE_CACHES(FIELD)                                                                   \
  FIELD(std::string, geometry, "", "of the modelled caches: title, and of each level size, ways") \
  FIELD(double, l1i_misses, "count", "lines of instructions that L1I had not")                    \
  FIELD(double, l1d_misses, "count", "lines of data that L1D had not")                            \
  FIELD(std::optional<double>, l2_misses, "count",                                                \
        "of both lines that L2 had not; null where the geometry has no L2")                       \
  FIELD(double, llc_misses, "count", "that the last level had not: dram_reads and pmem_reads")    \
  FIELD(double, dram_reads, "count", "lines read from DRAM, a store's as well as a load's")       \
  FIELD(double, pmem_reads, "count", "lines read from pmem")                                      \
  FIELD(double, dram_writes, "count", "lines written back to DRAM; no non-temporal stores")       \
  FIELD(double, pmem_writes, "count", "lines written back to pmem; no non-temporal stores")       \
  FIELD(bool, flushes_seen, "",                                                                   \
        "whether clwb, clflush and clflushopt wrote back and evicted: false where it is not "     \
        "known which line each was of, as under every QEMU so far")
FAULTLINE_RECORD(CacheFigures, FAULTLINE_CACHES)

#define FAULTLINE_ROW(FIELD)                                                                       \
  /* Google Benchmark's own. */                                                                    \
  FIELD(Line, name, "", "the cell's name and its set of probes (cell/name.h has the grammar)")     \
  FIELD(Line, run_name, "", "= name")                                                              \
  FIELD(Choice<kRunTypes>, run_type, "", "always iteration")                                       \
  FIELD(Count, repetitions, "count", "of the cell, in wall time; 1 in virtual time")               \
  FIELD(Count, repetition_index, "count", "which of them this is, from 0 on")                      \
  FIELD(Count, family_index, "count", "always 0")                                                  \
  FIELD(Count, per_family_instance_index, "count", "always 0")                                     \
  FIELD(Count, threads, "count", "that touch, each its share of the pages")                        \
  FIELD(Count, iterations, "count", "= touches")                                                   \
  FIELD(std::optional<double>, real_time, "unit", "= per_page")                                    \
  FIELD(std::optional<double>, cpu_time, "unit", "= per_fault")                                    \
  FIELD(Choice<kUnits>, time_unit, "", "= unit")                                                   \
  /* The cell. */                                                                                  \
  FIELD(Maybe<Line>, cell, "",                                                                     \
        "the name less its set of probes, which a row shares with its twin; absent in results "    \
        "written before there was the field")                                                      \
  FIELD(Line, kernel, "", "the kernel's id; NAME+N: with N instructions planted in each fault")    \
  FIELD(Word, fs, "", "the file system's id")                                                      \
  FIELD(Word, strategy, "", "the strategy's id")                                                   \
  FIELD(WritesPerSync, writes_per_sync, "pages",                                                   \
        "K, \"all\" (once, after the last), or null where the strategy has none")                  \
  FIELD(Word, workload, "", "the workload's id")                                                   \
  FIELD(State, state, "", "what the touched block is beforehand")                                  \
  FIELD(Order, order, "", "the size that the kernel is asked to map")                              \
  FIELD(Probes, probes, "", "the set of probes; off: the twin")                                    \
  FIELD(Count, seed, "", "virtual time: which accidents the sample has; identical for ever")       \
  FIELD(Choice<kVaryIds>, vary, "", "what the seed varies; none on the host")                      \
  FIELD(std::optional<Count>, dirty_inodes, "count",                                               \
        "of other files, dirtied before each touch; null but for workload unrelated")              \
  FIELD(                                                                                           \
      Maybe<Count>, stores_per_page, "count",                                                      \
      "durable stores that each page gets; touches are pages, and per_fault holds all stores of "  \
      "one; of workload store_again alone")                                                        \
  FIELD(Choice<kAccelIds>, accel, "", "how the guest ran; none: on the host")                      \
  FIELD(Choice<kTimeDomains>, time_domain, "", "virtual and wall time are never mixed")            \
  FIELD(Choice<kUnits>, unit, "", "of all figures of the row marked `unit`")                       \
  FIELD(std::optional<Count>, vcpus, "count", "of the guest; null on the host")                    \
  /* What became of it. */                                                                         \
  FIELD(Choice<kStatusIds>, status, "",                                                            \
        "ok, skipped, incomplete (losses, or interrupted), failed")                                \
  FIELD(std::string, reason, "", "one line; empty when ok")                                        \
  FIELD(std::optional<Choice<kLives>>, life, "",                                                   \
        "restored (from a saved state) or booted (for this row); null on the host")                \
  /* Figures. */                                                                                   \
  FIELD(std::optional<double>, per_fault, "unit",                                                  \
        "a touch alone: the store and the fault that it takes, mean over the touches")             \
  FIELD(std::optional<double>, per_page, "unit",                                                   \
        "all that it takes until a page is durable under its strategy: touch, cache-line "         \
        "write-back and syncs, over the 4 KiB pages made durable")                                 \
  FIELD(Maybe<Count>, extents, "count",                                                            \
        "runs of neighbouring blocks in which the touched file lay after the touches; absent "     \
        "where the file system does not tell, or where each touch has a file")                     \
  FIELD(std::optional<double>, loop_cost, "unit",                                                  \
        "per touch, the same loop over memory that takes no fault and needs no sync; contained "   \
        "in per_fault")                                                                            \
  FIELD(Maybe<double>, longest_touch, "unit",                                                      \
        "the longest touch, by the loop's own clock; of workloads that time each touch")           \
  FIELD(Maybe<DurableFigures>, durable, "unit",                                                    \
        "of the same workloads' touches, each with the sync that is due after it, by the loop's "  \
        "own clock")                                                                               \
  FIELD(std::optional<Signed>, tax, "unit",                                                        \
        "what probes add: per_fault less the twin's; null without the twin")                       \
  FIELD(std::optional<Signed>, tax_page, "unit", "the same of per_page")                           \
  FIELD(std::optional<Cost>, p50, "unit",                                                          \
        "of the whole fault as the probe saw it (contests: of all stores or touches); null "       \
        "without probes")                                                                          \
  FIELD(std::optional<Cost>, p90, "unit", "as p50")                                                \
  FIELD(std::optional<Cost>, p99, "unit", "as p50")                                                \
  FIELD(std::optional<Cost>, p99_9, "unit", "as p50")                                              \
  FIELD(std::optional<Cost>, max, "unit", "as p50, the longest")                                   \
  /* Counts. */                                                                                    \
  FIELD(std::optional<Count>, touches, "count", "measured stores")                                 \
  FIELD(std::optional<Count>, pages, "count", "pages of 4 KiB that they stand for")                \
  FIELD(std::optional<Count>, faults, "count",                                                     \
        "page faults that the kernel accounted to the measured threads")                           \
  FIELD(std::optional<Count>, syncs, "count",                                                      \
        "syncs inside write faults; of a strategy of the module, by its own counters; null "       \
        "without either")                                                                          \
  FIELD(std::optional<Count>, app_syncs, "count",                                                  \
        "fsync, msync and fdatasync calls by the application")                                     \
  FIELD(std::optional<Count>, commits, "count",                                                    \
        "commits of the journal while measured; null without probes")                              \
  FIELD(std::optional<Count>, fast_commits, "count", "of these, ext4's fast commits")              \
  FIELD(std::optional<Count>, fallbacks, "count",                                                  \
        "attempts that fell back or were made again; null without probes")                         \
  FIELD(std::optional<FallbackReasons>, fallback_reasons, "count",                                 \
        "why huge faults fell back; null without probes")                                          \
  FIELD(std::optional<Count>, mtime_changes, "count",                                              \
        "touches that moved their file's mtime; null but for paced workloads and many_files")      \
  FIELD(std::optional<Losses>, losses, "count", "one loss makes the row incomplete")               \
  /* Facts that were proved. */                                                                    \
  FIELD(std::optional<Choice<kMappedOrders>>, mapped_order, "",                                    \
        "what the kernel mapped, proved by faults; none: no mapping")                              \
  FIELD(std::optional<bool>, dax, "", "by statx(2), STATX_ATTR_DAX")                               \
  FIELD(std::optional<bool>, map_sync, "", "by VmFlags in smaps")                                  \
  FIELD(std::optional<Choice<kLineFlushes>>, line_flush, "",                                       \
        "instruction that wrote back each line; null when the strategy has none")                  \
  /* What sets of probes saw. */                                                                   \
  FIELD(std::optional<ProbeFigures>, probe, "",                                                    \
        "durations of each kind of event; null without "                                           \
        "probes")                                                                                  \
  FIELD(std::optional<JournalFigures>, journal, "", "who asked for commits, whom they served")     \
  FIELD(std::optional<std::vector<PhaseFigures>>, phases, "unit", "set phases: parts of a fault")  \
  FIELD(std::optional<std::vector<LockFigures>>, locks, "ns",                                      \
        "set locks: each thread's use of each lock of the address space")                          \
  FIELD(std::optional<Interrupts>, interrupts, "count",                                            \
        "virtual time: what interrupted the loop, by the kernel's own counters")                   \
  FIELD(std::optional<std::vector<InterruptionFigures>>, interruptions, "ns",                      \
        "set interruptions: what else ran meanwhile")                                              \
  FIELD(std::optional<CounterFigures>, counters, "count",                                          \
        "of the CPU, over the measured loop: on the host; null in a VM and for contests")          \
  FIELD(std::optional<OutlierFigures>, outlier, "",                                                \
        "a sample further off its cell's median than --outlier, and what moves it")                \
  FIELD(std::optional<SamplesRef>, samples, "", "with --samples: where its records are")           \
  FIELD(std::optional<std::vector<std::string>>, sample_kinds, "",                                 \
        "with --samples: what a record's kind stands for")                                         \
  /* What the observer saw (docs/observer.md). */                                                  \
  FIELD(Maybe<std::optional<double>>, path, "unit",                                                \
        "per_page less interruptions, idle time and threads that do not work for the fault; null " \
        "where not observed")                                                                      \
  FIELD(Maybe<std::optional<ProfileFigures>>, profile, "unit",                                     \
        "every instruction by function; null where not observed")                                  \
  FIELD(Maybe<std::optional<VectorFigures>>, vector, "",                                           \
        "what a page asks of the CPU and the medium, each per page; null where not observed")      \
  FIELD(Maybe<std::optional<CacheFigures>>, caches, "",                                            \
        "what modelled caches make of a page's accesses, each per page; null where not observed")  \
  /* The strategy module. */                                                                       \
  FIELD(std::optional<ModuleFigures>, module, "count",                                             \
        "the strategy module's counters; null for strategies of a stock kernel")                   \
  FIELD(std::optional<Count>, retries_p50, "count",                                                \
        "retries that a fault took before it ended; null for strategies of a stock kernel")        \
  FIELD(std::optional<Count>, retries_max, "count", "the most that one fault took")                \
  FIELD(Maybe<std::optional<double>>, retry_time, "unit",                                          \
        "mean time of one retry: from an attempt that gave its lock up to the next that did, or "  \
        "that ended the fault; null without retries, absent for strategies of a stock kernel")     \
  /* Fields of contests alone. */                                                                  \
  FIELD(std::optional<Word>, touch, "",                                                            \
        "how others touch, none with 0 attackers; null makes the row no contest")                  \
  FIELD(std::optional<Count>, attackers, "count", "parties that touch; a bystander is one")        \
  FIELD(std::optional<Setting>, setting, "", "how they are timed")                                 \
  FIELD(Maybe<Count>, fault_deadline_ms, "ms",                                                     \
        "after which a victim has starved; absent: 20, as it is by default")                       \
  FIELD(std::optional<Count>, period_us, "us",                                                     \
        "the timer's period in the worst run, that of slowdown; null where there is no timer")     \
  FIELD(std::optional<Starved>, starved, "count", "runs that starved")                             \
  FIELD(std::optional<double>, slowdown, "ratio",                                                  \
        "of the worst run: the victim's time per store over that of the victim alone; the "        \
        "bystander's per touch over that beside faults that sync nothing. A run that starved is "  \
        "worse than any that did not, and its figure a lower bound (0 where no touch ended)")      \
  FIELD(std::optional<double>, slowdown_p50, "ratio", "the median over the runs")                  \
  FIELD(std::optional<double>, progress_max, "unit",                                               \
        "the longest store (touch) of all runs, one still open at the end included")               \
  FIELD(std::optional<double>, attack_rate, "1/s",                                                 \
        "touches that succeeded, all parties together, per second of the guest's time")            \
  FIELD(std::optional<Refused>, refused, "count", "touches that failed")                           \
  FIELD(std::optional<ReferenceFigures>, reference, "unit", "what the worst run is compared with") \
  FIELD(std::optional<std::vector<ScanRun>>, scan, "", "every run")
FAULTLINE_RECORD(Row, FAULTLINE_ROW)

// A row without figures.
Row empty_row(const Cell& cell, const std::string& status, const std::string& reason);

// Reads a row as a guest of this build sends it: every field but a Maybe must be there, and no
// other. Failure(kVmFailed) naming the field for what is no row.
Row row_from_json(const nlohmann::json& json);
// Reads a row of a result that an earlier build may have written: fields may be missing, or
// unknown.
Row earlier_row_from_json(const nlohmann::json& json);

inline bool is_ok(const Row& row) { return row.status == kStatusOk; }

}  // namespace faultline
