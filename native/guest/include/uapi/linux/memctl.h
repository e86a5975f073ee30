/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * memctl: control the host mapping behind guest physical memory
 *
 * MEMCTL_IOCTL_VMM on /dev/memctl carries one request to the device and brings
 * its answer back in the same 32 bytes. MEMCTL_IOCTL_RANGES does so for many
 * ranges, MEMCTL_IOCTL_PROCESS_RANGES for addresses of a process. Fields have
 * the byte order of the CPU; the driver converts to the device's little-endian
 * layout. All layouts are the same for 32-bit and 64-bit callers. This is
 * protocol, "Linux interface", in C.
 */
#ifndef _UAPI_LINUX_MEMCTL_H
#define _UAPI_LINUX_MEMCTL_H

#ifdef __KERNEL__
#include <linux/ioctl.h>
#include <linux/types.h>
#else
#ifdef __has_include
#if __has_include("linux/types.h") && __has_include("linux/ioctl.h")
#define _MEMCTL_LINUX_TYPES
#endif
#endif
#ifdef _MEMCTL_LINUX_TYPES
#include <linux/ioctl.h>
#include <linux/types.h>
#else /* a C library without the kernel's headers beside it */
#include <stdint.h>
#include <sys/ioctl.h>
typedef int32_t __s32;
typedef uint32_t __u32;
typedef uint64_t __u64;
#endif
#undef _MEMCTL_LINUX_TYPES
#endif

/**
 * struct memctl_vmm_call - a request
 * @func_code: one of the MEMCTL_* function codes, with MEMCTL_LIST for a list
 * @addr: guest physical address, in units of the host's page; or where the list
 *	  is, a multiple of 16
 * @length: bytes, in units of the host's page; or bytes of the list
 * @arg: for MEMCTL_SET_VMA_ANON_NAME a number chosen by the caller (0 clears
 *	 the name); otherwise 0
 */
struct memctl_vmm_call {
	__u64 func_code;
	__u64 addr;
	__u64 length;
	__u64 arg;
};

/**
 * struct memctl_vmm_ret - the answer to every request but MEMCTL_INFO
 * @ret_errno: Linux errno, 0 on success
 * @ret_code: the device's own error code, 0 where @ret_errno is the errno of
 *	      the host's system call
 * @ret_value: for a list the number of its ranges that were carried out in full;
 *	       otherwise reserved
 * @arg0: reserved
 * @arg1: reserved
 */
struct memctl_vmm_ret {
	__u32 ret_errno;
	__u32 ret_code;
	__u64 ret_value;
	__u64 arg0;
	__u64 arg1;
};

/**
 * struct memctl_vmm_info - the answer to MEMCTL_INFO
 * @ret_errno: Linux errno, 0 on success
 * @ret_code: the device's own error code, 0 on success
 * @big_endian: non-zero if the host is big-endian
 * @major_version: protocol version, 1
 * @minor_version: protocol version; from 1 on the device takes lists
 * @page_size: bytes in a page of the host: the unit of @addr and @length
 */
struct memctl_vmm_info {
	__u32 ret_errno;
	__u32 ret_code;
	__u64 big_endian;
	__u32 major_version;
	__u32 minor_version;
	__u64 page_size;
};

/**
 * struct memctl_buf - a request on the way in, its answer on the way out
 * @call: the request
 * @ret: the answer
 * @info: the answer to MEMCTL_INFO
 */
struct memctl_buf {
	union {
		struct memctl_vmm_call call;
		struct memctl_vmm_ret ret;
		struct memctl_vmm_info info;
	};
};

/**
 * struct memctl_range - one range of a list
 * @addr: guest physical address, or address in a process
 * @length: bytes
 */
struct memctl_range {
	__u64 addr;
	__u64 length;
};

/**
 * struct memctl_ranges - one function on many guest physical ranges
 * @size: bytes in this structure
 * @reserved: 0
 * @func_code: one of the MEMCTL_* function codes but MEMCTL_INFO
 * @arg: as for a single request, the same for each range
 * @ranges: address of an array of struct memctl_range; each range is in units of
 *	    the host's page
 * @count: number of them
 * @done: out: how many were carried out in full, in order
 * @ret_errno: out: 0, or the errno of range number @done, which ended the call
 * @ret_code: out: the device's own error code for it
 *
 * With @ret_errno 0 and @done below @count a signal came in between: call again
 * with the rest.
 */
struct memctl_ranges {
	__u32 size;
	__u32 reserved;
	__u64 func_code;
	__u64 arg;
	__u64 ranges;
	__u64 count;
	__u64 done;
	__u32 ret_errno;
	__u32 ret_code;
};

/**
 * struct memctl_process_ranges - one function on memory of a process
 * @size: bytes in this structure
 * @pidfd: the process, -1 for the caller
 * @func_code: one of the MEMCTL_* function codes but MEMCTL_INFO,
 *	       MEMCTL_UNMERGEABLE and MEMCTL_DONTDUMP, which nothing reverts
 * @arg: as for a single request, the same for each range
 * @ranges: address of an array of struct memctl_range; each range is in units of
 *	    the guest's page
 * @count: number of them
 * @done: out: how many were carried out in full, in order
 * @ret_errno: out: 0, or the errno of range number @done, which ended the call
 *	       and may have been carried out in part
 * @ret_code: out: the device's own error code for it, or one of
 *	      MEMCTL_REFUSED_*, for which the driver asked nothing of the device
 *
 * MEMCTL_DONTNEED, MEMCTL_REMOVE, MEMCTL_FREE and MEMCTL_PAGEOUT act on the
 * memory that the process has there now, if it is anonymous and no other
 * process's too, and pass over what has none.
 *
 * MEMCTL_MLOCK, MEMCTL_MPROTECT_NONE, _R and _W and a name other than 0 make the
 * process have private memory there, pin it, and belong to the open file. Its
 * last close reverts them, and so do MEMCTL_MUNLOCK, MEMCTL_MPROTECT_RW and the
 * name 0 through the same file, which act on nothing that it does not hold.
 */
struct memctl_process_ranges {
	__u32 size;
	__s32 pidfd;
	__u64 func_code;
	__u64 arg;
	__u64 ranges;
	__u64 count;
	__u64 done;
	__u32 ret_errno;
	__u32 ret_code;
};

/* Why the driver refused a range of a process: ret_code, with its ret_errno */
#define MEMCTL_REFUSED_RANGE		0x10000	/* EINVAL: unaligned, or no user address */
#define MEMCTL_REFUSED_FILE		0x10001	/* EACCES: of a file, or shared memory */
#define MEMCTL_REFUSED_SHARED		0x10002	/* EBUSY: by fork, or merged with equal pages */
#define MEMCTL_REFUSED_ABSENT		0x10003	/* EFAULT: no memory that may be written */
#define MEMCTL_REFUSED_HELD		0x10004	/* EBUSY: belongs to another open file */
#define MEMCTL_REFUSED_LIMIT		0x10005	/* ENOMEM: past RLIMIT_MEMLOCK */
#define MEMCTL_REFUSED_READERS		0x10006	/* EPERM: the kernel may read it by itself */

/* Function codes, with what the host does to the range */
#define MEMCTL_INFO			0	/* nothing: describe the device */
#define MEMCTL_DONTNEED			1	/* madvise MADV_DONTNEED */
#define MEMCTL_REMOVE			2	/* madvise MADV_REMOVE */
#define MEMCTL_FREE			3	/* madvise MADV_FREE */
#define MEMCTL_PAGEOUT			4	/* madvise MADV_PAGEOUT */
#define MEMCTL_UNMERGEABLE		5	/* madvise MADV_UNMERGEABLE */
#define MEMCTL_DONTDUMP			6	/* madvise MADV_DONTDUMP */
#define MEMCTL_MLOCK			7	/* mlock2 */
#define MEMCTL_MUNLOCK			8	/* munlock */
#define MEMCTL_MPROTECT_NONE		9	/* mprotect PROT_NONE */
#define MEMCTL_MPROTECT_R		10	/* mprotect PROT_READ */
#define MEMCTL_MPROTECT_W		11	/* mprotect PROT_WRITE */
#define MEMCTL_MPROTECT_RW		12	/* mprotect PROT_READ | PROT_WRITE */
#define MEMCTL_SET_VMA_ANON_NAME	13	/* prctl PR_SET_VMA_ANON_NAME */

/* With a function code: it is for each range of a list (protocol 1.1) */
#define MEMCTL_LIST			0x8000000000000000ULL
#define MEMCTL_LIST_RANGES		256	/* at most in one request */

#define MEMCTL_IOCTL_TYPE		0xDA
#define MEMCTL_IOCTL_NR			0x00
#define MEMCTL_IOCTL_RANGES_NR		0x01
#define MEMCTL_IOCTL_PROCESS_RANGES_NR	0x02

/*
 * Returns 0 when the device answered, whatever the answer. Errors: EINVAL for
 * another command, EFAULT for a bad pointer, ENODEV when the device has gone,
 * EIO when it did not answer.
 */
#define MEMCTL_IOCTL_VMM \
	_IOWR(MEMCTL_IOCTL_TYPE, MEMCTL_IOCTL_NR, struct memctl_buf)

/*
 * Return 0 when @done, @ret_errno and @ret_code hold the outcome. Errors: EINVAL
 * for a wrong @size, a reserved field that is not 0, or a function code that it
 * does not take; EFAULT for a bad pointer; ENODEV, EIO as above, and ENOMEM:
 * @done then counts what was carried out before.
 */
#define MEMCTL_IOCTL_RANGES \
	_IOWR(MEMCTL_IOCTL_TYPE, MEMCTL_IOCTL_RANGES_NR, struct memctl_ranges)

/*
 * As MEMCTL_IOCTL_RANGES; besides EOPNOTSUPP for a function that nothing
 * reverts, EBADF for a @pidfd that is none, ESRCH for a process that has ended,
 * EPERM for another process without CAP_SYS_PTRACE, EBUSY where the file holds
 * memory of a different process.
 */
#define MEMCTL_IOCTL_PROCESS_RANGES \
	_IOWR(MEMCTL_IOCTL_TYPE, MEMCTL_IOCTL_PROCESS_RANGES_NR, struct memctl_process_ranges)

#endif /* _UAPI_LINUX_MEMCTL_H */
