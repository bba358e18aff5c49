/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that the module is built for (5.10 to 7.3). Nothing else in
 * kmod/ looks at the version.
 */
#ifndef FAULTLINE_COMPAT_H
#define FAULTLINE_COMPAT_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/version.h>

/* The size argument of huge_fault: 1d024e7a8dab "mm: remove enum page_entry_size", v6.6. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
typedef unsigned int fl_order_t;
#else
typedef enum page_entry_size fl_order_t;
#endif

/* Faults under the VMA's own lock: v6.4. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0) && defined(CONFIG_PER_VMA_LOCK)
static inline bool fl_holds_vma_lock(const struct vm_fault *vmf)
{
	return vmf->flags & FAULT_FLAG_VMA_LOCK;
}

static inline void fl_drop_vma_lock(struct vm_area_struct *vma)
{
	vma_end_read(vma);
}

static inline void fl_wait_for_faults(struct vm_area_struct *vma)
{
	vma_start_write(vma);
}
#else
static inline bool fl_holds_vma_lock(const struct vm_fault *vmf)
{
	return false;
}

static inline void fl_drop_vma_lock(struct vm_area_struct *vma)
{
}

static inline void fl_wait_for_faults(struct vm_area_struct *vma)
{
}
#endif

/*
 * Whether the DAX core's entry for a page stays until the page's block is freed. Since v6.15
 * dax_break_layout() (fs/dax.c, dax_delete_mapping_range) drops all entries of the file, which XFS
 * calls for every fallocate and truncate.
 */
static inline bool fl_entry_lasts(void)
{
	return LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0);
}

/* i_ctime is behind inode_get_ctime() since v6.6, i_mtime behind inode_get_mtime() since v6.7. */
static inline struct timespec64 fl_ctime(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	return inode_get_ctime(inode);
#else
	return inode->i_ctime;
#endif
}

static inline struct timespec64 fl_mtime(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	return inode_get_mtime(inode);
#else
	return inode->i_mtime;
#endif
}

/* Whose ids a setattr is in: user_namespace since v5.12, mnt_idmap since v6.3. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define FL_IDMAP_PARAMETER struct mnt_idmap *idmap,
#define FL_IDMAP idmap,
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
#define FL_IDMAP_PARAMETER struct user_namespace *idmap,
#define FL_IDMAP idmap,
#else
#define FL_IDMAP_PARAMETER
#define FL_IDMAP
#endif

#endif
