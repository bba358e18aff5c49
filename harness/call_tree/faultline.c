// SPDX-License-Identifier: GPL-2.0-only
// Functions whose call tree and whose lengths are known, for the observer's profile to be held
// against: harness/observed_guest.cc has them called by `MODE ADDRESS`, written to the parameter
// `run`. What is of a known length is in assembly. It bears the strategy module's name because it
// is built as that is (vm/strategy_module.h), for every kernel.
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#define FL_FUNCTION(name, body)                                                            \
  void name(unsigned count);                                                               \
  asm(".pushsection .text\n.type " #name ", @function\n" #name ":\n" body "\n.size " #name \
      ", . - " #name "\n.popsection\n")

FL_FUNCTION(fl_leaf, "nop; nop; nop; ret");
// Calls itself until it is `count` deep, and the leaf at each depth.
FL_FUNCTION(fl_recurse, "decl %edi; jz 1f; call fl_recurse; 1: call fl_leaf; ret");
// A jump is its last word, twice; the third function returns to whoever called the first.
FL_FUNCTION(fl_tail_last, "nop; call fl_leaf; nop; nop; ret");
FL_FUNCTION(fl_tail_middle, "nop; nop; jmp fl_tail_last");
FL_FUNCTION(fl_tail, "nop; jmp fl_tail_middle");
FL_FUNCTION(fl_pointer,
            "lea fl_leaf(%rip), %rax; call *%rax; lea fl_tail(%rip), %rax; call *%rax; ret");
// Long enough for a clock tick to fall into it.
FL_FUNCTION(fl_spin, "movl %edi, %ecx; 1: decl %ecx; jnz 1b; ret");
FL_FUNCTION(fl_invlpg, "testl %edi, %edi; jz 2f; 1: invlpg (%rsp); decl %edi; jnz 1b; 2: ret");
FL_FUNCTION(fl_cr3,
            "testl %edi, %edi; jz 2f; movq %cr3, %rax; 1: movq %rax, %cr3; decl %edi; "
            "jnz 1b; 2: ret");

// By the thunk that the kernel has its compiler take for a pointer.
static noinline void fl_thunk(void (*function)(unsigned)) {
  function(1);
  barrier();
}

// The page is not there: a fault of the kernel's own in the middle.
static noinline void fl_fault(const char __user* at) {
  char c;

  fl_leaf(0);
  if (get_user(c, at)) pr_err("no page\n");
  fl_leaf(0);
}

static noinline void fl_sleep(void) {
  fl_leaf(0);
  schedule_timeout_uninterruptible(2);
  fl_leaf(0);
}

static noinline void fl_tree(const char __user* at) {
  fl_recurse(5);
  fl_tail(0);
  fl_pointer(0);
  fl_thunk(fl_leaf);
  fl_thunk(fl_recurse);
  fl_fault(at);
  fl_spin(3000000);
  fl_sleep();
  fl_leaf(0);
}

static int fl_set(const char* text, const struct kernel_param* param) {
  char mode[16];
  unsigned long at;

  if (sscanf(text, "%15s %lu", mode, &at) != 2) return -EINVAL;
  if (!strcmp(mode, "tree"))
    fl_tree((const char __user*)at);
  else if (!strcmp(mode, "tlb0"))
    fl_invlpg(0), fl_cr3(0);
  else if (!strcmp(mode, "tlb1"))
    fl_invlpg(7), fl_cr3(4);
  else
    return -EINVAL;
  return 0;
}

static const struct kernel_param_ops fl_ops = {.set = fl_set};
module_param_cb(run, &fl_ops, NULL, 0200);
MODULE_DESCRIPTION("Functions of a known call tree, for tests");
MODULE_LICENSE("GPL");
