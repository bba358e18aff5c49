// SPDX-License-Identifier: GPL-2.0-only
/*
 * Strategies for write faults on DAX files that no stock kernel has; faultline_ioctl.h says what
 * each does.
 *
 * No kernel function is hooked. The open file gets a copy of its file_operations with fsync and
 * release replaced, its MAP_SYNC mappings a copy of their vm_operations with the fault handlers
 * replaced; other files, and the same file opened again, run no instruction of this module. The
 * sync inside a fault reaches us because dax_finish_sync_fault() (fs/dax.c) syncs by
 * vfs_fsync_range() on the mapping's file. It maps nothing when that sync fails, so a fault can be
 * taken back there, and its lock dropped once the file system has let go of its own.
 *
 * One file because all of it works on one structure of an open file, and nothing is then visible to
 * the rest of the kernel: every function is static.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/dax.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/stat.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "compat.h"
#include "faultline_ioctl.h"

/* fs/dax.c: a DAX entry is a value, DAX_SHIFT bits of flags below the pfn (v4.20 to v7.3). */
#define FL_DAX_SHIFT 4
#define FL_DAX_NO_BLOCK 0xc /* DAX_ZERO_PAGE | DAX_EMPTY */

/* SYNC_RETRY_STRICT: the metadata whose changes the file system does not tell of. */
struct fl_metadata {
	struct timespec64 mtime;
	struct timespec64 ctime;
	loff_t size;
	umode_t mode;
	unsigned int links;
};

/* What an open file with a strategy has; found by the file, goes with its last reference. */
struct fl_file {
	struct hlist_node node;
	struct rcu_head rcu;
	const struct file *file;
	u32 strategy;
	u32 flags;
	bool frozen;
	spinlock_t lock; /* all below; a leaf: nothing is taken under it */
	struct list_head entered;
	struct list_head retried;
	struct fl_kmod_stats stats;
	/* SYNC_RETRY_STRICT: what was there when the last sync of a fault began. */
	struct fl_metadata synced;
	bool has_synced;
	/* SYNC_RETRY_EXTENT: the pfn with which a page was last durable; its own lock. */
	struct xarray durable;
};

/* One attempt of a fault, while the file system's handler runs. */
struct fl_attempt {
	struct list_head node;
	const struct task_struct *task;
	const struct vm_fault *vmf;
	unsigned long pfn; /* of the page touched, when the file system asked for a sync */
	bool failed;	   /* the sync of an attempt before this one failed */
	bool again;	   /* there was an attempt before this one */
	bool syncing;	   /* our own vfs_fsync_range() is under way */
	bool synced;
	bool retry;
};

/* A fault between two attempts. */
struct fl_retried {
	struct list_head node;
	pid_t pid;
	u64 task_start;
	unsigned long address;
	u64 retries;
	u64 since; /* the last attempt gave its lock up, ns */
	bool failed;
};

/* A copy of a table of operations with some replaced: one per original, as long as we are loaded.
 */
struct fl_table {
	struct list_head node;
	const void *original;
	unsigned long ops[]; /* the copy, of the original's type */
};

static DEFINE_MUTEX(fl_set_mutex); /* the list, and who has which strategy */
static LIST_HEAD(fl_tables);

static DEFINE_SPINLOCK(fl_files_lock);
static DEFINE_HASHTABLE(fl_files, 10);

/* Calls of fl_setattr(), which no reference to the module covers. */
DEFINE_STATIC_SRCU(fl_setattr_srcu);

/* What the copy `ops` was made of. */
static const void *fl_original_of(const void *ops)
{
	return ((const struct fl_table *)(ops - offsetof(struct fl_table, ops)))->original;
}

/* A file's state lives as long as the file, to which the caller has a reference. */
static struct fl_file *fl_find(const struct file *file)
{
	struct fl_file *f, *found = NULL;

	rcu_read_lock();
	hash_for_each_possible_rcu (fl_files, f, node, (unsigned long)file) {
		if (f->file == file) {
			found = f;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

/* ---- The fault ---- */

enum fl_call { FL_FAULT, FL_HUGE_FAULT, FL_PAGE_MKWRITE, FL_PFN_MKWRITE };

/* A probe's target: the arguments are those of the file system's own handler, and one more. */
vm_fault_t fl_kmod_fault(struct vm_fault *vmf, fl_order_t order, enum fl_call call);

static vm_fault_t fl_original(struct vm_fault *vmf, fl_order_t order, enum fl_call call)
{
	const struct vm_operations_struct *original = fl_original_of(vmf->vma->vm_ops);

	switch (call) {
	case FL_FAULT:
		return original->fault(vmf);
	case FL_HUGE_FAULT:
		return original->huge_fault(vmf, order);
	case FL_PAGE_MKWRITE:
		return original->page_mkwrite(vmf);
	case FL_PFN_MKWRITE:
		return original->pfn_mkwrite(vmf);
	}
	return VM_FAULT_SIGBUS;
}

static bool fl_may_drop_lock(const struct vm_fault *vmf)
{
	return (vmf->flags & FAULT_FLAG_ALLOW_RETRY) && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT);
}

/* The block that the page is on, 0 if none. It can be freed unless the invalidate lock is held. */
static unsigned long fl_pfn_of(const struct vm_fault *vmf)
{
	void *entry = xa_load(&vmf->vma->vm_file->f_mapping->i_pages, vmf->pgoff);

	if (!entry || !xa_is_value(entry) || (xa_to_value(entry) & FL_DAX_NO_BLOCK))
		return 0;
	return xa_to_value(entry) >> FL_DAX_SHIFT;
}

static bool fl_is_durable(struct fl_file *f, pgoff_t pgoff, unsigned long pfn)
{
	void *known = xa_load(&f->durable, pgoff);

	return pfn && known && xa_to_value(known) == pfn;
}

/* f->lock is held. */
static void fl_time_retry(struct fl_file *f, const struct fl_retried *r, u64 now)
{
	f->stats.retry_ns += now - r->since;
	f->stats.retries_timed++;
}

/* f->lock is held. */
static struct fl_retried *fl_retried_of(struct fl_file *f, unsigned long address)
{
	struct fl_retried *r;

	list_for_each_entry (r, &f->retried, node) {
		if (r->pid == current->pid && r->task_start == current->start_time &&
		    r->address == address)
			return r;
	}
	return NULL;
}

static struct fl_attempt *fl_attempt_of(struct fl_file *f)
{
	struct fl_attempt *a, *found = NULL;

	spin_lock(&f->lock);
	list_for_each_entry (a, &f->entered, node) {
		if (a->task == current) {
			found = a; /* its owner is this very task, further down the stack */
			break;
		}
	}
	spin_unlock(&f->lock);
	return found;
}

static void fl_count(struct fl_file *f, __u64 *counter)
{
	spin_lock(&f->lock);
	++*counter;
	spin_unlock(&f->lock);
}

static struct fl_metadata fl_metadata_of(struct inode *inode)
{
	return (struct fl_metadata){.mtime = fl_mtime(inode),
				    .ctime = fl_ctime(inode),
				    .size = i_size_read(inode),
				    .mode = READ_ONCE(inode->i_mode),
				    .links = READ_ONCE(inode->i_nlink)};
}

/* SYNC_RETRY_STRICT: whether a sync is due though the file system may not say so. */
static bool fl_is_stale(struct fl_file *f, struct inode *inode)
{
	struct fl_metadata now;
	bool stale;

	if (f->strategy != FL_KMOD_SYNC_RETRY_STRICT)
		return false;
	now = fl_metadata_of(inode);
	spin_lock(&f->lock);
	stale = !f->has_synced || !timespec64_equal(&now.mtime, &f->synced.mtime) ||
		!timespec64_equal(&now.ctime, &f->synced.ctime) || now.size != f->synced.size ||
		now.mode != f->synced.mode || now.links != f->synced.links;
	spin_unlock(&f->lock);
	return stale;
}

/*
 * Moves mtime as the file system's handler is about to, so that the look at the metadata comes
 * after it. The caller holds what that handler is called with.
 */
static void fl_move_mtime(struct file *file)
{
	struct super_block *sb = file_inode(file)->i_sb;

	sb_start_pagefault(sb);
	file_update_time(file);
	sb_end_pagefault(sb);
}

/* fsync's rule or fdatasync's, for a sync of the strategy's own. */
static int fl_datasync(const struct fl_file *f)
{
	switch (f->strategy) {
	case FL_KMOD_SYNC_FAULT:
		return !!(f->flags & FL_KMOD_DATASYNC);
	case FL_KMOD_SYNC_RETRY_STRICT:
		return 0;
	default:
		return 1;
	}
}

/* A sync by the strategy's rule. */
static int fl_sync(struct fl_file *f, struct file *file, loff_t start, loff_t end)
{
	const bool strict = f->strategy == FL_KMOD_SYNC_RETRY_STRICT;
	struct fl_metadata before = {};
	int error;

	if (strict)
		before = fl_metadata_of(file_inode(file));
	error = vfs_fsync_range(file, start, end, fl_datasync(f));
	if (!error && strict) {
		spin_lock(&f->lock);
		f->synced = before;
		f->has_synced = true;
		spin_unlock(&f->lock);
	}
	return error;
}

/* A sync on the fault's behalf, its lock held. */
static int fl_sync_locked(struct fl_file *f, struct fl_attempt *a, struct file *file, loff_t start,
			  loff_t end)
{
	int error;

	a->syncing = true;
	error = fl_sync(f, file, start, end);
	a->syncing = false;
	a->synced = true;
	spin_lock(&f->lock);
	f->stats.syncs++;
	if (error)
		f->stats.errors++;
	spin_unlock(&f->lock);
	return error;
}

static int fl_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	const struct file_operations *original = fl_original_of(file->f_op);
	struct fl_file *f = fl_find(file);
	struct fl_attempt *a = f ? fl_attempt_of(f) : NULL;
	int error;

	/* fsync(2), msync(2), or the sync that we asked for ourselves. */
	if (!a || a->syncing)
		return original->fsync(file, start, end, datasync);

	switch (f->strategy) {
	case FL_KMOD_SYNC_FAULT:
		return fl_sync_locked(f, a, file, start, end);
	case FL_KMOD_SYNC_RETRY_EXTENT:
		a->pfn = fl_pfn_of(a->vmf);
		if (fl_is_durable(f, a->vmf->pgoff, a->pfn)) {
			fl_count(f, &f->stats.passed_over);
			return 0;
		}
		fallthrough;
	case FL_KMOD_SYNC_RETRY:
	case FL_KMOD_SYNC_RETRY_STRICT:
		if (fl_may_drop_lock(a->vmf) && !a->failed) {
			a->retry = true;
			return -EAGAIN;
		}
		/* Here an error can be told: it ends in SIGBUS, not in another attempt. */
		fl_count(f, &f->stats.not_droppable);
		error = fl_sync_locked(f, a, file, start, end);
		if (!error && a->pfn && f->strategy == FL_KMOD_SYNC_RETRY_EXTENT)
			xa_store(&f->durable, a->vmf->pgoff, xa_mk_value(a->pfn), GFP_NOFS);
		return error;
	case FL_KMOD_SYNC_RETRY_ONCE:
		if (a->again)
			return fl_sync_locked(f, a, file, start, end);
		if (fl_may_drop_lock(a->vmf)) {
			a->retry = true;
			return -EAGAIN;
		}
		fl_count(f, &f->stats.not_droppable);
		return fl_sync_locked(f, a, file, start, end);
	default:
		return fl_sync_locked(f, a, file, start, end);
	}
}

static vm_fault_t fl_sync_and_retry(struct fl_file *f, const struct fl_attempt *a,
				    struct vm_fault *vmf, enum fl_call call)
{
	struct file *file = get_file(vmf->vma->vm_file); /* the mapping may go meanwhile */
	const unsigned long address = vmf->address;
	const pgoff_t pgoff = vmf->pgoff;
	const loff_t start = (loff_t)pgoff << PAGE_SHIFT;
	const bool vma_lock = fl_holds_vma_lock(vmf);
	const u64 now = ktime_get_ns();
	struct fl_retried *r, *fresh;
	int error;

	if (vma_lock)
		fl_drop_vma_lock(vmf->vma);
	else
		mmap_read_unlock(vmf->vma->vm_mm);
	/* vmf->vma is not ours from here on. */

	error = fl_sync(f, file, start, start + PAGE_SIZE - 1);
	if (!error && a->pfn && f->strategy == FL_KMOD_SYNC_RETRY_EXTENT)
		xa_store(&f->durable, pgoff, xa_mk_value(a->pfn), GFP_KERNEL);

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);
	spin_lock(&f->lock);
	f->stats.syncs_dropped++;
	f->stats.retries++;
	if (vma_lock)
		f->stats.vma_locks++;
	else
		f->stats.mmap_locks++;
	if (error)
		f->stats.errors++;
	r = fl_retried_of(f, address);
	if (r)
		fl_time_retry(f, r, now);
	if (!r && fresh) {
		r = fresh;
		fresh = NULL;
		r->pid = current->pid;
		r->task_start = current->start_time;
		r->address = address;
		list_add(&r->node, &f->retried);
	}
	if (r) {
		r->retries++;
		r->since = now;
		r->failed = error;
	}
	spin_unlock(&f->lock);
	kfree(fresh);
	fput(file);
	/* The callers of the mkwrite handlers stop at ERROR or NOPAGE only (mm/memory.c). */
	return call == FL_FAULT || call == FL_HUGE_FAULT ? VM_FAULT_RETRY
							 : VM_FAULT_RETRY | VM_FAULT_NOPAGE;
}

/* The fault has ended, in an error or not. f->lock is held; what is returned is for kfree(). */
static struct fl_retried *fl_end(struct fl_file *f, unsigned long address)
{
	struct fl_retried *r = list_empty(&f->retried) ? NULL : fl_retried_of(f, address);
	const u64 retries = r ? r->retries : 0;

	if (r) {
		list_del(&r->node);
		fl_time_retry(f, r, ktime_get_ns());
	}
	f->stats.faults++;
	f->stats.max_retries = max(f->stats.max_retries, retries);
	f->stats.retries_per_fault[min_t(u64, retries, FL_KMOD_RETRIES - 1)]++;
	return r;
}

vm_fault_t fl_kmod_fault(struct vm_fault *vmf, fl_order_t order, enum fl_call call)
{
	struct file *file = vmf->vma->vm_file;
	const unsigned long address = vmf->address;
	struct fl_file *f;
	struct fl_retried *r = NULL;
	struct fl_attempt a;
	vm_fault_t result;

	if (!(vmf->flags & FAULT_FLAG_WRITE))
		return fl_original(vmf, order, call);
	f = fl_find(file);
	if (!f)
		return fl_original(vmf, order, call);

	a = (struct fl_attempt){.task = current, .vmf = vmf};
	spin_lock(&f->lock);
	f->stats.attempts++;
	if (!list_empty(&f->retried)) {
		r = fl_retried_of(f, address);
		a.again = r;
		a.failed = r && r->failed;
	}
	list_add(&a.node, &f->entered);
	spin_unlock(&f->lock);

	/* The entry went with its block: whatever comes next is another extent. */
	if (f->strategy == FL_KMOD_SYNC_RETRY_EXTENT && fl_entry_lasts() && !fl_pfn_of(vmf) &&
	    xa_load(&f->durable, vmf->pgoff))
		xa_erase(&f->durable, vmf->pgoff);

	if (f->strategy == FL_KMOD_SYNC_RETRY_STRICT) {
		fl_move_mtime(file);
		a.retry = fl_may_drop_lock(vmf) && !a.failed && fl_is_stale(f, file_inode(file));
	}
	result = a.retry ? VM_FAULT_RETRY : fl_original(vmf, order, call);

	/*
	 * Past every lock of the file system: what is left is mmap_lock or the VMA's lock, over
	 * which mainline syncs as well.
	 */
	if (!a.synced && !(result & (VM_FAULT_ERROR | VM_FAULT_RETRY | VM_FAULT_FALLBACK)) &&
	    (f->strategy == FL_KMOD_SYNC_FAULT || fl_is_stale(f, file_inode(file)))) {
		/* A range behind the page, which would be written back and write-protected. */
		if (fl_sync_locked(f, &a, file, LLONG_MAX, LLONG_MAX))
			result = VM_FAULT_SIGBUS;
	}
	r = NULL;
	spin_lock(&f->lock);
	list_del(&a.node);
	if (!a.retry && !(result & (VM_FAULT_RETRY | VM_FAULT_FALLBACK)))
		r = fl_end(f, address);
	spin_unlock(&f->lock);
	if (a.retry)
		return fl_sync_and_retry(f, &a, vmf, call);
	kfree(r);
	return result;
}

static vm_fault_t fl_fault(struct vm_fault *vmf)
{
	return fl_kmod_fault(vmf, 0, FL_FAULT);
}

static vm_fault_t fl_huge_fault(struct vm_fault *vmf, fl_order_t order)
{
	return fl_kmod_fault(vmf, order, FL_HUGE_FAULT);
}

static vm_fault_t fl_page_mkwrite(struct vm_fault *vmf)
{
	return fl_kmod_fault(vmf, 0, FL_PAGE_MKWRITE);
}

static vm_fault_t fl_pfn_mkwrite(struct vm_fault *vmf)
{
	return fl_kmod_fault(vmf, 0, FL_PFN_MKWRITE);
}

/* ---- A file gets and loses its strategy ---- */

static int fl_setattr(FL_IDMAP_PARAMETER struct dentry *dentry, struct iattr *attr)
{
	const struct inode_operations *ops = READ_ONCE(d_inode(dentry)->i_op);
	int index, error = -ETXTBSY;

	index = srcu_read_lock(&fl_setattr_srcu);
	/* The file may have been let go since the caller looked at its operations. */
	if (ops->setattr != fl_setattr)
		error = ops->setattr(FL_IDMAP dentry, attr);
	else if (!(attr->ia_valid & ATTR_SIZE))
		error = ((const struct inode_operations *)fl_original_of(ops))
				->setattr(FL_IDMAP dentry, attr);
	srcu_read_unlock(&fl_setattr_srcu, index);
	return error;
}

static void fl_thaw(struct fl_file *f, struct inode *inode)
{
	if (!f->frozen)
		return;
	inode_lock(inode);
	inode_set_flags(inode, 0, S_NOCMTIME | S_SWAPFILE);
	WRITE_ONCE(inode->i_op, fl_original_of(inode->i_op));
	inode_unlock(inode);
	f->frozen = false;
}

static void fl_forget_retried(struct fl_file *f)
{
	struct fl_retried *r, *next;

	list_for_each_entry_safe (r, next, &f->retried, node)
		kfree(r);
	INIT_LIST_HEAD(&f->retried);
}

static int fl_release(struct inode *inode, struct file *file)
{
	const struct file_operations *original = fl_original_of(file->f_op);
	struct fl_file *f = fl_find(file);
	int error = 0;

	if (f) {
		fl_thaw(f, inode);
		spin_lock(&fl_files_lock);
		hash_del_rcu(&f->node);
		spin_unlock(&fl_files_lock);
		fl_forget_retried(f);
		xa_destroy(&f->durable);
		kfree_rcu(f, rcu);
	}
	if (original->release)
		error = original->release(inode, file);
	/* __fput() puts the owner of the operations that the file has now: us. */
	module_put(original->owner);
	return error;
}

/* The copy of a table; itself if it is one. fl_set_mutex is held. */
static void *fl_copy_of(const void *original, size_t size)
{
	struct fl_table *w;

	list_for_each_entry (w, &fl_tables, node) {
		if (w->original == original || w->ops == original)
			return w->ops;
	}
	w = kzalloc(sizeof(*w) + size, GFP_KERNEL);
	if (!w)
		return NULL;
	w->original = original;
	memcpy(w->ops, original, size);
	list_add(&w->node, &fl_tables);
	return w->ops;
}

static const struct file_operations *fl_wrap_fops(const struct file_operations *original)
{
	struct file_operations *ops = fl_copy_of(original, sizeof(*ops));

	if (ops) {
		ops->owner = THIS_MODULE;
		ops->fsync = fl_fsync;
		ops->release = fl_release;
	}
	return ops;
}

static const struct vm_operations_struct *
fl_wrap_vm_ops(const struct vm_operations_struct *original)
{
	struct vm_operations_struct *ops = fl_copy_of(original, sizeof(*ops));

	if (ops) {
		ops->fault = fl_fault;
		if (original->huge_fault)
			ops->huge_fault = fl_huge_fault;
		if (original->page_mkwrite)
			ops->page_mkwrite = fl_page_mkwrite;
		if (original->pfn_mkwrite)
			ops->pfn_mkwrite = fl_pfn_mkwrite;
	}
	return ops;
}

static const struct inode_operations *fl_wrap_i_ops(const struct inode_operations *original)
{
	struct inode_operations *ops = fl_copy_of(original, sizeof(*ops));

	if (ops)
		ops->setattr = fl_setattr;
	return ops;
}

/*
 * All of the file is allocated. By its number of blocks: SEEK_HOLE takes what is unwritten for a
 * hole, and bmap() too (fs/iomap/fiemap.c).
 */
static int fl_check_no_holes(struct file *file)
{
	const loff_t size = i_size_read(file_inode(file));
	struct kstat stat;
	int error;

	if (!size || !IS_ALIGNED(size, PAGE_SIZE))
		return -ENXIO;
	error = vfs_getattr(&file->f_path, &stat, STATX_BLOCKS, AT_STATX_SYNC_AS_STAT);
	if (error)
		return error;
	return stat.blocks < (u64)size / 512 ? -ENXIO : 0;
}

static int fl_freeze(struct fl_file *f, struct file *file, u32 flags)
{
	struct inode *inode = file_inode(file);
	const unsigned int frozen = S_SWAPFILE | (flags & FL_KMOD_NOCMTIME ? S_NOCMTIME : 0);
	const struct inode_operations *i_ops;
	int error;

	if (IS_SWAPFILE(inode))
		return -EBUSY;
	i_ops = fl_wrap_i_ops(inode->i_op);
	if (!i_ops)
		return -ENOMEM;
	/*
	 * First the flags, then the look at the file. Whatever holds the inode's lock has ended by
	 * then; a fallocate() that has passed the VFS's check and not yet taken that lock has not.
	 */
	inode_lock(inode);
	inode_set_flags(inode, frozen, frozen);
	WRITE_ONCE(inode->i_op, i_ops);
	inode_unlock(inode);
	f->frozen = true;
	error = vfs_fsync(file, 0);
	if (!error)
		error = fl_check_no_holes(file);
	if (error)
		fl_thaw(f, inode);
	return error;
}

/* Returns how many MAP_SYNC mappings the caller has of the file, or an error. */
static int fl_wrap_mappings(struct file *file)
{
	struct mm_struct *mm = current->mm;
	const struct vm_operations_struct *ops;
	struct vm_area_struct *vma;
	unsigned long address = 0;
	int found = 0;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	while ((vma = find_vma(mm, address))) {
		address = vma->vm_end;
		if (vma->vm_file != file || !(vma->vm_flags & VM_SYNC))
			continue;
		if (!vma->vm_ops || !vma->vm_ops->fault) {
			found = -EOPNOTSUPP;
			break;
		}
		ops = fl_wrap_vm_ops(vma->vm_ops);
		if (!ops) {
			found = -ENOMEM;
			break;
		}
		fl_wait_for_faults(vma);
		vma->vm_ops = ops;
		found++;
	}
	mmap_write_unlock(mm);
	return found;
}

/* fl_set_mutex is held. */
static struct fl_file *fl_make(struct file *file)
{
	const struct file_operations *ops = fl_wrap_fops(file->f_op);
	struct fl_file *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!ops || !f) {
		kfree(f);
		return NULL;
	}
	f->file = file;
	spin_lock_init(&f->lock);
	INIT_LIST_HEAD(&f->entered);
	INIT_LIST_HEAD(&f->retried);
	xa_init(&f->durable);
	spin_lock(&fl_files_lock);
	hash_add_rcu(fl_files, &f->node, (unsigned long)file);
	spin_unlock(&fl_files_lock);
	__module_get(THIS_MODULE);
	WRITE_ONCE(file->f_op, ops);
	return f;
}

static int fl_set_file(const struct fl_kmod_set *set, struct file *file)
{
	struct inode *inode = file_inode(file);
	struct fl_file *f;
	int found, error = 0;

	if (!S_ISREG(inode->i_mode) || !IS_DAX(inode) || !file->f_op->fsync ||
	    !(file->f_mode & FMODE_WRITE))
		return -EOPNOTSUPP;
	f = fl_find(file);
	if (f && f->strategy != FL_KMOD_NONE && set->strategy != FL_KMOD_NONE &&
	    (f->strategy != set->strategy || f->flags != set->flags))
		return -EBUSY;
	/* The state comes first: from the moment a mapping is wrapped its file must have one. */
	if (!f)
		f = fl_make(file);
	if (!f)
		return -ENOMEM;
	found = fl_wrap_mappings(file);
	if (found < 0)
		return found;
	if (!found)
		return -ENXIO;
	if (set->strategy == FL_KMOD_DAXFILE && !f->frozen)
		error = fl_freeze(f, file, set->flags);
	else if (set->strategy != FL_KMOD_DAXFILE)
		fl_thaw(f, inode);
	if (error)
		return error;
	WRITE_ONCE(f->flags, set->flags);
	WRITE_ONCE(f->strategy, set->strategy);
	return 0;
}

/* The flags that a strategy knows. */
static u32 fl_flags_of(u32 strategy)
{
	switch (strategy) {
	case FL_KMOD_SYNC_FAULT:
		return FL_KMOD_DATASYNC;
	case FL_KMOD_DAXFILE:
		return FL_KMOD_NOCMTIME;
	default:
		return 0;
	}
}

static long fl_ioctl_set(const void __user *argument)
{
	struct fl_kmod_set set;
	struct file *file;
	long error;

	if (copy_from_user(&set, argument, sizeof(set)))
		return -EFAULT;
	if (set.size != sizeof(set) || set.strategy >= FL_KMOD_STRATEGIES ||
	    (set.flags & ~fl_flags_of(set.strategy)))
		return -EINVAL;
	file = fget(set.fd);
	if (!file)
		return -EBADF;
	mutex_lock(&fl_set_mutex);
	error = fl_set_file(&set, file);
	mutex_unlock(&fl_set_mutex);
	fput(file);
	return error;
}

static long fl_ioctl_stats(void __user *argument)
{
	struct fl_kmod_stats *stats;
	struct fl_retried *r;
	struct fl_file *f;
	struct file *file;
	struct {
		u32 size;
		s32 fd;
	} head;
	long error = 0;

	if (copy_from_user(&head, argument, sizeof(head)))
		return -EFAULT;
	if (head.size != sizeof(*stats))
		return -EINVAL;
	file = fget(head.fd);
	if (!file)
		return -EBADF;
	stats = kzalloc(sizeof(*stats), GFP_KERNEL);
	f = fl_find(file);
	if (!stats) {
		error = -ENOMEM;
	} else if (!f) {
		error = -ENXIO;
	} else {
		spin_lock(&f->lock);
		*stats = f->stats;
		list_for_each_entry (r, &f->retried, node)
			stats->open_retries = max(stats->open_retries, r->retries);
		spin_unlock(&f->lock);
		stats->size = sizeof(*stats);
		stats->fd = head.fd;
		stats->strategy = f->strategy;
		stats->flags = f->flags;
		if (copy_to_user(argument, stats, sizeof(*stats)))
			error = -EFAULT;
	}
	kfree(stats);
	fput(file);
	return error;
}

static long fl_ioctl_reset(unsigned long fd)
{
	struct file *file = fget(fd);
	struct fl_file *f;

	if (!file)
		return -EBADF;
	f = fl_find(file);
	if (f) {
		spin_lock(&f->lock);
		memset(&f->stats, 0, sizeof(f->stats));
		spin_unlock(&f->lock);
	}
	fput(file);
	return f ? 0 : -ENXIO;
}

static long fl_ioctl(struct file *device, unsigned int command, unsigned long argument)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	switch (command) {
	case FL_KMOD_SET:
		return fl_ioctl_set((const void __user *)argument);
	case FL_KMOD_STATS:
		return fl_ioctl_stats((void __user *)argument);
	case FL_KMOD_RESET:
		return fl_ioctl_reset(argument);
	}
	return -ENOTTY;
}

static int fl_open(struct inode *inode, struct file *device)
{
	return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

static const struct file_operations fl_device_fops = {
	.owner = THIS_MODULE,
	.open = fl_open,
	.unlocked_ioctl = fl_ioctl,
};

static struct miscdevice fl_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = FAULTLINE_DEVICE,
	.fops = &fl_device_fops,
	.mode = 0600,
};

static int __init fl_init(void)
{
	return misc_register(&fl_device);
}

static void __exit fl_exit(void)
{
	struct fl_table *w, *next;

	misc_deregister(&fl_device);
	/*
	 * No file has our operations: each held a reference. A setattr may still be under way: the
	 * SRCU waits for those that sleep in the file system, the tasks' RCU for those that stand
	 * at the few instructions before and after.
	 */
	synchronize_srcu(&fl_setattr_srcu);
	synchronize_rcu_tasks();
	list_for_each_entry_safe (w, next, &fl_tables, node)
		kfree(w);
}

module_init(fl_init);
module_exit(fl_exit);
MODULE_DESCRIPTION("Durability strategies for DAX write faults, for measurement");
MODULE_LICENSE("GPL");
MODULE_VERSION(FAULTLINE_VERSION);
